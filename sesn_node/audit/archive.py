"""The container of a bundle: writing one, and reading one that may be hostile.

A canonical ZIP; `layout` has its bytes. The reader believes a file only if it is, byte for byte,
the one that the writer would have written for the same members. Its memory does not depend on what
the file claims.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from sesn_node.audit.account import MemberDigest
from sesn_node.audit.directory import read_parts
from sesn_node.audit.layout import Part, directory, local_header
from sesn_node.audit.problems import BundleCode, malformed
from sesn_node.crypto.digests import RunningSha256
from sesn_node.crypto.primitives import sha256
from sesn_node.errors import MalformedError

CHUNK_BYTES: Final = 1 << 18
"""Bytes in memory at once, whatever the length of a member."""

Progress = Callable[[int, int], None]


class Spool:
    """A member under way: measured and hashed while it is written, since its header comes first.

    Args:
        name: Its name.
        file: An empty file, open for writing and reading, that holds it meanwhile. Errors of the
            file are OSErrors.
    """

    __slots__ = ("_crc", "_file", "_hash", "_length", "name")

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self._file = file
        self._crc = 0
        self._length = 0
        self._hash = RunningSha256()

    def write(self, data: bytes) -> None:
        """Write some of it."""
        self._file.write(data)
        self._crc = zlib.crc32(data, self._crc)
        self._length += len(data)
        self._hash.update(data)

    @property
    def length(self) -> int:
        """Bytes written so far."""
        return self._length

    @property
    def crc(self) -> int:
        """CRC-32 of them."""
        return self._crc

    def digest(self) -> MemberDigest:
        """Return what the manifest says of it."""
        return MemberDigest(self.name, self._length, self._hash.digest())

    def chunks(self) -> Iterator[bytes]:
        """Yield what was written."""
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk


def write_archive(file: BinaryIO, first: tuple[str, bytes], spools: Sequence[Spool]) -> bytes:
    """Write a bundle's file.

    Args:
        file: Empty, open for writing; need not be seekable.
        first: Name and bytes of the first member, the manifest.
        spools: The others, in order.

    Returns:
        SHA-256 of the file.

    Raises:
        OSError: A file fails.
    """
    running = RunningSha256()

    def put(data: bytes) -> None:
        file.write(data)
        running.update(data)

    name, data = first
    parts = [Part(name, len(data), zlib.crc32(data), 0)]
    put(local_header(parts[0]) + data)
    for spool in spools:
        part = Part(spool.name, spool.length, spool.crc, parts[-1].end)
        put(local_header(part))
        for chunk in spool.chunks():
            put(chunk)
        parts.append(part)
    put(directory(parts))
    return running.digest()


class MemberReader:
    """Reads the data of one member; several may read one file by turns.

    Args:
        file: The bundle's file, open for reading and seekable.
        part: The member.
    """

    __slots__ = ("_begin", "_buffer", "_buffer_at", "_file", "_part", "position")

    def __init__(self, file: BinaryIO, part: Part) -> None:
        self._file = file
        self._part = part
        self._begin = part.data_offset
        self._buffer = b""
        self._buffer_at = 0
        self.position = 0
        """How many of its bytes were read."""

    @property
    def left(self) -> int:
        """How many of its bytes were not read yet."""
        return self._part.length - self.position

    @property
    def offset(self) -> int:
        """Where in the file the next byte is."""
        return self._begin + self.position

    def read(self, size: int) -> bytes:
        """Read so many bytes.

        Raises:
            MalformedError: The member ends before.
        """
        if size > self.left:
            raise MalformedError("the member ends within it", code=BundleCode.RECORD.value)
        at = self.position - self._buffer_at
        if at < 0 or at + size > len(self._buffer):
            self._buffer = self._fetch(min(self.left, max(size, CHUNK_BYTES)))
            self._buffer_at, at = self.position, 0
        self.position += size
        return self._buffer[at : at + size]

    def chunks(self) -> Iterator[bytes]:
        """Yield the rest of it."""
        while self.left:
            yield self.read(min(self.left, CHUNK_BYTES))

    def skip_to(self, position: int) -> None:
        """Go on reading elsewhere; `position` is within the member."""
        self.position = position

    def problem(self, code: BundleCode, text: str) -> MalformedError:
        """Return the error of a problem at the place where the next byte is."""
        return malformed(code, self._part.name, self.offset, text)

    def _fetch(self, size: int) -> bytes:
        self._file.seek(self.offset)
        data = self._file.read(size)
        if len(data) != size:
            raise self.problem(BundleCode.DAMAGED, "the file became shorter while it was read")
        return data


@dataclass(frozen=True, slots=True)
class Archive:
    """A file whose headers are those of a bundle; the data of its members are not read yet.

    Args:
        file: Open for reading and seekable; stays the caller's.
        size: Its length, bytes.
        parts: Its members, by name, in order.
    """

    file: BinaryIO
    size: int
    parts: dict[str, Part]

    def member(self, name: str) -> MemberReader:
        """Return a reader of one member's data, at their beginning."""
        return MemberReader(self.file, self.parts[name])

    def whole(self, name: str) -> bytes:
        """Return the data of a member whose length is known to be small, with the right CRC."""
        reader = self.member(name)
        data = reader.read(reader.left)
        self._check(name, zlib.crc32(data), sha256(data), None)
        return data

    def check(self, digests: Sequence[MemberDigest], progress: Progress) -> None:
        """Read members to their ends and compare them with their digests.

        Args:
            digests: What they must be.
            progress: Told how many bytes of how many were read.

        Raises:
            MalformedError: BUNDLE_DAMAGED.
        """
        done, total = 0, sum(one.length for one in digests)
        for one in digests:
            crc, running = 0, RunningSha256()
            for chunk in self.member(one.name).chunks():
                crc = zlib.crc32(chunk, crc)
                running.update(chunk)
                done += len(chunk)
                progress(done, total)
            self._check(one.name, crc, running.digest(), one.sha256)

    def _check(self, name: str, crc: int, found: bytes, expected: bytes | None) -> None:
        part = self.parts[name]
        if crc != part.crc:
            problem = "its bytes have another CRC-32 than its header says"
        elif expected is not None and found != expected:
            problem = "its bytes have another SHA-256 than the manifest says"
        else:
            return
        raise malformed(BundleCode.DAMAGED, name, part.data_offset, problem)


def read_archive(file: BinaryIO) -> Archive:
    """Read the headers of a file, all of them, and compare them with the ones that it must have.

    Args:
        file: Open for reading and seekable.

    Raises:
        MalformedError: With a code of `BundleCode`.
        OSError: The file fails.
    """
    size, parts = read_parts(file)
    return Archive(file, size, {part.name: part for part in parts})
