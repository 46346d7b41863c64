"""Lists as CSV: read back as they were, and never a formula."""

from __future__ import annotations

import csv
import io

import pytest

from sesn_node.cli.csv_text import csv_text, safe


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_formula(sign: str) -> None:
    """Whatever a spreadsheet would calculate gets an apostrophe in front, and stays whole."""
    text = f'{sign}HYPERLINK("http://x.example","y")'
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "a=b", " =1", "'=1", "12"])
def test_what_is_none(text: str) -> None:
    """Anything else stays as it is."""
    assert safe(text) == text


def test_numbers_and_nothing() -> None:
    """Numbers of our own are no words of others: a negative one is no formula."""
    assert (safe(-5), safe(0), safe(None)) == ("-5", "0", "")


def test_rfc_4180() -> None:
    """Commas, quotes and line feeds survive; lines end in CR LF; every line has all fields."""
    rows: list[list[str | int | None]] = [
        ["a,b", 'say "x"', "two\nlines"],
        [None, 3, "naïve 東京"],
    ]
    text = csv_text(("one", "two", "three"), rows)
    assert text.endswith("\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["one", "two", "three"],
        ["a,b", 'say "x"', "two\nlines"],
        ["", "3", "naïve 東京"],
    ]
    assert text.splitlines(keepends=True)[0] == '"one","two","three"\r\n'
