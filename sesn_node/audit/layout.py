"""The headers of a bundle's ZIP, byte by byte (PKWARE APPNOTE.TXT 6.3.10, section 4.3).

Names, lengths and CRCs of the members determine every other byte of the container, so there is
one way to write it. A reader takes these three out of a file, lays the file out again and
compares; there are no rules to forget.

    local header, data       of each member, one behind the other from byte 0
    central header           of each member, in the same order
    zip64 end, zip64 locator if the first central header is at 4 GiB - 1 or later
    end

Members are stored, not compressed, dated 1980-01-01 00:00, without flags, attributes or comments.
Zip64 fields (4.5.3) are there exactly where a number does not fit into 32 bits: 0xFFFFFFFF in its
place means that, so that number itself does not fit either.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOCAL: Final = struct.Struct("<4s5H3I2H")
CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
END: Final = struct.Struct("<4s4H2IH")
END64: Final = struct.Struct("<4sQ2H2I4Q")
LOCATOR: Final = struct.Struct("<4sIQI")

END_MARK: Final = b"PK\x05\x06"
END64_MARK: Final = b"PK\x06\x06"
FULL: Final = 0xFFFF_FFFF
"""Stands in a 32-bit field for a number that is too large for it."""

_LOCAL_MARK: Final = b"PK\x03\x04"
_CENTRAL_MARK: Final = b"PK\x01\x02"
_LOCATOR_MARK: Final = b"PK\x06\x07"
_PLAIN: Final = 10
_ZIP64: Final = 45
"""Version needed to extract, with and without zip64 fields (4.4.3.2); the latter also made it."""
_MIDNIGHT: Final = 0
_NEW_YEAR_1980: Final = 1 << 5 | 1
_ZIP64_FIELD: Final = 1
_END64_REST: Final = END64.size - 12


@dataclass(frozen=True, slots=True)
class Part:
    """A member as the headers tell of it; `offset` is where its local header begins."""

    name: str
    length: int
    crc: int
    offset: int

    @property
    def data_offset(self) -> int:
        """Where its data begin."""
        return self.offset + len(local_header(self))

    @property
    def end(self) -> int:
        """Where its data end, and the next header begins."""
        return self.data_offset + self.length


def local_header(part: Part) -> bytes:
    """Write what stands before the data of a member (4.3.7)."""
    name, short = part.name.encode(), min(part.length, FULL)
    # Both lengths, always, in a local header (4.5.3).
    extra = _extra([part.length, part.length] if short == FULL else [])
    fields = (_needed(part), 0, 0, _MIDNIGHT, _NEW_YEAR_1980, part.crc, short, short)
    return LOCAL.pack(_LOCAL_MARK, *fields, len(name), len(extra)) + name + extra


def central_header(part: Part) -> bytes:
    """Write what the directory at the end says of a member (4.3.12)."""
    name, short, offset = part.name.encode(), min(part.length, FULL), min(part.offset, FULL)
    large = [part.length, part.length] if short == FULL else []
    extra = _extra([*large, part.offset] if offset == FULL else large)
    fields = (_needed(part), 0, 0, _MIDNIGHT, _NEW_YEAR_1980, part.crc, short, short)
    sizes = (len(name), len(extra), 0, 0, 0, 0, offset)
    return CENTRAL.pack(_CENTRAL_MARK, _ZIP64, *fields, *sizes) + name + extra


def end_records(count: int, offset: int, size: int) -> bytes:
    """Write what stands behind the directory (4.3.14 to 4.3.16).

    Args:
        count: Number of members.
        offset: Where the directory begins.
        size: Its bytes.
    """
    short = min(offset, FULL)
    end = END.pack(END_MARK, 0, 0, count, count, size, short, 0)
    if short < FULL:
        return end
    fields = (_ZIP64, _ZIP64, 0, 0, count, count, size, offset)
    end64 = END64.pack(END64_MARK, _END64_REST, *fields)
    return end64 + LOCATOR.pack(_LOCATOR_MARK, 0, offset + size, 1) + end


def directory(parts: Sequence[Part]) -> bytes:
    """Write all that stands behind the data of the last member."""
    central = b"".join(map(central_header, parts))
    begins = parts[-1].end if parts else 0
    return central + end_records(len(parts), begins, len(central))


def _needed(part: Part) -> int:
    return _ZIP64 if max(part.length, part.offset) >= FULL else _PLAIN


def _extra(large: Sequence[int]) -> bytes:
    if not large:
        return b""
    return struct.pack(f"<2H{len(large)}Q", _ZIP64_FIELD, 8 * len(large), *large)
