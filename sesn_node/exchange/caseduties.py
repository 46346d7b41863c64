"""What a node does about cases by itself, so that all members see the same case and the same clock.

It proves when the authority of export was informed, hands steps to members that did not get them,
and records that a due date is near or has passed.

Nothing of it is decided by a timer alone: what is left to do follows from the tables, so a crash
between any two steps costs nothing, and of two processes that begin the same one finds it done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_messages import Details
from sesn_node.domain.case_reminders import next_reminder_ms
from sesn_node.domain.case_terms import Action, Member, Role
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import HOUR_MS, MINUTE_MS
from sesn_node.errors import ConflictError, SesnError
from sesn_node.exchange.casecontent import markings_of, originals_of
from sesn_node.exchange.casedesk import Look, Seen
from sesn_node.exchange.casefiles import case_file, parts_of
from sesn_node.exchange.caseload import read_cases
from sesn_node.exchange.casereminders import begin_reminders, end_reminder
from sesn_node.exchange.casesteps import CASE_MOVED, find_history
from sesn_node.exchange.casework import Move, can_be_sent_to, take_step
from sesn_node.exchange.informed import find_informed
from sesn_node.exchange.share import share
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_messages import Informed
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.forward import Original
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.markings import Markings
    from sesn_node.exchange.casedesk import CaseKey
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Committed, Work
    from sesn_node.store.engine import Transaction

_log = get_logger(__name__)

_RETRY_MS: Final = MINUTE_MS
"""What failed is tried again after so long, then after twice that, and so on."""
_RETRY_CAP_MS: Final = HOUR_MS
_DOUBLINGS: Final = 10
_FILED: Final = "FILED"


@dataclass(slots=True)
class CaseDuties:
    """What was done.

    Args:
        looked: Cases that were looked at closely, since something may have been due.
        informed: Cases in which all were shown when the exporter's authority was informed.
        filed: Case files that were sent.
        noticed: Due dates that the ledger says are near, or have passed.
        reminded: How often the log said so.
        failed: Cases in which a step failed, and is tried again.
    """

    looked: int = 0
    informed: int = 0
    filed: int = 0
    noticed: int = 0
    reminded: int = 0
    failed: int = 0


def do_case_duties(office: Office) -> CaseDuties:
    """Do all that is due now in all cases; what fails is logged, and left for a later time.

    Only cases in which something may be due are looked at: those that got a step, or of which a
    step will not arrive, or whose time has come since this process looked last; all, if trust in
    partners has changed.

    Raises:
        StorageError: The database cannot be read.
    """
    done = CaseDuties()
    looks = office.case_desk.looks
    due = _due(office)
    reminders = begin_reminders(office, [(one.case, one.key[1]) for one in due])
    for one, told in zip(due, reminders, strict=True):
        done.looked += 1
        try:
            _do_case(office, one, told, done)
            again_ms = next_reminder_ms(one.case, one.look.at_ms, office.cases.remind_days)
            looks[one.key] = replace(one.look, again_ms=again_ms)
        except SesnError as error:
            wait_ms = min(_RETRY_MS << min(one.failures, _DOUBLINGS), _RETRY_CAP_MS)
            looks[one.key] = replace(
                one.look, again_ms=one.look.at_ms + wait_ms, failures=one.failures + 1
            )
            done.failed += 1
            _log.warning(
                "case-duty-failed",
                case_id=show_message_id(one.key[0]),
                code=error.code,
                detail=str(error),
            )
    return done


@dataclass(frozen=True, slots=True)
class _Due:
    """A case in which something may be due.

    Args:
        key: Which.
        case: The case.
        look: What was seen of it now.
        moved: Whether more than time has passed since it was looked at.
        gaps: Whether some step was not addressed to some member.
        failures: How often in a row it failed.
    """

    key: CaseKey
    case: Case
    look: Look
    moved: bool
    gaps: bool
    failures: int


def _due(office: Office) -> list[_Due]:
    """Return the cases in which something may be due."""
    now_ms = office.clock()
    found = []
    with office.store.read() as transaction:
        cases = read_cases(office.case_desk, transaction)
        lost = transaction.cases.undelivered(office.agency)
        version = office.partners.current(transaction).version
        for key, known in cases.items():
            last = office.case_desk.looks.get(key)
            seen = Seen(known.newest, frozenset(lost.get(key[0], ())), version)
            moved = last is None or last.moved(seen, now_ms)
            # Nothing else is asked of a case that rests: there may be thousands.
            if last is not None and not moved and not last.is_due(now_ms):
                continue
            case = known.case
            if case is None or not case.roles_of(office.agency):
                continue
            to_inform = _is_to_inform(office, case, key[1])
            if (
                last is not None
                and not moved
                and last.waits_for_receipt
                and not last.is_time(now_ms)
                and find_informed(transaction, case) is None
            ):
                continue
            look = Look(seen, now_ms, None, waits_for_receipt=to_inform)
            found.append(_Due(key, case, look, moved, known.gaps, last.failures if last else 0))
    return found


def _is_to_inform(office: Office, case: Case, founder: AgencyId) -> bool:
    return founder == office.agency and case.informed_ms is None and case.state.is_open


def _do_case(
    office: Office, one: _Due, told: Future[Committed[bool | None]] | None, done: CaseDuties
) -> None:
    case = one.case
    if one.look.waits_for_receipt:
        with office.store.read() as transaction:
            proof = find_informed(transaction, case)
        if proof is not None:
            done.informed += _inform(office, case, one.key[1], proof)
    noticed = None if told is None else end_reminder(office, case, told)
    if noticed is not None:
        done.reminded += 1
        done.noticed += noticed
    # Where all steps were addressed to all, and arrive, nobody lacks any.
    if one.moved and (one.gaps or one.look.seen.undelivered):
        _hand_over(office, one, done)


def _inform(office: Office, case: Case, founder: AgencyId, proof: tuple[Informed, int]) -> bool:
    """Show all members when the exporter's authority was informed."""
    informed, at_ms = proof
    move = Move(
        action=Action.INFORM,
        members=(Member(case.agency_of(Role.EXP), (Role.EXP,)),),
        due_ms=at_ms,
        details=Details(informed=informed),
    )
    try:
        take_step(office, case.case_id, move, founder)
    except ConflictError as error:
        if error.code != CASE_MOVED:
            raise
        return False
    return True


def _hand_over(office: Office, one: _Due, done: CaseDuties) -> None:
    """Send case files to members that lack steps.

    Raises:
        SesnError: One of them cannot be sent to; the others were.
    """
    case_id, founder = one.key
    with office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
        lacking = _lacking(office, transaction, history, one.look.seen.undelivered)
        if not lacking:
            return
        originals = originals_of(office, transaction, case_id)
        markings = markings_of(office, transaction, history)
    failed: SesnError | None = None
    for agency, wanted in lacking.items():
        readable = [(step, originals[step.step_id]) for step in wanted if step.step_id in originals]
        try:
            for part in parts_of(readable):
                done.filed += _send_file(office, case_id, agency, markings, part)
        except SesnError as error:
            failed = error
    if failed is not None:
        raise failed


def _send_file(
    office: Office,
    case_id: MessageId,
    agency: AgencyId,
    markings: Markings,
    part: list[tuple[Step, Original]],
) -> bool:
    """Send one case file; False if another process has sent it."""
    draft = replace(case_file(office, case_id, agency, markings, part), by_node=True)
    step_ids = [step.step_id for step, _ in part]
    try:
        share(office, draft, beside=partial(_note_filed, agency=agency, step_ids=step_ids))
    except ConflictError as error:
        if error.code != _FILED:
            raise
        return False
    _log.info("case-filed", case_id=show_message_id(case_id), peer=agency, steps=len(step_ids))
    return True


def _note_filed(work: Work, *, agency: AgencyId, step_ids: list[bytes]) -> None:
    cases = work.transaction.cases
    if cases.filed(step_ids) & {(agency, one) for one in step_ids}:
        raise ConflictError("another process has handed it over", code=_FILED)
    cases.add_filed(agency, step_ids)


def _lacking(
    office: Office,
    transaction: Transaction,
    history: History,
    undelivered: frozenset[tuple[bytes, str]],
) -> dict[AgencyId, list[Step]]:
    """Return which steps we have to hand to whom.

    To members whom we brought in: what was not addressed to them. And to anybody: steps of our own
    that did not reach a member.
    """
    case = history.case
    if case is None:
        return {}
    steps = history.allowed
    done = transaction.cases.filed([step.step_id for step in steps])
    directory, now_ms = office.partners.current(transaction), office.clock()
    ours = {agency for agency, by in _brought_by(steps).items() if by == office.agency}
    found: dict[AgencyId, list[Step]] = {}
    for member in case.members:
        agency = member.agency
        if agency == office.agency or not can_be_sent_to(directory, agency, now_ms):
            continue
        lacks = [
            step
            for step in steps
            if (agency, step.step_id) not in done
            and step.sender != agency
            and (
                (agency in ours and agency not in step.recipients)
                or (step.sender == office.agency and (step.message_id, agency) in undelivered)
            )
        ]
        if lacks:
            found[agency] = lacks
    return found


def _brought_by(steps: Sequence[Step]) -> dict[AgencyId, AgencyId]:
    """Return who brought in each member: whoever requested the return, at the beginning."""
    found: dict[AgencyId, AgencyId] = {}
    for step in steps:
        for agency in step.mark.named:
            found.setdefault(agency, step.sender)
    return found
