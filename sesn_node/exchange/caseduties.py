"""What a node does about cases by itself, so that all members see the same case and the same clock.

It proves when the authority of export was informed, hands steps to members that did not get them,
and records that a due date is near or has passed.

Nothing of it is decided by a timer alone: what is left to do follows from the tables, so a crash
between any two steps costs nothing, and of two processes that begin the same one finds it done.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_clock import ClockState, clock_of, due_of
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_messages import MAX_FILED, CaseFile, Details
from sesn_node.domain.case_terms import Action, Member, Role
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.forward import MAX_FORWARD_BYTES, Original
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.errors import ConflictError, SesnError
from sesn_node.exchange.about import about_message
from sesn_node.exchange.casecontent import markings_of, originals_of
from sesn_node.exchange.casesteps import CASE_MOVED, find_history, founders_of, steps_of
from sesn_node.exchange.casework import Move, last_delivery, take_step
from sesn_node.exchange.informed import find_informed
from sesn_node.exchange.share import Draft, share
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.case_terms import Step
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction

_log = get_logger(__name__)

_ROOM: Final = 16 * 1024
_ENDED: Final = frozenset({DeliveryState.REFUSED, DeliveryState.EXPIRED, DeliveryState.DEAD})


@dataclass(slots=True)
class CaseDuties:
    """What was done.

    Args:
        informed: Cases in which all were shown when the exporter's authority was informed.
        filed: Case files that were sent.
        noticed: Due dates that the ledger says are near, or have passed.
        failed: Steps that failed, and are tried again.
    """

    informed: int = 0
    filed: int = 0
    noticed: int = 0
    failed: int = 0


def do_case_duties(office: Office) -> CaseDuties:
    """Do all that is due now in all cases; what fails is logged, and left for the next time.

    Raises:
        StorageError: The database cannot be read.
    """
    done = CaseDuties()
    with office.store.read() as transaction:
        cases = [
            (MessageId(case_id), founder)
            for case_id in transaction.cases.ids()
            for founder in founders_of(steps_of(transaction, case_id))
        ]
    for case_id, founder in cases:
        try:
            _do_case(office, case_id, founder, done)
        except SesnError as error:
            done.failed += 1
            _log.warning(
                "case-duty-failed",
                case_id=show_message_id(case_id),
                code=error.code,
                detail=str(error),
            )
    return done


def _do_case(office: Office, case_id: MessageId, founder: AgencyId, done: CaseDuties) -> None:
    with office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
        case = history.case
        if case is None or not case.roles_of(office.agency):
            return
        proof = None
        ours = founder == office.agency and case.informed_ms is None and case.state.is_open
        if ours:
            proof = find_informed(transaction, case)
        noticed = transaction.cases.noticed(case_id, founder)
    if proof is not None:
        informed, at_ms = proof
        member = Member(case.agency_of(Role.EXP), (Role.EXP,))
        move = Move(
            action=Action.INFORM,
            members=(member,),
            due_ms=at_ms,
            details=Details(informed=informed),
        )
        try:
            take_step(office, case_id, move, founder)
            done.informed += 1
        except ConflictError as error:
            if error.code != CASE_MOVED:
                raise
    done.filed += _hand_over(office, case_id, founder)
    notice = _notice(office, case)
    if notice is not None and notice not in noticed:
        record = partial(_record_notice, case=case, founder=founder, notice=notice)
        if office.sequencer.run(record, writes=True).value:
            done.noticed += 1
            _log.warning(
                "case-overdue" if notice[0] == CaseCode.OVERDUE else "case-due-soon",
                case_id=show_message_id(case_id),
                due_ms=notice[1],
            )


def _notice(office: Office, case: Case) -> tuple[str, int] | None:
    """Return what the ledger has to say of a due date now, and the date."""
    due_ms = due_of(case)
    state = clock_of(case, office.clock(), office.cases.warn_days).state
    if due_ms is None or state not in {ClockState.WARNING, ClockState.OVERDUE}:
        return None
    code = CaseCode.OVERDUE if state is ClockState.OVERDUE else CaseCode.DUE_SOON
    return code.value, due_ms


def _record_notice(work: Work, *, case: Case, founder: AgencyId, notice: tuple[str, int]) -> bool:
    """Record that a due date is near, or has passed; once for each date."""
    cases = work.transaction.cases
    if notice in cases.noticed(case.case_id, founder):
        return False
    number = _number_of(work.transaction, case, founder)
    if number is None:
        return False
    entry = work.append(about_message(work, EntryKind.CASE, number, notice[0]))
    cases.add_notice(case.case_id, founder, *notice, work.number(entry))
    return True


def _number_of(transaction: Transaction, case: Case, founder: AgencyId) -> int | None:
    """Return our SHARED or RECEIVED entry of the request; None if it came in a case file."""
    sent = transaction.outbox.message(case.case_id)
    if sent is not None and sent.sealed.header_sha256 == case.line.steps[0]:
        return sent.sealed.entry_index
    found = transaction.inbox.seen(founder, [case.case_id]).get(case.case_id)
    return None if found is None else found.entry_index


def _hand_over(office: Office, case_id: MessageId, founder: AgencyId) -> int:
    """Send case files to members that lack steps; return how many."""
    with office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
        lacking = _lacking(office, transaction, history)
        if not lacking:
            return 0
        originals = originals_of(office, transaction, case_id)
        markings = markings_of(office, transaction, history)
    count = 0
    for agency, wanted in lacking.items():
        readable = [(one, originals[one.step_id]) for one in wanted if one.step_id in originals]
        for part in _parts(readable):
            body = CaseFile(tuple(original for _, original in part))
            draft = Draft(
                payload=Payload(markings, body),
                to=(agency,),
                conversation_id=case_id,
                expires_ms=last_delivery(office, office.directory(), (agency,)),
                by_node=True,
            )
            step_ids = [step.step_id for step, _ in part]
            try:
                share(office, draft, beside=partial(_note_filed, agency=agency, step_ids=step_ids))
            except ConflictError:
                continue
            count += 1
            _log.info(
                "case-filed", case_id=show_message_id(case_id), peer=agency, steps=len(step_ids)
            )
    return count


def _note_filed(work: Work, *, agency: AgencyId, step_ids: list[bytes]) -> None:
    cases = work.transaction.cases
    if cases.filed(step_ids) & {(agency, one) for one in step_ids}:
        raise ConflictError("another process has handed it over", code="FILED")
    cases.add_filed(agency, step_ids)


def _lacking(
    office: Office, transaction: Transaction, history: History
) -> dict[AgencyId, list[Step]]:
    """Return which steps we have to hand to whom.

    To members whom we brought in: what was not addressed to them. And to anybody: steps of our own
    that did not reach a member.
    """
    case = history.case
    if case is None:
        return {}
    steps = [
        step
        for step in history.steps
        if history.standing[step.step_id] in {Standing.COUNTS, Standing.SUPERSEDED}
    ]
    done = transaction.cases.filed([step.step_id for step in steps])
    ours = {agency for agency, by in _brought_by(steps).items() if by == office.agency}
    found: dict[AgencyId, list[Step]] = {}
    for member in case.members:
        agency = member.agency
        if agency == office.agency:
            continue
        lacks = [
            step
            for step in steps
            if (agency, step.step_id) not in done
            and step.sender != agency
            and (
                (agency in ours and agency not in step.recipients)
                or _failed(office, transaction, step, agency)
            )
        ]
        if lacks:
            found[agency] = lacks
    return found


def _brought_by(steps: list[Step]) -> dict[AgencyId, AgencyId]:
    """Return who brought in each member that was not there from the beginning."""
    first = {steps[0].sender, *steps[0].recipients} if steps else set()
    found: dict[AgencyId, AgencyId] = {}
    for step in steps:
        joined = {one.agency for one in step.mark.members}
        if step.mark.facility is not None:
            joined.add(step.mark.facility)
        for agency in joined - first:
            found.setdefault(agency, step.sender)
    return found


def _failed(office: Office, transaction: Transaction, step: Step, agency: AgencyId) -> bool:
    """Tell whether a step of ours was addressed to a member, and will not reach it."""
    if step.sender != office.agency or agency not in step.recipients:
        return False
    copy = transaction.outbox.copy(step.message_id, agency)
    return copy is not None and copy.state in _ENDED


def _parts(
    found: list[tuple[Step, Original]],
) -> Iterator[list[tuple[Step, Original]]]:
    """Split steps so that each part fits into one message."""
    part: list[tuple[Step, Original]] = []
    size = 0
    for step, original in found:
        if part and (size + original.size > MAX_FORWARD_BYTES - _ROOM or len(part) == MAX_FILED):
            yield part
            part, size = [], 0
        part.append((step, original))
        size += original.size
    if part:
        yield part
