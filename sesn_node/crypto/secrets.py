r"""Small things at rest: each under a key of its own that the storage key wraps.

    ciphertext  AES-256-GCM(key, zero nonce, data, "sesn/v1/secret\0" || table and row id with
                u16 big-endian lengths)

The key is fresh for each row and encrypts once, so the nonce may be zero (NIST SP 800-38D
section 8.2 asks for no repetition under one key).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.crypto import primitives
from sesn_node.crypto.framing import ascii_bytes, frame

if TYPE_CHECKING:
    from sesn_node.crypto.storage import StorageKeys

_PREFIX: Final = b"sesn/v1/secret\0"
_ZERO_NONCE: Final = bytes(primitives.AES_NONCE_BYTES)


def seal_secret(keys: StorageKeys, data: bytes, *, table: str, row: bytes) -> tuple[bytes, bytes]:
    """Encrypt data for one row; return the wrapped key, and the ciphertext."""
    key = primitives.random_bytes(primitives.AES_KEY_BYTES)
    sealed = primitives.aes_gcm_encrypt(key, _ZERO_NONCE, data, _aad(table, row))
    return keys.wrap(key, table=table, row=row), sealed


def open_secret(
    keys: StorageKeys, wrapped: bytes, ciphertext: bytes, *, table: str, row: bytes
) -> bytes:
    """Decrypt the data of a row.

    Raises:
        MalformedError: The wrapped key has another length.
        VerificationError: `UNDECRYPTABLE`: another storage key, table or row, or altered.
    """
    key = keys.unwrap(wrapped, table=table, row=row)
    return primitives.aes_gcm_decrypt(key, _ZERO_NONCE, ciphertext, _aad(table, row))


def _aad(table: str, row: bytes) -> bytes:
    return _PREFIX + frame(ascii_bytes(table), row)
