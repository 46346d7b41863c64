"""Fingerprints of roots: what they cover, how they are shown, and how people type them."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError
from sesn_node.trust.fingerprint import fingerprint, hex_groups, parse_fingerprint, words

NL = AgencyId("nl.customs")
VALUES = st.binary(min_size=32, max_size=32)


def test_fingerprint_is_the_documented_hash() -> None:
    """The prefix, the framed id and the root are hashed, in this order."""
    expected = hashlib.sha256(b"sesn/v1/fingerprint\0" + b"\x00\x0anl.customs" + b"root").digest()
    assert fingerprint(NL, b"root") == expected


def test_fingerprint_depends_on_the_agency() -> None:
    """One root under two names has two fingerprints, even where bytes could shift."""
    assert fingerprint(NL, b"xroot") != fingerprint(AgencyId("nl.customsx"), b"root")


def test_hex_groups_show_all_bits() -> None:
    """Sixteen groups of four lower-case digits."""
    assert hex_groups(bytes(range(32))).startswith("0001 0203 0405 ")
    assert [len(group) for group in hex_groups(bytes(32)).split(" ")] == [4] * 16


def test_words_are_those_of_bip39() -> None:
    """The published BIP 39 vectors for 256 bits of zeroes and ones hold."""
    assert words(bytes(32)) == ("abandon",) * 23 + ("art",)
    assert words(b"\xff" * 32) == ("zoo",) * 23 + ("vote",)


@given(VALUES, st.sampled_from(["", " ", ":", "-", "\n", "  "]), st.integers(1, 64))
def test_hex_is_read_in_any_grouping(value: bytes, between: str, size: int) -> None:
    """Whatever stands between groups of any size, in either case."""
    digits = value.hex()
    text = between.join(digits[at : at + size] for at in range(0, 64, size))
    assert parse_fingerprint(text.upper()) == value
    assert parse_fingerprint(f" {text}\n") == value


@given(VALUES, st.sampled_from([" ", "\n", ", ", "-", "   "]))
def test_words_are_read_in_any_layout(value: bytes, between: str) -> None:
    """Words read back, in either case, whatever stands between them."""
    assert parse_fingerprint(between.join(words(value)).title()) == value


def test_misheard_word_is_named() -> None:
    """A word that is not in the list is told with its place."""
    spoken = list(words(bytes(32)))
    spoken[4] = "abandoned"
    with pytest.raises(MalformedError, match="word 5, 'abandoned'"):
        parse_fingerprint(" ".join(spoken))


def test_swapped_words_fail_the_checksum() -> None:
    """Two words in the wrong order are noticed before anything is compared."""
    spoken = list(words(bytes(range(32))))
    spoken[0], spoken[1] = spoken[1], spoken[0]
    with pytest.raises(MalformedError, match="checksum"):
        parse_fingerprint(" ".join(spoken))


@pytest.mark.parametrize(
    "text",
    ["", "ab", "00" * 31, "00" * 33, "0" * 63 + "g", "\u0660" * 64, "abandon " * 23, "0" * 1001],
)
def test_anything_else_is_refused(text: str) -> None:
    """Half a fingerprint, digits of other scripts and huge texts are malformed."""
    with pytest.raises(MalformedError, match="fingerprint"):
        parse_fingerprint(text)


@given(st.text(max_size=300))
def test_no_text_raises_anything_else(text: str) -> None:
    """Any text is a fingerprint or malformed."""
    with contextlib.suppress(MalformedError):
        assert len(parse_fingerprint(text)) == 32


def test_words_need_all_bits() -> None:
    """A shortened fingerprint cannot be written as words."""
    with pytest.raises(MalformedError, match="expected 32 bytes"):
        words(bytes(16))
