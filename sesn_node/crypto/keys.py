"""Kinds of keys, their byte formats, and strict decoding.

    kind            public                          private
    P-256           SubjectPublicKeyInfo, DER       PKCS #8, DER, unencrypted
    Ed25519         raw, 32 (RFC 8032)              raw, 32
    ML-DSA-44       raw, 1,312 (FIPS 204)           seed, 32
    encryption      ML-KEM-768 raw, 1,184           ML-KEM-768 seed, 64 (FIPS 203)
                    then X25519 raw, 32             then X25519 raw, 32
    storage         SHA-256 tag of the key, 32      AES-256 key, 32
    index           SHA-256 tag of the key, 32      key that others are derived from, 32

Private bytes exist in the clear only in memory and inside the box of `keyring`. A loaded
public key is usable: whatever would fail only at use is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, x25519

from sesn_node.crypto.primitives import (
    AES_KEY_BYTES,
    Ed25519Private,
    Ed25519Public,
    HpkePrivateKey,
    HpkePublicKey,
    MlDsa44Private,
    MlDsa44Public,
    P256Private,
    P256Public,
    constant_time_equal,
    hpke_seal,
    random_bytes,
    sha256,
)
from sesn_node.errors import MalformedError

KEY_ID_BYTES: Final = 32
ED25519_PUBLIC_BYTES: Final = 32
MLDSA44_PUBLIC_BYTES: Final = 1312
ENCRYPTION_PUBLIC_BYTES: Final = 1184 + 32

_ED25519_SEED_BYTES: Final = 32
_MLDSA44_SEED_BYTES: Final = 32
_MLKEM768_PUBLIC_BYTES: Final = 1184
_MLKEM768_SEED_BYTES: Final = 64
_X25519_BYTES: Final = 32

# The field and curve of RFC 8032 section 5.1.
_ED25519_P: Final = 2**255 - 19
_ED25519_D: Final = -121665 * pow(121666, -1, _ED25519_P) % _ED25519_P
# The y coordinates of the eight points whose order divides the cofactor.
_ED25519_Y_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_ED25519_SMALL_ORDER_Y: Final = frozenset(
    {0, 1, _ED25519_P - 1, _ED25519_Y_OF_ORDER_8, _ED25519_P - _ED25519_Y_OF_ORDER_8}
)

_STORAGE_TAG: Final = b"sesn/v1/storage-key\0"
_INDEX_TAG: Final = b"sesn/v1/index-key\0"


class KeyKind(StrEnum):
    """What a key is for. One key serves one purpose."""

    ROOT = "root"
    """Certifies the agency's other keys and seals its card. P-256."""
    SEAL = "seal"
    """Signs message headers. P-256."""
    TLS = "tls"
    """Identifies the node on the wire. P-256."""
    ENCRYPTION = "encryption"
    """Opens content keys. ML-KEM-768 and X25519."""
    LOG_ED25519 = "log-ed25519"
    """Signs the agency's checkpoints."""
    LOG_MLDSA44 = "log-mldsa44"
    """Signs the agency's checkpoints too."""
    WITNESS_ED25519 = "witness-ed25519"
    """Cosigns other agencies' checkpoints."""
    WITNESS_MLDSA44 = "witness-mldsa44"
    """Cosigns other agencies' checkpoints too."""
    STORAGE = "storage"
    """Wraps content keys in the database. AES-256."""
    OPERATOR = "operator"
    """Signs what one of the agency's people wrote or approved. P-256, in a file of its own."""
    INDEX = "index"
    """Hides what alerts name in the search index. HKDF and HMAC with SHA-256."""


P256_KINDS: Final = frozenset({KeyKind.ROOT, KeyKind.SEAL, KeyKind.TLS, KeyKind.OPERATOR})
ED25519_KINDS: Final = frozenset({KeyKind.LOG_ED25519, KeyKind.WITNESS_ED25519})
MLDSA44_KINDS: Final = frozenset({KeyKind.LOG_MLDSA44, KeyKind.WITNESS_MLDSA44})


def key_id(public: bytes) -> bytes:
    """Name a key: SHA-256 of its SubjectPublicKeyInfo or raw public bytes."""
    return sha256(public)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key pair (or the storage key) with its validity; never shows its secret.

    Raises:
        MalformedError: The private key does not decode or is not that of `public`, or the
            times are not `0 <= not_before_ms < not_after_ms`, or a key that is not of TLS has a
            certificate.
    """

    kind: KeyKind
    public: bytes
    private: bytes = field(repr=False)
    created_ms: int
    """When it was generated, Unix milliseconds."""
    not_before_ms: int
    """In force from here, Unix milliseconds."""
    not_after_ms: int
    """In force up to, not including, this instant."""
    certificate: bytes = field(default=b"", repr=False)
    """Of a TLS key: its leaf, X.509 DER, which must never be without the key that it is for."""

    def __post_init__(self) -> None:
        if self.certificate and self.kind is not KeyKind.TLS:
            raise MalformedError(f"{self.kind} key: only a TLS key has a certificate")
        if self.created_ms < 0 or not 0 <= self.not_before_ms < self.not_after_ms:
            raise MalformedError(
                f"{self.kind} key: expected 0 <= not_before_ms < not_after_ms and a "
                "created_ms that is not negative"
            )
        if not constant_time_equal(public_of(self.kind, self.private), self.public):
            raise MalformedError(f"{self.kind} key: private and public part do not belong together")

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the public bytes."""
        return key_id(self.public)

    def in_force(self, at_ms: int) -> bool:
        """Tell whether the key may be used at `at_ms` (Unix milliseconds)."""
        return self.not_before_ms <= at_ms < self.not_after_ms


def generate(kind: KeyKind, *, created_ms: int, not_before_ms: int, not_after_ms: int) -> KeyRecord:
    """Make a new key of `kind`.

    Raises:
        MalformedError: The times are out of order.
    """
    if kind in P256_KINDS:
        private = _dump_p256_private(ec.generate_private_key(ec.SECP256R1()))
    elif kind is KeyKind.ENCRYPTION:
        private = random_bytes(_MLKEM768_SEED_BYTES + _X25519_BYTES)
    else:
        # Seeds of Ed25519 and ML-DSA-44, the AES key and the index key are 32 uniform bytes.
        private = random_bytes(32)
    return KeyRecord(
        kind=kind,
        public=public_of(kind, private),
        private=private,
        created_ms=created_ms,
        not_before_ms=not_before_ms,
        not_after_ms=not_after_ms,
    )


def public_of(kind: KeyKind, private: bytes) -> bytes:
    """Derive the public bytes of `private`.

    For the storage and the index key they are a tag: they name the key and, as it is 32 random
    bytes, tell nothing about it.

    Raises:
        MalformedError: `private` does not decode as a key of `kind`.
    """
    if kind in P256_KINDS:
        return dump_p256_public(load_p256_private(private).public_key())
    if kind in ED25519_KINDS:
        return load_ed25519_private(private).public_key().public_bytes_raw()
    if kind in MLDSA44_KINDS:
        return load_mldsa44_private(private).public_key().public_bytes_raw()
    if kind is KeyKind.ENCRYPTION:
        mlkem_key, x25519_key = _encryption_halves(private)
        return (
            mlkem_key.public_key().public_bytes_raw() + x25519_key.public_key().public_bytes_raw()
        )
    _expect_length(f"{kind} key", private, AES_KEY_BYTES)
    return sha256(_INDEX_TAG if kind is KeyKind.INDEX else _STORAGE_TAG, private)


def load_p256_public(spki: bytes) -> P256Public:
    """Decode a P-256 SubjectPublicKeyInfo: named curve, uncompressed point, canonical DER.

    A key has one name, so it has one encoding (RFC 5480 section 2 would allow several).

    Raises:
        MalformedError: Another encoding, curve or algorithm, or a point off the curve.
    """
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise MalformedError("P-256 public key: not a SubjectPublicKeyInfo") from exc
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != ec.SECP256R1.name:
        raise MalformedError("P-256 public key: another algorithm or curve")
    if dump_p256_public(key) != spki:
        raise MalformedError("P-256 public key: not canonical DER")
    return key


def dump_p256_public(key: P256Public) -> bytes:
    """Encode as SubjectPublicKeyInfo, DER, 91 bytes."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def load_p256_private(pkcs8: bytes) -> P256Private:
    """Decode an unencrypted P-256 PKCS #8 key, canonical DER.

    Raises:
        MalformedError: Another encoding, curve or algorithm, or a scalar out of range.
    """
    try:
        key = serialization.load_der_private_key(pkcs8, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        # TypeError is how the library says "encrypted"; the type of `pkcs8` is checked by mypy.
        raise MalformedError("P-256 private key: not unencrypted PKCS #8") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != ec.SECP256R1.name:
        raise MalformedError("P-256 private key: another algorithm or curve")
    if not constant_time_equal(_dump_p256_private(key), pkcs8):
        raise MalformedError("P-256 private key: not canonical PKCS #8")
    return key


def load_ed25519_public(raw: bytes) -> Ed25519Public:
    """Decode a raw Ed25519 key (RFC 8032 section 5.1.3).

    OpenSSL takes any 32 bytes and, with a point of small order, a signature that anybody can
    write. Such a key would let its owner disown a ledger, so it is refused here.

    Raises:
        MalformedError: Another length, a coordinate not below the prime, off the curve, or a
            point of small order.
    """
    _expect_length("Ed25519 public key", raw, ED25519_PUBLIC_BYTES)
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _ED25519_P:
        raise MalformedError("Ed25519 public key: coordinate not below the prime")
    if y in _ED25519_SMALL_ORDER_Y:
        raise MalformedError("Ed25519 public key: a point of small order")
    # x^2 = (y^2 - 1) / (d y^2 + 1) must be a square; multiplying by the square of the
    # denominator saves the division (Euler's criterion).
    x2 = (y * y - 1) * (_ED25519_D * y * y + 1) % _ED25519_P
    if pow(x2, (_ED25519_P - 1) // 2, _ED25519_P) != 1:
        raise MalformedError("Ed25519 public key: not a point of the curve")
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def load_ed25519_private(raw: bytes) -> Ed25519Private:
    """Decode a raw Ed25519 private key, 32 bytes.

    Raises:
        MalformedError: Another length.
    """
    _expect_length("Ed25519 private key", raw, _ED25519_SEED_BYTES)
    return ed25519.Ed25519PrivateKey.from_private_bytes(raw)


def load_mldsa44_public(raw: bytes) -> MlDsa44Public:
    """Decode a raw ML-DSA-44 key (FIPS 204 algorithm 23), 1,312 bytes.

    Any bytes of that length are one key, and FIPS 204 knows no check of their worth.

    Raises:
        MalformedError: Another length.
    """
    _expect_length("ML-DSA-44 public key", raw, MLDSA44_PUBLIC_BYTES)
    return mldsa.MLDSA44PublicKey.from_public_bytes(raw)


def load_mldsa44_private(seed: bytes) -> MlDsa44Private:
    """Expand an ML-DSA-44 seed (FIPS 204 algorithm 6), 32 bytes.

    Raises:
        MalformedError: Another length.
    """
    _expect_length("ML-DSA-44 seed", seed, _MLDSA44_SEED_BYTES)
    return mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)


def load_encryption_public(raw: bytes) -> HpkePublicKey:
    """Decode ML-KEM-768 and X25519 (1,184 and 32 bytes) and seal a test message to them.

    The trial is made because a low-order X25519 point decodes, and fails only at sealing.

    Raises:
        MalformedError: Another length, ML-KEM coefficients not below q (FIPS 203 section 7.2),
            or a low-order X25519 point.
    """
    _expect_length("encryption key", raw, ENCRYPTION_PUBLIC_BYTES)
    try:
        mlkem_key = mlkem.MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM768_PUBLIC_BYTES])
    except ValueError as exc:
        raise MalformedError("encryption key: the ML-KEM-768 half is not canonical") from exc
    x25519_key = x25519.X25519PublicKey.from_public_bytes(raw[_MLKEM768_PUBLIC_BYTES:])
    public = hpke.MLKEM768X25519PublicKey(mlkem_key, x25519_key)
    hpke_seal(public, b"", b"")
    return public


def load_encryption_private(private: bytes) -> HpkePrivateKey:
    """Decode an ML-KEM-768 seed and an X25519 key (64 and 32 bytes).

    Raises:
        MalformedError: Another length.
    """
    return hpke.MLKEM768X25519PrivateKey(*_encryption_halves(private))


def private_pem(record: KeyRecord) -> bytes:
    """Write a P-256 private key as unencrypted PKCS #8 PEM, for the TLS library's memory.

    Raises:
        MalformedError: Not a P-256 key.
    """
    if record.kind not in P256_KINDS:
        raise MalformedError(f"{record.kind} key: only a P-256 key has a PEM form here")
    return load_p256_private(record.private).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _encryption_halves(
    private: bytes,
) -> tuple[mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey]:
    _expect_length("encryption private key", private, _MLKEM768_SEED_BYTES + _X25519_BYTES)
    return (
        mlkem.MLKEM768PrivateKey.from_seed_bytes(private[:_MLKEM768_SEED_BYTES]),
        x25519.X25519PrivateKey.from_private_bytes(private[_MLKEM768_SEED_BYTES:]),
    )


def _dump_p256_private(key: P256Private) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _expect_length(what: str, data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise MalformedError(f"{what}: expected {expected} bytes, found {len(data)}")
