"""Steps of return-to-origin cases that verified, and what else of cases a bundle shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_history import Standing, derive
from sesn_node.domain.case_terms import Action, Role

if TYPE_CHECKING:
    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.ids import AgencyId, MessageId, Origin

MAX_STEPS_OF_ONE: Final = 300
"""Steps of one agency in one case: no node takes more."""
MAX_STEPS: Final = 1_000
"""Steps from which a case is derived; the effort grows with their square."""
MAX_FOUNDERS: Final = 8
"""Agencies that used one id for requests of theirs, each of which makes a case."""


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step that a bundle shows: sealed by its sender, and committed to by an entry.

    Args:
        place: Place of its record in the member.
        step: What it does.
        salt: What the ledger commits to its mark under.
        mark: Its mark, serialised.
        commitment: Of its whole content, from its header.
        origin: The ledger with its CASE entry.
        index: Index of that entry.
        recorded_ms: When that was appended, by its owner's clock.
        filed: Whether another member handed it over.
    """

    place: int
    step: Step
    salt: bytes
    mark: bytes
    commitment: bytes
    origin: Origin
    index: int
    recorded_ms: int
    filed: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """An entry that says that a due date is near, or has passed.

    Args:
        case_id: Id of the message that requested the return.
        request: SHA-256 of its header.
        agency: Whose ledger says it.
        code: `DUE_SOON` or `OVERDUE`.
        time_ms: When, by that agency's clock.
        origin: The ledger.
        index: Index of the entry.
    """

    case_id: MessageId
    request: bytes
    agency: AgencyId
    code: str
    time_ms: int
    origin: Origin
    index: int


@dataclass(frozen=True, slots=True)
class Informed:
    """When somebody received a request, as a RECEIVED entry of that agency says.

    Args:
        case_id: Id of the request.
        request: SHA-256 of its header.
        agency: Who received it.
        time_ms: When, by its clock.
        by_receipt: Whether the entry came as a receipt; else its own ledger is here.
    """

    case_id: MessageId
    request: bytes
    agency: AgencyId
    time_ms: int
    by_receipt: bool


class CaseBook:
    """What one bundle shows of cases; memory grows with their steps."""

    __slots__ = ("_by_case", "_by_message", "_informed", "_notices", "steps")

    def __init__(self) -> None:
        self.steps: dict[bytes, ShownStep] = {}
        """By id."""
        self._by_case: dict[MessageId, list[ShownStep]] = {}
        self._by_message: dict[tuple[AgencyId, MessageId], ShownStep] = {}
        self._notices: dict[MessageId, list[Notice]] = {}
        self._informed: dict[MessageId, set[Informed]] = {}

    def add(self, shown: ShownStep) -> None:
        """Take a step that is not here yet."""
        step = shown.step
        self.steps[step.step_id] = shown
        self._by_case.setdefault(step.case_id, []).append(shown)
        self._by_message[step.sender, step.message_id] = shown

    def note(self, notice: Notice) -> None:
        """Take a reminder."""
        self._notices.setdefault(notice.case_id, []).append(notice)

    def receive(self, informed: Informed) -> None:
        """Take word of when a request was received."""
        self._informed.setdefault(informed.case_id, set()).add(informed)

    @property
    def case_ids(self) -> set[MessageId]:
        """Ids of the cases of which there is a step."""
        return set(self._by_case)

    def of(self, case_id: MessageId) -> list[ShownStep]:
        """Return the steps of a case, in the order of the ledger."""
        return self._by_case.get(case_id, [])

    def at(self, sender: AgencyId, message_id: MessageId) -> ShownStep | None:
        """Return the step that a message is; None if it is none that is here."""
        return self._by_message.get((sender, message_id))

    def notices(self, case_id: MessageId) -> list[Notice]:
        """Return what the ledger says of the due dates of a case."""
        return self._notices.get(case_id, [])

    def informed(self, case_id: MessageId) -> set[Informed]:
        """Return when somebody received the request of a case."""
        return self._informed.get(case_id, set())


def founders_of(steps: Iterable[Step]) -> list[AgencyId]:
    """Return who requested a return under one id: two agencies may have used it, for two cases."""
    return sorted({one.sender for one in steps if one.mark.action is Action.REQUEST})


def histories_of(steps: Iterable[Step]) -> dict[AgencyId | None, History]:
    """Derive the cases that steps of one id make, by who requested the return.

    Without a request there is one, of nobody, all of whose steps wait. Too many steps, or requests
    of too many agencies, make none.
    """
    found = {one.step_id: one for one in steps}
    founders: list[AgencyId | None] = list(founders_of(found.values()))
    if len(found) > MAX_STEPS or len(founders) > MAX_FOUNDERS:
        return {}
    return {founder: derive(found.values(), founder) for founder in founders or [None]}


def inform_steps(history: History) -> Iterator[Step]:
    """Yield the steps that state when the authority of export was informed, and count."""
    for step in history.steps:
        if step.mark.action is Action.INFORM and history.standing[step.step_id] is Standing.COUNTS:
            yield step


def informed_of(history: History, books: Iterable[CaseBook]) -> list[Informed]:
    """Return the entries of the authority of export that say when it received the request."""
    case = history.case
    if case is None:
        return []
    asked = case.line.steps[0], case.agency_of(Role.EXP)
    found = {one for book in books for one in book.informed(case.case_id)}
    return sorted(
        (one for one in found if (one.request, one.agency) == asked),
        key=lambda one: (one.time_ms, one.by_receipt),
    )
