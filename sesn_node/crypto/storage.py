r"""Content keys at rest: wrapped under the node's storage key, one row at a time.

    wrapped     nonce (12) || AES-256-GCM of the content key (32) || tag (16): 60 bytes
    additional  "sesn/v1/storage\0", then table and row id with u16 big-endian lengths

A wrapped key opens only in the table and row that it was made for: whoever can write to the
database but has no storage key cannot move keys between messages.

    stored      first 8 bytes of the storage key's id || wrapped: 68 bytes

The prefix says which of several storage keys opens a row, so that rows under an old key can be
found and wrapped anew. Altered, it makes the row unreadable and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sesn_node.crypto import primitives
from sesn_node.crypto.framing import ascii_bytes, frame
from sesn_node.crypto.keys import KeyKind, key_id, public_of
from sesn_node.errors import MalformedError, VerificationError

WRAPPED_BYTES: Final = (
    primitives.AES_NONCE_BYTES + primitives.AES_KEY_BYTES + primitives.AES_TAG_BYTES
)

TAG_BYTES: Final = 8
STORED_BYTES: Final = TAG_BYTES + WRAPPED_BYTES

_PREFIX: Final = b"sesn/v1/storage\0"


class StorageCipher:
    """Wraps and unwraps content keys with one AES-256 key.

    Nonces are random, so one storage key may wrap 2^32 content keys (NIST SP 800-38D section
    8.3): a million messages a day for eleven years. Then rotate it.

    Args:
        key: 32 bytes: the private part of a key of kind `STORAGE`.

    Raises:
        MalformedError: `key` has another length.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != primitives.AES_KEY_BYTES:
            raise MalformedError(f"storage key: expected {primitives.AES_KEY_BYTES} bytes")
        self._key: Final = key

    def __repr__(self) -> str:
        return "StorageCipher()"

    def wrap(self, content_key: bytes, *, table: str, row: bytes) -> bytes:
        """Wrap a content key (32 bytes) for one row; 60 bytes, different each time.

        Raises:
            MalformedError: A content key of another length.
        """
        if len(content_key) != primitives.AES_KEY_BYTES:
            raise MalformedError(f"content key: expected {primitives.AES_KEY_BYTES} bytes")
        nonce = primitives.random_bytes(primitives.AES_NONCE_BYTES)
        return nonce + primitives.aes_gcm_encrypt(self._key, nonce, content_key, _aad(table, row))

    def unwrap(self, wrapped: bytes, *, table: str, row: bytes) -> bytes:
        """Unwrap the content key of a row.

        Raises:
            MalformedError: `wrapped` has not 60 bytes.
            VerificationError: `UNDECRYPTABLE`: another storage key, table or row, or altered.
        """
        if len(wrapped) != WRAPPED_BYTES:
            raise MalformedError(f"stored key: expected {WRAPPED_BYTES} bytes")
        nonce = wrapped[: primitives.AES_NONCE_BYTES]
        box = wrapped[primitives.AES_NONCE_BYTES :]
        try:
            return primitives.aes_gcm_decrypt(self._key, nonce, box, _aad(table, row))
        except VerificationError as exc:
            raise VerificationError(
                f"stored key of a row in {table}: does not open; either the key file is not the "
                "one of this database, or the row was altered",
                code=primitives.UNDECRYPTABLE,
            ) from exc


class StorageKeys:
    """The storage key in use and older ones: wraps with the one, unwraps with any.

    Args:
        key: The key in use, 32 bytes.
        older: Keys under which rows may still be stored.

    Raises:
        MalformedError: A key of another length.
    """

    __slots__ = ("_ciphers", "tag")

    def __init__(self, key: bytes, older: Iterable[bytes] = ()) -> None:
        self._ciphers: Final = {_tag(one): StorageCipher(one) for one in (*older, key)}
        self.tag: Final = _tag(key)
        """What stored keys that are wrapped under the key in use begin with."""

    def __repr__(self) -> str:
        return f"StorageKeys({len(self._ciphers)})"

    def knows(self, stored: bytes) -> bool:
        """Tell whether a stored key is wrapped under one of these keys."""
        return stored[:TAG_BYTES] in self._ciphers

    def wrap(self, content_key: bytes, *, table: str, row: bytes) -> bytes:
        """Wrap a content key (32 bytes) for one row; 68 bytes, different each time.

        Raises:
            MalformedError: A content key of another length.
        """
        return self.tag + self._ciphers[self.tag].wrap(content_key, table=table, row=row)

    def unwrap(self, stored: bytes, *, table: str, row: bytes) -> bytes:
        """Unwrap the content key of a row.

        Raises:
            MalformedError: `stored` has not 68 bytes.
            VerificationError: `UNDECRYPTABLE`: another storage key, table or row, or altered.
        """
        if len(stored) != STORED_BYTES:
            raise MalformedError(f"stored key: expected {STORED_BYTES} bytes")
        cipher = self._ciphers.get(stored[:TAG_BYTES])
        if cipher is None:
            raise VerificationError(
                f"stored key of a row in {table}: is wrapped under storage key "
                f"{stored[:TAG_BYTES].hex()}, which is not in the key file; the key file is not "
                "the newest one of this database, or the row was altered",
                code=primitives.UNDECRYPTABLE,
            )
        return cipher.unwrap(stored[TAG_BYTES:], table=table, row=row)


def storage_tag(storage_key_id: bytes) -> bytes:
    """Return what stored keys under the storage key of an id begin with."""
    return storage_key_id[:TAG_BYTES]


def _tag(key: bytes) -> bytes:
    return storage_tag(key_id(public_of(KeyKind.STORAGE, key)))


def _aad(table: str, row: bytes) -> bytes:
    return _PREFIX + frame(ascii_bytes(table), row)
