"""Proofs: each message's seal, its entries in both ledgers, and the receipts, verified again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.crypto.signing import ObjectKind, body_hash, verify_object
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, EntryRef, UndeliveredCode
from sesn_node.domain.ids import Origin, parse_origin, show_message_id
from sesn_node.errors import VerificationError
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.restate import same_statement
from sesn_node.exchange.tally import Tally, groups, require
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.store.numbers import index_of
from sesn_node.wire.batches import decode_proof
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.domain.messages import Header
    from sesn_node.exchange.evidence import Evidence
    from sesn_node.exchange.tally import Check
    from sesn_node.store.engine import Transaction
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.ledger import HeadRow
    from sesn_node.store.outbox_rows import OutboxRow
    from sesn_node.store.sealed import SealedRow, SentRow

_AT_ONCE = 200
_ENDINGS = {
    DeliveryState.REFUSED: EntryKind.REFUSED_BY_PEER,
    DeliveryState.EXPIRED: EntryKind.UNDELIVERED,
    DeliveryState.DEAD: EntryKind.UNDELIVERED,
}
_DECIDED = {
    UndeliveredCode.PEER_REVOKED.value,
    UndeliveredCode.ERASED.value,
    UndeliveredCode.RECALLED.value,
}


@dataclass(frozen=True, slots=True)
class _Own:
    """An entry of our ledgers, read, and what others and tables call it."""

    entry: Entry
    ref: EntryRef
    number: int


class Messages:
    """The pass over sent and received messages, some hundred at a time.

    Args:
        transaction: Where everything is read.
        heads: Our ledgers.
        evidence: Kept cards, checkpoints and cosignatures.
    """

    def __init__(
        self, transaction: Transaction, heads: Sequence[HeadRow], evidence: Evidence
    ) -> None:
        self._transaction = transaction
        self._origins = [Origin(head.origin) for head in heads]
        self._evidence = evidence
        # Each message has one entry of a kind; one more in each ledger that says it again.
        self._stated: Counter[EntryKind] = Counter()

    def sent(self) -> tuple[Check, Check, Check]:
        """Check what we sent: `sent`, `receipts` and `endings`."""
        sent = Tally("sent", "every sent message is sealed by us and in our ledger as SHARED")
        receipts = Tally("receipts", "every receipt is proven, cosigned and about its message")
        endings = Tally(
            "endings", "every copy that ended without a receipt is in our ledger as such"
        )
        browse = self._transaction.browse
        for rows in groups(browse.all_sent(), _AT_ONCE):
            ids = [row.message_id for row in rows]
            about = self._about(ids)
            shared: dict[bytes, _Own] = {}
            for row in rows:
                with sent.case(f"message {show_message_id(row.message_id)}"):
                    shared[row.message_id] = self._sent(row, about[row.message_id])
            for copy in browse.copies(ids):
                what = f"{show_message_id(copy.message_id)} to {copy.agency}"
                if copy.state is DeliveryState.ACKNOWLEDGED:
                    self._stated[EntryKind.ACKNOWLEDGED] += _times(copy, about[copy.message_id])
                    with receipts.case(what):
                        require(copy.message_id in shared, "its message does not verify")
                        self._receipt(copy, shared[copy.message_id], about[copy.message_id])
                elif copy.state.ended:
                    with endings.case(what):
                        _ending(copy, about[copy.message_id])
        return sent.result(), receipts.result(), endings.result()

    def received(self) -> Check:
        """Check what arrived: `received`."""
        tally = Tally("received", "every received message is sealed, proven and in our ledger")
        for rows in groups(self._transaction.browse.all_received(), _AT_ONCE):
            about = self._about([row.message_id for row in rows])
            for row in rows:
                with tally.case(f"{show_message_id(row.message_id)} from {row.sender}"):
                    self._received(row, about[row.message_id])
        return tally.result()

    def counts(self, kinds: Mapping[EntryKind, int]) -> Check:
        """Check that the ledger has no entries but those; call it last.

        Args:
            kinds: How many entries of each kind the ledger has.
        """
        tally = Tally("messages", "our ledger tells of no other messages than these")
        # Of entries that came back from an export, content may be missing; the evidence is kept.
        lost = missing(self._transaction)
        for kind in (EntryKind.SHARED, EntryKind.RECEIVED, EntryKind.ACKNOWLEDGED):
            with tally.case(f"{kind.value} entries"):
                count, rows = kinds.get(kind, 0) - lost.of(kind), self._stated[kind]
                require(count == rows, f"{count} of them, for {rows} messages")
        return tally.result()

    def _sent(self, row: SentRow, about: list[_Own]) -> _Own:
        """Check a message of ours; returns its SHARED entry."""
        header = self._sealed(row.sealed, row.message_id)
        require(header.sender == self._evidence.agency, f"its header names {header.sender}")
        return self._own(about, EntryKind.SHARED, header, row.sealed)

    def _received(self, row: InboxRow, about: list[_Own]) -> None:
        """Check a message that arrived, its sender's proof, and our entry."""
        header = self._sealed(row.sealed, row.message_id)
        require(header.sender == row.sender, f"its header names {header.sender}")
        entry = decode_entry(row.shared_entry)
        _require_about(entry, EntryKind.SHARED, header, row.sealed)
        _require_ledger_of(row.sender, row.shared_origin)
        theirs = self._evidence.head(row.shared_origin, row.shared_size)
        shared = EntryRef(theirs.origin, row.shared_index, leaf_hash(row.shared_entry))
        proof = decode_proof(row.shared_proof)
        verify_inclusion(shared.leaf_hash, shared.index, theirs.size, proof, theirs.root)
        self._evidence.cosigned(theirs.origin, theirs.size, self._evidence.agency)
        received = self._own(about, EntryKind.RECEIVED, header, row.sealed)
        require(
            (received.entry.agency, received.entry.answers) == (header.sender, shared),
            "our RECEIVED entry answers another entry",
        )

    def _receipt(self, copy: OutboxRow, shared: _Own, about: list[_Own]) -> None:
        """Check a recipient's receipt, its cosignature on our ledger, and our entry."""
        receipt = copy.receipt
        if receipt is None:
            raise VerificationError("acknowledged without a receipt")
        entry = decode_entry(receipt.entry)
        ours = shared.entry
        named = (entry.kind, entry.message_id, entry.object_sha256, entry.commitment)
        expected = (EntryKind.RECEIVED, ours.message_id, ours.object_sha256, ours.commitment)
        stated = [one for one in about if same_statement(one.entry, ours)]
        require(
            (*named, entry.agency) == (*expected, self._evidence.agency)
            and entry.answers in {one.ref for one in stated},
            "the receipt is about another message, or for another agency",
        )
        _require_ledger_of(copy.agency, receipt.origin)
        theirs = self._evidence.head(receipt.origin, receipt.size)
        received = EntryRef(theirs.origin, receipt.index, leaf_hash(receipt.entry))
        proof = decode_proof(receipt.proof)
        verify_inclusion(received.leaf_hash, received.index, theirs.size, proof, theirs.root)
        own = [
            one.ref
            for one in about
            if (one.entry.kind, one.entry.agency, one.entry.answers)
            == (EntryKind.ACKNOWLEDGED, copy.agency, received)
        ]
        require(bool(own), "our ledger has no ACKNOWLEDGED entry for this receipt")
        # It came in answer to a checkpoint of the ledger that acknowledges it.
        origin = own[-1].origin
        index = next((one.ref.index for one in stated if one.ref.origin == origin), None)
        require(
            index is not None and index < receipt.shared_size,
            "the recipient cosigned a smaller ledger",
        )
        self._evidence.cosigned(origin, receipt.shared_size, copy.agency)

    def _sealed(self, row: SealedRow, message_id: bytes) -> Header:
        """Check header and seal of a stored message."""
        header = decode_header(row.header)
        require(header.message_id == message_id, "its header names another message")
        require(body_hash(row.header) == row.header_sha256, "its header has another hash")
        key = self._evidence.seal_key(header)
        verify_object(key, ObjectKind.ENVELOPE, row.header, row.seal)
        return header

    def _about(self, message_ids: list[bytes]) -> dict[bytes, list[_Own]]:
        """Read the entries of our ledger about these messages; those that do not read are none."""
        found: dict[bytes, list[_Own]] = {message_id: [] for message_id in message_ids}
        # That every entry reads is checked by `rehash`, which tells which do not.
        unread = Tally("", "")
        for row in self._transaction.browse.entries_about(message_ids):
            with unread.case(""):
                ref = EntryRef(self._origins[row.ledger], row.index, leaf_hash(row.entry))
                own = _Own(decode_entry(row.entry), ref, row.number)
                found[row.message_id or b""].append(own)
        return found

    def _own(self, about: list[_Own], kind: EntryKind, header: Header, row: SealedRow) -> _Own:
        """Return our entry that a row names, the first that says so; it must be about that message.

        Later ledgers may each say it once more.
        """
        said = [one for one in about if one.entry.kind is kind]
        for one in said:
            if one.number == row.entry_index:
                _require_about(one.entry, kind, header, row)
                again = {
                    other.ref.origin for other in said if same_statement(other.entry, one.entry)
                }
                self._stated[kind] += len(again)
                return one
        raise VerificationError(f"entry {index_of(row.entry_index)} of our ledger is not about it")


def _times(copy: OutboxRow, about: list[_Own]) -> int:
    """How many ACKNOWLEDGED entries a copy must have: one, and one in each other ledger of ours."""
    origins = {
        one.ref.origin
        for one in about
        if (one.entry.kind, one.entry.agency) == (EntryKind.ACKNOWLEDGED, copy.agency)
    }
    return max(1, len(origins))


def _require_about(entry: Entry, kind: EntryKind, header: Header, row: SealedRow) -> None:
    require(
        (entry.kind, entry.message_id, entry.object_sha256, entry.commitment)
        == (kind, header.message_id, row.header_sha256, header.commitment),
        f"its {kind.value} entry is about another message",
    )


def _require_ledger_of(agency: str, origin: str) -> None:
    require(parse_origin(origin)[0] == agency, f"proven in {origin}, which is not of {agency}")


def _ending(copy: OutboxRow, about: list[_Own]) -> None:
    kind = _ENDINGS[copy.state]
    code = copy.code
    if copy.state is DeliveryState.DEAD and code not in _DECIDED:
        # A dead letter keeps what the recipient's node said last.
        code = UndeliveredCode.DEAD.value
    require(
        any(
            (one.entry.kind, one.entry.agency, one.entry.code) == (kind, copy.agency, code)
            for one in about
        ),
        f"our ledger has no {kind.value} entry with code {code}",
    )
