r"""SESN signatures: an agency's seal on a message header, a card or an operator; an operator's own.

A signature covers `"sesn/v1/<object>\0"` and the exact bytes of the body, so that a seal on
one kind of object never passes for another. The identity of an object is `body_hash`, never
anything made of its signature: ECDSA signatures are malleable.

Not checked here: whether the key belongs to the agency, was in force, or is revoked. That is
the work of `trust`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sesn_node.crypto import keys, primitives
from sesn_node.crypto.signers import Signer


class ObjectKind(StrEnum):
    """What is signed; the value is part of the signed bytes."""

    ENVELOPE = "envelope"
    """The serialised header of a message."""
    CARD = "card"
    """The serialised body of an agency card."""
    OPERATOR = "operator"
    """What an agency says of one of its people, serialised."""
    STATEMENT = "statement"
    """What one of them says of a message, serialised; signed by the operator, not the agency."""


_PREFIXES: Final = {kind: b"sesn/v1/" + kind.value.encode("ascii") + b"\0" for kind in ObjectKind}


class EcdsaVerifier:
    """A P-256 public key, decoded once and used for many signatures.

    Args:
        spki: SubjectPublicKeyInfo, DER.

    Raises:
        MalformedError: Not a P-256 key in canonical DER.
    """

    __slots__ = ("_public", "key_id", "spki")

    def __init__(self, spki: bytes) -> None:
        self._public: Final = keys.load_p256_public(spki)
        self.spki: Final = spki
        self.key_id: Final = keys.key_id(spki)

    def __repr__(self) -> str:
        return f"EcdsaVerifier({self.key_id.hex()})"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify ECDSA P-256 with SHA-256, DER.

        Raises:
            VerificationError: `BAD_SIGNATURE`.
        """
        primitives.ecdsa_verify(self._public, message, signature)


def body_hash(body: bytes) -> bytes:
    """Identity of a signed object: SHA-256 of its body, 32 bytes."""
    return primitives.sha256(body)


def signed_bytes(kind: ObjectKind, body: bytes) -> bytes:
    """Return exactly what a SESN signature covers."""
    return _PREFIXES[kind] + body


def sign_object(signer: Signer, kind: ObjectKind, body: bytes) -> bytes:
    """Seal `body` with a P-256 signer: a DER signature."""
    return signer.sign(signed_bytes(kind, body))


def verify_object(
    public: EcdsaVerifier | bytes, kind: ObjectKind, body: bytes, signature: bytes
) -> None:
    """Check a seal. Give an `EcdsaVerifier` where one key checks many objects.

    Raises:
        MalformedError: `public` is bytes and not a canonical P-256 SubjectPublicKeyInfo.
        VerificationError: `BAD_SIGNATURE`: another key, kind or body, or altered.
    """
    verifier = EcdsaVerifier(public) if isinstance(public, bytes) else public
    verifier.verify(signed_bytes(kind, body), signature)
