"""Keys and helpers that the makers of vectors share. The keys protect nothing."""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from sesn_node.crypto.keys import KeyKind, KeyRecord, public_of

Vector: TypeAlias = dict[str, str]

# FIPS 186-5 and SP 800-186 section 3.2.1.3: the order of the P-256 group.
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_SEED_BYTES: Final = {KeyKind.ENCRYPTION: 96}
_P256: Final = frozenset({KeyKind.ROOT, KeyKind.SEAL, KeyKind.TLS, KeyKind.OPERATOR})


def seed(name: str, length: int = 32) -> bytes:
    """Return bytes that anybody can work out again: SHAKE-256 of the name."""
    return hashlib.shake_256(b"sesn vectors: " + name.encode()).digest(length)


def p256(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key of a name."""
    return ec.derive_private_key(int.from_bytes(seed(name), "big") % P256_ORDER, ec.SECP256R1())


def record(kind: KeyKind, name: str) -> KeyRecord:
    """Return the key of a kind and name, in force in 2026."""
    if kind in _P256:
        private = p256(name).private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    else:
        private = seed(name, _SEED_BYTES.get(kind, 32))
    return KeyRecord(
        kind=kind,
        public=public_of(kind, private),
        private=private,
        created_ms=1_767_225_600_000,
        not_before_ms=1_767_225_600_000,
        not_after_ms=1_798_761_600_000,
    )


def sign_p256(name: str, message: bytes) -> tuple[int, int]:
    """Sign with the key of a name (RFC 6979, so that it repeats); `r` and `s`."""
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    return decode_dss_signature(p256(name).sign(message, algorithm))


def flip(data: bytes, at: int) -> bytes:
    """Return `data` with the lowest bit of one byte turned."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)
