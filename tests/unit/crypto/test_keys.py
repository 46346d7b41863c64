"""Keys: what is generated, what is decoded, what is shown. Encodings are in the vectors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.crypto import keys, primitives
from sesn_node.crypto.keys import KeyKind, KeyRecord
from sesn_node.errors import MalformedError
from tests.vectors.crypto.material import record

PUBLIC_BYTES = {
    KeyKind.ROOT: 91,
    KeyKind.SEAL: 91,
    KeyKind.TLS: 91,
    KeyKind.ENCRYPTION: 1216,
    KeyKind.LOG_ED25519: 32,
    KeyKind.LOG_MLDSA44: 1312,
    KeyKind.WITNESS_ED25519: 32,
    KeyKind.WITNESS_MLDSA44: 1312,
    KeyKind.STORAGE: 32,
    KeyKind.OPERATOR: 91,
    KeyKind.INDEX: 32,
}


def make(kind: KeyKind) -> KeyRecord:
    """Generate a key in force from 2,000 to 3,000."""
    return keys.generate(kind, created_ms=1_000, not_before_ms=2_000, not_after_ms=3_000)


@pytest.mark.parametrize("kind", KeyKind)
def test_generate(kind: KeyKind) -> None:
    """Every kind can be made, with a public part of its own length, and never the same twice."""
    first, second = make(kind), make(kind)
    assert first.kind is kind
    assert (first.created_ms, first.not_before_ms, first.not_after_ms) == (1_000, 2_000, 3_000)
    assert len(first.public) == PUBLIC_BYTES[kind]
    assert first.public == keys.public_of(kind, first.private)
    assert first.private != second.private
    assert first.key_id == primitives.sha256(first.public) == keys.key_id(first.public)


@pytest.mark.parametrize("kind", KeyKind)
def test_no_secret_is_shown(kind: KeyKind) -> None:
    """The private key is in no repr, as bytes, hex or decimal."""
    key = make(kind)
    for text in (repr(key), str(key), f"{key}"):
        assert repr(key.private)[2:-1] not in text
        assert "private" not in text
        assert key.private.hex() not in text


@pytest.mark.parametrize("kind", KeyKind)
def test_a_foreign_public_key_is_refused(kind: KeyKind) -> None:
    """A record cannot name one key and sign or open with another."""
    with pytest.raises(MalformedError, match="do not belong together"):
        replace(make(kind), public=make(kind).public)


def test_kinds_do_not_mix() -> None:
    """A private key of one format is not one of another."""
    with pytest.raises(MalformedError):
        replace(make(KeyKind.SEAL), kind=KeyKind.LOG_ED25519)
    with pytest.raises(MalformedError):
        replace(make(KeyKind.LOG_ED25519), kind=KeyKind.LOG_MLDSA44)


@pytest.mark.parametrize(
    ("created", "not_before", "not_after"), [(-1, 0, 1), (0, -1, 1), (0, 5, 5), (0, 6, 5)]
)
def test_times_out_of_order_are_refused(created: int, not_before: int, not_after: int) -> None:
    """A key is in force for some time that is not before 1970."""
    with pytest.raises(MalformedError, match="not_before_ms"):
        keys.generate(
            KeyKind.STORAGE,
            created_ms=created,
            not_before_ms=not_before,
            not_after_ms=not_after,
        )


@pytest.mark.parametrize(
    ("at_ms", "expected"), [(1_999, False), (2_000, True), (2_999, True), (3_000, False)]
)
def test_in_force(at_ms: int, expected: bool) -> None:
    """From not_before_ms up to, not including, not_after_ms."""
    assert make(KeyKind.STORAGE).in_force(at_ms) is expected


def test_loaded_keys_work_together() -> None:
    """What the private half signs or opens, the public half verifies or seals."""
    seal = record(KeyKind.SEAL, "pair")
    signature = primitives.ecdsa_sign(keys.load_p256_private(seal.private), b"m")
    primitives.ecdsa_verify(keys.load_p256_public(seal.public), b"m", signature)
    log = record(KeyKind.LOG_ED25519, "pair")
    signature = primitives.ed25519_sign(keys.load_ed25519_private(log.private), b"m")
    primitives.ed25519_verify(keys.load_ed25519_public(log.public), b"m", signature)
    quantum = record(KeyKind.LOG_MLDSA44, "pair")
    signature = primitives.mldsa44_sign(keys.load_mldsa44_private(quantum.private), b"m")
    primitives.mldsa44_verify(keys.load_mldsa44_public(quantum.public), b"m", signature)
    box = record(KeyKind.ENCRYPTION, "pair")
    sealed = primitives.hpke_seal(keys.load_encryption_public(box.public), b"m", b"")
    assert primitives.hpke_open(keys.load_encryption_private(box.private), sealed, b"") == b"m"


def test_a_fresh_ed25519_key_is_never_refused() -> None:
    """The curve check accepts points, whatever their sign bit and coordinate."""
    for number in range(64):
        keys.load_ed25519_public(record(KeyKind.LOG_ED25519, f"point {number}").public)


def test_ed25519_check_refuses_what_is_not_a_point() -> None:
    """About half of all 32-byte strings are no point; each of those is refused."""
    refused = 0
    for number in range(64):
        try:
            keys.load_ed25519_public(bytes([number + 2]) + bytes(31))
        except MalformedError:
            refused += 1
    assert 16 < refused < 48


def test_p256_public_round_trip() -> None:
    """Encoding a decoded key gives the same 91 bytes."""
    public = record(KeyKind.SEAL, "pair").public
    assert keys.dump_p256_public(keys.load_p256_public(public)) == public
