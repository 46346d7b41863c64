"""Headers and sealed envelopes: domain objects to bytes and back."""

from __future__ import annotations

from google.protobuf.unknown_fields import UnknownFieldSet

from sesn_node.domain.checks import under
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.messages import (
    MAX_HEADER_BYTES,
    MAX_RECIPIENTS,
    Envelope,
    Header,
    KindClass,
    Priority,
    Recipient,
)
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import envelope_pb2 as pb
from sesn_node.wire.parts import convert_parts
from sesn_node.wire.strict import parse_strict

_KIND_TO_PB = {KindClass.MESSAGE: pb.KIND_CLASS_MESSAGE}
_PRIORITY_TO_PB = {
    Priority.ROUTINE: pb.PRIORITY_ROUTINE,
    Priority.URGENT: pb.PRIORITY_URGENT,
    Priority.IMMEDIATE: pb.PRIORITY_IMMEDIATE,
}
_KIND_FROM_PB = {value: key for key, value in _KIND_TO_PB.items()}
_PRIORITY_FROM_PB = {value: key for key, value in _PRIORITY_TO_PB.items()}


def encode_header(header: Header) -> bytes:
    """Serialise a header once; these bytes are sealed, hashed and kept.

    Raises:
        MalformedError: Over 64 KiB.
    """
    data = pb.Header(
        suite=header.suite,
        message_id=header.message_id,
        kind_class=_KIND_TO_PB[header.kind_class],
        sender=header.sender,
        recipients=[
            pb.Recipient(
                agency=recipient.agency,
                key_id=recipient.key_id,
                wrapped_key_sha256=recipient.wrapped_key_sha256,
            )
            for recipient in header.recipients
        ],
        created_ms=header.created_ms,
        expires_ms=header.expires_ms,
        conversation_id=header.conversation_id,
        in_reply_to=header.in_reply_to or b"",
        priority=_PRIORITY_TO_PB[header.priority],
        seal_key_id=header.seal_key_id,
        ciphertext_sha256=header.ciphertext_sha256,
        commitment=header.commitment,
    ).SerializeToString(deterministic=True)
    if len(data) > MAX_HEADER_BYTES:
        raise MalformedError(
            f"header: at most {MAX_HEADER_BYTES:,} bytes, got {len(data):,}; send to fewer "
            "recipients at once"
        )
    return data


def decode_header(data: bytes) -> Header:
    """Parse a header; every length, range and order is checked.

    Not checked: the seal, the clock, and whether the agencies exist.

    Raises:
        MalformedError: The message names the field: `header.recipients[2].key_id: ...`.
    """
    message = parse_strict(pb.Header, data, what="header", limit=MAX_HEADER_BYTES)
    try:
        return _header_from_pb(message)
    except MalformedError as exc:
        raise under("header", exc) from exc


def envelope_to_pb(envelope: Envelope) -> pb.SealedEnvelope:
    """Make the message that the Exchange service carries."""
    return pb.SealedEnvelope(
        header=envelope.header,
        seal=envelope.seal,
        wrapped_key=envelope.wrapped_key,
        ciphertext=envelope.ciphertext,
    )


def envelope_from_pb(message: pb.SealedEnvelope) -> Envelope:
    """Take an envelope that the Exchange service has parsed already.

    Its own framing is not signed, so a reordered encoding is harmless here; unknown fields are
    refused all the same, since nothing would keep them.

    Raises:
        MalformedError: An unknown field, or a length out of its bounds.
    """
    if len(UnknownFieldSet(message)) > 0:
        raise MalformedError("envelope: unknown fields")
    try:
        return Envelope(message.header, message.seal, message.wrapped_key, message.ciphertext)
    except MalformedError as exc:
        raise under("envelope", exc) from exc


def _header_from_pb(message: pb.Header) -> Header:
    kind = _KIND_FROM_PB.get(message.kind_class)
    if kind is None:
        raise MalformedError(f"kind_class: {message.kind_class} is not a class of SESN-1")
    priority = _PRIORITY_FROM_PB.get(message.priority)
    if priority is None:
        raise MalformedError(f"priority: {message.priority} is not a priority of SESN-1")
    in_reply_to = message.in_reply_to
    return Header(
        suite=message.suite,
        message_id=MessageId(message.message_id),
        kind_class=kind,
        sender=AgencyId(message.sender),
        recipients=convert_parts(
            "recipients", _recipient_from_pb, message.recipients, MAX_RECIPIENTS
        ),
        created_ms=message.created_ms,
        expires_ms=message.expires_ms,
        conversation_id=MessageId(message.conversation_id),
        in_reply_to=MessageId(in_reply_to) if in_reply_to else None,
        priority=priority,
        seal_key_id=message.seal_key_id,
        ciphertext_sha256=message.ciphertext_sha256,
        commitment=message.commitment,
    )


def _recipient_from_pb(message: pb.Recipient) -> Recipient:
    return Recipient(AgencyId(message.agency), message.key_id, message.wrapped_key_sha256)
