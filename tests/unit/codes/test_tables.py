"""The tables say where they come from, and hold what the documentation says that they hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from sesn_node.codes import tables
from sesn_node.codes.tables import Table

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("basel", "oecd", "eu_waste", "harmonised_system", "un_numbers", "units")
DATA = [ROOT / "sesn_node" / "codes" / "data" / f"{name}.csv" for name in NAMES]
DATED: tuple[Callable[[], Table], ...] = (tables.basel, tables.oecd, tables.eu_waste)
SWITCH = date(2026, 12, 9)
"""When the battery entries of the European list apply, after the corrigendum OJ L, 2025/90657."""


def _header(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("#"))


def _rows(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")][1:]


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_header_names_source_edition_and_gaps(path: Path) -> None:
    """Whoever doubts a row can look where it comes from, and what is missing."""
    header = _header(path)
    for key in ("table", "edition", "source", "facts taken", "gaps"):
        assert re.search(rf"^# {key}: \S", header, re.MULTILINE), key
    assert max(map(len, header.splitlines())) <= 110
    rows = _rows(path)
    assert len(rows) == len(set(rows))
    page = (ROOT / "docs" / "identifiers.md").read_text(encoding="utf-8")
    assert f"`{path.name}`" in page


def test_dates_of_a_code_do_not_overlap() -> None:
    """At most one row of a code is in force on any day, and each ends after it begins."""
    for table in (one() for one in DATED):
        for rows in table.rows.values():
            for row in rows:
                assert row.since is None or row.until is None or row.since <= row.until
            for before, after in pairwise(rows):
                assert before.until is not None
                assert after.since is not None
                assert before.until < after.since


def test_european_list_has_the_entries_of_its_editions() -> None:
    """842 entries, 408 hazardous; 880 and 435 from the day on which the battery entries apply."""
    counted = []
    for day in (date(2026, 12, 8), SWITCH):
        rows = [tables.eu_waste().on(code, day) for code in tables.eu_waste().rows]
        force = [row for row in rows if row is not None]
        counted.append((len(force), sum(row.hazardous for row in force)))
    assert counted == [(842, 408), (880, 435)]


def test_harmonised_system_has_the_subheadings_of_its_editions() -> None:
    """As the correspondence tables of the United Nations count them."""
    counted = {
        year: sum(
            any(first <= year <= last for first, last in runs)
            for runs in tables.harmonised().values()
        )
        for year in (1996, 2002, 2007, 2012, 2017, 2022)
    }
    assert counted == {1996: 5113, 2002: 5224, 2007: 5052, 2012: 5205, 2017: 5388, 2022: 5613}
    waste = {code for code in tables.harmonised() if code.startswith("8549")}
    assert all(tables.harmonised()[code] == ((2022, 2022),) for code in waste)
    assert tables.harmonised()["854810"] == ((1996, 2017),)


def test_documented_sizes_are_the_tables() -> None:
    """The documentation counts rows; so does this."""
    page = (ROOT / "docs" / "identifiers.md").read_text(encoding="utf-8")
    assert f"| {len(tables.basel().rows)} entries" in page
    assert f"| {len(tables.oecd().rows)} entries" in page
    assert f"| {len(tables.harmonised()):,} subheadings" in page
    assert f"| {len(tables.un_numbers()):,} numbers" in page
    assert f"| {len(set(tables.units().values()))} units" in page


def test_annexes_of_the_basel_convention() -> None:
    """Y1 to Y45, Y46 to Y49, fourteen characteristics, lists A and B."""
    groups: dict[str, list[str]] = {}
    for code, (row, *_) in tables.basel().rows.items():
        groups.setdefault(row.group, []).append(code)
    assert groups["I"] == [f"Y{n}" for n in range(1, 46)]
    assert groups["II"] == ["Y46", "Y47", "Y48", "Y49"]
    assert len(groups["III"]) == 14
    assert all(code.startswith("A") for code in groups["VIII"])
    assert all(code.startswith("B") for code in groups["IX"])
