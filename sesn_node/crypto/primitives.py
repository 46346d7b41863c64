"""Every call into `cryptography` that encrypts, signs or derives, and why it is made so.

All functions take parsed keys, so that nothing is decoded per message; `keys` decodes them.
Arguments of a wrong Python type are a programming error and raise `TypeError`. Everything
that a partner can send raises `MalformedError` or `VerificationError`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sesn_node.errors import MalformedError, VerificationError

P256Public: TypeAlias = ec.EllipticCurvePublicKey
P256Private: TypeAlias = ec.EllipticCurvePrivateKey
Ed25519Public: TypeAlias = ed25519.Ed25519PublicKey
Ed25519Private: TypeAlias = ed25519.Ed25519PrivateKey
MlDsa44Public: TypeAlias = mldsa.MLDSA44PublicKey
MlDsa44Private: TypeAlias = mldsa.MLDSA44PrivateKey
HpkePublicKey: TypeAlias = hpke.MLKEM768X25519PublicKey
HpkePrivateKey: TypeAlias = hpke.MLKEM768X25519PrivateKey

AES_KEY_BYTES: Final = 32
AES_NONCE_BYTES: Final = 12
AES_TAG_BYTES: Final = 16
# ML-KEM-768 ciphertext (FIPS 203 table 3), then the ephemeral X25519 key.
HPKE_ENC_BYTES: Final = 1088 + 32

BAD_SIGNATURE: Final = "BAD_SIGNATURE"
UNDECRYPTABLE: Final = "UNDECRYPTABLE"

# Both objects are immutable; building them per call would only cost time.
_ECDSA_SHA256: Final = ec.ECDSA(hashes.SHA256())
_HPKE_SUITE: Final = hpke.Suite(
    hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM
)


def random_bytes(size: int) -> bytes:
    """Draw `size` bytes from the operating system: the only source of randomness in SESN."""
    return os.urandom(size)


def sha256(*parts: bytes) -> bytes:
    """Hash the concatenation of `parts` (FIPS 180-4), 32 bytes.

    The parts are not framed: where two of them could shift a byte between each other, the
    caller prefixes their lengths.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def constant_time_equal(left: bytes, right: bytes) -> bool:
    """Compare without telling by timing where the difference is."""
    return hmac.compare_digest(left, right)


def ecdsa_sign(private: P256Private, message: bytes) -> bytes:
    """Sign with ECDSA P-256 and SHA-256 (FIPS 186-5); DER, 8 to 72 bytes.

    OpenSSL mixes the private key and the digest into its random nonce, so a weak random
    generator alone does not give the key away; hence no need for RFC 6979.
    """
    return private.sign(message, _ECDSA_SHA256)


def ecdsa_verify(public: P256Public, message: bytes, signature: bytes) -> None:
    """Verify ECDSA P-256 with SHA-256 over `message`; the signature is strict DER.

    Negating `s` gives a second valid signature, as FIPS 186-5 allows and hardware modules
    produce. So a signature is never an identity: name objects by the hash of their body.

    Raises:
        VerificationError: `BAD_SIGNATURE`.
    """
    try:
        public.verify(signature, message, _ECDSA_SHA256)
    except InvalidSignature as exc:
        raise VerificationError(
            "ECDSA signature: not by this key over these bytes", code=BAD_SIGNATURE
        ) from exc


def ed25519_sign(private: Ed25519Private, message: bytes) -> bytes:
    """Sign with Ed25519 (RFC 8032 section 5.1.6), 64 bytes, deterministic."""
    return private.sign(message)


def ed25519_verify(public: Ed25519Public, message: bytes, signature: bytes) -> None:
    """Verify Ed25519 (RFC 8032 section 5.1.7); an `S` not below the group order is refused.

    Raises:
        VerificationError: `BAD_SIGNATURE`.
    """
    try:
        public.verify(signature, message)
    except InvalidSignature as exc:
        raise VerificationError(
            "Ed25519 signature: not by this key over these bytes", code=BAD_SIGNATURE
        ) from exc


def mldsa44_sign(private: MlDsa44Private, message: bytes) -> bytes:
    """Sign with ML-DSA-44 (FIPS 204 algorithm 2), 2,420 bytes, hedged.

    The context string is empty: C2SP cosignatures put their domain into the message.
    """
    return private.sign(message)


def mldsa44_verify(public: MlDsa44Public, message: bytes, signature: bytes) -> None:
    """Verify ML-DSA-44 with an empty context (FIPS 204 algorithm 3).

    Raises:
        VerificationError: `BAD_SIGNATURE`.
    """
    try:
        public.verify(signature, message)
    except InvalidSignature as exc:
        raise VerificationError(
            "ML-DSA-44 signature: not by this key over these bytes", code=BAD_SIGNATURE
        ) from exc


def aes_gcm_encrypt(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Encrypt with AES-256-GCM (NIST SP 800-38D): ciphertext, then the 16-byte tag.

    `key` has 32 bytes and `nonce` 12. The caller owes a pair that was never used before.

    Raises:
        MalformedError: Another length of key or nonce.
    """
    _expect_key_and_nonce(key, nonce)
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def aes_gcm_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """Open what `aes_gcm_encrypt` made.

    GCM does not commit to its key: a ciphertext can be made to open under two keys. Whoever
    needs that excluded compares a commitment to the plaintext, as `seal` does.

    Raises:
        MalformedError: Another length of key or nonce.
        VerificationError: `UNDECRYPTABLE`: another key, nonce or additional data, or altered.
    """
    _expect_key_and_nonce(key, nonce)
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag as exc:
        raise VerificationError(
            "AES-256-GCM: the tag does not fit this key and these bytes", code=UNDECRYPTABLE
        ) from exc


def _expect_key_and_nonce(key: bytes, nonce: bytes) -> None:
    # The library would take a key of 16 bytes and quietly do AES-128.
    if len(key) != AES_KEY_BYTES or len(nonce) != AES_NONCE_BYTES:
        raise MalformedError(
            f"AES-256-GCM: expected a key of {AES_KEY_BYTES} and a nonce of {AES_NONCE_BYTES} bytes"
        )


def hpke_seal(public: HpkePublicKey, plaintext: bytes, info: bytes) -> bytes:
    """Encrypt to one key: RFC 9180 base mode, single shot; `enc || ct`.

    MLKEM768-X25519 (draft-ietf-hpke-pq, X-Wing) stays closed as long as either half holds;
    HKDF-SHA256 and AES-256-GCM. A 32-byte plaintext gives 1,168 bytes. Base mode does not
    authenticate the sender; the seal over the header does.

    Raises:
        MalformedError: The X25519 half is a low-order point, so nothing can be agreed.
    """
    try:
        return _HPKE_SUITE.encrypt(plaintext, public, info)
    except ValueError as exc:
        raise MalformedError(
            "encryption key: its X25519 half is a low-order point (RFC 7748 section 6.1)"
        ) from exc


def hpke_open(private: HpkePrivateKey, sealed: bytes, info: bytes) -> bytes:
    """Open `enc || ct` of `hpke_seal`.

    ML-KEM rejects implicitly (FIPS 203 section 6.3): a wrong key, other `info` and altered
    bytes are all the same failure, of the tag.

    Raises:
        VerificationError: `UNDECRYPTABLE`.
    """
    try:
        return _HPKE_SUITE.decrypt(sealed, private, info)
    except (InvalidTag, ValueError) as exc:
        raise VerificationError(
            "HPKE: not sealed to this key in this context, or altered", code=UNDECRYPTABLE
        ) from exc


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Authenticate `message` (RFC 2104, FIPS 198-1), 32 bytes; a pseudorandom function of it."""
    return hmac.digest(key, message, "sha256")


def hkdf_expand(key: bytes, info: bytes) -> bytes:
    """Derive a 32-byte key for the purpose that `info` names (RFC 5869 section 2.3, SHA-256).

    Without the extract step: `key` is 32 uniform bytes already (section 3.3).
    """
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info).derive(key)


def argon2id(
    passphrase: bytes, salt: bytes, *, memory_kib: int, iterations: int, lanes: int
) -> bytes:
    """Derive a 32-byte key from a passphrase (RFC 9106).

    Memory-hard, so that guessing on graphics cards costs what it costs here. Argon2id also
    resists a neighbour who watches the cache. The caller bounds the parameters.
    """
    kdf = Argon2id(
        salt=salt,
        length=AES_KEY_BYTES,
        iterations=iterations,
        lanes=lanes,
        memory_cost=memory_kib,
    )
    return kdf.derive(passphrase)
