"""Caseload: the cases of an agency at a glance, without their content and without a key."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sesn_node.domain.case_clock import ClockState, awaited, clock_of
from sesn_node.domain.case_history import derive
from sesn_node.domain.counting import word_for
from sesn_node.domain.ids import MessageId
from sesn_node.exchange.casedesk import CaseDesk, KnownCase
from sesn_node.exchange.casesteps import founders_of, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_terms import State
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.casedesk import CaseKey
    from sesn_node.store.engine import Transaction


def read_cases(desk: CaseDesk, transaction: Transaction) -> dict[CaseKey, KnownCase]:
    """Return all cases whose request is here; only those are read that got a step since.

    Args:
        desk: What this process remembers.
        transaction: A snapshot; if it is older than one before, it changes nothing.
    """
    with desk.lock:
        _read(desk, transaction, transaction.cases.changed(desk.newest))
        # Steps that came back after an export was replayed stand where they stood before.
        recovered = bool(transaction.recovery.every())
        if recovered and sum(desk.steps.values()) < transaction.cases.count_all():
            _read(desk, transaction, transaction.cases.changed(-1))
        return {key: one for found in desk.known.values() for key, one in found.items()}


def _read(desk: CaseDesk, transaction: Transaction, changed: Mapping[bytes, int]) -> None:
    for one, newest in changed.items():
        case_id = MessageId(one)
        steps = steps_of(transaction, case_id)
        desk.steps[case_id] = len(steps)
        desk.known[case_id] = {
            (case_id, founder): _known(derive(steps, founder), newest)
            for founder in founders_of(steps)
        }
        desk.newest = max(desk.newest, newest)


def _known(history: History, newest: int) -> KnownCase:
    case = history.case
    if case is None:
        return KnownCase(None, newest)
    members = {agency for agency, _ in case.roles}
    gaps = any(members - {one.sender, *one.recipients} for one in history.steps)
    return KnownCase(case, newest, gaps=gaps)


@dataclass(frozen=True, slots=True)
class Caseload:
    """How many cases are open here, and how they stand.

    Args:
        states: Open cases that this agency takes part in, by state.
        due_soon: Of those, how many are due within the days of the settings.
        overdue: How many are overdue.
        awaiting_us: How many wait for a step of ours.
    """

    states: Mapping[State, int] = field(default_factory=dict)
    due_soon: int = 0
    overdue: int = 0
    awaiting_us: int = 0

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(self.states.values())

    @property
    def text(self) -> str:
        """The same in words."""
        waits = word_for(self.awaiting_us, "waits", "wait")
        return (
            f"{self.open:,} open, {self.due_soon:,} due soon, {self.overdue:,} overdue; "
            f"{self.awaiting_us:,} {waits} for us"
        )


def caseload(cases: Iterable[KnownCase], agency: AgencyId, now_ms: int, warn_days: int) -> Caseload:
    """Count the open cases that an agency takes part in.

    Args:
        cases: All that are known here.
        agency: Who we are.
        now_ms: The time, Unix milliseconds.
        warn_days: From how many days before the due date on a case is near it.
    """
    found = [one.case for one in cases if one.case is not None and one.case.state.is_open]
    ours = [case for case in found if case.roles_of(agency)]
    clocks = Counter(clock_of(case, now_ms, warn_days).state for case in ours)
    return Caseload(
        states=Counter(case.state for case in ours),
        due_soon=clocks[ClockState.WARNING],
        overdue=clocks[ClockState.OVERDUE],
        awaiting_us=sum(agency in awaited(case) for case in ours),
    )


def caseload_of(
    transaction: Transaction, agency: AgencyId, now_ms: int, warn_days: int
) -> Caseload:
    """Count as `caseload`, for a process that looks once: every case is read."""
    return caseload(read_cases(CaseDesk(), transaction).values(), agency, now_ms, warn_days)
