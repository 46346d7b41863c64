"""Forged outsides: other encodings, sizes and seals, and messages of or for somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.messages import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES
from sesn_node.domain.refusals import RefusalCode
from sesn_node.wire.envelopes import encode_header
from tests.support import protobuf
from tests.support.forgery import Catalogue, Target
from tests.support.homes import NL
from tests.support.network import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.wire._pb.exchange_pb2 import Shipment
    from tests.support.puppet import Letter

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_RECIPIENTS = 5
_IN_REPLY_TO = 9

ENVELOPES = Catalogue()


# The header, encoded otherwise.

ENVELOPES.with_header("truncated_header", lambda data: data[:-1])
ENVELOPES.with_header("header_of_garbage", lambda _: b"\xff" * 100)
ENVELOPES.with_header("header_with_trailing_bytes", lambda data: data + b"\0")
ENVELOPES.with_header("header_twice", lambda data: data + data)
for _name, _change in protobuf.encodings(_RECIPIENTS, _IN_REPLY_TO).items():
    ENVELOPES.with_header(f"header_with_{_name.replace(' ', '_')}", _change)


def reordered_recipients(target: Target) -> bytes:
    """Write the header of a letter to two with the recipients in descending order."""
    letter = target.puppet.letter(target.other, target.to)
    fields = protobuf.split(encode_header(letter.fields))
    at = [index for index, field in enumerate(fields) if field[0] >> 3 == _RECIPIENTS]
    fields[at[0]], fields[at[1]] = fields[at[1]], fields[at[0]]
    return b"".join(fields)


@ENVELOPES.enter(RefusalCode.MALFORMED)
def recipients_in_descending_order(target: Target) -> Letter:
    """Reorder the recipients, and seal that."""
    return replace(target.letter(), header=reordered_recipients(target))


@ENVELOPES.enter(RefusalCode.MALFORMED)
def recipient_named_twice(target: Target) -> Letter:
    """Name the same recipient twice, and seal that."""
    letter = target.letter()
    fields = protobuf.split(letter.header_bytes)
    at = next(index for index, field in enumerate(fields) if field[0] >> 3 == _RECIPIENTS)
    return replace(letter, header=b"".join([*fields[: at + 1], *fields[at:]]))


# The envelope around it.


def _grow(field: str, size: int) -> Callable[[Shipment], None]:
    def mangle(shipment: Shipment) -> None:
        old = getattr(shipment.envelope, field)
        setattr(shipment.envelope, field, (old + bytes(size))[:size])

    return mangle


def _add_unknown(shipment: Shipment) -> None:
    shipment.envelope.MergeFromString(protobuf.unknown(b""))


def _clear(field: str) -> Callable[[Shipment], None]:
    return lambda shipment: shipment.envelope.ClearField(field)  # type: ignore[arg-type] # a name


ENVELOPES.on_the_wire(
    "oversized_header", RefusalCode.MALFORMED, _grow("header", MAX_HEADER_BYTES + 1)
)
ENVELOPES.on_the_wire("oversized_seal", RefusalCode.MALFORMED, _grow("seal", 73))
ENVELOPES.on_the_wire("truncated_seal", RefusalCode.MALFORMED, _grow("seal", 7))
ENVELOPES.on_the_wire("oversized_wrapped_key", RefusalCode.MALFORMED, _grow("wrapped_key", 1169))
ENVELOPES.on_the_wire("truncated_wrapped_key", RefusalCode.MALFORMED, _grow("wrapped_key", 1167))
ENVELOPES.on_the_wire("truncated_ciphertext", RefusalCode.MALFORMED, _grow("ciphertext", 47))
ENVELOPES.on_the_wire(
    "oversized_ciphertext", RefusalCode.TOO_LARGE, _grow("ciphertext", MAX_PAYLOAD_BYTES + 49)
)
for _name in ("header", "seal", "wrapped_key", "ciphertext"):
    ENVELOPES.on_the_wire(f"no_{_name}", RefusalCode.MALFORMED, _clear(_name))
ENVELOPES.on_the_wire(
    "no_envelope", RefusalCode.MALFORMED, lambda shipment: shipment.ClearField("envelope")
)
ENVELOPES.on_the_wire("unknown_field_in_the_envelope", RefusalCode.MALFORMED, _add_unknown)


# The seal.


def _flip_seal(shipment: Shipment) -> None:
    seal_ = bytearray(shipment.envelope.seal)
    seal_[-1] ^= 1
    shipment.envelope.seal = bytes(seal_)


ENVELOPES.on_the_wire("altered_seal", RefusalCode.BAD_SEAL, _flip_seal)


@ENVELOPES.enter(RefusalCode.BAD_SEAL)
def seal_of_another_message(target: Target) -> Letter:
    """Move an honest seal to another message."""
    other = target.letter()
    return replace(target.letter(), seal=target.puppet.sealed(other.header_bytes))


@ENVELOPES.enter(RefusalCode.BAD_SEAL)
def seal_of_another_kind(target: Target) -> Letter:
    """Let the seal of a card stand for that of an envelope."""
    letter = target.letter()
    signed = sign_object(target.puppet.seal_signer, ObjectKind.CARD, letter.header_bytes)
    return replace(letter, seal=signed)


@ENVELOPES.enter(RefusalCode.BAD_SEAL)
def header_altered_after_sealing(target: Target) -> Letter:
    """Give a sealed message more time."""
    letter = target.letter()
    later = replace(letter.fields, expires_ms=letter.fields.expires_ms + 1)
    return replace(letter, fields=later, seal=target.puppet.sealed(letter.header_bytes))


@ENVELOPES.enter(RefusalCode.NOT_TRUSTED)
def unknown_seal_key(target: Target) -> Letter:
    """Seal with a key that is not in the sender's card; a later card might name it."""
    now_ms = target.puppet.now_ms()
    record = generate(
        KeyKind.SEAL, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + DAY_MS
    )
    signer = signer_for(record)
    letter = target.letter(seal_key_id=signer.key_id)
    return replace(letter, seal=sign_object(signer, ObjectKind.ENVELOPE, letter.header_bytes))


@ENVELOPES.enter(RefusalCode.BAD_SEAL)
def signed_with_another_key(target: Target) -> Letter:
    """Name the right key, and sign with another."""
    now_ms = target.puppet.now_ms()
    record = generate(
        KeyKind.SEAL, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + DAY_MS
    )
    letter = target.letter()
    signed = sign_object(signer_for(record), ObjectKind.ENVELOPE, letter.header_bytes)
    return replace(letter, seal=signed)


@ENVELOPES.enter(RefusalCode.BAD_SEAL)
def seal_key_not_yet_in_force(target: Target) -> Letter:
    """Date a message before the key that seals it."""
    key = target.puppet.card.card.seal_keys[0]
    created_ms = key.not_before_ms - 1
    return target.letter(created_ms=created_ms)


@ENVELOPES.enter(RefusalCode.BAD_SEAL)
def seal_key_no_longer_in_force(target: Target) -> Letter:
    """Date a message after the key that seals it; also far in the future."""
    key = target.puppet.card.card.seal_keys[0]
    return target.letter(created_ms=key.not_after_ms, expires_ms=key.not_after_ms + 1)


def malleated(seal_: bytes) -> bytes:
    """Negate s: another valid signature over the same message (FIPS 186-5 allows it)."""
    r, s = decode_dss_signature(seal_)
    return encode_dss_signature(r, _P256_ORDER - s)


# Whose message it is.


@ENVELOPES.enter(RefusalCode.NOT_TRUSTED)
def foreign_sender(target: Target) -> Letter:
    """Name another agency as the sender."""
    return target.letter(sender=NL)


@ENVELOPES.enter(RefusalCode.NOT_FOR_US, logged=True)
def message_for_another_agency(target: Target) -> Letter:
    """Deliver what is addressed to somebody else."""
    return target.puppet.letter(target.other)


@ENVELOPES.enter(RefusalCode.UNDECRYPTABLE, logged=True)
def wrapped_key_of_another_recipient(target: Target) -> Letter:
    """Give one recipient the copy of another."""
    return target.puppet.letter(target.other, target.to)


@ENVELOPES.enter(RefusalCode.UNDECRYPTABLE, logged=True)
def wrapped_keys_swapped_in_the_header(target: Target) -> Letter:
    """Address each recipient's copy to the other, hashes and all."""
    letter = target.puppet.letter(target.other, target.to)
    one, other = letter.fields.recipients
    swapped = (
        replace(one, wrapped_key_sha256=other.wrapped_key_sha256),
        replace(other, wrapped_key_sha256=one.wrapped_key_sha256),
    )
    return replace(letter, fields=replace(letter.fields, recipients=swapped))


@ENVELOPES.enter(RefusalCode.UNDECRYPTABLE, logged=True)
def unknown_encryption_key(target: Target) -> Letter:
    """Seal to a key that the receiver does not have."""
    letter = target.letter()
    (one,) = letter.fields.recipients
    return replace(
        letter, fields=replace(letter.fields, recipients=(replace(one, key_id=bytes(32)),))
    )
