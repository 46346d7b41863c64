"""Cards and sealed cards to bytes and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sesn_node.domain.cards import MAX_CARD_BYTES, Contact, Role
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import card_pb2 as pb
from sesn_node.wire.cards import (
    decode_card,
    decode_sealed_card,
    encode_card,
    encode_sealed_card,
)
from tests.support.objects import card, encryption_key, ledger_keys, seal_key


def test_card_survives_the_trip() -> None:
    """Decoding gives an equal card, and encoding that gives the same bytes."""
    body = encode_card(card())
    assert decode_card(body) == card()
    assert encode_card(decode_card(body)) == body


def test_card_with_little_survives_the_trip() -> None:
    """An agency that only dials out and tells nobody's name."""
    small = replace(card(), endpoints=(), contact=Contact())
    assert decode_card(encode_card(small)) == small


def test_time_zone_survives_the_trip() -> None:
    """It stands with what else tells how to reach an agency."""
    there = replace(card(), contact=replace(card().contact, time_zone="America/Argentina/Ushuaia"))
    assert decode_card(encode_card(there)) == there


@pytest.mark.parametrize("role", Role)
def test_role_survives_the_trip(role: Role) -> None:
    """Every role has its number."""
    assert decode_card(encode_card(replace(card(), role=role))).role is role


def test_largest_card_fits() -> None:
    """The limits on keys and ledgers can be reached within the limit on bytes."""
    full = replace(
        card(),
        seal_keys=tuple(seal_key(number) for number in range(16)),
        encryption_keys=tuple(encryption_key(number) for number in range(16)),
        ledgers=tuple(ledger_keys(number + 1) for number in range(64)),
    )
    body = encode_card(full)
    assert len(body) < MAX_CARD_BYTES
    assert decode_card(body) == full


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.ClearField("role"), r"^card\.role: 0 "),
        (lambda m: setattr(m, "role", 7), r"^card\.role: 7 "),
        (lambda m: m.ClearField("contact"), r"^card\.contact: missing"),
        (lambda m: m.ClearField("witness"), r"^card\.witness: missing"),
        (lambda m: m.ClearField("limits"), r"^card\.limits: missing"),
        (lambda m: m.contact.languages.append("EN"), r"^card\.contact\.languages\[2\]: "),
        (lambda m: setattr(m.seal_keys[1], "spki", b""), r"^card\.seal_keys\[1\]\.spki: "),
        (lambda m: setattr(m.ledgers[0], "origin", ""), r"^card\.ledgers\[0\]\.origin: "),
        (lambda m: m.ledgers.extend([m.ledgers[0]] * 63), r"^card\.ledgers: at most 64 .* 65"),
        (lambda m: setattr(m.witness, "name", "x"), r"^card\.witness\.name: "),
        (
            lambda m: setattr(m.encryption_keys[0], "destroyed_ms", 1),
            r"^card\.encryption_keys\[0\]\.destroyed_ms: ",
        ),
        (lambda m: m.limits.ClearField("batch_bytes"), r"^card\.limits\.batch_bytes: "),
        (lambda m: setattr(m, "sequence", 2**63), r"^card\.sequence: "),
    ],
)
def test_bad_field_is_named(change: Callable[[pb.Card], object], problem: str) -> None:
    """Hostile cards are refused with the path of what is wrong."""
    message = pb.Card.FromString(encode_card(card()))
    change(message)
    with pytest.raises(MalformedError, match=problem):
        decode_card(message.SerializeToString(deterministic=True))


def test_sealed_card_survives_the_trip() -> None:
    """Body and seal come back as they went in, unread."""
    assert decode_sealed_card(encode_sealed_card(b"body", b"s" * 70)) == (b"body", b"s" * 70)


@pytest.mark.parametrize(
    ("body", "seal", "problem"),
    [
        (b"", b"s" * 70, r"^sealed card\.body: "),
        (b"b", b"", r"^sealed card\.seal: "),
        (b"b", b"s" * 73, r"^sealed card\.seal: "),
    ],
)
def test_half_a_sealed_card_is_refused(body: bytes, seal: bytes, problem: str) -> None:
    """Both ways: nobody writes one, nobody reads one."""
    with pytest.raises(MalformedError, match=problem):
        encode_sealed_card(body, seal)
    data = pb.SealedCard(body=body, seal=seal).SerializeToString(deterministic=True)
    with pytest.raises(MalformedError, match=problem):
        decode_sealed_card(data)
