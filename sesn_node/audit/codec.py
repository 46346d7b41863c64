"""The records of a bundle, to bytes and back.

Each is a serialised protobuf with exactly one encoding (`wire.strict`), preceded in its member by
its length, u32 big-endian. Elements of lists are counted before anything is made of them.
"""

from __future__ import annotations

from typing import Final

from sesn_node.audit.records import (
    MAX_COSIGNATURES,
    BundleCard,
    BundleCaseStep,
    BundleCheckpoint,
    BundleCosignature,
    BundleEntry,
    BundleMessage,
    Copy,
    Disclosure,
    ProvenElsewhere,
    Receipt,
    Received,
    Sent,
    TimestampToken,
)
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId, MessageId, Origin
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import audit_pb2 as pb
from sesn_node.wire.batches import MAX_PROOF_HASHES
from sesn_node.wire.outline import Outline
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.strict import parse_strict

LENGTH_BYTES: Final = 4
MAX_RECORD_BYTES: Final = 1 << 24
"""No record is longer; a checkpoint with 1,000 cosignatures may come near."""

_PROVEN: Final = Outline("BundleProven", 4 + MAX_PROOF_HASHES)
_COPY: Final = Outline("BundleCopy", 6, {6: Outline("BundleReceipt", 2, {1: _PROVEN})})
_MESSAGE: Final = Outline(
    "BundleMessage",
    6,
    {
        6: Outline("BundleSent", MAX_RECIPIENTS, {1: _COPY}),
        7: Outline("BundleReceived", 2, {2: _PROVEN}),
    },
)
_CHECKPOINT: Final = Outline(
    "BundleCheckpoint", 3 + MAX_COSIGNATURES, {4: Outline("BundleCosignature", 2)}
)

_STATE_TO_PB: Final = {
    DeliveryState.QUEUED: pb.BUNDLE_COPY_STATE_QUEUED,
    DeliveryState.ACKNOWLEDGED: pb.BUNDLE_COPY_STATE_ACKNOWLEDGED,
    DeliveryState.REFUSED: pb.BUNDLE_COPY_STATE_REFUSED,
    DeliveryState.EXPIRED: pb.BUNDLE_COPY_STATE_EXPIRED,
    DeliveryState.DEAD: pb.BUNDLE_COPY_STATE_DEAD,
}
_STATE_FROM_PB: Final = {value: key for key, value in _STATE_TO_PB.items()}


def framed(record: bytes) -> bytes:
    """Put its length before a record."""
    return len(record).to_bytes(LENGTH_BYTES, "big") + record


def encode_card(card: BundleCard) -> bytes:
    """Write a record of cards.pb."""
    return pb.BundleCard(sealed=card.sealed, taken_ms=card.taken_ms).SerializeToString(
        deterministic=True
    )


def decode_card(data: bytes) -> BundleCard:
    """Read a record of cards.pb.

    Raises:
        MalformedError: As all of these: not one, or a field out of its bounds, which is named.
    """
    message = parse_strict(pb.BundleCard, data, what="card", limit=MAX_RECORD_BYTES)
    return BundleCard(message.sealed, message.taken_ms)


def encode_checkpoint(checkpoint: BundleCheckpoint) -> bytes:
    """Write a record of checkpoints.pb."""
    return pb.BundleCheckpoint(
        origin=checkpoint.origin,
        size=checkpoint.size,
        note=checkpoint.note,
        cosignatures=[
            pb.BundleCosignature(agency=one.agency, lines=one.lines)
            for one in checkpoint.cosignatures
        ],
    ).SerializeToString(deterministic=True)


def decode_checkpoint(data: bytes) -> BundleCheckpoint:
    """Read a record of checkpoints.pb."""
    _CHECKPOINT.check(data)
    message = parse_strict(pb.BundleCheckpoint, data, what="checkpoint", limit=MAX_RECORD_BYTES)
    return BundleCheckpoint(
        Origin(message.origin),
        message.size,
        message.note,
        convert_parts("cosignatures", _cosignature_from_pb, message.cosignatures, MAX_COSIGNATURES),
    )


def encode_entry(entry: BundleEntry) -> bytes:
    """Write a record of entries.pb."""
    return pb.BundleEntry(index=entry.index, entry=entry.entry).SerializeToString(
        deterministic=True
    )


def decode_entry(data: bytes) -> BundleEntry:
    """Read a record of entries.pb."""
    message = parse_strict(pb.BundleEntry, data, what="entry", limit=MAX_RECORD_BYTES)
    return BundleEntry(message.index, message.entry)


def encode_message(message: BundleMessage) -> bytes:
    """Write a record of messages.pb."""
    sent = received = None
    if isinstance(message.way, Sent):
        sent = pb.BundleSent(copies=[_copy_to_pb(copy) for copy in message.way.copies])
    else:
        received = pb.BundleReceived(
            received_ms=message.way.received_ms, shared=_proven_to_pb(message.way.shared)
        )
    return pb.BundleMessage(
        origin=message.origin,
        entry_index=message.entry_index,
        header=message.header,
        seal=message.seal,
        erased=message.erased,
        sent=sent,
        received=received,
    ).SerializeToString(deterministic=True)


def decode_message(data: bytes) -> BundleMessage:
    """Read a record of messages.pb."""
    _MESSAGE.check(data)
    message = parse_strict(pb.BundleMessage, data, what="message", limit=MAX_RECORD_BYTES)
    way: Sent | Received
    which = message.WhichOneof("way")
    if which == "sent":
        way = convert_part("sent", _sent_from_pb, message.sent)
    elif which == "received":
        way = convert_part("received", _received_from_pb, message.received)
    else:
        raise MalformedError("way: neither sent nor received")
    return BundleMessage(
        origin=Origin(message.origin),
        entry_index=message.entry_index,
        header=message.header,
        seal=message.seal,
        erased=message.erased,
        way=way,
    )


def encode_case_step(step: BundleCaseStep) -> bytes:
    """Write a record of cases.pb."""
    return pb.BundleCaseStep(
        origin=step.origin,
        entry_index=step.entry_index,
        header=step.header,
        seal=step.seal,
        salt=step.salt,
        mark=step.mark,
    ).SerializeToString(deterministic=True)


def decode_case_step(data: bytes) -> BundleCaseStep:
    """Read a record of cases.pb."""
    message = parse_strict(pb.BundleCaseStep, data, what="case step", limit=MAX_RECORD_BYTES)
    return BundleCaseStep(
        Origin(message.origin),
        message.entry_index,
        message.header,
        message.seal,
        message.salt,
        message.mark,
    )


def encode_disclosure(disclosure: Disclosure) -> bytes:
    """Write a record of disclosed.pb."""
    return pb.BundleDisclosure(
        sender=disclosure.sender,
        message_id=disclosure.message_id,
        salt=disclosure.salt,
        payload=disclosure.payload,
    ).SerializeToString(deterministic=True)


def decode_disclosure(data: bytes) -> Disclosure:
    """Read a record of disclosed.pb."""
    message = parse_strict(pb.BundleDisclosure, data, what="disclosure", limit=MAX_RECORD_BYTES)
    return Disclosure(
        AgencyId(message.sender), MessageId(message.message_id), message.salt, message.payload
    )


def encode_timestamp(token: TimestampToken) -> bytes:
    """Write a record of timestamps.pb."""
    return pb.BundleTimestamp(
        origin=token.origin, size=token.size, root=token.root, token=token.token
    ).SerializeToString(deterministic=True)


def decode_timestamp(data: bytes) -> TimestampToken:
    """Read a record of timestamps.pb."""
    message = parse_strict(pb.BundleTimestamp, data, what="timestamp", limit=MAX_RECORD_BYTES)
    return TimestampToken(Origin(message.origin), message.size, message.root, message.token)


def _cosignature_from_pb(message: pb.BundleCosignature) -> BundleCosignature:
    return BundleCosignature(AgencyId(message.agency), message.lines)


def _copy_to_pb(copy: Copy) -> pb.BundleCopy:
    receipt = None
    if copy.receipt is not None:
        receipt = pb.BundleReceipt(
            received=_proven_to_pb(copy.receipt.received), shared_size=copy.receipt.shared_size
        )
    return pb.BundleCopy(
        agency=copy.agency,
        state=_STATE_TO_PB[copy.state],
        code=copy.code,
        settled_ms=copy.settled_ms or 0,
        resealed_as=copy.resealed_as or b"",
        receipt=receipt,
    )


def _sent_from_pb(message: pb.BundleSent) -> Sent:
    return Sent(convert_parts("copies", _copy_from_pb, message.copies, MAX_RECIPIENTS))


def _copy_from_pb(message: pb.BundleCopy) -> Copy:
    state = _STATE_FROM_PB.get(message.state)
    if state is None:
        raise MalformedError(f"state: {message.state} is no state of a copy")
    resealed_as = message.resealed_as
    return Copy(
        agency=AgencyId(message.agency),
        state=state,
        code=message.code,
        settled_ms=message.settled_ms or None,
        resealed_as=MessageId(resealed_as) if resealed_as else None,
        receipt=convert_part("receipt", _receipt_from_pb, message.receipt)
        if message.HasField("receipt")
        else None,
    )


def _receipt_from_pb(message: pb.BundleReceipt) -> Receipt:
    received = convert_part("received", _proven_from_pb, message.received)
    return Receipt(received, message.shared_size)


def _received_from_pb(message: pb.BundleReceived) -> Received:
    shared = convert_part("shared", _proven_from_pb, message.shared)
    return Received(message.received_ms, shared)


def _proven_to_pb(proven: ProvenElsewhere) -> pb.BundleProven:
    return pb.BundleProven(
        entry=proven.entry,
        index=proven.index,
        proof=proven.proof,
        origin=proven.origin,
        size=proven.size,
    )


def _proven_from_pb(message: pb.BundleProven) -> ProvenElsewhere:
    return ProvenElsewhere(
        message.entry, message.index, tuple(message.proof), Origin(message.origin), message.size
    )
