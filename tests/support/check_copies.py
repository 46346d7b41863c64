"""What must hold of the copies that a node sent, of their endings and receipts."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import NO_ANSWER, DeliveryState
from sesn_node.domain.entries import EntryKind, EntryRef, OperatorCode, UndeliveredCode
from sesn_node.domain.ids import Origin
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange.open import open_sent
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.wire.batches import decode_proof
from sesn_node.wire.envelopes import decode_header
from tests.support.view import View, decode_once, signed_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.store.outbox_rows import OutboxRow

_UNDELIVERED = {
    DeliveryState.EXPIRED: {UndeliveredCode.EXPIRED},
    DeliveryState.DEAD: {
        UndeliveredCode.DEAD,
        UndeliveredCode.PEER_REVOKED,
        UndeliveredCode.ERASED,
        UndeliveredCode.RECALLED,
    },
}
_OF_COPIES = {
    EntryKind.ACKNOWLEDGED,
    EntryKind.REFUSED_BY_PEER,
    EntryKind.UNDELIVERED,
    EntryKind.OPERATOR,
}
_TRANSIENT = {code.value for code in RefusalCode if not code.permanent} | {NO_ANSWER}


def check_outbox(seen: View) -> None:
    """The state of every copy is what the ledger says of it, from its first entry to its last."""
    told: defaultdict[tuple[bytes | None, str | None], list[Entry]] = defaultdict(list)
    for entry in seen.entries:
        if entry.kind in _OF_COPIES:
            told[entry.message_id, entry.agency].append(entry)
    for row in seen.copies:
        _check_copy(seen, row, told.pop((row.message_id, row.agency), []))
    assert not told, f"{seen.agency}: entries about copies that are not there: {told}"


def _check_copy(seen: View, row: OutboxRow, story: Sequence[Entry]) -> None:
    """A copy ends, may be queued again, and ends again; it is acknowledged once, and last."""
    where = f"{seen.agency}: {row.state} copy of {row.message_id.hex()} to {row.agency}"
    shared = seen.ref(seen.sent[row.message_id].sealed.entry_index)
    ended: Entry | None = None
    acknowledged = resealed = False
    for entry in story:
        assert not acknowledged, f"{where}: {entry.kind} after its receipt"
        if entry.kind is EntryKind.ACKNOWLEDGED:
            # A late receipt settles a copy that had ended otherwise.
            acknowledged = True
        elif entry.kind is not EntryKind.OPERATOR:
            assert ended is None, f"{where}: ended twice"
            assert entry.answers == shared, where
            ended = entry
        else:
            assert ended is not None, f"{where}: {entry.code} while queued"
            assert not resealed, f"{where}: {entry.code} after it was sealed anew"
            if entry.code == OperatorCode.REQUEUED:
                assert entry.answers == shared, where
                ended = None
            else:
                resealed = True
                _check_resealed(seen, row, entry)
    assert resealed == (row.resealed_as is not None), f"{where}: sealed anew"
    if acknowledged or row.state is DeliveryState.ACKNOWLEDGED:
        assert acknowledged, f"{where}: no ACKNOWLEDGED entry"
        assert row.state is DeliveryState.ACKNOWLEDGED, f"{where}: acknowledged in the ledger"
        assert row.settled_ms is not None, where
        _check_receipt(seen, row)
        return
    assert row.receipt is None, where
    if ended is None:
        assert (row.state, row.settled_ms) == (DeliveryState.QUEUED, None), where
        return
    assert row.settled_ms is not None, where
    _check_ending(row, ended, where)


def _check_ending(row: OutboxRow, ended: Entry, where: str) -> None:
    """A copy that ended without a receipt did so as the ledger says."""
    if row.state is DeliveryState.REFUSED:
        assert (ended.kind, ended.code) == (EntryKind.REFUSED_BY_PEER, row.code), where
        return
    assert ended.kind is EntryKind.UNDELIVERED, where
    assert ended.code in _UNDELIVERED[row.state], where
    if ended.code == UndeliveredCode.DEAD:
        # A dead letter keeps the last refusal.
        assert row.code in _TRANSIENT, f"{where}: {row.code}"
        assert row.attempts > 0, where
    else:
        assert ended.code == row.code, where


def _check_resealed(seen: View, row: OutboxRow, entry: Entry) -> None:
    """What was sealed anew is a message to that recipient alone, and says the same."""
    where = f"{seen.agency}: copy of {row.message_id.hex()} to {row.agency}, sealed anew"
    assert row.resealed_as in seen.sent, where
    old, new = seen.sent[row.message_id], seen.sent[row.resealed_as or b""]
    assert entry.answers == seen.ref(new.sealed.entry_index), where
    (recipient,) = decode_header(new.sealed.header).recipients
    assert recipient.agency == row.agency, where
    assert (new.sealed.conversation_id, new.sealed.in_reply_to, new.sealed.expires_ms) == (
        old.sealed.conversation_id,
        old.sealed.in_reply_to,
        old.sealed.expires_ms,
    ), where
    erased = {one.sealed.entry_index in seen.erased for one in (old, new)}
    assert len(erased) == 1, f"{where}: of two that say the same, one was erased"
    if erased == {False}:
        assert open_sent(seen.office, new) == open_sent(seen.office, old), where


def _check_receipt(seen: View, row: OutboxRow) -> None:
    """A receipt stands alone: entry, proof, checkpoint, cosignature, and our entry for it."""
    where = f"{seen.agency}: receipt of {row.agency} for {row.message_id.hex()}"
    receipt, sent = row.receipt, seen.sent[row.message_id].sealed
    assert receipt is not None, where
    entry = decode_once(receipt.entry)
    assert (entry.kind, entry.message_id, entry.object_sha256, entry.agency) == (
        EntryKind.RECEIVED,
        row.message_id,
        sent.header_sha256,
        seen.agency,
    ), where
    assert entry.commitment == decode_header(sent.header).commitment, where
    assert entry.answers == seen.ref(sent.entry_index), f"{where}: answers another entry"
    theirs = kept_head(seen, row.agency, receipt.origin, receipt.size)
    hashed = leaf_hash(receipt.entry)
    proof = decode_proof(receipt.proof)
    verify_inclusion(hashed, receipt.index, theirs.size, proof, theirs.root)
    ((_, acknowledged),) = seen.about(EntryKind.ACKNOWLEDGED, row.message_id, row.agency)
    assert acknowledged.answers == EntryRef(Origin(receipt.origin), receipt.index, hashed), where
    assert acknowledged.object_sha256 == sent.header_sha256, where
    assert receipt.shared_size > sent.entry_index, f"{where}: cosigned before it was shared"
    cosigned = seen.cosignature(seen.origin, receipt.shared_size, row.agency)
    assert cosigned is not None, f"{where}: no cosignature over our checkpoint"
    seen.check_cosigned(cosigned, head_at(seen, receipt.shared_size))


def head_at(seen: View, size: int) -> TreeHead:
    """Return what the head of our ledger was at a size, by the independent implementation."""
    return TreeHead(seen.origin, size, seen.tree.root(size))


def kept_head(seen: View, agency: str, origin: str, size: int) -> TreeHead:
    """Verify a kept checkpoint of a partner; of two that prove a fork, return the cosigned one."""
    where = f"{seen.agency}: checkpoint {size} of {origin}"
    kept = seen.checkpoints_of(origin, size)
    assert 1 <= len(kept) <= 2, f"{where}: {len(kept)} are kept"
    heads = []
    for one in kept:
        head = signed_head(one.note, *seen.log_key_sets(agency, origin))
        assert (head.size, head.root) == (size, one.root), where
        heads.append(head)
    if len(heads) == 1:
        return heads[0]
    ours = seen.cosignature(origin, size, seen.agency)
    assert ours is not None, f"{where}: not cosigned"
    followed = []
    for head in heads:
        with suppress(AssertionError):
            seen.check_cosigned(ours, head)
            followed.append(head)
    (head,) = followed
    return head
