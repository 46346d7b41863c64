"""Length-prefixed fields."""

from __future__ import annotations

import pytest

from sesn_node.crypto.framing import ascii_bytes, frame
from sesn_node.errors import MalformedError
from tests.vectors.crypto import independent


def test_frame() -> None:
    """Each part stands behind its length, two bytes, big-endian."""
    assert frame() == b""
    assert frame(b"") == b"\x00\x00"
    assert frame(b"ab", b"c") == b"\x00\x02ab\x00\x01c"
    assert frame(bytes(256), b"x") == independent.fields(bytes(256), b"x")


def test_a_byte_cannot_change_sides() -> None:
    """The same letters in other parts are other bytes."""
    assert frame(b"ab", b"c") != frame(b"a", b"bc") != frame(b"abc")


def test_a_part_that_is_too_long_is_refused() -> None:
    """65,535 bytes fit; one more does not."""
    assert len(frame(bytes(65_535))) == 65_537
    with pytest.raises(MalformedError, match="65535"):
        frame(bytes(65_536))


def test_names_are_ascii() -> None:
    """Anything else is refused, and is no UnicodeEncodeError."""
    assert ascii_bytes("nl.customs") == b"nl.customs"
    for text in ("é", "\ud800"):
        with pytest.raises(MalformedError, match="ASCII"):
            ascii_bytes(text)
