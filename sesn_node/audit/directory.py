"""Reading the headers of a file that should be a bundle's.

1. The end record, which must be the last 22 bytes, says where the directory is.
2. The directory says of each member its name, length and CRC.
3. These lay out the whole file (`layout`); every header must be the one that is laid out.

Whatever differs is refused. What follows a difference only looks for the best words for it.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from sesn_node.audit.layout import (
    CENTRAL,
    END,
    END64,
    END64_MARK,
    END_MARK,
    FULL,
    LOCATOR,
    Part,
    central_header,
    directory,
    end_records,
    local_header,
)
from sesn_node.audit.names import MAX_MEMBERS, MAX_NAME_BYTES, check_names
from sesn_node.audit.problems import BundleCode, malformed

MAX_MEMBER_BYTES: Final = 1 << 42
"""4 TiB: a ledger of 10^10 entries."""

_MAX_EXTRA: Final = 4 + 3 * 8
_MAX_DIRECTORY: Final = MAX_MEMBERS * (CENTRAL.size + MAX_NAME_BYTES + _MAX_EXTRA)
_TAIL64: Final = END64.size + LOCATOR.size
_DIRECTORY: Final = "directory"
_ENCRYPTED: Final = 0x2041
"""Flags 0, 6 and 13 (APPNOTE 4.4.4): encryption, strong encryption, masked headers."""
_DESCRIPTOR: Final = 0x0008
_FIRST_LARGE: Final = 4
"""Where in a zip64 field the first number is."""
_FROM_END: Final = 2
"""`os.SEEK_END`."""


def read_parts(file: BinaryIO) -> tuple[int, tuple[Part, ...]]:
    """Return the length of a file and its members, all of whose headers are canonical.

    Raises:
        MalformedError: With a code of `BundleCode`.
        OSError: The file fails.
    """
    size = file.seek(0, _FROM_END)
    begins, length, count = _read_end(file, size)
    listed = _read_at(file, begins, length)
    parts = _split(listed, count, begins)
    problem = check_names([part.name for part in parts])
    if problem is not None:
        raise malformed(BundleCode.MEMBERS, _DIRECTORY, begins, problem)
    if parts[-1].end != begins:
        raise malformed(
            BundleCode.MALFORMED,
            _DIRECTORY,
            begins,
            f"the members end at byte {parts[-1].end:,}: a gap, an overlap, or something in front",
        )
    if listed + _read_at(file, begins + length, size - begins - length) != directory(parts):
        raise malformed(BundleCode.MALFORMED, "end", size, "is not the end of these members")
    for part in parts:
        expected = local_header(part)
        found = _read_at(file, part.offset, len(expected))
        if found != expected:
            code, problem = _compare(found, expected, 6)
            raise malformed(code, f"local header of {part.name}", part.offset, problem)
    return size, parts


def _read_end(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return where the directory begins, its length, and the number of members."""
    if size < END.size:
        raise malformed(BundleCode.NOT_A_BUNDLE, "end", size, "the file is too short for a bundle")
    at = size - END.size
    found = END.unpack(_read_at(file, at, END.size))
    mark, count, length, begins = found[0], found[4], found[5], found[6]
    if mark != END_MARK or found[7]:
        raise malformed(
            BundleCode.NOT_A_BUNDLE,
            "end",
            at,
            "no end record without a comment: not a bundle, cut off, or something was added",
        )
    if begins == FULL and at >= _TAIL64:
        at -= _TAIL64
        fields = END64.unpack(_read_at(file, at, END64.size))
        if fields[0] != END64_MARK:
            raise malformed(BundleCode.MALFORMED, "end", at, "there is no zip64 end record")
        length, begins = fields[8], fields[9]
    if not 0 < count <= MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise malformed(
            BundleCode.TOO_LARGE,
            "end",
            at,
            f"{count:,} members in a directory of {length:,} bytes; at most {MAX_MEMBERS} in "
            f"{_MAX_DIRECTORY:,}",
        )
    if begins + length + len(end_records(count, begins, length)) != size:
        raise malformed(
            BundleCode.MALFORMED,
            "end",
            at,
            f"a directory of {length:,} bytes at byte {begins:,} does not end there",
        )
    return begins, length, count


def _split(listed: bytes, count: int, begins: int) -> tuple[Part, ...]:
    """Read the directory; every header in it must be the one that follows from those before."""
    parts: list[Part] = []
    at = offset = 0
    for number in range(count):
        where = f"member {number + 1} of the directory"
        if at + CENTRAL.size > len(listed):
            raise malformed(BundleCode.MALFORMED, where, begins + at, "the directory is cut off")
        fields = CENTRAL.unpack_from(listed, at)
        name_size, extra_size, comment_size = fields[10:13]
        end = at + CENTRAL.size + name_size + extra_size + comment_size
        raw_name = listed[at + CENTRAL.size : at + CENTRAL.size + name_size]
        extra = listed[at + CENTRAL.size + name_size : end - comment_size]
        if name_size > MAX_NAME_BYTES or not raw_name.isascii():
            shown = raw_name[:MAX_NAME_BYTES]
            raise malformed(BundleCode.MEMBERS, where, begins + at, f"unknown name {shown!r}")
        length = fields[9]
        if length == FULL and len(extra) >= _FIRST_LARGE + 8:
            length = int.from_bytes(extra[_FIRST_LARGE : _FIRST_LARGE + 8], "little")
        if length > MAX_MEMBER_BYTES:
            problem = f"claims {length:,} bytes; at most {MAX_MEMBER_BYTES:,}"
            raise malformed(BundleCode.TOO_LARGE, where, begins + at, problem)
        part = Part(raw_name.decode("ascii"), length, fields[7], offset)
        expected = central_header(part)
        if listed[at:end] != expected:
            code, problem = _compare(listed[at:end], expected, 8)
            raise malformed(code, f"{where} ({part.name!a})", begins + at, problem)
        parts.append(part)
        at, offset = end, part.end
    if at != len(listed):
        problem = "holds more than its members"
        raise malformed(BundleCode.MALFORMED, _DIRECTORY, begins + at, problem)
    return tuple(parts)


def _compare(found: bytes, expected: bytes, flags_at: int) -> tuple[BundleCode, str]:
    """Find words for how a header differs; flags stand at `flags_at`, the method behind them."""
    flags, method = struct.unpack_from("<2H", found, flags_at)
    if found[:4] != expected[:4]:
        return BundleCode.MALFORMED, "there is no header"
    if flags & _ENCRYPTED:
        return BundleCode.ENCRYPTED, "is marked as encrypted"
    if method:
        return BundleCode.COMPRESSED, f"is compressed (method {method})"
    if flags & _DESCRIPTOR:
        return BundleCode.MALFORMED, "has a data descriptor"
    at = _first_difference(found, expected)
    return BundleCode.MALFORMED, f"is not the one that it must be from its byte {at} on"


def _first_difference(found: bytes, expected: bytes) -> int:
    pairs = zip(found, expected, strict=False)
    shorter = min(len(found), len(expected))
    return next((at for at, (one, other) in enumerate(pairs) if one != other), shorter)


def _read_at(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    data = file.read(size)
    if len(data) != size:
        raise malformed(BundleCode.DAMAGED, "file", at, "became shorter while it was read")
    return data
