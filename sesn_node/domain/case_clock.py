"""The clock of a case: when the waste must be back, who is waited for, and who missed it.

The period is counted in calendar days in UTC: the day of the event does not count, and the period
ends with the last hour of its last day, as in Regulation (EEC, Euratom) 1182/71 Art. 3(1) and (2).
It begins when the node of the authority of export received the request (t0), whether anybody there
acknowledges it or not. Weekends and holidays move nothing here: parties who count them extend.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_history import derive
from sesn_node.domain.case_terms import Action, Role, State
from sesn_node.domain.checks import MAX_TIME_MS
from sesn_node.domain.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.ids import AgencyId


class ClockState(StrEnum):
    """How a case stands to its due date."""

    NOT_STARTED = "NOT_STARTED"
    """Nobody has proven yet that the authority of export was informed."""
    RUNNING = "RUNNING"
    WARNING = "WARNING"
    """The due date is near."""
    OVERDUE = "OVERDUE"
    MET = "MET"
    """The waste was back, or treated instead, in time."""
    MET_LATE = "MET_LATE"
    STOPPED = "STOPPED"
    """The request was withdrawn before."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a case at some moment.

    Args:
        state: How it stands.
        informed_ms: t0, Unix milliseconds; None: not proven yet.
        due_ms: The last moment of the due date, with extensions; None without t0.
        extensions: How often both sides agreed on a later date.
    """

    state: ClockState
    informed_ms: int | None
    due_ms: int | None
    extensions: int


def last_moment(from_ms: int, days: int) -> int:
    """Return the last millisecond of a period of days after an event, by dates in UTC.

    Nothing lies after the year 9999: what an agency claims must not stop those who count by it.
    """
    # Unix time has no leap seconds: each day in UTC has as many milliseconds.
    return min((from_ms // DAY_MS + days + 1) * DAY_MS - 1, MAX_TIME_MS)


def end_of_day(at_ms: int) -> int:
    """Return the last millisecond of the day, in UTC, that holds a moment."""
    return last_moment(at_ms, 0)


def clock_of(case: Case, now_ms: int, warn_days: int) -> Clock:
    """Return how a case stands to its due date.

    Args:
        case: The case.
        now_ms: The moment, Unix milliseconds.
        warn_days: From how many days before the due date on it is near.
    """
    due_ms = due_of(case)
    agreed = sum(case.agreed(one) for one in case.extensions)
    return Clock(_state(case, due_ms, now_ms, warn_days), case.informed_ms, due_ms, agreed)


def due_of(case: Case) -> int | None:
    """Return the last moment of the due date; None if t0 is not proven yet.

    An extension never makes it earlier: so the order of several does not matter.
    """
    if case.informed_ms is None:
        return None
    agreed = [one.due_ms for one in case.extensions if case.agreed(one)]
    return max(last_moment(case.informed_ms, case.days), *agreed, 0)


def awaited(case: Case) -> tuple[AgencyId, ...]:
    """Return whose step the case waits for, by agency id; nobody if it has ended."""
    proposal = case.line.proposal
    if proposal is not None and case.state in _VOTED:
        return tuple(
            one for one in sorted(proposal.asked) if proposal.step_id in case.asked_of(one)
        )
    role = ROLE_AWAITED.get(case.state)
    if role is None:
        return ()
    if role is Role.FAC:
        # Without a facility yet, whoever has to name one is waited for.
        return (case.facility or case.agency_of(Role.DET),)
    return (case.agency_of(role),)


def missed_by(history: History) -> tuple[AgencyId, ...]:
    """Return whom the case waited for as its due date passed; nobody if it was met.

    By the dates that the steps bear. An extension that was agreed on afterwards moves the date.
    """
    case = history.case
    due_ms = None if case is None else due_of(case)
    if case is None or due_ms is None:
        return ()
    met_ms = case.line.met_ms
    if met_ms is not None and met_ms <= due_ms:
        return ()
    then = state_at(history.steps, due_ms, case.agency_of(Role.DET))
    return () if then is None else awaited(then)


@dataclass(frozen=True, slots=True)
class MissedDate:
    """A due date that had passed before both sides agreed on a later one.

    Args:
        due_ms: Its last moment, Unix milliseconds.
        by: Whom the case waited for then.
    """

    due_ms: int
    by: tuple[AgencyId, ...]


def missed_before(history: History) -> tuple[MissedDate, ...]:
    """Return the due dates that passed, with the waste not back, before a later one was agreed on.

    By the dates that the steps bear. An extension forgives nothing: it says when, and not whose
    turn it was.
    """
    case = history.case
    due_ms = None if case is None else due_of(case)
    if case is None or case.informed_ms is None or due_ms is None:
        return ()
    agreed = [one.due_ms for one in case.extensions if case.agreed(one)]
    dates = {last_moment(case.informed_ms, case.days), *agreed}
    found = []
    for date_ms in sorted(one for one in dates if one < due_ms):
        then = state_at(history.steps, date_ms, case.agency_of(Role.DET))
        if then is None or then.line.met_ms is not None or not then.state.is_open:
            continue
        if due_of(replace(then, informed_ms=case.informed_ms)) == date_ms:
            found.append(MissedDate(date_ms, awaited(then)))
    return tuple(found)


def state_at(steps: Iterable[Step], at_ms: int, founder: AgencyId) -> Case | None:
    """Return a case as its steps up to a moment make it, by the dates that they bear."""
    return derive((one for one in steps if one.created_ms <= at_ms), founder).case


def _state(case: Case, due_ms: int | None, now_ms: int, warn_days: int) -> ClockState:
    met_ms = case.line.met_ms
    if case.state is State.WITHDRAWN and met_ms is None:
        return ClockState.STOPPED
    if due_ms is None:
        return ClockState.NOT_STARTED
    if met_ms is not None:
        return ClockState.MET if met_ms <= due_ms else ClockState.MET_LATE
    if now_ms > due_ms:
        return ClockState.OVERDUE
    return ClockState.WARNING if now_ms > due_ms - warn_days * DAY_MS else ClockState.RUNNING


_VOTED: Final = frozenset({State.ALTERNATIVE_PROPOSED, State.SETTLEMENT_PROPOSED})

ROLE_AWAITED: Final = {
    State.REQUESTED: Role.EXP,
    State.ACKNOWLEDGED: Role.EXP,
    State.INFO_REQUESTED: Role.DET,
    State.ACCEPTED: Role.EXP,
    State.DISPUTED: Role.DET,
    State.CONSIGNEE_TREATMENT: Role.DET,
    State.ALTERNATIVE_AGREED: Role.FAC,
    State.DOCUMENTED: Role.DET,
    State.SHIPPED: Role.EXP,
    State.ARRIVED: Role.FAC,
    State.RECEIVED: Role.FAC,
    State.REJECTED: Role.EXP,
    State.TREATED: Role.DET,
}
"""Who has the next step, by state: what the table expects, not all that it allows."""

EXPECTED: Final = {
    State.REQUESTED: (Action.ACKNOWLEDGE,),
    State.ACKNOWLEDGED: (Action.ACCEPT, Action.DISPUTE, Action.ASK),
    State.INFO_REQUESTED: (Action.ANSWER,),
    State.ACCEPTED: (Action.DOCUMENT,),
    State.DISPUTED: (Action.AGREE, Action.SETTLE, Action.WITHDRAW),
    State.SETTLEMENT_PROPOSED: (Action.AGREE, Action.DECLINE),
    State.CONSIGNEE_TREATMENT: (Action.TREAT,),
    State.ALTERNATIVE_PROPOSED: (Action.AGREE, Action.DECLINE),
    State.ALTERNATIVE_AGREED: (Action.TREAT,),
    State.DOCUMENTED: (Action.SHIP,),
    State.SHIPPED: (Action.ARRIVE,),
    State.ARRIVED: (Action.RECEIVE, Action.REJECT),
    State.RECEIVED: (Action.TREAT,),
    State.REJECTED: (Action.DOCUMENT, Action.PROPOSE),
    State.TREATED: (Action.CLOSE,),
}
"""What is expected next, by state."""
