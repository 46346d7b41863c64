"""Outlines: how many fields a message may have, counted before it is parsed.

An empty element costs its sender two bytes and us an object; protobuf's parser makes millions of
them in one go, and no other thread runs meanwhile. Counting stops at the first field too many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sesn_node.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT: Final = 10
_MORE: Final = 0x80
"""Bit of a byte of a varint that is not the last."""
_SPARE: Final = 4
"""Fields that a later version may add to a message, or a caller may repeat."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a message may consist of.

    Args:
        name: Of the message.
        known: Most fields that it has, each element of a list counted.
        inside: Outlines of the messages in it, by field number.
    """

    name: str
    known: int
    inside: Mapping[int, Outline] = field(default_factory=dict)

    def check(self, data: bytes) -> None:
        """Count the fields of a message, and of those in it.

        Raises:
            MalformedError: Too many of them, or no protobuf.
        """
        try:
            _count(data, 0, len(data), self)
        except IndexError as error:
            raise MalformedError(f"{self.name}: cut off") from error


def _count(data: bytes, at: int, end: int, outline: Outline) -> None:
    left = outline.known + _SPARE
    inside = outline.inside
    while at < end:
        if not left:
            raise MalformedError(f"{outline.name}: more than {outline.known + _SPARE} fields")
        left -= 1
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _BYTES:
            size, at = _varint(data, at)
            after = at + size
            deeper = inside.get(tag >> 3)
            if deeper is not None and after <= end:
                _count(data, at, after, deeper)
            at = after
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        else:
            # Groups, which may hold as many fields as anything; proto3 has none.
            raise MalformedError(f"{outline.name}: wire type {kind}")
    if at != end:
        raise MalformedError(f"{outline.name}: cut off")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number; return it, and where it ends."""
    byte = data[at]
    if byte < _MORE:
        return byte, at + 1
    value = byte & 0x7F
    for count in range(1, _MAX_VARINT):
        byte = data[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < _MORE:
            return value, at + count + 1
    raise MalformedError("a number of more than 64 bits")
