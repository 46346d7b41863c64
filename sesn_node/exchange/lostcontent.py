"""What a recovery leaves behind: entries without content, and the ledger's own word on that.

Entries that came back from an export (`recover`) have lost what they refer to. Right behind them,
and before anything else, RECOVERED says so: in the ledger, where partners cosign it, so that nobody
can claim a loss later on, or of other entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.audit.account import RecoveredRange
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.exchange.office import new_entry
from sesn_node.ledger.merkle import leaf_hash, root_at
from sesn_node.store.numbers import index_of, ledger_of, number_of

if TYPE_CHECKING:
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import HeadRow


def recovered_ranges(transaction: Transaction, ledger: int) -> tuple[RecoveredRange, ...]:
    """Return which entries of one of our ledgers came back from an export.

    What two recoveries brought back, one right behind the other, is one range: nothing was appended
    in between.
    """
    found: list[RecoveredRange] = []
    for row in transaction.recovery.every():
        if ledger_of(row.start) != ledger:
            continue
        start, end = index_of(row.start), index_of(row.end)
        if found and found[-1].end == start:
            start = found.pop().start
        found.append(RecoveredRange(start, end))
    return tuple(found)


def record_recovery(work: Work, head: HeadRow) -> None:
    """Append RECOVERED if the newest entries came back from an export, and nothing follows them.

    Args:
        work: A transaction that has appended nothing yet.
        head: The ledger's head in it.
    """
    ranges = recovered_ranges(work.transaction, head.ledger)
    if not ranges or ranges[-1].end != head.size:
        return
    start = ranges[-1].start
    last = number_of(head.ledger, start - 1)
    entry = work.transaction.ledger.entries_at([last])[last].entry
    root = root_at(start, work.transaction.ledger.nodes)
    before = EntryRef(work.origin, start - 1, leaf_hash(entry))
    work.append(new_entry(EntryKind.RECOVERED, work.now_ms, root, answers=before))
