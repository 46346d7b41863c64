"""The shape of a card: bounds, order and consistency of what it says of its agency."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.domain.cards import Contact, EncryptionKey, Limits, SealKey
from sesn_node.errors import MalformedError
from tests.support.objects import (
    DAY_MS,
    NOW_MS,
    RECEIVER,
    card,
    changed,
    encryption_key,
    ledger_keys,
    seal_key,
)


def test_newest_key_in_force_is_chosen() -> None:
    """Where two keys overlap, the later one is encrypted to."""
    assert card().encryption_key_at(NOW_MS) == encryption_key(0)
    assert card().encryption_key_at(NOW_MS + DAY_MS) == encryption_key(1)


def test_key_is_in_force_up_to_its_end() -> None:
    """The end itself is outside: two keys can follow each other without overlap."""
    key = seal_key()
    assert key.in_force(key.not_before_ms)
    assert not key.in_force(key.not_before_ms - 1)
    assert key.in_force(key.not_after_ms - 1)
    assert not key.in_force(key.not_after_ms)
    assert card().encryption_key_at(NOW_MS + 3 * DAY_MS) is None
    assert card().encryption_key_at(NOW_MS - 1) is None


def test_last_ledger_is_the_one_being_written() -> None:
    """Ledgers stand in order, so the last epoch is the open one."""
    assert card().ledger == ledger_keys(2)


def test_a_ledger_may_have_several_key_sets() -> None:
    """The last set of the last ledger signs now."""
    sets = (ledger_keys(1), replace(ledger_keys(1), ed25519=b"e" * 32), ledger_keys(2))
    assert replace(card(), ledgers=sets).ledger == sets[2]
    assert replace(card(), ledgers=sets[:2]).ledger == sets[1]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"agency": "nl"}, "^agency: "),
        ({"name": ""}, "^name: must not be empty"),
        ({"name": "x" * 201}, "^name: at most 200"),
        ({"name": "Customs\x1b[2J"}, r"^name: .*U\+001B"),
        ({"country": "nl"}, "^country: "),
        ({"country": "GH"}, "^country: GH does not fit the agency id nl.customs"),
        ({"root_certificate": b""}, "^root_certificate: "),
        ({"root_certificate": b"r" * 4097}, "^root_certificate: "),
        ({"seal_keys": ()}, "^seal_keys: expected 1 to 16"),
        ({"seal_keys": (seal_key(1), seal_key(0))}, r"^seal_keys\[1\].not_before_ms: .*ascending"),
        ({"seal_keys": (seal_key(0), seal_key(0))}, r"^seal_keys\[1\].not_before_ms: .*ascending"),
        ({"encryption_keys": ()}, "^encryption_keys: expected 1 to 16"),
        ({"encryption_keys": (encryption_key(1), encryption_key(0))}, r"^encryption_keys\[1\]"),
        ({"ledgers": ()}, "^ledgers: expected 1 to 64"),
        ({"ledgers": (ledger_keys(2), ledger_keys(1))}, r"^ledgers\[1\].origin: .*later"),
        ({"ledgers": (ledger_keys(1),) * 65}, "^ledgers: expected 1 to 64"),
        ({"ledgers": (ledger_keys(1, RECEIVER),)}, r"^ledgers\[0\].origin: .*gh.epa"),
        ({"suites": ()}, "^suites: "),
        ({"suites": ("SESN-2",)}, "^suites: SESN-1 is missing"),
        ({"suites": ("SESN-1", "SESN-1")}, r"^suites\[1\]: 'SESN-1' occurs twice"),
        ({"suites": ("SESN-1", "x y")}, r"^suites\[1\]: "),
        ({"sequence": 0}, "^sequence: "),
        ({"sequence": 2}, "^previous_sha256: expected 32 bytes"),
        ({"previous_sha256": b"p" * 32}, "^previous_sha256: the first card"),
        ({"issued_ms": 0}, "^issued_ms: "),
        ({"expires_ms": NOW_MS}, "^expires_ms: expected after issued_ms"),
    ],
)
def test_card_out_of_bounds_is_refused(changes: dict[str, object], problem: str) -> None:
    """Each field is refused by its own path."""
    with pytest.raises(MalformedError, match=problem):
        changed(card(), **changes)


def test_same_key_twice_is_refused() -> None:
    """One key with two validities would have no clear end."""
    later = replace(seal_key(0), not_before_ms=NOW_MS + 1)
    with pytest.raises(MalformedError, match=r"^seal_keys\[1\]: .*twice"):
        replace(card(), seal_keys=(seal_key(0), later))


def test_witness_of_another_agency_is_refused() -> None:
    """A card cannot lend its cosignatures to another agency's name."""
    witness = replace(card().witness, name="gh.epa.sesn/witness")
    with pytest.raises(MalformedError, match=r"^witness.name: expected nl.customs"):
        replace(card(), witness=witness)


@pytest.mark.parametrize("endpoint", ["10.0.0.1:1", "localhost:65535", "[::1]:7443", "a.b-c.d:80"])
def test_endpoint_is_taken(endpoint: str) -> None:
    """Host names and addresses with a port."""
    assert replace(card(), endpoints=(endpoint,)).endpoints == (endpoint,)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "host",
        "host:0",
        "host:65536",
        "host:070",
        "unix:/run/x:1",
        "dns:///h:1",
        "h:1/x",
        "::1:80",
        "-a:80",
        "a..b:80",
        "host:80\n",
        "h\u00f6st:80",
        "a" * 64 + ":80",
    ],
)
def test_endpoint_that_is_no_host_and_port_is_refused(endpoint: str) -> None:
    """A card must not steer the transport to a socket file or another scheme."""
    with pytest.raises(MalformedError, match=r"^endpoints\[0\]: "):
        replace(card(), endpoints=(endpoint,))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"email": "desk"}, "^email: "),
        ({"email": "a b@c"}, "^email: "),
        ({"phone": "1" * 41}, "^phone: "),
        ({"duty_hours": "always\nand ever"}, r"^duty_hours: .*U\+000A"),
        ({"languages": ("EN",)}, r"^languages\[0\]: "),
        ({"languages": ("en", "en")}, r"^languages\[1\]: "),
        ({"languages": ("en",) * 17}, "^languages: "),
        ({"time_zone": "europe/amsterdam"}, "^time_zone: "),
        ({"time_zone": "right/Europe/Amsterdam"}, "^time_zone: "),
        ({"time_zone": "/etc/localtime"}, "^time_zone: "),
        ({"time_zone": "Europe/../UTC"}, "^time_zone: "),
        ({"time_zone": "Europe/Amsterdam\n"}, "^time_zone: "),
        ({"time_zone": "A" * 65}, "^time_zone: "),
    ],
)
def test_contact_is_checked(changes: dict[str, object], problem: str) -> None:
    """Contact details are single lines of bounded length."""
    with pytest.raises(MalformedError, match=problem):
        changed(Contact(), **changes)


def test_keys_are_checked() -> None:
    """Lengths and validity of keys have bounds."""
    with pytest.raises(MalformedError, match=r"^spki: "):
        SealKey(b"x", NOW_MS, NOW_MS + 1)
    with pytest.raises(MalformedError, match=r"^not_after_ms: "):
        replace(seal_key(), not_after_ms=NOW_MS)
    with pytest.raises(MalformedError, match=r"^public_key: expected 1,216"):
        EncryptionKey(b"", NOW_MS, NOW_MS + 1, NOW_MS + 1)
    with pytest.raises(MalformedError, match=r"^destroyed_ms: "):
        replace(encryption_key(), destroyed_ms=NOW_MS)
    with pytest.raises(MalformedError, match=r"^ed25519: "):
        replace(ledger_keys(), ed25519=b"")
    with pytest.raises(MalformedError, match=r"^mldsa44: expected 1,312"):
        replace(card().witness, mldsa44=b"")


def test_limits_cannot_contradict_each_other() -> None:
    """Whoever accepts a payload must accept the batch that brings it."""
    with pytest.raises(MalformedError, match=r"^batch_bytes: "):
        Limits(payload_bytes=1024 * 1024, batch_bytes=1024 * 1024)
    with pytest.raises(MalformedError, match=r"^payload_bytes: "):
        Limits(payload_bytes=1024 * 1024 + 1)
    with pytest.raises(MalformedError, match=r"^batch_envelopes: "):
        Limits(batch_envelopes=257)
    assert Limits(payload_bytes=1024, batch_envelopes=1, batch_bytes=200_000).batch_envelopes == 1
