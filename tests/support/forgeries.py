"""Messages that no honest node sends, each with the refusal that it must meet.

A forgery is good in every respect but the one that its name tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.crypto.primitives import hpke_seal, random_bytes, sha256
from sesn_node.crypto.seal import MessageContext, SealRecipient, commit, seal
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.alert import Decision, Markings, Payload, Response, Tlp
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.domain.ids import AgencyId, new_message_id
from sesn_node.domain.messages import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, SUITE, Recipient
from sesn_node.domain.refusals import RefusalCode
from sesn_node.wire.envelopes import encode_header
from sesn_node.wire.payloads import encode_payload
from tests.support import protobuf
from tests.support.homes import NL
from tests.support.network import DAY_MS, HOUR_MS, alert
from tests.vectors.crypto import independent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.trust.card import TrustedCard
    from sesn_node.wire._pb.exchange_pb2 import Shipment
    from tests.support.puppet import Letter, Puppet

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_RECIPIENTS = 5
_IN_REPLY_TO = 9


@dataclass(frozen=True, slots=True)
class Target:
    """Who is attacked, and who else there is.

    Args:
        puppet: Sends the forgery over its own, proven connection.
        to: The receiver's card.
        other: Another agency's card, known to the puppet only.
    """

    puppet: Puppet
    to: TrustedCard
    other: TrustedCard

    def letter(self, *, payload: Payload | bytes | None = None, **changes: object) -> Letter:
        """Write an honest letter to the receiver; `changes` replace fields of its header."""
        return self.puppet.letter(self.to, payload=payload, **changes)


@dataclass(frozen=True, slots=True)
class Forgery:
    """A way to forge a message.

    Args:
        make: Writes the letter.
        code: The refusal that it must meet.
        logged: Whether the refusal is an entry of the receiver's ledger.
        mangle: Changes the shipment on the wire, after it was proven.
    """

    make: Callable[[Target], Letter]
    code: RefusalCode
    logged: bool = False
    mangle: Callable[[Shipment], None] | None = None


FORGERIES: dict[str, Forgery] = {}


def _forgery(
    code: RefusalCode,
    *,
    logged: bool = False,
    mangle: Callable[[Shipment], None] | None = None,
) -> Callable[[Callable[[Target], Letter]], Callable[[Target], Letter]]:
    def register(make: Callable[[Target], Letter]) -> Callable[[Target], Letter]:
        FORGERIES[make.__name__] = Forgery(make, code, logged, mangle)
        return make

    return register


def _on_the_wire(
    name: str, code: RefusalCode, mangle: Callable[[Shipment], None], *, logged: bool = False
) -> None:
    FORGERIES[name] = Forgery(Target.letter, code, logged, mangle)


def _with_header(name: str, change: Callable[[bytes], bytes]) -> None:
    """Register a header of other bytes, sealed and shared as they are."""

    def make(target: Target) -> Letter:
        letter = target.letter()
        return replace(letter, header=change(letter.header_bytes))

    FORGERIES[name] = Forgery(make, RefusalCode.MALFORMED)


def _with_entry(name: str, change: Callable[[bytes], bytes]) -> None:
    """Register a ledger entry of other bytes, proven as they are."""

    def make(target: Target) -> Letter:
        letter = target.letter()
        return replace(letter, entry=change(target.puppet.entry(letter)))

    FORGERIES[name] = Forgery(make, RefusalCode.MALFORMED, logged=True)


# Truncated, oversized, re-encoded.

_with_header("truncated_header", lambda data: data[:-1])
_with_header("header_of_garbage", lambda _: b"\xff" * 100)
_with_header("header_with_trailing_bytes", lambda data: data + b"\0")
_with_header("header_twice", lambda data: data + data)
for _name, _change in protobuf.encodings(_RECIPIENTS, _IN_REPLY_TO).items():
    _with_header(f"header_with_{_name.replace(' ', '_')}", _change)

_with_entry("truncated_entry", lambda data: data[:-1])
_with_entry("entry_of_garbage", lambda _: b"\xff" * 100)
# SHARED has no reference: the re-encodings of one are tested with receipts.
for _name in ("reordered fields", "repeated field", "unknown field", "overlong varint"):
    _with_entry(f"entry_with_{_name.replace(' ', '_')}", protobuf.encodings(7, 9)[_name])
_with_entry("entry_with_explicit_default", protobuf.explicit_default(9))


def _grow(field: str, size: int) -> Callable[[Shipment], None]:
    def mangle(shipment: Shipment) -> None:
        old = getattr(shipment.envelope, field)
        setattr(shipment.envelope, field, (old + bytes(size))[:size])

    return mangle


def _add_unknown(shipment: Shipment) -> None:
    shipment.envelope.MergeFromString(protobuf.unknown(b""))


def _clear(field: str) -> Callable[[Shipment], None]:
    return lambda shipment: shipment.envelope.ClearField(field)  # type: ignore[arg-type] # a name


_on_the_wire("oversized_header", RefusalCode.MALFORMED, _grow("header", MAX_HEADER_BYTES + 1))
_on_the_wire("oversized_seal", RefusalCode.MALFORMED, _grow("seal", 73))
_on_the_wire("truncated_seal", RefusalCode.MALFORMED, _grow("seal", 7))
_on_the_wire("oversized_wrapped_key", RefusalCode.MALFORMED, _grow("wrapped_key", 1169))
_on_the_wire("truncated_wrapped_key", RefusalCode.MALFORMED, _grow("wrapped_key", 1167))
_on_the_wire("truncated_ciphertext", RefusalCode.MALFORMED, _grow("ciphertext", 47))
_on_the_wire(
    "oversized_ciphertext", RefusalCode.TOO_LARGE, _grow("ciphertext", MAX_PAYLOAD_BYTES + 49)
)
for _name in ("header", "seal", "wrapped_key", "ciphertext"):
    _on_the_wire(f"no_{_name}", RefusalCode.MALFORMED, _clear(_name))
_on_the_wire("no_envelope", RefusalCode.MALFORMED, lambda shipment: shipment.ClearField("envelope"))
_on_the_wire("unknown_field_in_the_envelope", RefusalCode.MALFORMED, _add_unknown)


# The seal.


def _flip_seal(shipment: Shipment) -> None:
    seal_ = bytearray(shipment.envelope.seal)
    seal_[-1] ^= 1
    shipment.envelope.seal = bytes(seal_)


_on_the_wire("altered_seal", RefusalCode.BAD_SEAL, _flip_seal)


@_forgery(RefusalCode.BAD_SEAL)
def seal_of_another_message(target: Target) -> Letter:
    """Move an honest seal to another message."""
    other = target.letter()
    return replace(target.letter(), seal=target.puppet.sealed(other.header_bytes))


@_forgery(RefusalCode.BAD_SEAL)
def seal_of_another_kind(target: Target) -> Letter:
    """Let the seal of a card stand for that of an envelope."""
    letter = target.letter()
    signed = sign_object(target.puppet.seal_signer, ObjectKind.CARD, letter.header_bytes)
    return replace(letter, seal=signed)


@_forgery(RefusalCode.BAD_SEAL)
def header_altered_after_sealing(target: Target) -> Letter:
    """Give a sealed message more time."""
    letter = target.letter()
    later = replace(letter.fields, expires_ms=letter.fields.expires_ms + 1)
    return replace(letter, fields=later, seal=target.puppet.sealed(letter.header_bytes))


@_forgery(RefusalCode.BAD_SEAL)
def unknown_seal_key(target: Target) -> Letter:
    """Seal with a key that is not in the sender's card."""
    now_ms = target.puppet.now_ms()
    record = generate(
        KeyKind.SEAL, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + DAY_MS
    )
    signer = signer_for(record)
    letter = target.letter(seal_key_id=signer.key_id)
    return replace(letter, seal=sign_object(signer, ObjectKind.ENVELOPE, letter.header_bytes))


@_forgery(RefusalCode.BAD_SEAL)
def sealed_by_the_ledger_of_another_key(target: Target) -> Letter:
    """Name the right key, and sign with another."""
    now_ms = target.puppet.now_ms()
    record = generate(
        KeyKind.SEAL, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + DAY_MS
    )
    letter = target.letter()
    signed = sign_object(signer_for(record), ObjectKind.ENVELOPE, letter.header_bytes)
    return replace(letter, seal=signed)


@_forgery(RefusalCode.BAD_SEAL)
def seal_key_not_yet_in_force(target: Target) -> Letter:
    """Date a message before the key that seals it."""
    key = target.puppet.card.card.seal_keys[0]
    created_ms = key.not_before_ms - 1
    return target.letter(created_ms=created_ms)


@_forgery(RefusalCode.BAD_SEAL)
def seal_key_no_longer_in_force(target: Target) -> Letter:
    """Date a message after the key that seals it; also far in the future."""
    key = target.puppet.card.card.seal_keys[0]
    return target.letter(created_ms=key.not_after_ms, expires_ms=key.not_after_ms + 1)


# Whose message it is.


@_forgery(RefusalCode.NOT_TRUSTED)
def foreign_sender(target: Target) -> Letter:
    """Name another agency as the sender."""
    return target.letter(sender=NL)


@_forgery(RefusalCode.NOT_FOR_US, logged=True)
def message_for_another_agency(target: Target) -> Letter:
    """Deliver what is addressed to somebody else."""
    return target.puppet.letter(target.other)


@_forgery(RefusalCode.UNDECRYPTABLE, logged=True)
def wrapped_key_of_another_recipient(target: Target) -> Letter:
    """Give one recipient the copy of another."""
    return target.puppet.letter(target.other, target.to)


@_forgery(RefusalCode.UNDECRYPTABLE, logged=True)
def wrapped_keys_swapped_in_the_header(target: Target) -> Letter:
    """Address each recipient's copy to the other, hashes and all."""
    letter = target.puppet.letter(target.other, target.to)
    one, other = letter.fields.recipients
    swapped = (
        replace(one, wrapped_key_sha256=other.wrapped_key_sha256),
        replace(other, wrapped_key_sha256=one.wrapped_key_sha256),
    )
    return replace(letter, fields=replace(letter.fields, recipients=swapped))


@_forgery(RefusalCode.UNDECRYPTABLE, logged=True)
def unknown_encryption_key(target: Target) -> Letter:
    """Seal to a key that the receiver does not have."""
    letter = target.letter()
    (one,) = letter.fields.recipients
    return replace(
        letter, fields=replace(letter.fields, recipients=(replace(one, key_id=bytes(32)),))
    )


def _flip_wrapped(shipment: Shipment) -> None:
    shipment.envelope.wrapped_key = bytes(1168)


_on_the_wire("altered_wrapped_key", RefusalCode.UNDECRYPTABLE, _flip_wrapped, logged=True)


@_forgery(RefusalCode.UNDECRYPTABLE, logged=True)
def wrapped_key_of_another_message(target: Target) -> Letter:
    """Use a wrapped key a second time."""
    other, letter = target.letter(), target.letter()
    return _rewrapped(letter, other.wrapped_key)


@_forgery(RefusalCode.UNDECRYPTABLE, logged=True)
def wrapped_key_of_another_sender(target: Target) -> Letter:
    """Pass a message on that another agency had sealed to this recipient."""
    letter = target.letter()
    _, key_id, public = target.to.encryption_key(target.puppet.now_ms())
    data = encode_payload(alert())
    context = MessageContext(SUITE, letter.message_id, NL)
    content = seal(data, context, [SealRecipient(target.to.agency, key_id, public)])
    fields = replace(
        letter.fields,
        ciphertext_sha256=content.ciphertext_sha256,
        commitment=content.commitment,
    )
    stolen = replace(letter, fields=fields, ciphertext=content.ciphertext)
    return _rewrapped(stolen, content.wrapped[0].wrapped)


def _rewrapped(letter: Letter, wrapped: bytes) -> Letter:
    """Give a letter to one recipient another wrapped key, and name it in the header."""
    (one,) = letter.fields.recipients
    recipients = (Recipient(one.agency, one.key_id, sha256(wrapped)),)
    return replace(
        letter, wrapped_key=wrapped, fields=replace(letter.fields, recipients=recipients)
    )


def _flip_ciphertext(shipment: Shipment) -> None:
    content = bytearray(shipment.envelope.ciphertext)
    content[-1] ^= 1
    shipment.envelope.ciphertext = bytes(content)


_on_the_wire("altered_ciphertext", RefusalCode.UNDECRYPTABLE, _flip_ciphertext, logged=True)


@_forgery(RefusalCode.UNDECRYPTABLE, logged=True)
def ciphertext_under_another_key(target: Target) -> Letter:
    """Name and commit to a ciphertext that the wrapped key does not open."""
    letter, other = target.letter(), target.letter()
    return _sealed_to(target, letter, letter.content_key, other.ciphertext)


def _sealed_to(target: Target, letter: Letter, key: bytes, ciphertext: bytes) -> Letter:
    """Wrap any key for any ciphertext, as `crypto.seal` would for its own."""
    fields = replace(letter.fields, ciphertext_sha256=sha256(ciphertext))
    (one,) = fields.recipients
    _, _, public = target.to.encryption_key(target.puppet.now_ms())
    info = independent.wrap_info(
        SUITE.encode(),
        letter.message_id,
        fields.sender.encode(),
        one.agency.encode(),
        one.key_id,
        fields.ciphertext_sha256,
        fields.commitment,
    )
    forged = replace(letter, fields=fields, ciphertext=ciphertext)
    return _rewrapped(forged, hpke_seal(public, key, info))


# What it says.


@_forgery(RefusalCode.COMMITMENT_MISMATCH, logged=True)
def commitment_to_another_payload(target: Target) -> Letter:
    """Commit to one message in header and ledger, and send another."""
    letter = target.letter()
    fields = replace(letter.fields, commitment=commit(bytes(32), b"something else"))
    changed = replace(letter, fields=fields)
    return _sealed_to(target, changed, letter.content_key, letter.ciphertext)


@_forgery(RefusalCode.COMMITMENT_MISMATCH, logged=True)
def ciphertext_that_opens_to_two_messages(target: Target) -> Letter:
    """Give this recipient the second key of a ciphertext whose tag fits two keys."""
    letter = target.letter()
    keys = random_bytes(32), random_bytes(32)
    aad = b"sesn/v1/content\0" + letter.message_id
    ciphertext = independent.one_ciphertext_two_keys(keys, [random_bytes(16)] * 4, aad)
    stream = b"".join(independent.gcm_keystream(keys[0], at) for at in range(5))
    first = bytes(a ^ b for a, b in zip(ciphertext, stream, strict=False))
    fields = replace(letter.fields, commitment=commit(first[:32], first[32:]))
    changed = replace(letter, fields=fields)
    return _sealed_to(target, changed, keys[1], ciphertext)


@_forgery(RefusalCode.MALFORMED, logged=True)
def payload_of_garbage(target: Target) -> Letter:
    """Seal what is no payload."""
    return target.letter(payload=b"\xff" * 100)


@_forgery(RefusalCode.MALFORMED, logged=True)
def payload_with_unknown_field(target: Target) -> Letter:
    """Seal a payload that says more than anybody can read."""
    return target.letter(payload=protobuf.unknown(encode_payload(alert())))


@_forgery(RefusalCode.MALFORMED, logged=True)
def empty_payload(target: Target) -> Letter:
    """Seal nothing."""
    return target.letter(payload=b"")


@_forgery(RefusalCode.POLICY, logged=True)
def response_to_nothing(target: Target) -> Letter:
    """Accept an alert that was never sent."""
    asked = new_message_id(target.puppet.now_ms(), random_bytes(10))
    body = Response(asked, bytes(32), Decision.ACCEPTED, "Seen.")
    payload = Payload(Markings(Tlp.AMBER), body)
    return target.letter(payload=payload, in_reply_to=asked)


# When.


@_forgery(RefusalCode.EXPIRED, logged=True)
def expired_message(target: Target) -> Letter:
    """Deliver too late."""
    now_ms = target.puppet.now_ms()
    return target.letter(created_ms=now_ms - HOUR_MS // 2, expires_ms=now_ms)


@_forgery(RefusalCode.CLOCK_SKEW)
def message_from_the_future(target: Target) -> Letter:
    """Deliver too early."""
    return target.letter(created_ms=target.puppet.now_ms() + HOUR_MS)


# What the ledger says of it.


def _proven_wrongly(name: str, mangle: Callable[[Shipment], None]) -> None:
    _on_the_wire(name, RefusalCode.NOT_IN_LEDGER, mangle)


def _wrong_index(shipment: Shipment) -> None:
    shipment.shared.index -= 1


def _index_past_the_end(shipment: Shipment) -> None:
    shipment.shared.index = 2**63 - 1


def _truncated_proof(shipment: Shipment) -> None:
    del shipment.shared.proof[-1]


def _extended_proof(shipment: Shipment) -> None:
    shipment.shared.proof.append(bytes(32))


def _no_proof(shipment: Shipment) -> None:
    del shipment.shared.proof[:]


def _reordered_proof(shipment: Shipment) -> None:
    first, *rest = shipment.shared.proof
    shipment.shared.proof[:] = [*rest, first]


_proven_wrongly("wrong_index", _wrong_index)
_proven_wrongly("index_past_the_end", _index_past_the_end)
_proven_wrongly("truncated_proof", _truncated_proof)
_proven_wrongly("extended_proof", _extended_proof)
_proven_wrongly("no_proof", _no_proof)
_proven_wrongly("reordered_proof", _reordered_proof)


def _short_hash(shipment: Shipment) -> None:
    shipment.shared.proof[0] = bytes(31)


def _long_proof(shipment: Shipment) -> None:
    shipment.shared.proof[:] = [bytes(32)] * 64


def _huge_index(shipment: Shipment) -> None:
    shipment.shared.index = 2**63


_on_the_wire("proof_with_a_short_hash", RefusalCode.MALFORMED, _short_hash)
_on_the_wire("proof_of_64_hashes", RefusalCode.MALFORMED, _long_proof)
_on_the_wire("index_of_64_bits", RefusalCode.MALFORMED, _huge_index)
_on_the_wire("no_entry", RefusalCode.MALFORMED, lambda shipment: shipment.ClearField("shared"))


def _entry_of(name: str, **changes: object) -> None:
    """Register a proven entry that is not the SHARED entry of the message."""

    def make(target: Target) -> Letter:
        letter = target.letter()
        return replace(letter, entry=target.puppet.entry(letter, **changes))

    FORGERIES[name] = Forgery(make, RefusalCode.NOT_IN_LEDGER)


_entry_of("entry_of_another_message", message_id=new_message_id(1, bytes(10)))
_entry_of("entry_of_another_header", object_sha256=bytes(32))
_entry_of("entry_of_another_commitment", commitment=bytes(32))
_entry_of(
    "entry_of_another_kind",
    kind=EntryKind.RECEIVED,
    agency=AgencyId("be.police"),
    answers=EntryRef("be.police.sesn/ledger/1", 1, bytes(32)),  # type: ignore[arg-type] # origin
)


def malleated(seal_: bytes) -> bytes:
    """Negate s: another valid signature over the same message (FIPS 186-5 allows it)."""
    r, s = decode_dss_signature(seal_)
    return encode_dss_signature(r, _P256_ORDER - s)


def reordered_recipients(target: Target) -> bytes:
    """Write the header of a letter to two with the recipients in descending order."""
    letter = target.puppet.letter(target.other, target.to)
    fields = protobuf.split(encode_header(letter.fields))
    at = [index for index, field in enumerate(fields) if field[0] >> 3 == _RECIPIENTS]
    fields[at[0]], fields[at[1]] = fields[at[1]], fields[at[0]]
    return b"".join(fields)


@_forgery(RefusalCode.MALFORMED)
def recipients_in_descending_order(target: Target) -> Letter:
    """Reorder the recipients, and seal that."""
    return replace(target.letter(), header=reordered_recipients(target))


@_forgery(RefusalCode.MALFORMED)
def recipient_named_twice(target: Target) -> Letter:
    """Name the same recipient twice, and seal that."""
    letter = target.letter()
    fields = protobuf.split(letter.header_bytes)
    at = next(index for index, field in enumerate(fields) if field[0] >> 3 == _RECIPIENTS)
    return replace(letter, header=b"".join([*fields[: at + 1], *fields[at:]]))
