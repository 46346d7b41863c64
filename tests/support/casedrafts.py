"""Steps of cases written by hand, and sent by a node that skips its own check."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.case_clock import last_moment
from sesn_node.domain.case_history import parents
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.case_terms import Action, Mark, Member, Role, State
from sesn_node.domain.payload import Payload
from sesn_node.exchange import share as sharing
from sesn_node.exchange.casework import last_delivery
from sesn_node.exchange.share import Draft
from tests.support.casestages import FR
from tests.support.casework import MARKS, Casework, details_for
from tests.support.homes import DE, GH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.case_state import Case
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.markings import Markings
    from sesn_node.exchange.office import Office

_CODES = {
    Action.REQUEST: "DUMPING",
    Action.DISPUTE: "NOT_WASTE",
    Action.SETTLE: "RESUME",
    Action.ARRIVE: "INTACT",
    Action.REJECT: "DAMAGED",
    Action.WITHDRAW: "MISTAKE",
    Action.INCIDENT: "DELAY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A step, written without asking anybody whether it is allowed.

    Args:
        action: What it does.
        role: As what; None: as the first that its author is.
        to: To whom; None: to all other members.
        details: What it says; None: enough.
        markings: How it is handled.
        marks: Parts of its mark that are not as they would be.
    """

    action: Action
    role: Role | None = None
    to: tuple[AgencyId, ...] | None = None
    details: Details | None = None
    markings: Markings = MARKS
    marks: dict[str, Any] = field(default_factory=dict)


def written(
    work: Casework,
    agency: AgencyId,
    case_id: MessageId,
    wanted: ByHand,
    office: Office | None = None,
) -> Draft:
    """Write a step in a case, as good as it can be in every respect that is not given.

    Args:
        work: The offices.
        agency: Whose view of the case it builds on.
        case_id: The case.
        wanted: What is given.
        office: Who sends it; None: that agency.
    """
    history = work.history(agency, case_id)
    case = history.case
    assert case is not None
    now_ms = work.net[agency].now_ms()
    marks: dict[str, Any] = {
        "action": wanted.action,
        "role": wanted.role or case.roles_of(agency)[0],
        "after": parents(history),
        "code": _CODES.get(wanted.action, ""),
    }
    marks |= _about(case, wanted.action, now_ms) | wanted.marks
    others = tuple(one.agency for one in case.members if one.agency != agency)
    to = others if wanted.to is None else wanted.to
    details = wanted.details or details_for(wanted.action, now_ms)
    office = office or work.net[agency].office
    return Draft(
        payload=Payload(wanted.markings, CaseStep(Mark(**marks), random_bytes(32), details)),
        to=to,
        conversation_id=case_id,
        expires_ms=last_delivery(office, to),
    )


@contextmanager
def unruly() -> Iterator[None]:
    """Let nodes send steps that their cases do not allow."""
    with (
        patch.object(sharing, "check_own", lambda *_: None),
        patch.object(sharing, "check_step_alone", lambda *_: None),
    ):
        yield


def unchecked(work: Casework, agency: AgencyId, draft: Draft) -> MessageId:
    """Send a step from a node that does not ask whether it is allowed; two people sign it."""
    with unruly():
        return work.send(agency, draft)


def _about(case: Case, action: Action, now_ms: int) -> dict[str, Any]:
    """Return what the step is about, as far as there is something."""
    request, proposal = case.line.steps[0], case.line.proposal
    exporter = (Member(GH, (Role.EXP,)),)
    proposed = {"about": request if proposal is None else proposal.step_id}
    facility = {"facility": DE if case.state is State.REJECTED and case.facility == FR else FR}
    known: dict[Action, dict[str, Any]] = {
        Action.REQUEST: {"after": (), "members": case.members, "regime": "basel", "days": 30},
        Action.INFORM: {
            "about": request,
            "members": exporter,
            "at_ms": case.informed_ms or now_ms,
        },
        Action.AGREE: proposed,
        Action.DECLINE: proposed,
        Action.RESOLVE: {"about": request},
        Action.EXTEND: {"at_ms": last_moment(now_ms, 60)},
        Action.INVITE: {"members": (Member(GH, (Role.TRN,)),)},
        Action.PROPOSE: facility,
        Action.DOCUMENT: facility,
    }
    return known.get(action, {})
