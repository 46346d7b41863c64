"""Other encodings of a protobuf message: each means the same to a lax parser."""

from __future__ import annotations

from collections.abc import Callable, Mapping

_LENGTH_DELIMITED = 2
_UNKNOWN = b"\xfa\x01\x01?"
"""Field 31, one byte."""


def varint(value: int) -> bytes:
    """Encode a number, seven bits a byte, the least first."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def split(data: bytes) -> list[bytes]:
    """Split a message of numbers and byte strings into its fields, each with its tag."""
    fields = []
    at = 0
    while at < len(data):
        start = at
        tag, at = _read(data, at)
        value, at = _read(data, at)
        if tag & 7 == _LENGTH_DELIMITED:
            at += value
        fields.append(data[start:at])
    return fields


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _number(data: bytes) -> int:
    """Return the number of the first field."""
    return _read(data, 0)[0] >> 3


def _inside(data: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """Change the content of the first field of this number."""
    fields = split(data)
    for index, field in enumerate(fields):
        tag, at = _read(field, 0)
        if tag >> 3 == number:
            _, at = _read(field, at)
            inner = change(field[at:])
            fields[index] = varint(tag) + varint(len(inner)) + inner
            break
    return b"".join(fields)


def reordered(data: bytes) -> bytes:
    """Move the first field to the end."""
    first, *rest = split(data)
    return b"".join([*rest, first])


def repeated(data: bytes) -> bytes:
    """Write the last field twice: the second counts."""
    return data + split(data)[-1]


def unknown(data: bytes) -> bytes:
    """Add a field that nobody knows."""
    return data + _UNKNOWN


def unknown_inside(number: int) -> Callable[[bytes], bytes]:
    """Add a field that nobody knows to a message within the message."""
    return lambda data: _inside(data, number, unknown)


def overlong(data: bytes) -> bytes:
    """Spend a byte more than needed on the first number."""
    fields = split(data)
    for index, field in enumerate(fields):
        tag, at = _read(field, 0)
        if tag & 7 == 0:
            fields[index] = field[:-1] + bytes([field[-1] | 0x80, 0])
            return b"".join(fields)
        assert at
    raise AssertionError("no number to encode otherwise")


def explicit_default(number: int) -> Callable[[bytes], bytes]:
    """Write an empty byte string that is left out otherwise."""

    def change(data: bytes) -> bytes:
        fields = split(data)
        at = sum(_number(field) < number for field in fields)
        empty = varint(number << 3 | _LENGTH_DELIMITED) + b"\0"
        return b"".join([*fields[:at], empty, *fields[at:]])

    return change


def encodings(inner: int, empty: int) -> Mapping[str, Callable[[bytes], bytes]]:
    """Return ways to encode a message anew.

    Args:
        inner: Number of a field that is a message.
        empty: Number of a byte string that is empty.
    """
    return {
        "reordered fields": reordered,
        "repeated field": repeated,
        "unknown field": unknown,
        "unknown field at depth": unknown_inside(inner),
        "overlong varint": overlong,
        "explicit default": explicit_default(empty),
    }
