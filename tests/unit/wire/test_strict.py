"""Signed bytes have one meaning: every other encoding of the same fields is refused."""

from __future__ import annotations

import pytest

from sesn_node.errors import MalformedError
from sesn_node.wire._pb import envelope_pb2, ledger_pb2, payload_pb2
from sesn_node.wire.entries import encode_entry
from sesn_node.wire.envelopes import encode_header
from sesn_node.wire.payloads import encode_payload
from sesn_node.wire.strict import parse_strict
from tests.support.objects import entry, header, payload

# A field 127 that no message has: tag (127 << 3 | 2) as a varint, then one byte.
UNKNOWN = b"\xfa\x07\x01x"


def _header(data: bytes) -> envelope_pb2.Header:
    return parse_strict(envelope_pb2.Header, data, what="header", limit=65_536)


def test_own_encoding_is_taken() -> None:
    """What the codec writes, the parser reads."""
    assert _header(encode_header(header())).sender == "nl.customs"


def test_limit_is_exact() -> None:
    """At the limit is fine, one byte over is refused before parsing."""
    data = encode_header(header())
    parse_strict(envelope_pb2.Header, data, what="header", limit=len(data))
    with pytest.raises(MalformedError, match=r"^header: at most .* bytes"):
        parse_strict(envelope_pb2.Header, data, what="header", limit=len(data) - 1)


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0b", b"\x0a\x02\xff\xfe"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """Truncated fields, stray groups and strings that are not UTF-8 are not a header."""
    with pytest.raises(MalformedError, match=r"^header: not a serialised Header"):
        _header(data)


@pytest.mark.parametrize("place", ["front", "end"])
def test_unknown_field_attack(place: str) -> None:
    """A field that this version does not know could say something to another version."""
    data = encode_header(header())
    with pytest.raises(MalformedError, match=r"^header: unknown fields"):
        _header(UNKNOWN + data if place == "front" else data + UNKNOWN)


def test_unknown_field_attack_inside_a_recipient() -> None:
    """The check goes to every depth of a header."""
    message = envelope_pb2.Header.FromString(encode_header(header()))
    message.recipients[1].MergeFromString(UNKNOWN)
    with pytest.raises(MalformedError, match=r"^header: unknown fields"):
        _header(message.SerializeToString(deterministic=True))


def test_unknown_field_attack_inside_a_reference() -> None:
    """The same inside a ledger entry."""
    message = ledger_pb2.LedgerEntry.FromString(encode_entry(entry()))
    message.answers.MergeFromString(UNKNOWN)
    data = message.SerializeToString(deterministic=True)
    with pytest.raises(MalformedError, match=r"^entry: unknown fields"):
        parse_strict(ledger_pb2.LedgerEntry, data, what="entry", limit=65_535)


def test_unknown_field_attack_inside_a_timestamp() -> None:
    """The same four levels down, in a type that protobuf itself brings."""
    message = payload_pb2.Payload.FromString(encode_payload(payload()))
    message.alert.consignment.route[0].at.MergeFromString(UNKNOWN)
    data = message.SerializeToString(deterministic=True)
    with pytest.raises(MalformedError, match=r"^payload: unknown fields"):
        parse_strict(payload_pb2.Payload, data, what="payload", limit=1_048_576)


def test_reordered_fields_attack() -> None:
    """The same fields in another order would be another hash for one message."""
    suite = b"\x0a\x06SESN-1"
    data = encode_header(header())
    assert data.startswith(suite)
    with pytest.raises(MalformedError, match=r"deterministic"):
        _header(data[len(suite) :] + suite)


def test_repeated_field_attack() -> None:
    """A second sender would win over the first in one parser and lose in another."""
    with pytest.raises(MalformedError, match=r"deterministic"):
        _header(encode_header(header()) + b"\x22\x06gh.epa")


def test_overlong_varint_attack() -> None:
    """A length written with more bytes than it needs is another encoding."""
    data = encode_header(header())
    with pytest.raises(MalformedError, match=r"deterministic"):
        _header(b"\x0a\x86\x00" + data[2:])


def test_explicit_default_attack() -> None:
    """A field that is written although it has its default is another encoding."""
    with pytest.raises(MalformedError, match=r"deterministic"):
        _header(encode_header(header()) + b"\x50\x00")
