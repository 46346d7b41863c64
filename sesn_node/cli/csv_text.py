"""Lists as CSV (RFC 4180), safe to open in a spreadsheet.

A cell that a spreadsheet would take for a formula gets an apostrophe in front, which makes text of
it (OWASP, CSV Injection). Every field stands in quotes, and every line ends in CR LF.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import typer

AsCsv = Annotated[
    bool, typer.Option("--csv", metavar="", help="Answer with CSV, for a spreadsheet.")
]

# The full-width forms are signs too where a spreadsheet is set up for Chinese or Japanese.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> None:
    """Write a list with its heads; in UTF-8, as RFC 4180's update RFC 7111 assumes."""
    sys.stdout.write(csv_text(columns, rows))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> str:
    """Return a list with its heads."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe(value) for value in row])
    return out.getvalue()


def safe(value: str | int | None) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return f"'{value}" if value.startswith(_FORMULA) else value
