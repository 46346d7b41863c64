"""Signing with private keys that the caller never sees.

`Signer` is the seam that a hardware security module or a smart card fills: two names for the
public key and one method. The signers here hold a key in memory, decoded once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sesn_node.crypto import keys, primitives
from sesn_node.errors import MalformedError


class Signer(Protocol):
    """Signs with one private key. Implementations are safe to use from several threads."""

    @property
    def public(self) -> bytes:
        """SubjectPublicKeyInfo (P-256) or raw public key (Ed25519, ML-DSA-44)."""

    @property
    def key_id(self) -> bytes:
        """SHA-256 of `public`, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Sign exactly these bytes; hashing, where the scheme hashes, is the signer's part."""


@dataclass(frozen=True, slots=True)
class EcdsaSigner:
    """ECDSA P-256 with SHA-256; signatures are DER."""

    public: bytes
    key_id: bytes
    _private: primitives.P256Private = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign `message`: DER, 8 to 72 bytes."""
        return primitives.ecdsa_sign(self._private, message)


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """Ed25519 (RFC 8032)."""

    public: bytes
    key_id: bytes
    _private: primitives.Ed25519Private = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign `message`: 64 bytes."""
        return primitives.ed25519_sign(self._private, message)


@dataclass(frozen=True, slots=True)
class MlDsa44Signer:
    """ML-DSA-44 (FIPS 204) with an empty context."""

    public: bytes
    key_id: bytes
    _private: primitives.MlDsa44Private = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign `message`: 2,420 bytes, different each time."""
        return primitives.mldsa44_sign(self._private, message)


def signer_for(record: keys.KeyRecord) -> Signer:
    """Make the signer of a key.

    Raises:
        MalformedError: A key of this kind does not sign.
    """
    public, key_id = record.public, record.key_id
    if record.kind in keys.P256_KINDS:
        return EcdsaSigner(public, key_id, keys.load_p256_private(record.private))
    if record.kind in keys.ED25519_KINDS:
        return Ed25519Signer(public, key_id, keys.load_ed25519_private(record.private))
    if record.kind in keys.MLDSA44_KINDS:
        return MlDsa44Signer(public, key_id, keys.load_mldsa44_private(record.private))
    raise MalformedError(f"{record.kind} key: a key of this kind does not sign")
