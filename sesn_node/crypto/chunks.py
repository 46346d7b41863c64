r"""A long text in chunks, each encrypted and authenticated where it stands (STREAM).

    chunk       AES-256-GCM of 65,536 bytes (the last one: 0 to 65,536) || tag (16)
    nonce       prefix (7, random, one for the file) || counter (u32 big-endian) || last (1: 0 or 1)
    additional  "sesn/v1/chunk\0"

Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015. Since counter and flag stand in the nonce, a chunk opens only in
its place: one that is missing, doubled, moved, taken from another file, or an end that is cut off
is a tag that does not fit. Key and prefix are drawn anew for every file, so no nonce meets a key
twice.
"""

from __future__ import annotations

from typing import Final

from sesn_node.crypto import primitives
from sesn_node.errors import MalformedError, VerificationError

CHUNK_BYTES: Final = 64 * 1024
"""Bytes of plaintext in every chunk but the last."""

SEALED_CHUNK_BYTES: Final = CHUNK_BYTES + primitives.AES_TAG_BYTES
"""Bytes of every chunk but the last, as it stands in the file."""

PREFIX_BYTES: Final = 7
ALTERED: Final = "ALTERED"

_AAD: Final = b"sesn/v1/chunk\0"
_MAX_CHUNKS: Final = 1 << 32


class _Chunks:
    """Counts the chunks of one file."""

    __slots__ = ("_count", "_ended", "_key", "_prefix")

    def __init__(self, key: bytes, prefix: bytes) -> None:
        if len(prefix) != PREFIX_BYTES:
            raise MalformedError(f"chunks: expected a nonce prefix of {PREFIX_BYTES} bytes")
        self._key: Final = key
        self._prefix: Final = prefix
        self._count = 0
        self._ended = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._count} chunks)"

    def _next_nonce(self, *, last: bool) -> bytes:
        if self._ended:
            raise MalformedError("chunks: there is none after the last one")
        if self._count == _MAX_CHUNKS:
            raise MalformedError(f"chunks: a file holds at most {_MAX_CHUNKS:,}")
        nonce = self._prefix + self._count.to_bytes(4, "big") + bytes([last])
        self._count += 1
        self._ended = last
        return nonce


class ChunkSealer(_Chunks):
    """Seals the chunks of one file in order.

    Args:
        key: 32 bytes, of this file alone.
        prefix: Nonce prefix, 7 random bytes.

    Raises:
        MalformedError: Another length of key or prefix.
    """

    __slots__ = ()

    def seal(self, chunk: bytes, *, last: bool) -> bytes:
        """Seal the next chunk.

        Args:
            chunk: `CHUNK_BYTES`, or at most as many if it is the last.
            last: Whether the file ends with it.

        Raises:
            MalformedError: Another length, after the last one, or too many.
        """
        if len(chunk) > CHUNK_BYTES or (len(chunk) < CHUNK_BYTES and not last):
            raise MalformedError(f"chunk: expected {CHUNK_BYTES} bytes, got {len(chunk)}")
        nonce = self._next_nonce(last=last)
        return primitives.aes_gcm_encrypt(self._key, nonce, chunk, _AAD)


class ChunkOpener(_Chunks):
    """Opens the chunks of one file in order. Takes what `ChunkSealer` takes."""

    __slots__ = ()

    def open(self, sealed: bytes, *, last: bool) -> bytes:
        """Open the next chunk.

        Args:
            sealed: `SEALED_CHUNK_BYTES`, or at most as many if it is the last.
            last: Whether the file ends with it, as far as the reader can see.

        Raises:
            VerificationError: `ALTERED`: it is not the chunk that was sealed at this place.
            MalformedError: After the last one, or too many.
        """
        number = self._count
        nonce = self._next_nonce(last=last)
        try:
            return primitives.aes_gcm_decrypt(self._key, nonce, sealed, _AAD)
        except VerificationError as exc:
            raise VerificationError(
                f"chunk {number} does not open: the file was cut off, altered, or put together "
                "from several",
                code=ALTERED,
            ) from exc
