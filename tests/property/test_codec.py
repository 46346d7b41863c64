"""Whatever the bytes: the codec gives one meaning, or MalformedError, and never anything else."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sesn_node.domain.alert import (
    Alert,
    CallKind,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.ids import agency_id, new_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.messages import MAX_LIFETIME_MS, Header, Priority, Recipient
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import envelope_pb2 as pb
from sesn_node.wire.cards import decode_card, decode_sealed_card, encode_card, encode_sealed_card
from sesn_node.wire.entries import decode_entry, encode_entry
from sesn_node.wire.envelopes import (
    decode_header,
    encode_header,
    envelope_from_pb,
    envelope_to_pb,
)
from sesn_node.wire.payloads import (
    alert_from_json,
    decode_payload,
    encode_payload,
    payload_to_json,
)
from sesn_node.wire.strict import parse_strict
from tests.support.objects import card, entry, envelope, header, payload

_LARGE = 1 << 22


def _sealed_card_again(data: bytes) -> bytes:
    return encode_sealed_card(*decode_sealed_card(data))


def _envelope_again(data: bytes) -> bytes:
    message = parse_strict(pb.SealedEnvelope, data, what="envelope", limit=_LARGE)
    return _written(envelope_to_pb(envelope_from_pb(message)))


def _written(message: pb.SealedEnvelope) -> bytes:
    return message.SerializeToString(deterministic=True)


def _assert_same_or_malformed(name: str, data: bytes) -> None:
    again, _ = CODECS[name]
    try:
        written = again(data)
    except MalformedError as error:
        problem = error.message
    else:
        problem = ""
        assert written == data
    assert problem == "" or problem.startswith(name)


# How to decode and encode again, and one valid encoding.
CODECS: dict[str, tuple[Callable[[bytes], bytes], bytes]] = {
    "header": (lambda data: encode_header(decode_header(data)), encode_header(header())),
    "envelope": (_envelope_again, _written(envelope_to_pb(envelope()))),
    "entry": (lambda data: encode_entry(decode_entry(data)), encode_entry(entry())),
    "card": (lambda data: encode_card(decode_card(data)), encode_card(card())),
    "sealed card": (_sealed_card_again, encode_sealed_card(b"body", b"s" * 70)),
    "payload": (lambda data: encode_payload(decode_payload(data)), encode_payload(payload())),
}

hashes = st.binary(min_size=32, max_size=32)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=32)
agencies = st.builds(lambda label: agency_id(f"nl.{label}"), labels)
message_ids = st.builds(
    new_message_id, st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10)
)
lines = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=15)
names = lines.filter(bool)
instants = st.none() | st.builds(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds),
    st.integers(0, 253_402_300_799_999_999),
)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Any valid header."""
    created_ms = draw(st.integers(1, 10**13))
    who = sorted(draw(st.sets(agencies, min_size=1, max_size=5)))
    return Header(
        message_id=draw(message_ids),
        sender=draw(agencies),
        recipients=tuple(Recipient(agency, draw(hashes), draw(hashes)) for agency in who),
        created_ms=created_ms,
        expires_ms=created_ms + draw(st.integers(1, MAX_LIFETIME_MS)),
        conversation_id=draw(message_ids),
        priority=draw(st.sampled_from(Priority)),
        seal_key_id=draw(hashes),
        ciphertext_sha256=draw(hashes),
        commitment=draw(hashes),
    )


goods = st.builds(
    Goods,
    description=names,
    hs_code=lines,
    hs_edition=st.sampled_from(["", "HS2022"]),
    basel_codes=st.lists(names, max_size=3, unique=True).map(tuple),
    oecd_codes=st.lists(names, max_size=2, unique=True).map(tuple),
    eu_waste_codes=st.lists(names, max_size=2, unique=True).map(tuple),
    un_numbers=st.lists(names, max_size=2, unique=True).map(tuple),
)
parties = st.builds(
    Party,
    names,
    st.sampled_from(PartyRole),
    lines,
    country=lines,
    lei=lines,
    vat=lines,
)
consignments = st.builds(
    Consignment,
    containers=st.lists(
        st.builds(Container, names, lines), max_size=3, unique_by=lambda c: c.number
    ).map(tuple),
    vessel=st.none() | st.builds(Vessel, names, lines, lines),
    bill_of_lading=lines,
    route=st.lists(st.builds(PortCall, names, st.sampled_from(CallKind), instants), max_size=3).map(
        tuple
    ),
    declared=goods,
    suspected=st.none() | goods,
    parties=st.lists(parties, max_size=3).map(tuple),
    found=st.none() | goods,
    regime=st.none() | st.sampled_from(Regime),
)
payloads = st.builds(
    Payload,
    st.builds(Markings, st.sampled_from(Tlp)),
    st.builds(
        Alert,
        subject=names,
        urgency=st.sampled_from(Urgency),
        requested_action=st.sampled_from(RequestedAction),
        respond_by=instants,
        narrative=names,
        consignment=st.none() | consignments,
    ),
)

# Documents that get past the first key: real names, with anything inside.
keys = st.sampled_from(
    [
        "markings",
        "tlp",
        "alert",
        "subject",
        "urgency",
        "respond_by",
        "respondBy",
        "consignment",
        "containers",
        "number",
        "route",
        "at",
        "declared",
        "quantity",
        "response",
        "message_id",
    ]
)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["RED", "URGENT", "2026-12-09T08:00:00Z", "9999-12-31T23:59:60-23:59"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(headers())
def test_any_header_survives_the_trip(original: Header) -> None:
    """Decoding what was encoded gives an equal header."""
    assert decode_header(encode_header(original)) == original


@given(payloads)
@settings(max_examples=60)
def test_any_payload_survives_both_trips(original: Payload) -> None:
    """As bytes and as JSON."""
    assert decode_payload(encode_payload(original)) == original
    assert alert_from_json(json.dumps(payload_to_json(original))) == original


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=300))
@example(data=b"")
def test_arbitrary_bytes_raise_only_malformed(name: str, data: bytes) -> None:
    """Noise is malformed, or by chance an encoding that is written the same again."""
    _assert_same_or_malformed(name, data)


@pytest.mark.parametrize("name", CODECS)
@given(data=st.data())
def test_changed_bytes_never_mean_the_same(name: str, data: st.DataObject) -> None:
    """One byte changed, put in or taken out: malformed, or another object with those very bytes."""
    _, valid = CODECS[name]
    at = data.draw(st.integers(0, len(valid) - 1))
    put = data.draw(st.binary(max_size=2))
    changed = valid[:at] + put + valid[at + data.draw(st.integers(0, 1)) :]
    _assert_same_or_malformed(name, changed)


@given(st.text() | st.binary())
def test_arbitrary_text_raises_only_malformed(text: str | bytes) -> None:
    """Whatever stands in a file, the officer gets a sentence."""
    with pytest.raises(MalformedError):
        alert_from_json(text)


@given(documents)
@settings(max_examples=200)
def test_arbitrary_json_raises_only_malformed(document: object) -> None:
    """JSON with our keys and anything inside is an alert or MalformedError, printable as ASCII."""
    try:
        alert_from_json(json.dumps(document))
    except MalformedError as error:
        error.message.encode("utf-8")
