"""Headers and envelopes to bytes and back; every bad field is named by its path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sesn_node.domain.ids import AgencyId
from sesn_node.domain.messages import MAX_RECIPIENTS, KindClass, Priority, Recipient
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import envelope_pb2 as pb
from sesn_node.wire.envelopes import (
    decode_header,
    encode_header,
    envelope_from_pb,
    envelope_to_pb,
)
from tests.support.objects import envelope, header, recipient


def _changed(change: Callable[[pb.Header], object]) -> bytes:
    message = pb.Header.FromString(encode_header(header()))
    change(message)
    return message.SerializeToString(deterministic=True)


def test_header_survives_the_trip() -> None:
    """Decoding gives an equal header, and encoding that gives the same bytes."""
    data = encode_header(header())
    assert decode_header(data) == header()
    assert encode_header(decode_header(data)) == data


def test_header_that_answers_nothing_survives_the_trip() -> None:
    """An empty field on the wire is None in the domain."""
    first = replace(header(), in_reply_to=None)
    assert decode_header(encode_header(first)).in_reply_to is None


@pytest.mark.parametrize("priority", Priority)
def test_enums_have_the_values_of_the_wire(priority: Priority) -> None:
    """The outbox sorts by the number that the header carries."""
    data = encode_header(replace(header(), priority=priority))
    message = pb.Header.FromString(data)
    assert message.priority == priority.value
    assert message.kind_class == KindClass.MESSAGE.value


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.ClearField("suite"), r"^header\.suite: "),
        (lambda m: m.ClearField("message_id"), r"^header\.message_id: "),
        (lambda m: m.ClearField("kind_class"), r"^header\.kind_class: 0 "),
        (lambda m: setattr(m, "kind_class", 2), r"^header\.kind_class: 2 "),
        (lambda m: setattr(m, "sender", "NL.customs"), r"^header\.sender: "),
        (lambda m: m.ClearField("recipients"), r"^header\.recipients: "),
        (lambda m: m.recipients.reverse(), r"^header\.recipients\[1\]\.agency: .*ascending"),
        (lambda m: setattr(m.recipients[1], "key_id", b"k"), r"^header\.recipients\[1\]\.key_id: "),
        (lambda m: m.ClearField("created_ms"), r"^header\.created_ms: "),
        (lambda m: setattr(m, "expires_ms", 2**64 - 1), r"^header\.expires_ms: "),
        (lambda m: m.ClearField("conversation_id"), r"^header\.conversation_id: "),
        (lambda m: setattr(m, "in_reply_to", b"x"), r"^header\.in_reply_to: "),
        (lambda m: setattr(m, "priority", -1), r"^header\.priority: -1 "),
        (lambda m: setattr(m, "seal_key_id", b"x" * 33), r"^header\.seal_key_id: "),
        (lambda m: m.ClearField("ciphertext_sha256"), r"^header\.ciphertext_sha256: "),
        (lambda m: m.ClearField("commitment"), r"^header\.commitment: "),
    ],
)
def test_bad_field_is_named(change: Callable[[pb.Header], object], problem: str) -> None:
    """Hostile headers are refused with the path of what is wrong."""
    with pytest.raises(MalformedError, match=problem):
        decode_header(_changed(change))


def test_too_many_recipients_attack() -> None:
    """Thousands of empty recipients are counted, not built."""
    data = b"\x18\x01" + b"\x2a\x00" * 30_000 + b"\x50\x01"
    with pytest.raises(MalformedError, match=r"^header\.recipients: at most 500 .* 30,000"):
        decode_header(data)


def test_header_over_its_limit_is_not_written() -> None:
    """500 recipients with the longest ids do not fit; the sender learns what to do."""
    label = "a" * 32
    many = tuple(
        Recipient(AgencyId(f"nl.{label}.{label}.b{index:03d}"), b"k" * 32, b"w" * 32)
        for index in range(MAX_RECIPIENTS)
    )
    with pytest.raises(MalformedError, match=r"^header: at most 65,536 bytes.*fewer recipients"):
        encode_header(replace(header(), recipients=many))


def test_500_recipients_with_usual_ids_fit() -> None:
    """The limit on recipients can be reached."""
    many = tuple(recipient(f"nl.agency-{index:03d}.desk") for index in range(MAX_RECIPIENTS))
    full = replace(header(), recipients=many)
    assert decode_header(encode_header(full)) == full


def test_envelope_survives_the_trip() -> None:
    """As the message of the Exchange service."""
    assert envelope_from_pb(envelope_to_pb(envelope())) == envelope()


def test_unknown_field_in_a_parsed_envelope_attack() -> None:
    """Behind gRPC stands a lenient parser; what it kept aside is found."""
    message = envelope_to_pb(envelope())
    message.MergeFromString(b"\xfa\x07\x01x")
    with pytest.raises(MalformedError, match=r"^envelope: unknown fields"):
        envelope_from_pb(message)


def test_empty_envelope_is_refused() -> None:
    """All four fields are needed; the message says which is wrong."""
    with pytest.raises(MalformedError, match=r"^envelope\.header: "):
        envelope_from_pb(pb.SealedEnvelope())
