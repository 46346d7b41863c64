"""DER: elements are found byte for byte, and lengths have one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.errors import MalformedError
from sesn_node.trust import der
from tests.support.tsa import tlv


@given(st.lists(st.binary(max_size=400), max_size=4))
def test_elements_are_found(contents: list[bytes]) -> None:
    """What was written one behind the other is read so, and again as the parts of a sequence."""
    written = [tlv(der.OCTET_STRING, one) for one in contents]
    found = der.elements(b"".join(written))
    assert [one.content for one in found] == contents
    assert [one.encoded for one in found] == written
    whole = der.element(tlv(der.SEQUENCE, *written), der.SEQUENCE)
    assert whole.parts() == found


def test_lengths_of_all_sizes() -> None:
    """One, two, three and four octets of length."""
    for size in (0, 127, 128, 255, 256, 65_535, 65_536):
        assert der.element(tlv(4, bytes(size)), 4).content == bytes(size)


@pytest.mark.parametrize(
    "data",
    [
        b"\x30",
        b"\x30\x01",
        b"\x30\x80\x00\x00",
        b"\x30\x81\x05\x00\x00\x00\x00\x00",
        b"\x30\x82\x00\x80" + bytes(128),
        b"\x30\x85\x00\x00\x00\x00\x01\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\xff",
        b"\x1f\x81\x01\x00",
        b"\x04\x00\x1f",
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    """Cut off, indefinite, longer than needed, or with a tag of several octets."""
    with pytest.raises(MalformedError, match="DER"):
        der.elements(data)


@given(st.binary(max_size=64))
def test_nothing_is_lost(data: bytes) -> None:
    """Elements that read are the data, all of it; else it is malformed."""
    try:
        found = der.elements(data)
    except MalformedError:
        return
    assert b"".join(one.encoded for one in found) == data


@pytest.mark.parametrize("data", [b"", b"\x04\x00", b"\x30\x00\x30\x00", b"\x30\x00\x00"])
def test_one_element_is_one(data: bytes) -> None:
    """Another tag, none, two, or something behind it."""
    with pytest.raises(MalformedError):
        der.element(data, der.SEQUENCE)
