"""Reading DER (X.690) as far as it takes to find a part of a structure, byte for byte.

What a library has parsed and written again is not what was signed or stored. This finds the
bytes themselves. Strictly: definite lengths in their shortest form, tags of one octet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sesn_node.errors import MalformedError

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
SEQUENCE: Final = 0x30

_MULTIPLE_OCTETS: Final = 0x1F
"""A tag number that begins here goes on in the next octet (X.690 8.1.2.4)."""
_LONG: Final = 0x80
_MAX_LENGTH_OCTETS: Final = 4


@dataclass(frozen=True, slots=True)
class Element:
    """One element.

    Args:
        tag: Its identifier octet: class, constructed or not, number.
        content: Its contents octets.
        encoded: All of it.
    """

    tag: int
    content: bytes
    encoded: bytes

    def parts(self) -> tuple[Element, ...]:
        """Read what a constructed element consists of.

        Raises:
            MalformedError: Its contents are not elements.
        """
        return elements(self.content)


def context(number: int) -> int:
    """Return the identifier octet of a constructed context-specific tag: `[0]` is 0xA0."""
    return 0xA0 | number


def elements(data: bytes) -> tuple[Element, ...]:
    """Read elements that stand one behind the other, up to the end.

    Raises:
        MalformedError: Not DER, or cut off.
    """
    found: list[Element] = []
    at = 0
    while at < len(data):
        begins, length = _header(data, at)
        end = begins + length
        if end > len(data):
            raise MalformedError(f"DER: the element at byte {at} is cut off")
        found.append(Element(data[at], data[begins:end], data[at:end]))
        at = end
    return tuple(found)


def element(data: bytes, tag: int) -> Element:
    """Read exactly one element with a tag.

    Raises:
        MalformedError: Not DER, another tag, or something behind it.
    """
    found = elements(data)
    if len(found) != 1 or found[0].tag != tag:
        raise MalformedError(f"DER: expected one element with tag 0x{tag:02X}")
    return found[0]


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Return where the contents of an element begin, and how long they are (X.690 8.1.3, 10.1)."""
    if data[at] & _MULTIPLE_OCTETS == _MULTIPLE_OCTETS or at + 1 >= len(data):
        raise MalformedError(f"DER: no element begins at byte {at}")
    first = data[at + 1]
    begins = at + 2
    if first < _LONG:
        return begins, first
    octets = data[begins : begins + (first & ~_LONG)]
    length = int.from_bytes(octets, "big")
    shortest = len(octets) == (first & ~_LONG) and octets[:1] not in {b"", b"\0"}
    if not shortest or len(octets) > _MAX_LENGTH_OCTETS or length < _LONG:
        raise MalformedError(f"DER: the length at byte {at + 1} is not in its only form")
    return begins + len(octets), length
