"""Virtual time: it leaps, never past the real time, and for the demonstration alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sesn_node
from sesn_node.bootstrap import system_clock
from sesn_node.demo.virtual_time import MORNING, VirtualTime, date_of
from sesn_node.domain.times import DAY_MS, HOUR_MS

PACKAGE = Path(sesn_node.__file__).parent


def test_it_begins_in_the_past_and_flows() -> None:
    """On the morning of the day that many days ago."""
    clock = VirtualTime(10)
    first = clock()
    assert 9 * DAY_MS < system_clock() - first < 11 * DAY_MS
    assert 0 <= first % DAY_MS - MORNING * HOUR_MS < HOUR_MS
    assert first <= clock() <= clock()


def test_it_leaps_from_morning_to_morning() -> None:
    """A day of the story is entered once."""
    clock = VirtualTime(10)
    first = clock()
    clock.leap(3)
    then = clock()
    assert 0 <= then % DAY_MS - MORNING * HOUR_MS < HOUR_MS
    assert date_of(then) == date_of(first + 3 * DAY_MS)
    clock.leap(3)
    assert date_of(clock()) == date_of(then)


@pytest.mark.parametrize("day", [2, 11])
def test_it_goes_neither_back_nor_beyond_the_present(day: int) -> None:
    """TLS looks at the real clock, and would refuse a certificate from the future."""
    clock = VirtualTime(10)
    clock.leap(3)
    before = clock()
    with pytest.raises(ValueError, match=f"day {day} of the story"):
        clock.leap(day)
    assert clock() - before < DAY_MS


def test_nothing_but_the_demonstration_gives_a_home_another_clock() -> None:
    """Everywhere else a home asks the clock of the machine, or passes on what it was given."""
    given = {
        (path.relative_to(PACKAGE).as_posix(), ast.unparse(word.value))
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"found", "open_home"}
        for word in call.keywords
        if word.arg == "clock"
    }
    outside = {(where, value) for where, value in given if not where.startswith("demo/")}
    assert ("demo/bureau.py", "clock") in given
    assert outside == {("founding.py", "clock"), ("cli/doctor.py", "system_clock")}
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "demo":
            assert "virtual_time" not in path.read_text(encoding="utf-8"), path
