"""Recovered entries: which of them refer to messages that this database does not have.

They stay evidence: what was said, when, to or by whom, with digests, in a ledger that partners
cosigned. The content is missing, until a partner delivers it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.exchange.tally import groups
from sesn_node.store.numbers import index_of, ledger_of
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.examine import Fresh
    from sesn_node.store.engine import Transaction
    from sesn_node.store.recovery import RecoveredRow

_AT_ONCE = 200
_OF_MESSAGES = frozenset({EntryKind.SHARED, EntryKind.RECEIVED, EntryKind.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class Missing:
    """What recovered entries refer to, and the database does not have.

    Args:
        ranges: The entries that were recovered.
        sent: SHARED entries whose message is missing.
        received: RECEIVED entries whose message is missing.
        receipts: ACKNOWLEDGED entries whose receipt is missing.
        erasures: ERASED entries whose message is missing.
        cases: CASE entries whose step, or note of a due date, is missing.
        lost: Ids of messages whose content may come back, by sender: not erased.
    """

    ranges: tuple[RecoveredRow, ...]
    sent: int
    received: int
    receipts: int
    erasures: int
    cases: int
    lost: dict[AgencyId, tuple[bytes, ...]]

    def of(self, kind: EntryKind) -> int:
        """Return how many entries of a kind lack what they refer to."""
        found = {
            EntryKind.SHARED: self.sent,
            EntryKind.RECEIVED: self.received,
            EntryKind.ACKNOWLEDGED: self.receipts,
            EntryKind.ERASED: self.erasures,
            EntryKind.CASE: self.cases,
        }
        return found.get(kind, 0)


def missing(transaction: Transaction) -> Missing:
    """Look through the recovered entries; quick where nothing was ever recovered."""
    ranges = transaction.recovery.every()
    counts = dict.fromkeys(_OF_MESSAGES, 0)
    lost: dict[AgencyId, dict[int, bytes]] = {}
    known = {one.entry_index for one in transaction.erasures.every()} if ranges else set()
    of_cases = transaction.cases.entry_numbers() if ranges else set()
    numbering = transaction.ledger.numbering() if ranges else {}
    erased: set[int] = set()
    erasures = cases = 0
    for one in ranges:
        ledger = transaction.ledger.of(ledger_of(one.start))
        entries = ledger.entries(index_of(one.start), index_of(one.end))
        for rows in groups(entries, _AT_ONCE):
            read = [(row.number, decode_entry(row.entry)) for row in rows]
            there = _there(transaction, [entry for _, entry in read])
            for index, entry in read:
                if entry.kind is EntryKind.ERASED and entry.answers is not None:
                    erased.add(numbering.get(entry.answers.origin, 0) + entry.answers.index)
                    erasures += index not in known
                cases += entry.kind is EntryKind.CASE and index not in of_cases
                if entry.kind not in _OF_MESSAGES or _key(entry) in there:
                    continue
                counts[entry.kind] += 1
                if entry.kind is EntryKind.RECEIVED and entry.agency and entry.message_id:
                    lost.setdefault(entry.agency, {})[index] = entry.message_id
    return Missing(
        ranges,
        counts[EntryKind.SHARED],
        counts[EntryKind.RECEIVED],
        counts[EntryKind.ACKNOWLEDGED],
        erasures,
        cases,
        {
            sender: tuple(one for index, one in found.items() if index not in erased)
            for sender, found in lost.items()
        },
    )


def _key(entry: Entry) -> tuple[EntryKind, str, bytes]:
    agency = "" if entry.kind is EntryKind.SHARED else str(entry.agency)
    return entry.kind, agency, entry.message_id or b""


def _there(transaction: Transaction, entries: Sequence[Entry]) -> set[tuple[EntryKind, str, bytes]]:
    """Return the keys of what is there, of all that these entries may refer to."""
    ids = sorted({one.message_id for one in entries if one.message_id is not None})
    found = {(EntryKind.SHARED, "", one) for one in transaction.outbox.own(ids)}
    for sender in {str(one.agency) for one in entries if one.kind is EntryKind.RECEIVED}:
        seen = transaction.inbox.seen(sender, ids)
        found |= {(EntryKind.RECEIVED, sender, one) for one in seen}
    for copy in transaction.browse.copies(ids):
        if copy.state is DeliveryState.ACKNOWLEDGED:
            found.add((EntryKind.ACKNOWLEDGED, copy.agency, copy.message_id))
    return found


@dataclass(frozen=True, slots=True)
class Before:
    """Our RECEIVED entry of a message that was lost, when, and whether it was erased since."""

    number: int
    erased: bool
    time_ms: int


def received_before(transaction: Transaction, sender: AgencyId, one: Fresh) -> Before | None:
    """Find our RECEIVED entry of a message that was lost and comes again; None if there is none.

    The entry must be about these very bytes: then the receipt that the sender holds is still true.
    """
    received, erased = _received(transaction, sender, one.message_id)
    for number, entry in received:
        if (entry.object_sha256, entry.answers) == (one.header_sha256, one.shared):
            return Before(number, number in erased, entry.time_ms)
    return None


def stands_otherwise(transaction: Transaction, sender: AgencyId, one: Fresh) -> bool:
    """Tell whether our ledger speaks against a message that seems new, since its row was lost.

    Another header came under its id before, or what it says was erased: its sender may share the
    very same message a second time.
    """
    received, erased = _received(transaction, sender, one.message_id)
    return any(
        entry.object_sha256 != one.header_sha256 or number in erased for number, entry in received
    )


def _received(
    transaction: Transaction, sender: AgencyId, message_id: bytes
) -> tuple[list[tuple[int, Entry]], set[int]]:
    """Return our RECEIVED entries of a message, and the numbers of those that were erased."""
    rows = [
        (row.number, decode_entry(row.entry)) for row in transaction.ledger.entries_of(message_id)
    ]
    numbering = transaction.ledger.numbering()
    erased = {
        numbering.get(entry.answers.origin, 0) + entry.answers.index
        for _, entry in rows
        if entry.kind is EntryKind.ERASED and entry.answers is not None
    }
    received = [
        (number, entry)
        for number, entry in rows
        if (entry.kind, entry.agency) == (EntryKind.RECEIVED, sender)
    ]
    return received, erased


def acknowledged_before(
    transaction: Transaction, agency: AgencyId, message_id: bytes, received: object
) -> int | None:
    """Say when our ledger acknowledged a receipt already, Unix milliseconds; None if it did not.

    Args:
        transaction: Where our ledger is read.
        agency: The recipient.
        message_id: The message.
        received: The recipient's entry, as an `EntryRef`.
    """
    ledger = transaction.ledger.ledger
    for row in transaction.ledger.entries_of(message_id):
        # What a closed ledger acknowledges, the open one says again: its receipt comes only now.
        if row.kind == EntryKind.ACKNOWLEDGED.value and row.ledger == ledger:
            entry = decode_entry(row.entry)
            if (entry.agency, entry.answers) == (agency, received):
                return entry.time_ms
    return None
