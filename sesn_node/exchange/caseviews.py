"""Views of cases: how each stands, who is waited for, what is possible, and what its steps say.

How a case stands follows from its steps alone, so lists need no key; what steps say is opened for
whoever looks at one case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.case_clock import ClockState, awaited, clock_of, missed_before, missed_by
from sesn_node.domain.case_history import Standing, derive
from sesn_node.domain.case_policy import check_days
from sesn_node.domain.case_terms import Ground, Role, Step
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.errors import PolicyError, SesnError
from sesn_node.exchange.casecontent import contents_of
from sesn_node.exchange.casenext import asked_in, next_of, possible_for
from sesn_node.exchange.casesteps import UNKNOWN_CASE, find_history, founders_of, steps_of
from sesn_node.trust.people import verify_endorsements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.case_clock import Clock, MissedDate
    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.findings import Finding
    from sesn_node.exchange.casecontent import StepContent
    from sesn_node.exchange.casenext import Asked, Choice, Next
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.viewing import Shown
    from sesn_node.store.cases import CaseStepRow
    from sesn_node.store.engine import Transaction
    from sesn_node.store.erasures import ErasureRow
    from sesn_node.trust.directory import Directory
    from sesn_node.trust.people import Endorsed


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of a case.

    Args:
        agency: Who.
        roles: What it is in the case.
        name: Its name, by its card; empty if no card of it is held here.
        country: Likewise.
        time_zone: Where its people work, by its card: a name of the IANA database, or empty.
    """

    agency: AgencyId
    roles: tuple[Role, ...]
    name: str = ""
    country: str = ""
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a case.

    Args:
        step: What it does.
        standing: What became of it.
        why: Why it is not allowed, if it is not.
        content: What it says; the code of the reason if that cannot be read.
        endorsed: Who wrote and approved it, verified.
        doubt: Code of the reason why its endorsements do not hold; else empty.
        carrier: Who handed it to us in a case file; None: it came from its sender, or is ours.
        erased: When and why what it says was erased here, if it was.
    """

    step: Step
    standing: Standing
    why: str
    content: StepContent
    endorsed: tuple[Endorsed, ...] = ()
    doubt: str = ""
    carrier: AgencyId | None = None
    erased: ErasureRow | None = None


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case as one of a list.

    Args:
        case: The case.
        clock: How it stands to its due date.
        awaited: Whose step it waits for.
        ours: What we are in it.
        founder: Who requested the return.
        last_ms: When its newest step was written, Unix milliseconds.
    """

    case: Case
    clock: Clock
    awaited: tuple[AgencyId, ...]
    ours: tuple[Role, ...]
    founder: AgencyId
    last_ms: int


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case with all that this node knows of it.

    Args:
        line: As in a list.
        members: Who takes part, by agency.
        steps: By their dates, each after what it builds on; those that wait come last.
        next: What it waits for.
        missed: Whom it waited for when its due date passed.
        missed_before: Due dates that passed before a later one was agreed on.
        asked: What waits for answers.
        possible: What we could do now.
        notices: What our ledger says of its due dates: (code, due date).
        days: How the days that the request names fit our own settings.
        shown: Messages whose content is shown, with our entries of them.
    """

    line: CaseLine
    members: tuple[MemberView, ...]
    steps: tuple[StepView, ...]
    next: Next
    missed: tuple[AgencyId, ...]
    missed_before: tuple[MissedDate, ...]
    asked: tuple[Asked, ...]
    possible: tuple[Choice, ...]
    notices: tuple[tuple[str, int], ...]
    days: Finding
    shown: frozenset[Shown]

    @property
    def subject(self) -> str:
        """What it is about, as the request says; empty if that cannot be read."""
        for one in self.steps:
            details = one.content.details
            if one.step.step_id == self.line.case.line.steps[0] and details is not None:
                return details.subject
        return ""


def case_lines(
    transaction: Transaction, us: AgencyId, now_ms: int, warn_days: int
) -> tuple[CaseLine, ...]:
    """List all cases whose request is here, the one that went on last first. No key is needed.

    Args:
        transaction: A snapshot.
        us: Our agency.
        now_ms: The time.
        warn_days: From how many days before the due date on it is near.
    """
    found = []
    for case_id in transaction.cases.ids():
        steps = steps_of(transaction, case_id)
        for founder in founders_of(steps):
            history = derive(steps, founder)
            if history.case is not None:
                found.append(_line(history, history.case, us, now_ms, warn_days))
    return tuple(found)


def case_subjects(office: Office, lines: Iterable[CaseLine]) -> dict[tuple[AgencyId, bytes], str]:
    """Return what cases are about, by founder and id; of those whose request cannot be read, not.

    Args:
        office: Ours, whose keys open the requests.
        lines: The cases.
    """
    found: dict[tuple[AgencyId, bytes], str] = {}
    with office.store.read() as transaction:
        for one in lines:
            content = contents_of(office, transaction, one.case.case_id)[one.case.line.steps[0]]
            if content.details is not None:
                found[one.founder, one.case.case_id] = content.details.subject
    return found


def view_case(office: Office, case_id: MessageId, founder: AgencyId | None = None) -> CaseView:
    """Show one case with what its steps say.

    Args:
        office: Ours.
        case_id: Id of the message that requested the return.
        founder: Who sent that, to choose when two agencies used one id.

    Raises:
        PolicyError: `UNKNOWN_CASE`: there is no such case, or its request does not hold.
        ConflictError: Two agencies used the same id, and none is named.
    """
    with office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
        case = history.case
        if case is None:
            raise PolicyError("the request of this case does not hold", code=UNKNOWN_CASE)
        line = _line(history, case, office.agency, office.clock(), office.cases.warn_days)
        directory = office.partners.current(transaction)
        rows = {row.step_id: row for row in transaction.cases.steps(case_id)}
        contents = contents_of(office, transaction, case_id)
        steps = tuple(
            _step(transaction, directory, history, one, rows[one.step_id], contents[one.step_id])
            for one in in_order(history)
        )
        noticed = transaction.cases.noticed(case_id, line.founder)
        shown = {
            _shown(transaction, office.agency, rows[one.step.step_id])
            for one in steps
            if one.content.payload is not None
        }
    return CaseView(
        line=line,
        members=tuple(_member(directory, one.agency, one.roles) for one in case.members),
        steps=steps,
        next=next_of(case, line.clock),
        missed=missed_by(history) if _is_late(line.clock) else (),
        missed_before=missed_before(history),
        asked=asked_in(history, case),
        possible=possible_for(office.agency, case),
        notices=tuple(sorted(noticed, key=lambda one: (one[1], one[0]))),
        days=check_days(office.cases, case.regime, Ground(case.ground), case.days),
        shown=frozenset(one for one in shown if one is not None),
    )


def in_order(history: History) -> tuple[Step, ...]:
    """Return the steps of a case by their dates, those that wait for others last.

    Each comes after what it builds on: a clock that is wrong puts no step before one that it
    names.
    """
    at_ms: dict[bytes, int] = {}
    for one in history.steps:
        before = [at_ms[parent] for parent in one.mark.after if parent in at_ms]
        at_ms[one.step_id] = max([one.created_ms, *before])
    waits = {step_id for step_id, one in history.standing.items() if one is Standing.WAITING}
    # Of the same date, those of the history come as they stand there.
    return tuple(sorted(history.steps, key=lambda one: (one.step_id in waits, at_ms[one.step_id])))


def _line(history: History, case: Case, us: AgencyId, now_ms: int, warn_days: int) -> CaseLine:
    return CaseLine(
        case=case,
        clock=clock_of(case, now_ms, warn_days),
        awaited=awaited(case),
        ours=case.roles_of(us),
        founder=case.agency_of(Role.DET),
        last_ms=max(one.created_ms for one in history.steps),
    )


def _step(  # noqa: PLR0913, PLR0917 - where each part of a step is kept
    transaction: Transaction,
    directory: Directory,
    history: History,
    step: Step,
    row: CaseStepRow,
    content: StepContent,
) -> StepView:
    endorsed, doubt = _endorsed(directory, step, content)
    erased = None
    if content.payload is None:
        sender, message_id = row.held_in
        erased = transaction.erasures.find(AgencyId(sender), MessageId(message_id))
    return StepView(
        step=step,
        standing=history.standing[step.step_id],
        why=history.why.get(step.step_id, ""),
        content=content,
        endorsed=endorsed,
        doubt=doubt,
        carrier=None if row.carrier is None else AgencyId(row.carrier),
        erased=erased,
    )


def _endorsed(
    directory: Directory, step: Step, content: StepContent
) -> tuple[tuple[Endorsed, ...], str]:
    """Verify who stands behind a step, by the card of its sender that is held here."""
    card = directory.card_of(step.sender)
    if content.payload is None or not content.payload.endorsements:
        return (), ""
    if card is None:
        return (), "NO_CARD"
    try:
        to = sorted(step.recipients)
        return verify_endorsements(card, content.payload, to=to, in_reply_to=None), ""
    except SesnError as error:
        return (), error.code


def _member(directory: Directory, agency: AgencyId, roles: tuple[Role, ...]) -> MemberView:
    card = directory.card_of(agency)
    if card is None:
        return MemberView(agency, roles)
    body = card.card
    return MemberView(agency, roles, body.name, body.country, body.contact.time_zone)


def _shown(transaction: Transaction, us: AgencyId, row: CaseStepRow) -> Shown | None:
    """Name the message that holds what a step says, and our SHARED or RECEIVED entry of it."""
    sender, raw = row.held_in
    message_id = MessageId(raw)
    if sender == us:
        sent = transaction.outbox.message(message_id)
        return None if sent is None else (message_id, sent.sealed.entry_index)
    for received in transaction.inbox.find(message_id):
        if received.sender == sender:
            return message_id, received.sealed.entry_index
    return None


def _is_late(clock: Clock) -> bool:
    return clock.state in {ClockState.OVERDUE, ClockState.MET_LATE}
