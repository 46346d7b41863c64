"""One spelling for each value: base64, decimals and text of the C2SP formats."""

from __future__ import annotations

import pytest

from sesn_node.errors import MalformedError
from sesn_node.ledger.encoding import (
    check_text,
    decode_base64,
    decode_decimal,
    decode_hash,
    decode_text,
    encode_base64,
)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"ab", b"abc", bytes(range(256)), b"\xfb\xff\xfe"], ids=repr
)
def test_base64_is_read_as_it_is_written(data: bytes) -> None:
    """Decoding gives back what was encoded, padding and both special characters included."""
    assert decode_base64(encode_base64(data), "test") == data


@pytest.mark.parametrize(
    "text",
    [
        "AA",
        "AA=",
        "AAA",
        "AAAA=",
        "AA==AA==",
        "AB==",
        "AAB=",
        "AA==\n",
        " AA==",
        "A A==",
        "AA\r\n==",
        "-_-_",
        "A",
        "====",
        "AAAA\0",
        "ÄÖÜ=",
        "\u0661\u0661\u0661\u0661",
    ],
    ids=ascii,
)
def test_other_spellings_of_base64_are_malformed(text: str) -> None:
    """Missing padding, stray bits, spaces and other alphabets are refused, not repaired."""
    with pytest.raises(MalformedError):
        decode_base64(text, "test")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_has_32_bytes(length: int) -> None:
    """A base64 value of another length is no hash."""
    assert decode_hash(encode_base64(bytes(32)), "test") == bytes(32)
    with pytest.raises(MalformedError):
        decode_hash(encode_base64(bytes(length)), "test")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("7", 7), ("20852163", 20852163), ("9223372036854775807", 2**63 - 1)],
)
def test_decimals_up_to_the_largest_size(text: str, value: int) -> None:
    """Plain decimals up to 2^63 - 1 are read."""
    assert decode_decimal(text, "test") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        "01",
        "+1",
        "-0",
        "-1",
        " 1",
        "1 ",
        "1\n",
        "1_000",
        "1.0",
        "1e3",
        "0x10",
        "\u0661",
        "\uff11",
        "9223372036854775808",
        "99999999999999999999999",
    ],
    ids=ascii,
)
def test_other_spellings_of_decimals_are_malformed(text: str) -> None:
    """Signs, leading zeroes, spaces, underscores, other digits and larger values are refused."""
    with pytest.raises(MalformedError):
        decode_decimal(text, "test")


def test_text_keeps_what_looks_like_a_line_end_elsewhere() -> None:
    """Unicode line separators and DEL are ordinary characters; only newline ends a line."""
    text = "a\u2028b\u0085c\u2029d\x7fe\n"
    assert decode_text(text.encode(), "test", limit=100) == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no end",
        b"cr\r\n",
        b"tab\t\n",
        b"nul\0\n",
        b"esc\x1b[2J\n",
        b"latin \xe9\n",
        b"overlong \xc0\xaf\n",
        b"surrogate \xed\xa0\x80\n",
        b"cut \xe2\x80\n",
        b"x" * 100 + b"\n",
    ],
    ids=repr,
)
def test_text_against_the_rules_is_malformed(data: bytes) -> None:
    """Control characters, invalid UTF-8, no final newline and oversized text are refused."""
    with pytest.raises(MalformedError):
        decode_text(data, "test", limit=100)


def test_text_that_utf8_cannot_carry_is_malformed() -> None:
    """A lone surrogate, which Python strings can hold, does not reach the wire."""
    with pytest.raises(MalformedError):
        check_text("\ud800\n", "test")
