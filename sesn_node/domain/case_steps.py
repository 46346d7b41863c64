"""What a step makes of a case: who may take it, and where the case is then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case import Rule, rules_of
from sesn_node.domain.case_state import Case, Extension, Incident, Line, Proposal, Vote
from sesn_node.domain.case_terms import (
    MAX_JOINING,
    Action,
    DisputeReason,
    Role,
    SealCheck,
    Settlement,
    State,
)
from sesn_node.domain.times import MINUTE_MS
from sesn_node.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.case_terms import Mark, Step
    from sesn_node.domain.ids import AgencyId


MAX_SKEW_MS: Final = 15 * MINUTE_MS
"""How far the clocks of two nodes may be apart."""


def apply(case: Case | None, step: Step) -> Case:
    """Return the case after a step.

    Args:
        case: The case that its sender saw; None for REQUEST.
        step: The step.

    Raises:
        PolicyError: Its sender may not take it there.
    """
    if case is None:
        return _requested(step)
    rule = find_rule(case, step)
    _check_beside(case, step)
    line = case.line if step.mark.action.is_fact else advance(case, step, rule)
    found = replace(with_facts(case, [step]), line=line)
    if not needed_by(case, step.sender) <= step.recipients:
        raise PolicyError("a step of a case goes to DET, EXP and whoever has taken a step")
    # Not by `members`, which is made anew each time: a party can invite thousands.
    if not step.recipients <= {agency for agency, _ in found.roles} - {step.sender}:
        raise PolicyError("a step of a case goes to its members, and to nobody else")
    return found


def needed_by(case: Case, sender: AgencyId) -> frozenset[AgencyId]:
    """Return whom a step has to be addressed to.

    Not every member: somebody whom its sender does not trust, or who does not exist, must not bring
    the case to a stand. Who is left out gets the step from whoever brought it in.
    """
    parties = {case.agency_of(Role.DET), case.agency_of(Role.EXP)}
    return frozenset(parties | case.acted) - {sender}


def find_rule(case: Case, step: Step) -> Rule:
    """Return the row of the table that allows a step, by state, role, and what was proposed.

    Raises:
        PolicyError: There is none.
    """
    mark, state = step.mark, case.state
    if (step.sender, mark.role) not in case.roles:
        raise PolicyError(f"{step.sender} is not {mark.role} in this case")
    rows = [rule for rule in rules_of(mark.action) if state in rule.source]
    if mark.action.is_vote:
        rows = [rule for rule in rows if _is_asked(case, step, rule)]
    if not rows:
        raise PolicyError(f"{mark.action} is not possible in state {state}")
    rows = [rule for rule in rows if mark.role in rule.by]
    if not rows:
        raise PolicyError(f"{mark.role} cannot {mark.action} in state {state}")
    return rows[0]


def advance(case: Case, step: Step, rule: Rule) -> Line:
    """Return the line of a case after a step that changes its state."""
    mark, line = step.mark, case.line
    state = rule.target or case.state
    proposal = None
    asked = frozenset(one for one, _ in case.roles | step.mark.roles) - {step.sender}
    other = frozenset({_other_party(case, step.sender)})
    if mark.action is Action.PROPOSE:
        agreed = State.ALTERNATIVE_AGREED
        proposal = Proposal(
            step.step_id, step.sender, asked, agreed, case.state, facility=mark.facility
        )
    elif mark.action is Action.SETTLE:
        resume = mark.code == Settlement.RESUME
        target = State.ACKNOWLEDGED if resume else State.CONSIGNEE_TREATMENT
        proposal = Proposal(step.step_id, step.sender, other, target, State.DISPUTED)
    elif mark.action is Action.DISPUTE and mark.code == DisputeReason.CONSIGNEE_AT_FAULT:
        target = State.CONSIGNEE_TREATMENT
        proposal = Proposal(step.step_id, step.sender, other, target, State.DISPUTED)
    met = mark.action in {Action.ARRIVE, Action.TREAT} and line.met_ms is None
    # Nobody can date a step before what it builds on.
    at_ms = max(step.created_ms, line.since_ms)
    return Line(
        steps=(*line.steps, step.step_id),
        state=state,
        since_ms=at_ms,
        proposal=proposal,
        facility=mark.facility if mark.action is Action.DOCUMENT else case.facility,
        met_ms=at_ms if met else line.met_ms,
    )


def with_facts(case: Case, steps: Iterable[Step]) -> Case:
    """Return a case with what steps say beside the line; their order does not matter."""
    roles, votes, informed = set(case.roles), set(case.votes), {case.informed_ms}
    extensions, incidents, resolved = set(case.extensions), set(case.incidents), set(case.resolved)
    acted = set(case.acted)
    for step in steps:
        mark = step.mark
        acted.add(step.sender)
        roles |= mark.roles
        if mark.action.is_vote:
            votes.add(Vote(mark.about, step.sender, mark.action is Action.AGREE))
        elif mark.action is Action.INFORM:
            informed.add(mark.at_ms)
        elif mark.action is Action.EXTEND:
            asked = _other_party(case, step.sender)
            extensions.add(Extension(step.step_id, step.sender, asked, mark.at_ms))
        elif mark.action is Action.RESOLVE:
            resolved.add(mark.about)
        elif mark.action is Action.INCIDENT or _seal_broken(mark):
            incidents.add(Incident(step.step_id, step.sender, mark.code))
    return replace(
        case,
        roles=frozenset(roles),
        acted=frozenset(acted),
        votes=frozenset(votes),
        informed_ms=min((one for one in informed if one is not None), default=None),
        extensions=frozenset(extensions),
        incidents=frozenset(incidents),
        resolved=frozenset(resolved),
    )


def _seal_broken(mark: Mark) -> bool:
    return mark.action is Action.ARRIVE and mark.code != SealCheck.INTACT


def _requested(step: Step) -> Case:
    """Begin a case."""
    mark = step.mark
    roles = mark.roles
    if mark.action is not Action.REQUEST or step.message_id != step.case_id:
        raise PolicyError("a case begins with REQUEST, whose message gives it its id")
    _check_code(rules_of(Action.REQUEST)[0], mark.code)
    exporters = [agency for agency, role in roles if role is Role.EXP]
    detectors = [agency for agency, role in roles if role is Role.DET]
    if detectors != [step.sender] or len(exporters) != 1 or exporters == detectors:
        raise PolicyError("a request has one DET, its sender, and one EXP, somebody else")
    if mark.role is not Role.DET or mark.facility or mark.about or mark.at_ms:
        raise PolicyError("a request is made by DET, and is about nothing else")
    if step.recipients != frozenset(one.agency for one in mark.members) - {step.sender}:
        raise PolicyError("a request goes to every member, and to nobody else")
    return Case(
        case_id=step.case_id,
        ground=mark.code,
        regime=mark.regime,
        days=mark.days,
        requested_ms=step.created_ms,
        line=Line((step.step_id,), State.REQUESTED, step.created_ms),
        roles=roles,
        named=roles,
        acted=frozenset({step.sender}),
    )


def _check_beside(case: Case, step: Step) -> None:
    """Check what of a step the row of the table says nothing about.

    Raises:
        PolicyError: Something is missing, or does not belong there.
    """
    mark = step.mark
    rule = rules_of(mark.action)[0]
    _check_code(rule, mark.code)
    about = mark.action.is_vote or mark.action in {Action.RESOLVE, Action.INFORM}
    dated = mark.action in {Action.INFORM, Action.EXTEND}
    joins = mark.action in {Action.INVITE, Action.INFORM}
    given = (bool(mark.about), bool(mark.at_ms), bool(mark.members), mark.facility is not None)
    if given != (about, dated, joins, rule.facility):
        raise PolicyError(f"{mark.action} does not say what it has to, or says more")
    if mark.action is Action.INVITE:
        _check_invited(case, step)
    if mark.action is Action.INFORM:
        _check_informed(case, step)
    if mark.action is Action.EXTEND and {one.step_id for one in case.extensions} & {
        *case.proposed_by(step.sender)
    }:
        raise PolicyError("a later date that it proposed is not answered yet")
    if mark.action is Action.RESOLVE:
        _check_resolved(case, step)
    if mark.role is Role.FAC and not mark.action.is_fact:
        _check_facility(case, step)
    again = mark.action is Action.DOCUMENT and case.state is State.REJECTED
    if again and mark.facility == case.facility:
        raise PolicyError("this facility has rejected it; another one has to be named")


def _check_code(rule: Rule, code: str) -> None:
    words = [] if rule.codes is None else [one.value for one in rule.codes]
    if (code not in words) if words else code:
        raise PolicyError(
            f"{rule.action} needs {'one of ' + ', '.join(words) if words else 'no word'}"
        )


def _check_invited(case: Case, step: Step) -> None:
    asked = step.mark.roles
    if not {role for _, role in asked} <= {Role.TRN, Role.FAC} or asked & case.roles:
        raise PolicyError("others join as TRN or FAC, and as what they are not yet")
    if len(step.mark.members) > MAX_JOINING:
        raise PolicyError(f"at most {MAX_JOINING} agencies join by one step")


def _check_facility(case: Case, step: Step) -> None:
    if case.speaks_for_facility(step.sender):
        return
    if case.state is State.CONSIGNEE_TREATMENT:
        raise PolicyError("here only DET certifies, or a FAC that its request named")
    raise PolicyError(f"the facility is in the country of {case.facility}")


def _check_informed(case: Case, step: Step) -> None:
    mark = step.mark
    if case.informed_ms is not None:
        raise PolicyError("it is proven already when the authority of export was informed")
    if mark.roles != {(case.agency_of(Role.EXP), Role.EXP)} or mark.about != case.line.steps[0]:
        raise PolicyError("INFORM is about the authority of export, and about the request")
    if mark.at_ms > step.created_ms + MAX_SKEW_MS:
        raise PolicyError("nobody can be informed after it was proven: one of the clocks is wrong")


def _check_resolved(case: Case, step: Step) -> None:
    found = [one for one in case.open_incidents if one.step_id == step.mark.about]
    if not found:
        raise PolicyError("there is no such open incident")
    if step.mark.role is not Role.DET and found[0].by != step.sender:
        raise PolicyError("an incident is resolved by who told of it, or by DET")


def _is_asked(case: Case, step: Step, rule: Rule) -> bool:
    """Tell whether a vote is on what a row speaks of, and was asked of its sender."""
    about = step.mark.about
    open_to = case.asked_of(step.sender)
    if step.mark.action is Action.DECLINE:
        # Whoever proposed something can take it back.
        open_to += case.proposed_by(step.sender)
    if about not in open_to:
        return False
    proposal = case.line.proposal
    if proposal is None or about != proposal.step_id:
        return rule.target is None and rule.source[0] is not State.ALTERNATIVE_PROPOSED
    return answers_proposal(case, rule)


def answers_proposal(case: Case, rule: Rule) -> bool:
    """Tell whether a row for a vote is that of what the head of the line proposes."""
    proposal = case.line.proposal
    if proposal is None:
        return False
    if rule.action is Action.DECLINE:
        return rule.source == (case.line.state,)
    return rule.target is proposal.target


def _other_party(case: Case, agency: AgencyId) -> AgencyId:
    """Return EXP for DET, and DET for EXP."""
    detector = case.agency_of(Role.DET)
    return case.agency_of(Role.EXP) if agency == detector else detector
