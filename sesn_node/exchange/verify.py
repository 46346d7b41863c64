"""Verify: hold everything that this node recorded against the proofs and signatures it kept.

No private key and no passphrase are needed, nothing is written, and memory stays bounded however
large the ledger is. Every check runs to its end: a failure does not hide the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sesn_node.crypto.signing import ObjectKind, body_hash, verify_object
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.domain.ids import Origin, show_message_id
from sesn_node.errors import SesnError, StorageError
from sesn_node.exchange.evidence import Evidence
from sesn_node.exchange.rehash import Rehash
from sesn_node.exchange.tally import Tally, require
from sesn_node.ledger.checkpoint import TreeHead, verify_checkpoint
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.store.outbox import DeliveryState
from sesn_node.wire.batches import decode_proof
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.tally import Check
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.ledger import HeadRow
    from sesn_node.store.outbox import OutboxRow, SentRow

T = TypeVar("T")

_AT_ONCE = 200
_ENDINGS = {
    DeliveryState.REFUSED: EntryKind.REFUSED_BY_PEER,
    DeliveryState.EXPIRED: EntryKind.UNDELIVERED,
    DeliveryState.DEAD: EntryKind.UNDELIVERED,
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification came to."""

    head: TreeHead
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.failed == 0 for check in self.checks)


def verify_ledger(store: Store, head_file: HeadFile) -> Verification:
    """Verify everything that this node recorded, as of one moment.

    Checks, by name:

    cards: every kept card opens under its root
    head-file: the head file's checkpoint is signed by us, and not ahead of the database
    entries, tree, checkpoints: see `rehash`
    partners: every kept checkpoint of a partner, and what we witnessed last, verify
    cosignatures: every cosignature is by its agency, over a kept checkpoint
    sent: every sent message is sealed by us and stands in our ledger as SHARED
    receipts: every receipt names its message, is proven in its recipient's ledger, came with the
        recipient's cosignature on ours, and stands in our ledger as ACKNOWLEDGED
    endings: every copy that ended otherwise stands in our ledger so
    received: every received message is sealed by its sender, proven in the sender's ledger, and
        stands in ours as RECEIVED
    messages: our ledger tells of no other messages than these

    Raises:
        StorageError: The database cannot be read, or has no ledger.
    """
    with store.read() as transaction:
        head = transaction.ledger.head()
        if head is None:
            raise StorageError("this database has no ledger: run 'sesn init' first")
        cards = Tally("cards", "every kept card opens under its root")
        evidence = Evidence(transaction, cards)
        keys = evidence.log_keys(head.origin)
        released, head_file_check = _head_file(head_file, head, keys)
        rehash = Rehash(transaction, head, released, keys, evidence)
        checks = [cards.result(), head_file_check, *rehash.run()]
        checks += [_partners(transaction, head, evidence), _cosignatures(transaction, evidence)]
        messages = _Messages(transaction, Origin(head.origin), evidence)
        checks += [*messages.sent(), messages.received(), messages.counts(rehash)]
    return Verification(TreeHead(Origin(head.origin), head.size, head.root), tuple(checks))


def _head_file(
    head_file: HeadFile, head: HeadRow, keys: LogKeys
) -> tuple[TreeHead | None, Check]:
    tally = Tally("head-file", "the head file is signed by us, and not ahead of the database")
    released = None
    with tally.case(str(head_file.path)):
        note = head_file.read()
        if note is None:
            raise StorageError("is missing, so nothing shows that the database is the newest copy")
        signed = verify_checkpoint(note, keys)
        require(
            signed.size <= head.size,
            f"size {signed.size}, the database holds {head.size}: it is an old copy",
        )
        released = signed
    return released, tally.result()


def _partners(transaction: Transaction, head: HeadRow, evidence: Evidence) -> Check:
    tally = Tally("partners", "every kept checkpoint of a partner verifies")
    for origin in transaction.browse.checkpoint_origins():
        if origin == head.origin:
            continue
        for row in transaction.browse.all_checkpoints(origin):
            with tally.case(f"checkpoint of {origin} at size {row.size}"):
                signed = verify_checkpoint(row.note, evidence.log_keys(origin))
                require(
                    (signed.size, signed.root) == (row.size, row.root), "its row says otherwise"
                )
    for witnessed in transaction.witness.heads():
        with tally.case(f"what we witnessed last of {witnessed.origin}"):
            kept = evidence.head(witnessed.origin, witnessed.size)
            require(kept.root == witnessed.root, "the kept checkpoint has another root")
    return tally.result()


def _cosignatures(transaction: Transaction, evidence: Evidence) -> Check:
    tally = Tally("cosignatures", "every cosignature is by its agency, over a kept checkpoint")
    for row in transaction.browse.all_cosignatures():
        with tally.case(f"{row.agency} on {row.origin} at size {row.size}"):
            evidence.verify_cosignature(row)
    return tally.result()


class _Messages:
    """Checks of messages: their seals, entries, receipts and proofs."""

    def __init__(self, transaction: Transaction, origin: Origin, evidence: Evidence) -> None:
        self._transaction = transaction
        self._origin = origin
        self._evidence = evidence
        self._acknowledged = 0

    def sent(self) -> tuple[Check, ...]:
        """Check what we sent: `sent`, `receipts` and `endings`."""
        sent = Tally("sent", "every sent message is sealed by us and in our ledger as SHARED")
        receipts = Tally("receipts", "every receipt is proven, cosigned and about its message")
        endings = Tally("endings", "every copy that ended without a receipt is in our ledger so")
        browse = self._transaction.browse
        for rows in _groups(browse.all_sent()):
            ids = [row.message_id for row in rows]
            messages = {row.message_id: row for row in rows}
            about = self._entries_about(ids)
            shared: dict[bytes, EntryRef] = {}
            for row in rows:
                with sent.case(f"message {show_message_id(row.message_id)}"):
                    shared[row.message_id] = self._sent(row, about)
            for copy in browse.copies(ids):
                what = f"{show_message_id(copy.message_id)} to {copy.agency}"
                entries = about.get(copy.message_id, [])
                if copy.state is DeliveryState.ACKNOWLEDGED:
                    self._acknowledged += 1
                    with receipts.case(what):
                        ref = shared.get(copy.message_id)
                        self._receipt(copy, messages[copy.message_id], ref, entries)
                elif copy.state.final:
                    with endings.case(what):
                        self._ending(copy, entries)
        return sent.result(), receipts.result(), endings.result()

    def received(self) -> Check:
        """Check what arrived."""
        tally = Tally("received", "every received message is sealed, proven and in our ledger")
        for rows in _groups(self._transaction.browse.all_received()):
            about = self._entries_about([row.message_id for row in rows])
            for row in rows:
                with tally.case(f"{show_message_id(row.message_id)} from {row.sender}"):
                    self._received(row, about)
        return tally.result()

    def counts(self, rehash: Rehash) -> Check:
        """Check that each row has one entry of its own; call it last."""
        tally = Tally("messages", "our ledger tells of no other messages than these")
        browse = self._transaction.browse
        for kind, rows in (
            (EntryKind.SHARED, browse.count_sent()),
            (EntryKind.RECEIVED, browse.count_received()),
            (EntryKind.ACKNOWLEDGED, self._acknowledged),
        ):
            with tally.case(f"{kind.value} entries"):
                count = rehash.kinds[kind]
                require(count == rows, f"there are {count}, for {rows} messages")
        return tally.result()

    def _entries_about(self, message_ids: list[bytes]) -> dict[bytes, list[tuple[int, bytes]]]:
        found: dict[bytes, list[tuple[int, bytes]]] = {}
        for row in self._transaction.browse.entries_about(message_ids):
            found.setdefault(row.message_id or b"", []).append((row.index, row.entry))
        return found
