"""Cases for programs."""

from __future__ import annotations

from collections.abc import Mapping

from sesn_node.cli.alert_json import erased_json, findings_json
from sesn_node.cli.show import Json, iso
from sesn_node.domain.case import Rule
from sesn_node.domain.case_clock import Clock
from sesn_node.domain.case_terms import Role
from sesn_node.domain.ids import AgencyId, show_message_id
from sesn_node.exchange.casedrafts import CaseDraft, CaseDraftLine
from sesn_node.exchange.casenext import Asked, Choice
from sesn_node.exchange.caseviews import CaseLine, CaseView, StepView
from sesn_node.wire.case_forms import form_to_json
from sesn_node.wire.payloads import payload_to_json


def line_json(
    one: CaseLine, subjects: Mapping[tuple[AgencyId, bytes], str] | None = None
) -> dict[str, Json]:
    """Show a case as one of a list."""
    case = one.case
    found: dict[str, Json] = {
        "case_id": show_message_id(case.case_id),
        "state": case.state.value,
        "requested_by": one.founder,
        "exporter": case.agency_of(Role.EXP),
        "our_roles": [role.value for role in one.ours],
        "ground": case.ground,
        "requested": iso(case.requested_ms),
        "last": iso(one.last_ms),
        **clock_json(one.clock),
        "awaited": list(one.awaited),
    }
    if subjects is not None:
        found["subject"] = subjects.get((one.founder, case.case_id))
    return found


def clock_json(clock: Clock) -> dict[str, Json]:
    """Show how a case stands to its due date."""
    return {
        "clock": clock.state.value,
        "informed": iso(clock.informed_ms),
        "due": iso(clock.due_ms),
        "extensions": clock.extensions,
    }


def view_json(view: CaseView) -> dict[str, Json]:
    """Show a case with all that this node knows of it."""
    case = view.line.case
    return {
        **line_json(view.line),
        "subject": view.subject or None,
        "since": iso(case.line.since_ms),
        "regime": case.regime,
        "days": case.days,
        "findings": findings_json([view.days]),
        "met": iso(case.line.met_ms),
        "facility": case.facility,
        "members": [
            {
                "agency": one.agency,
                "roles": [role.value for role in one.roles],
                "name": one.name or None,
                "country": one.country or None,
                "time_zone": one.time_zone or None,
            }
            for one in view.members
        ],
        "steps": [_step_json(one) for one in view.steps],
        "incidents": [
            {
                "step": one.step_id.hex(),
                "by": one.by,
                "kind": one.code,
                "resolved": one.step_id in case.resolved,
            }
            for one in sorted(case.incidents, key=lambda one: one.step_id)
        ],
        "asked": [_asked_json(one) for one in view.asked],
        "next": {
            "who": list(view.next.who),
            "until": iso(view.next.due_ms),
            "steps": [_rule_json(rule) for rule in view.next.moves],
        },
        "possible": [_choice_json(one) for one in view.possible],
        "missed_by": list(view.missed),
        "missed_before": [
            {"due": iso(one.due_ms), "by": list(one.by)} for one in view.missed_before
        ],
        "notices": [{"code": code, "due": iso(due_ms)} for code, due_ms in view.notices],
    }


def draft_line_json(one: CaseDraftLine) -> dict[str, Json]:
    """Show a draft as one of a list."""
    return {
        "draft_id": show_message_id(one.draft_id),
        "written": iso(one.written_ms),
        "waits": one.waits,
    }


def draft_json(draft: CaseDraft) -> dict[str, Json]:
    """Show a draft; `request` is what 'case open' reads."""
    return {
        **draft_line_json(draft.line),
        "request": dict(form_to_json(draft.form)),
        "lacking": list(draft.form.lacking()),
    }


def _step_json(one: StepView) -> dict[str, Json]:
    step, mark = one.step, one.step.mark
    payload = one.content.payload
    return {
        "step": step.step_id.hex(),
        "message_id": show_message_id(step.message_id),
        "time": iso(step.created_ms),
        "from": step.sender,
        "to": sorted(step.recipients),
        "action": mark.action.value,
        "role": mark.role.value,
        "code": mark.code or None,
        "about": mark.about.hex() or None,
        "after": [parent.hex() for parent in mark.after],
        "members": [
            {"agency": member.agency, "roles": [role.value for role in member.roles]}
            for member in mark.members
        ],
        "facility": mark.facility,
        "at": iso(mark.at_ms or None),
        "standing": one.standing.value,
        "why": one.why or None,
        "carrier": one.carrier,
        "problem": one.content.problem or None,
        "erased": None if one.erased is None else erased_json(one.erased),
        "payload": None if payload is None else dict(payload_to_json(payload)),
        "people": [
            {
                "act": who.act.value,
                "operator": who.operator,
                "role": who.role.value,
                "time": iso(who.at_ms),
            }
            for who in one.endorsed
        ],
        "people_problem": one.doubt or None,
    }


def _asked_json(one: Asked) -> dict[str, Json]:
    return {
        "step": one.step_id.hex(),
        "action": one.action.value,
        "by": one.by,
        "of": list(one.of),
        "due": iso(one.due_ms),
    }


def _rule_json(rule: Rule) -> dict[str, Json]:
    return {
        "action": rule.action.value,
        "needs": list(rule.needs),
        "codes": [] if rule.codes is None else [code.value for code in rule.codes],
        "two_people": rule.two_people,
        "when": rule.when or None,
        "basel": rule.basel or None,
        "eu": rule.eu or None,
    }


def _choice_json(one: Choice) -> dict[str, Json]:
    return {
        **_rule_json(one.rule),
        "role": one.role.value,
        "about": one.about.hex() or None,
    }
