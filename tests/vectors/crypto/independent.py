"""Second implementations of the formats, from the standards' text, to check the first.

Nothing here imports `sesn_node`. HPKE, its hybrid KEM and GHASH are written out with `hashlib`
and `hmac`; only ML-KEM, X25519 and the AES block come from the `cryptography` package.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Final

from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BLOCK: Final = 16
_ENC_MLKEM: Final = 1088
_ENC: Final = _ENC_MLKEM + 32
# draft-ietf-hpke-pq: KEM MLKEM768-X25519; RFC 9180 section 7: HKDF-SHA256, AES-256-GCM.
_SUITE_ID: Final = b"HPKE" + struct.pack(">HHH", 0x647A, 0x0001, 0x0002)
# draft-connolly-cfrg-xwing-kem section 5.3.
_XWING_LABEL: Final = rb"\.//^" + b"\\"
# x^128 + x^7 + x^2 + x + 1 in the bit order of NIST SP 800-38D section 6.3.
_GCM_POLYNOMIAL: Final = 0xE1 << 120


def fields(*parts: bytes) -> bytes:
    """Concatenate parts, each behind its length as u16 big-endian."""
    return b"".join(struct.pack(">H", len(part)) + part for part in parts)


def commitment(salt: bytes, payload: bytes) -> bytes:
    """Commit to a payload."""
    return hashlib.sha256(b"sesn/v1/commit\0" + salt + payload).digest()


def wrap_info(*parts: bytes) -> bytes:
    """Build the HPKE info of a wrapped key."""
    return b"sesn/v1/wrap\0" + fields(*parts)


def open_content(key: bytes, message_id: bytes, ciphertext: bytes) -> bytes:
    """Decrypt a ciphertext to its salt (32 bytes) and payload."""
    return AESGCM(key).decrypt(bytes(12), ciphertext, b"sesn/v1/content\0" + message_id)


def hpke_open(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open RFC 9180 base mode, single shot; `private` is ML-KEM seed (64) and X25519 (32)."""
    mlkem_key = mlkem.MLKEM768PrivateKey.from_seed_bytes(private[:64])
    x_key = x25519.X25519PrivateKey.from_private_bytes(private[64:])
    enc, ciphertext = sealed[:_ENC], sealed[_ENC:]
    x_enc = enc[_ENC_MLKEM:]
    shared = hashlib.sha3_256(
        mlkem_key.decapsulate(enc[:_ENC_MLKEM])
        + x_key.exchange(x25519.X25519PublicKey.from_public_bytes(x_enc))
        + x_enc
        + x_key.public_key().public_bytes_raw()
        + _XWING_LABEL
    ).digest()
    context = b"\0" + _extract(b"", b"psk_id_hash", b"") + _extract(b"", b"info_hash", info)
    secret = _extract(shared, b"secret", b"")
    key = _expand(secret, b"key", context, 32)
    nonce = _expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def _extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    message = b"HPKE-v1" + _SUITE_ID + label + ikm
    return hmac.digest(salt or bytes(32), message, "sha256")


def _expand(secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    # All lengths here fit one block of HKDF-Expand (RFC 5869 section 2.3).
    message = struct.pack(">H", length) + b"HPKE-v1" + _SUITE_ID + label + info + b"\x01"
    return hmac.digest(secret, message, "sha256")[:length]


def aes_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block with AES."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, to build GCM from
    return encryptor.update(block) + encryptor.finalize()


def gcm_keystream(key: bytes, index: int) -> bytes:
    """Return the key stream of block `index` under a zero nonce (counters start at 2)."""
    return aes_block(key, bytes(12) + struct.pack(">I", index + 2))


def gf_multiply(left: int, right: int) -> int:
    """Multiply in the field of GCM (NIST SP 800-38D section 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if right >> bit & 1:
            product ^= left
        left = left >> 1 ^ (_GCM_POLYNOMIAL if left & 1 else 0)
    return product


def gf_invert(value: int) -> int:
    """Invert in the field of GCM: value to the power of 2^128 - 2."""
    inverse, square = 1 << 127, value
    for _ in range(127):
        square = gf_multiply(square, square)
        inverse = gf_multiply(inverse, square)
    return inverse


def one_ciphertext_two_keys(keys: tuple[bytes, bytes], blocks: list[bytes], aad: bytes) -> bytes:
    """Extend `blocks` by one that makes the GCM tag the same under both keys, zero nonce.

    This is the attack on AEADs that do not commit to their key (Dodis, Grubbs, Ristenpart,
    Woodage: "Fast Message Franking", 2018). The tag is a polynomial in H = AES(key, 0), plus
    AES(key, counter 1); equating the two is linear in the free block.
    """
    padded = aad + bytes(-len(aad) % _BLOCK)
    data = [padded[at : at + _BLOCK] for at in range(0, len(padded), _BLOCK)]
    free = len(data) + len(blocks)
    lengths = struct.pack(">QQ", 8 * len(aad), 8 * _BLOCK * (len(blocks) + 1))
    data += [*blocks, bytes(_BLOCK), lengths]
    difference, factor = 0, 0
    for key in keys:
        h = int.from_bytes(aes_block(key, bytes(_BLOCK)), "big")
        sum_ = 0
        for block in data:
            sum_ = gf_multiply(sum_ ^ int.from_bytes(block, "big"), h)
        difference ^= sum_ ^ int.from_bytes(aes_block(key, bytes(12) + struct.pack(">I", 1)), "big")
        power = h
        for _ in range(len(data) - 1 - free):
            power = gf_multiply(power, h)
        factor ^= power
    solved = gf_multiply(difference, gf_invert(factor)).to_bytes(_BLOCK, "big")
    ciphertext = b"".join([*blocks, solved])
    return ciphertext + _gcm_tag(keys[0], ciphertext, aad)


def _gcm_tag(key: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    plaintext = b"".join(
        bytes(
            a ^ b for a, b in zip(ciphertext[at : at + _BLOCK], gcm_keystream(key, i), strict=True)
        )
        for i, at in enumerate(range(0, len(ciphertext), _BLOCK))
    )
    return AESGCM(key).encrypt(bytes(12), plaintext, aad)[-_BLOCK:]
