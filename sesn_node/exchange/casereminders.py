"""Reminders of due dates: in the log, and once each in the ledger.

What was said last of each due date stands in a table, so nothing is said twice, by this process
after a restart or by another one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.case_reminders import is_told, reminder
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import DAY_MS
from sesn_node.exchange.about import about_message
from sesn_node.store.cases import CaseToldRow
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from sesn_node.domain.case_reminders import Reminder
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Committed, Work
    from sesn_node.store.engine import Transaction

_log = get_logger(__name__)


def begin_reminders(
    office: Office, cases: Sequence[tuple[Case, AgencyId]]
) -> list[Future[Committed[bool | None]] | None]:
    """Begin to record what there is to be reminded of now, all of it together.

    Args:
        office: Ours.
        cases: Each with who requested the return.

    Returns:
        For each case what `end_reminder` waits for; None if there is nothing to say, or if it was
        said.

    Raises:
        StorageError: The database cannot be read.
    """
    now_ms = office.clock()
    begun: list[Future[Committed[bool | None]] | None] = []
    with office.store.read() as transaction:
        for case, founder in cases:
            found = reminder(case, now_ms, office.cases.remind_days)
            if found is None or _was_told(transaction, case, founder, found, now_ms):
                begun.append(None)
                continue
            record = partial(_record, case=case, founder=founder, found=found)
            begun.append(office.sequencer.submit(record, writes=True))
    return begun


def end_reminder(office: Office, case: Case, begun: Future[Committed[bool | None]]) -> bool | None:
    """Wait until a reminder is recorded, and log it; None if another process has given it.

    Returns:
        Whether the ledger says so since now, too: once for each that the settings ask for.

    Raises:
        StorageError: It could not be recorded; nothing was said.
    """
    noticed = begun.result().value
    now_ms = office.clock()
    found = None if noticed is None else reminder(case, now_ms, office.cases.remind_days)
    if found is None:
        return noticed
    shown = show_message_id(case.case_id)
    if found.is_overdue:
        late_days = (now_ms - found.due_ms) // DAY_MS
        _log.warning("case-overdue", case_id=shown, due_ms=found.due_ms, days=late_days)
    else:
        left_days = (found.due_ms - now_ms) // DAY_MS
        _log.warning("case-due-soon", case_id=shown, due_ms=found.due_ms, days=left_days)
    return noticed


def _was_told(
    transaction: Transaction, case: Case, founder: AgencyId, found: Reminder, now_ms: int
) -> bool:
    return any(
        is_told(found, row.days, row.told_ms, now_ms)
        for row in transaction.cases.told(case.case_id, founder)
        if row.due_ms == found.due_ms
    )


def _record(work: Work, *, case: Case, founder: AgencyId, found: Reminder) -> bool | None:
    """Note a reminder; None if another process has given it.

    The first time it goes into the ledger as well, if that has the request: who joined later has
    the request from a case file. Returns whether it did.
    """
    cases = work.transaction.cases
    if _was_told(work.transaction, case, founder, found, work.now_ms):
        return None
    told = cases.told(case.case_id, founder)
    first = all((row.due_ms, row.days) != (found.due_ms, found.days) for row in told)
    cases.tell(case.case_id, founder, CaseToldRow(found.due_ms, found.days, work.now_ms))
    number = _number_of(work.transaction, case, founder)
    if not first or number is None:
        return False
    code = (CaseCode.OVERDUE if found.is_overdue else CaseCode.DUE_SOON).value
    entry = work.append(about_message(work, EntryKind.CASE, number, code))
    cases.add_notice(case.case_id, founder, code, found.due_ms, work.number(entry))
    return True


def _number_of(transaction: Transaction, case: Case, founder: AgencyId) -> int | None:
    """Return our SHARED or RECEIVED entry of the request; None if it came in a case file."""
    sent = transaction.outbox.message(case.case_id)
    if sent is not None and sent.sealed.header_sha256 == case.line.steps[0]:
        return sent.sealed.entry_index
    found = transaction.inbox.seen(founder, [case.case_id]).get(case.case_id)
    return None if found is None else found.entry_index
