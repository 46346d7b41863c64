"""Signers: the right scheme for each kind of key, and nothing secret on show."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sesn_node.crypto import keys, primitives, signers
from sesn_node.crypto.keys import KeyKind
from sesn_node.errors import MalformedError
from tests.vectors.crypto.material import record

Verify = Callable[[bytes, bytes, bytes], None]


def verify_p256(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify with ECDSA."""
    primitives.ecdsa_verify(keys.load_p256_public(public), message, signature)


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify with Ed25519."""
    primitives.ed25519_verify(keys.load_ed25519_public(public), message, signature)


def verify_mldsa44(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify with ML-DSA-44."""
    primitives.mldsa44_verify(keys.load_mldsa44_public(public), message, signature)


SIGNING: list[tuple[KeyKind, type[object], Verify]] = [
    (KeyKind.ROOT, signers.EcdsaSigner, verify_p256),
    (KeyKind.SEAL, signers.EcdsaSigner, verify_p256),
    (KeyKind.TLS, signers.EcdsaSigner, verify_p256),
    (KeyKind.LOG_ED25519, signers.Ed25519Signer, verify_ed25519),
    (KeyKind.WITNESS_ED25519, signers.Ed25519Signer, verify_ed25519),
    (KeyKind.LOG_MLDSA44, signers.MlDsa44Signer, verify_mldsa44),
    (KeyKind.WITNESS_MLDSA44, signers.MlDsa44Signer, verify_mldsa44),
]


@pytest.mark.parametrize(("kind", "scheme", "verify"), SIGNING)
def test_signer_for(kind: KeyKind, scheme: type[object], verify: Verify) -> None:
    """The signer of a record has its public key and id, and signs what verifies under it."""
    key = record(kind, "signer")
    signer = signers.signer_for(key)
    assert type(signer) is scheme
    assert signer.public == key.public
    assert signer.key_id == key.key_id
    verify(signer.public, b"message", signer.sign(b"message"))


@pytest.mark.parametrize("kind", [KeyKind.ENCRYPTION, KeyKind.STORAGE, KeyKind.INDEX])
def test_other_kinds_do_not_sign(kind: KeyKind) -> None:
    """Encryption and storage keys have no signer."""
    with pytest.raises(MalformedError, match="does not sign"):
        signers.signer_for(record(kind, "no signer"))


@pytest.mark.parametrize(("kind", "scheme", "verify"), SIGNING)
def test_no_secret_is_shown(kind: KeyKind, scheme: type[object], verify: Verify) -> None:
    """The repr of a signer has its public key only."""
    del scheme, verify
    text = repr(signers.signer_for(record(kind, "signer")))
    assert "private" not in text.lower()
    assert "key_id" in text
