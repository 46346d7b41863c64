"""Reading and writing a file of sealed chunks as a stream, a chunk at a time in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from sesn_node.crypto.chunks import CHUNK_BYTES, SEALED_CHUNK_BYTES
from sesn_node.errors import MalformedError, StorageError

if TYPE_CHECKING:
    from sesn_node.crypto.chunks import ChunkOpener, ChunkSealer


class SealedWriter:
    """Writes a stream into a file, sealed. Errors of the file are OSErrors.

    Args:
        file: Open for writing, where the chunks begin.
        sealer: Seals them.
    """

    __slots__ = ("_file", "_sealer", "_waiting")

    def __init__(self, file: BinaryIO, sealer: ChunkSealer) -> None:
        self._file = file
        self._sealer = sealer
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """Write some of the stream."""
        waiting = self._waiting
        waiting += data
        # The last chunk is sealed otherwise, so a full one waits until more comes.
        while len(waiting) > CHUNK_BYTES:
            self._file.write(self._sealer.seal(bytes(waiting[:CHUNK_BYTES]), last=False))
            del waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write the end of the stream."""
        self._file.write(self._sealer.seal(bytes(self._waiting), last=True))
        self._waiting.clear()


class SealedReader:
    """Reads what `SealedWriter` wrote.

    Args:
        file: Open for reading, where the chunks begin.
        opener: Opens them.

    Raises:
        StorageError: The file cannot be read; any of its methods may find so.
    """

    __slots__ = ("_ahead", "_at", "_chunk", "_ended", "_file", "_opener")

    def __init__(self, file: BinaryIO, opener: ChunkOpener) -> None:
        self._file = file
        self._opener = opener
        self._ahead = self._sealed()
        self._chunk = b""
        self._at = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """Read so many bytes of the stream.

        Raises:
            VerificationError: `ALTERED`: the file is not as it was written.
            MalformedError: The stream ends before.
        """
        at = self._at
        if at + size <= len(self._chunk):
            self._at = at + size
            return self._chunk[at : at + size]
        parts = [self._chunk[at:]]
        missing = size - len(parts[0])
        while missing:
            self._next()
            parts.append(self._chunk[:missing])
            self._at = len(parts[-1])
            missing -= self._at
        return b"".join(parts)

    def end(self) -> None:
        """Make sure that the stream ends here.

        Raises:
            VerificationError: `ALTERED`.
            MalformedError: It goes on.
        """
        if not self._ended:
            self._next()
        if self._at < len(self._chunk):
            raise MalformedError("backup: there is more after its end")

    def _next(self) -> None:
        if self._ended:
            raise MalformedError("backup: it ends too early")
        sealed, self._ahead = self._ahead, self._sealed()
        self._ended = not self._ahead
        self._chunk = self._opener.open(sealed, last=self._ended)
        self._at = 0

    def _sealed(self) -> bytes:
        try:
            return self._file.read(SEALED_CHUNK_BYTES)
        except OSError as error:
            raise StorageError(f"{self._file.name}: cannot be read ({error.strerror})") from error
