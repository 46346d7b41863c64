"""ZIP files that are not what they should be, and files larger than any disk."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from sesn_node.audit.layout import Part, directory, local_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Sparse(io.RawIOBase):
    """A file of some pieces and nothing between them; counts what is read of it.

    Args:
        size: Its length, bytes.
        pieces: What is not zero, by offset.
    """

    def __init__(self, size: int, pieces: Mapping[int, bytes]) -> None:
        super().__init__()
        self._size = size
        self._pieces = dict(pieces)
        self._at = 0
        self.most_read = 0
        """The longest read so far, bytes."""

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Say where it is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read from there on."""
        left = max(0, self._size - self._at)
        size = left if size < 0 else min(size, left)
        self.most_read = max(self.most_read, size)
        data = bytearray(size)
        for offset, piece in self._pieces.items():
            begin, end = max(offset, self._at), min(offset + len(piece), self._at + size)
            if begin < end:
                data[begin - self._at : end - self._at] = piece[begin - offset : end - offset]
        self._at += size
        return bytes(data)

    def file(self) -> BinaryIO:
        """Return it as the type that files have."""
        return cast("BinaryIO", self)


def laid_out(lengths: Mapping[str, int]) -> list[Part]:
    """Lay out members of these lengths, each of zeros."""
    parts: list[Part] = []
    for name, length in lengths.items():
        parts.append(Part(name, length, 0, parts[-1].end if parts else 0))
    return parts


def sparse(parts: Sequence[Part]) -> Sparse:
    """Return a file with the headers of members, whose data are zeros."""
    pieces = {part.offset: local_header(part) for part in parts}
    end = directory(parts)
    pieces[parts[-1].end] = end
    return Sparse(parts[-1].end + len(end), pieces)


def joined(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Write members as the archive does, whatever their names and however many."""
    parts: list[Part] = []
    out = b""
    for name, data in members:
        part = Part(name, len(data), zlib.crc32(data), len(out))
        parts.append(part)
        out += local_header(part) + data
    return out + directory(parts)
