"""The code lists of `sesn_node/codes/data`, read once, when first asked for.

Each file says in its first lines where its facts come from, which edition it is, and what it does
not have. Then come the names of the columns, and one row a code; a code whose mark changed has one
row for each time.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

_COMMENT: Final = "#"


@dataclass(frozen=True, slots=True)
class Row:
    """One code, for one time.

    Args:
        code: In its normal form.
        group: The annex or list that it stands in, if the table tells.
        hazardous: Whether it is marked as hazardous waste.
        since: First day in force; None if already there when the table begins.
        until: Last day in force; None if there is no end.
    """

    code: str
    group: str = ""
    hazardous: bool = False
    since: date | None = None
    until: date | None = None

    def covers(self, on: date) -> bool:
        """Whether the code is in force on a day."""
        return (self.since is None or self.since <= on) and (self.until is None or on <= self.until)


@dataclass(frozen=True, slots=True)
class Table:
    """A code list.

    Args:
        name: What it is called in a finding.
        edition: Which state of the list it holds.
        begins: The first day that it can tell something of; None if it tells no days.
        rows: The rows of each code, earliest first.
    """

    name: str
    edition: str
    begins: date | None
    rows: Mapping[str, tuple[Row, ...]]

    @property
    def title(self) -> str:
        """Name and edition, for a finding."""
        return f"{self.name}, edition {self.edition}"

    def on(self, code: str, on: date) -> Row | None:
        """Return the row of a code that is in force on a day."""
        return next((row for row in self.rows.get(code, ()) if row.covers(on)), None)


@cache
def basel() -> Table:
    """Annexes I, II, III, VIII and IX of the Basel Convention."""
    return _table("basel.csv", "Basel Convention", "annex")


@cache
def oecd() -> Table:
    """Entries of OECD Decision C(2001)107/FINAL that are not Basel entries."""
    return _table("oecd.csv", "OECD Decision C(2001)107", "list")


@cache
def eu_waste() -> Table:
    """The European list of waste, Decision 2000/532/EC."""
    return _table("eu_waste.csv", "European list of waste", "")


@cache
def un_numbers() -> frozenset[str]:
    """Numbers of dangerous goods, four digits."""
    _, rows = _read("un_numbers.csv")
    return frozenset(row["number"] for row in rows)


@cache
def units() -> Mapping[str, str]:
    """How units are written, in small letters: each with its code of UN/ECE Recommendation 20."""
    _, rows = _read("units.csv")
    written = {name: row["code"] for row in rows for name in row["written"].split("|")}
    return written | {row["code"].lower(): row["code"] for row in rows}


@cache
def harmonised() -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Six-digit subheadings of the Harmonised System: in which editions, from and to a year."""
    _, rows = _read("harmonised_system.csv")
    return {row["code"]: tuple(_years(run) for run in row["editions"].split()) for row in rows}


def _table(name: str, title: str, group: str) -> Table:
    header, rows = _read(name)
    found: dict[str, list[Row]] = {}
    for row in rows:
        made = Row(
            code=row["code"],
            group=row[group] if group else "",
            hazardous=row.get("hazardous") == "yes",
            since=_day(row.get("from")),
            until=_day(row.get("until")),
        )
        found.setdefault(made.code, []).append(made)
    grouped = {code: tuple(some) for code, some in found.items()}
    return Table(title, header["edition"], _day(header.get("begins")), grouped)


def _read(name: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return what the first lines say under each key, the first time, and the rows."""
    lines = (files(__package__) / "data" / name).read_text(encoding="utf-8").splitlines()
    header: dict[str, str] = {}
    for line in lines:
        if not line.startswith(_COMMENT):
            break
        key, colon, value = line.removeprefix(_COMMENT).partition(":")
        if colon:
            header.setdefault(key.strip(), value.strip())
    return header, list(csv.DictReader(line for line in lines if not line.startswith(_COMMENT)))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _years(run: str) -> tuple[int, int]:
    first, _, last = run.partition("-")
    return int(first), int(last or first)
