"""Forged insides: other keys, contents and times, and what the ledger says of a message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node.crypto.primitives import hpke_seal, random_bytes, sha256
from sesn_node.crypto.seal import MessageContext, SealRecipient, commit, seal
from sesn_node.domain.conversation import Decision, Response
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.domain.ids import ledger_origin, new_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.messages import SUITE, Recipient
from sesn_node.domain.payload import Payload
from sesn_node.domain.refusals import RefusalCode
from sesn_node.wire.payloads import encode_payload
from tests.support import protobuf
from tests.support.forgery import Catalogue, Target
from tests.support.homes import BE, NL
from tests.support.network import HOUR_MS, alert
from tests.vectors.crypto import independent

if TYPE_CHECKING:
    from sesn_node.wire._pb.exchange_pb2 import Shipment
    from tests.support.puppet import Letter

CONTENTS = Catalogue()


# The keys and the ciphertext.


def _flip_wrapped(shipment: Shipment) -> None:
    shipment.envelope.wrapped_key = bytes(1168)


CONTENTS.on_the_wire("altered_wrapped_key", RefusalCode.UNDECRYPTABLE, _flip_wrapped, logged=True)


@CONTENTS.enter(RefusalCode.UNDECRYPTABLE, logged=True)
def wrapped_key_of_another_message(target: Target) -> Letter:
    """Use a wrapped key a second time."""
    other, letter = target.letter(), target.letter()
    return _rewrapped(letter, other.wrapped_key)


@CONTENTS.enter(RefusalCode.UNDECRYPTABLE, logged=True)
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


CONTENTS.on_the_wire("altered_ciphertext", RefusalCode.UNDECRYPTABLE, _flip_ciphertext, logged=True)


@CONTENTS.enter(RefusalCode.UNDECRYPTABLE, logged=True)
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


@CONTENTS.enter(RefusalCode.COMMITMENT_MISMATCH, logged=True)
def commitment_to_another_payload(target: Target) -> Letter:
    """Commit to one message in header and ledger, and send another."""
    letter = target.letter()
    fields = replace(letter.fields, commitment=commit(bytes(32), b"something else"))
    changed = replace(letter, fields=fields)
    return _sealed_to(target, changed, letter.content_key, letter.ciphertext)


@CONTENTS.enter(RefusalCode.COMMITMENT_MISMATCH, logged=True)
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


@CONTENTS.enter(RefusalCode.MALFORMED, logged=True)
def payload_of_garbage(target: Target) -> Letter:
    """Seal what is no payload."""
    return target.letter(payload=b"\xff" * 100)


@CONTENTS.enter(RefusalCode.MALFORMED, logged=True)
def payload_with_unknown_field(target: Target) -> Letter:
    """Seal a payload that says more than anybody can read."""
    return target.letter(payload=protobuf.unknown(encode_payload(alert())))


@CONTENTS.enter(RefusalCode.MALFORMED, logged=True)
def empty_payload(target: Target) -> Letter:
    """Seal nothing."""
    return target.letter(payload=b"")


@CONTENTS.enter(RefusalCode.POLICY, logged=True)
def response_to_nothing(target: Target) -> Letter:
    """Accept an alert that was never sent."""
    asked = new_message_id(target.puppet.now_ms(), random_bytes(10))
    body = Response(asked, bytes(32), Decision.ACCEPTED, "Seen.")
    payload = Payload(Markings(Tlp.AMBER), body)
    return target.letter(payload=payload, in_reply_to=asked)


# When.


@CONTENTS.enter(RefusalCode.EXPIRED, logged=True)
def expired_message(target: Target) -> Letter:
    """Deliver too late."""
    now_ms = target.puppet.now_ms()
    return target.letter(created_ms=now_ms - HOUR_MS // 2, expires_ms=now_ms)


@CONTENTS.enter(RefusalCode.CLOCK_SKEW)
def message_from_the_future(target: Target) -> Letter:
    """Deliver too early."""
    return target.letter(created_ms=target.puppet.now_ms() + HOUR_MS)


# What the ledger says of it.


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


CONTENTS.on_the_wire("wrong_index", RefusalCode.NOT_IN_LEDGER, _wrong_index)
CONTENTS.on_the_wire("index_past_the_end", RefusalCode.NOT_IN_LEDGER, _index_past_the_end)
CONTENTS.on_the_wire("truncated_proof", RefusalCode.NOT_IN_LEDGER, _truncated_proof)
CONTENTS.on_the_wire("extended_proof", RefusalCode.NOT_IN_LEDGER, _extended_proof)
CONTENTS.on_the_wire("no_proof", RefusalCode.NOT_IN_LEDGER, _no_proof)
CONTENTS.on_the_wire("reordered_proof", RefusalCode.NOT_IN_LEDGER, _reordered_proof)


def _short_hash(shipment: Shipment) -> None:
    shipment.shared.proof[0] = bytes(31)


def _long_proof(shipment: Shipment) -> None:
    shipment.shared.proof[:] = [bytes(32)] * 64


def _huge_index(shipment: Shipment) -> None:
    shipment.shared.index = 2**63


CONTENTS.on_the_wire("proof_with_a_short_hash", RefusalCode.MALFORMED, _short_hash)
CONTENTS.on_the_wire("proof_of_64_hashes", RefusalCode.MALFORMED, _long_proof)
CONTENTS.on_the_wire("index_of_64_bits", RefusalCode.MALFORMED, _huge_index)
CONTENTS.on_the_wire(
    "no_entry", RefusalCode.MALFORMED, lambda shipment: shipment.ClearField("shared")
)


CONTENTS.with_entry("entry_of_another_message", message_id=new_message_id(1, bytes(10)))
CONTENTS.with_entry("entry_of_another_header", object_sha256=bytes(32))
CONTENTS.with_entry("entry_of_another_commitment", commitment=bytes(32))
CONTENTS.with_entry(
    "entry_of_another_kind",
    kind=EntryKind.RECEIVED,
    agency=BE,
    answers=EntryRef(ledger_origin(BE, 1), 1, bytes(32)),
)

CONTENTS.with_entry_bytes("truncated_entry", lambda data: data[:-1])
CONTENTS.with_entry_bytes("entry_of_garbage", lambda _: b"\xff" * 100)
# SHARED has no reference: the re-encodings of one are tested with receipts.
for _name in ("reordered fields", "repeated field", "unknown field", "overlong varint"):
    CONTENTS.with_entry_bytes(
        f"entry_with_{_name.replace(' ', '_')}", protobuf.encodings(7, 9)[_name]
    )
CONTENTS.with_entry_bytes("entry_with_explicit_default", protobuf.explicit_default(9))
