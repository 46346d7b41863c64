"""Ledger entries: domain objects to bytes and back."""

from __future__ import annotations

from sesn_node.domain.checks import under
from sesn_node.domain.entries import MAX_ENTRY_BYTES, Entry, EntryKind, EntryRef
from sesn_node.domain.ids import AgencyId, MessageId, Origin
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import ledger_pb2 as pb
from sesn_node.wire.parts import convert_part
from sesn_node.wire.strict import parse_strict

_KIND_TO_PB = {
    EntryKind.SHARED: pb.SHARED,
    EntryKind.RECEIVED: pb.RECEIVED,
    EntryKind.ACKNOWLEDGED: pb.ACKNOWLEDGED,
    EntryKind.REFUSED: pb.REFUSED,
    EntryKind.REFUSED_BY_PEER: pb.REFUSED_BY_PEER,
    EntryKind.UNDELIVERED: pb.UNDELIVERED,
    EntryKind.PEER: pb.PEER,
    EntryKind.KEY: pb.KEY,
    EntryKind.OPERATOR: pb.OPERATOR,
    EntryKind.VIEWED: pb.VIEWED,
    EntryKind.DISCLOSED: pb.DISCLOSED,
    EntryKind.ERASED: pb.ERASED,
    EntryKind.EXPORTED: pb.EXPORTED,
    EntryKind.EPOCH: pb.EPOCH,
    EntryKind.RECOVERED: pb.RECOVERED,
    EntryKind.LEGAL_HOLD: pb.LEGAL_HOLD,
    EntryKind.CASE: pb.CASE,
}
_KIND_FROM_PB = {value: key for key, value in _KIND_TO_PB.items()}


def encode_entry(entry: Entry) -> bytes:
    """Serialise an entry once; these bytes are the leaf, and are never serialised again."""
    answers = None
    if entry.answers is not None:
        answers = pb.EntryRef(
            origin=entry.answers.origin,
            index=entry.answers.index,
            leaf_hash=entry.answers.leaf_hash,
        )
    return pb.LedgerEntry(
        kind=_KIND_TO_PB[entry.kind],
        time_ms=entry.time_ms,
        salt=entry.salt,
        message_id=entry.message_id or b"",
        object_sha256=entry.object_sha256,
        commitment=entry.commitment,
        answers=answers,
        agency=entry.agency or "",
        code=entry.code,
    ).SerializeToString(deterministic=True)


def decode_entry(data: bytes) -> Entry:
    """Parse an entry; every field is checked against its kind.

    Raises:
        MalformedError: The message names the field: `entry.answers.leaf_hash: ...`.
    """
    message = parse_strict(pb.LedgerEntry, data, what="entry", limit=MAX_ENTRY_BYTES)
    try:
        return _entry_from_pb(message)
    except MalformedError as exc:
        raise under("entry", exc) from exc


def _entry_from_pb(message: pb.LedgerEntry) -> Entry:
    kind = _KIND_FROM_PB.get(message.kind)
    if kind is None:
        raise MalformedError(f"kind: {message.kind} is not a kind of entry")
    message_id = message.message_id
    agency = message.agency
    return Entry(
        kind=kind,
        time_ms=message.time_ms,
        salt=message.salt,
        message_id=MessageId(message_id) if message_id else None,
        object_sha256=message.object_sha256,
        commitment=message.commitment,
        answers=convert_part("answers", _ref_from_pb, message.answers)
        if message.HasField("answers")
        else None,
        agency=AgencyId(agency) if agency else None,
        code=message.code,
    )


def _ref_from_pb(message: pb.EntryRef) -> EntryRef:
    return EntryRef(Origin(message.origin), message.index, message.leaf_hash)
