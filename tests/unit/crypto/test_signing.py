"""Seals on objects. The bad ones, one by one, are in the vectors."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from sesn_node.crypto import signing
from sesn_node.crypto.keys import KeyKind, key_id
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import EcdsaVerifier, ObjectKind
from sesn_node.errors import MalformedError, VerificationError
from tests.vectors.crypto.material import P256_ORDER, record, sign_p256

KEY = record(KeyKind.SEAL, "seal a")
SIGNER = signer_for(KEY)


@pytest.mark.parametrize("kind", ObjectKind)
@pytest.mark.parametrize("body", [b"", b"body", bytes(65_536)])
def test_sign_and_verify(kind: ObjectKind, body: bytes) -> None:
    """A seal verifies with the parsed key and with its bytes."""
    signature = signing.sign_object(SIGNER, kind, body)
    signing.verify_object(EcdsaVerifier(KEY.public), kind, body, signature)
    signing.verify_object(KEY.public, kind, body, signature)


def test_a_seal_on_a_header_is_not_a_seal_on_a_card() -> None:
    """The kind of the object is under the signature."""
    signature = signing.sign_object(SIGNER, ObjectKind.ENVELOPE, b"body")
    with pytest.raises(VerificationError) as caught:
        signing.verify_object(KEY.public, ObjectKind.CARD, b"body", signature)
    assert caught.value.code == "BAD_SIGNATURE"


def test_signed_bytes() -> None:
    """What is signed is the prefix of protocol.md and the body."""
    assert signing.signed_bytes(ObjectKind.ENVELOPE, b"x") == b"sesn/v1/envelope\0x"
    assert signing.signed_bytes(ObjectKind.CARD, b"x") == b"sesn/v1/card\0x"


def test_malleating_a_seal_changes_no_identity() -> None:
    """(r, n - s) verifies: so an object is named by its body, which stays the same."""
    message = signing.signed_bytes(ObjectKind.ENVELOPE, b"body")
    r, s = sign_p256("seal a", message)
    seals = encode_dss_signature(r, s), encode_dss_signature(r, P256_ORDER - s)
    assert seals[0] != seals[1]
    for seal in seals:
        signing.verify_object(KEY.public, ObjectKind.ENVELOPE, b"body", seal)
    assert signing.body_hash(b"body") == hashlib.sha256(b"body").digest()


def test_verifier() -> None:
    """A verifier keeps the bytes and the name of its key, and shows the name."""
    verifier = EcdsaVerifier(KEY.public)
    assert verifier.spki == KEY.public
    assert verifier.key_id == key_id(KEY.public) == KEY.key_id
    assert repr(verifier) == f"EcdsaVerifier({KEY.key_id.hex()})"


@pytest.mark.parametrize(
    "public", [b"", KEY.public[:-1], record(KeyKind.LOG_ED25519, "seal").public]
)
def test_a_key_of_another_kind_is_refused(public: bytes) -> None:
    """Only a P-256 key verifies a seal."""
    with pytest.raises(MalformedError, match="P-256"):
        signing.verify_object(public, ObjectKind.CARD, b"body", b"")
