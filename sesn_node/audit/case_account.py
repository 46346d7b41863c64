"""The account of a return-to-origin case: who did what when, and who met or missed the due date."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.domain.ids import show_message_id

if TYPE_CHECKING:
    from sesn_node.audit.verdict import Json
    from sesn_node.domain.case_clock import ClockState, MissedDate
    from sesn_node.domain.case_history import Standing
    from sesn_node.domain.case_terms import Member, State, Step
    from sesn_node.domain.ids import AgencyId, MessageId


class Shown(StrEnum):
    """How the bundles show when the authority of export was informed."""

    LEDGER = "LEDGER"
    """By its own ledger."""
    RECEIPT = "RECEIPT"
    """By its receipt, which the authority of detection keeps."""
    WORD = "WORD"
    """Only by the step of the authority of detection, which members checked as it came."""
    NOT_YET = "NOT_YET"
    """No step says it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a step, or a notice, stands: whose ledger, and when by that agency's clock."""

    agency: AgencyId
    time_ms: int
    origin: str
    index: int
    filed: bool = False

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "agency": self.agency,
            "time_ms": self.time_ms,
            "origin": self.origin,
            "index": self.index,
            "filed": self.filed,
        }


@dataclass(frozen=True, slots=True)
class StepAccount:
    """A step.

    Args:
        step: What it does.
        standing: What became of it.
        why: Why it is not allowed; empty otherwise.
        recorded: In which ledgers of the bundles it stands.
    """

    step: Step
    standing: Standing
    why: str
    recorded: tuple[Recorded, ...]

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        step, mark = self.step, self.step.mark
        return {
            "id": step.step_id.hex(),
            "message": show_message_id(step.message_id),
            "created_ms": step.created_ms,
            "sender": step.sender,
            "role": mark.role.value,
            "action": mark.action.value,
            "code": mark.code,
            "about": mark.about.hex(),
            "after": [one.hex() for one in mark.after],
            "at_ms": mark.at_ms or None,
            "facility": mark.facility,
            "standing": self.standing.value,
            "why": self.why,
            "recorded": [one.json() for one in self.recorded],
        }


@dataclass(frozen=True, slots=True)
class NoticeAccount:
    """That an agency's ledger says that the due date is near (DUE_SOON), or has passed."""

    code: str
    recorded: Recorded

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {"code": self.code, "recorded": self.recorded.json()}


@dataclass(frozen=True, slots=True)
class View:
    """A case as one bundle alone makes it.

    Args:
        agency: Whose bundle.
        state: The state; None if it lacks the request.
        missing: Ids of the steps that it lacks and others show.
    """

    agency: AgencyId
    state: State | None
    missing: tuple[bytes, ...]

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "agency": self.agency,
            "state": None if self.state is None else self.state.value,
            "missing": [one.hex() for one in self.missing],
        }


@dataclass(frozen=True, slots=True)
class LaterDate:
    """A later due date that one party proposed, and whether the other agreed."""

    by: AgencyId
    due_ms: int
    agreed: bool

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {"by": self.by, "due_ms": self.due_ms, "agreed": self.agreed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The clock of a case as it stood when the newest bundle was made.

    Args:
        as_of_ms: That moment.
        clock: How it stood.
        informed_ms: t0; None: not stated yet.
        shown: What shows it.
        first_due_ms: The last moment of the due date without extensions; None without t0.
        due_ms: Likewise, with those that both agreed on.
        later: Later dates that were proposed, by date.
        met_ms: When the waste was back, or treated instead; None if it was not.
        days_late: Days begun after the due date; 0 in time; None without a due date.
        missed_by: Whom the case waited for as its due date passed.
        missed_before: Due dates that passed before a later one was agreed on.
    """

    as_of_ms: int
    clock: ClockState
    informed_ms: int | None
    shown: Shown
    first_due_ms: int | None
    due_ms: int | None
    later: tuple[LaterDate, ...]
    met_ms: int | None
    days_late: int | None
    missed_by: tuple[AgencyId, ...]
    missed_before: tuple[MissedDate, ...]

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "as_of_ms": self.as_of_ms,
            "clock": self.clock.value,
            "informed_ms": self.informed_ms,
            "informed_shown_by": self.shown.value,
            "first_due_ms": self.first_due_ms,
            "due_ms": self.due_ms,
            "later": [one.json() for one in self.later],
            "met_ms": self.met_ms,
            "days_late": self.days_late,
            "missed_by": list(self.missed_by),
            "missed_before": [
                {"due_ms": one.due_ms, "by": list(one.by)} for one in self.missed_before
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAccount:
    """A case as the steps of all bundles together make it.

    Args:
        case_id: Id of the message that requested the return.
        founder: Who requested it; None if no bundle has the request.
        members: Who takes part, and as what.
        state: How far it is; None without its request.
        ground: Why the waste has to go back.
        regime: The rules that the clock follows.
        days: How many days those give.
        deadline: The clock; None without its request.
        awaited: Whose step it waits for.
        incidents: What went wrong and was not resolved: words.
        steps: In an order in which each comes after what it builds on.
        notices: Reminders that ledgers record, by date.
        views: The case by each bundle alone.
    """

    case_id: MessageId
    founder: AgencyId | None
    members: tuple[Member, ...] = ()
    state: State | None = None
    ground: str = ""
    regime: str = ""
    days: int = 0
    deadline: Deadline | None = None
    awaited: tuple[AgencyId, ...] = ()
    incidents: tuple[str, ...] = ()
    steps: tuple[StepAccount, ...]
    notices: tuple[NoticeAccount, ...]
    views: tuple[View, ...]

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "id": show_message_id(self.case_id),
            "founder": self.founder,
            "members": [
                {"agency": one.agency, "roles": [role.value for role in one.roles]}
                for one in self.members
            ],
            "state": None if self.state is None else self.state.value,
            "ground": self.ground,
            "regime": self.regime,
            "days": self.days,
            "deadline": None if self.deadline is None else self.deadline.json(),
            "awaited": list(self.awaited),
            "incidents": list(self.incidents),
            "steps": [one.json() for one in self.steps],
            "notices": [one.json() for one in self.notices],
            "views": [one.json() for one in self.views],
        }
