"""Restate: say again in the open ledger what a closed one says, so that it can be proven now.

Partners take proofs only of the ledger that our card names last. So an entry of a closed ledger
that has to be proven once more, a SHARED of a copy that still waits or the RECEIVED of a message
that comes again, is appended to the open one: what it says is the same, time and salt are new. It
happens once for each, when it is needed first. The rows of the message keep their first entry,
which everything else that is recorded about it answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.entries import SALT_BYTES
from sesn_node.store.numbers import ledger_of
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import EntryRow


def in_open_ledger(transaction: Transaction, numbers: Sequence[int]) -> dict[int, int]:
    """Return where the open ledger says what some entries of ours say, by their numbers.

    Those of the open ledger itself are their own answer. What it does not say is left out.
    """
    ledger = transaction.ledger.ledger
    found = {number: number for number in numbers if ledger_of(number) == ledger}
    closed = transaction.ledger.entries_at([one for one in numbers if one not in found])
    return found | _said_again(transaction, closed, ledger, ())


def restate(work: Work, numbers: Sequence[int]) -> dict[int, int]:
    """Say in the open ledger what some entries of ours say, where it does not yet.

    Returns:
        Numbers of its entries, by the numbers asked for.
    """
    found = {number: number for number in numbers if ledger_of(number) == work.ledger}
    closed = work.transaction.ledger.entries_at([one for one in numbers if one not in found])
    found |= _said_again(work.transaction, closed, work.ledger, work.rows)
    for number, row in closed.items():
        if number not in found:
            entry = decode_entry(row.entry)
            anew = replace(entry, time_ms=work.now_ms, salt=random_bytes(SALT_BYTES))
            found[number] = work.number(work.append(anew))
    return found


def same_statement(one: Entry, other: Entry) -> bool:
    """Tell whether two entries say the same, but for when and with which salt."""
    return replace(one, time_ms=other.time_ms, salt=other.salt) == other


def _said_again(
    transaction: Transaction,
    closed: Mapping[int, EntryRow],
    ledger: int,
    pending: Iterable[EntryRow],
) -> dict[int, int]:
    """Find entries of closed ledgers in the open one.

    Args:
        transaction: Where entries are read.
        closed: What to find, by number.
        ledger: The open ledger.
        pending: Entries of it that are not written yet.
    """
    ids = sorted({row.message_id for row in closed.values() if row.message_id is not None})
    rows = [*transaction.browse.entries_about(ids), *pending] if ids else []
    said = [(row, decode_entry(row.entry)) for row in rows if row.ledger == ledger]
    found: dict[int, int] = {}
    for number, row in closed.items():
        entry = decode_entry(row.entry)
        for other, what in said:
            if other.message_id == row.message_id and same_statement(entry, what):
                found[number] = other.number
                break
    return found
