"""When officers are reminded of a due date, and when again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from sesn_node.domain.case_clock import ClockState, clock_of, end_of_day
from sesn_node.domain.case_reminders import Reminder, is_told, next_reminder_ms, reminder
from sesn_node.domain.case_state import Case
from sesn_node.domain.case_steps import apply
from sesn_node.domain.case_terms import Action, Ground, Mark, Role, State, Step
from sesn_node.domain.times import DAY_MS, unix_ms
from tests.support.cases import CASE_ID, DET, EXP, TWO, members_of

REMIND = (2, 7)


def at(text: str) -> int:
    """Read a moment, Unix milliseconds."""
    return unix_ms(datetime.fromisoformat(text))


def _case(informed_ms: int | None) -> Case:
    mark = Mark(
        action=Action.REQUEST,
        role=Role.DET,
        code=Ground.DUMPING.value,
        members=members_of(TWO),
        regime="basel",
        days=30,
    )
    requested_ms = at("2028-01-10T12:00+00:00")
    step = Step(b"\1" * 32, CASE_ID, CASE_ID, DET, frozenset({EXP}), requested_ms, mark)
    return replace(apply(None, step), informed_ms=informed_ms)


CASE = _case(at("2028-01-10T12:00+00:00"))
DUE_MS = at("2028-02-09T23:59:59.999+00:00")


@pytest.mark.parametrize(
    ("from_due_ms", "found", "next_ms"),
    [
        (-7 * DAY_MS, None, -7 * DAY_MS + 1),
        (-7 * DAY_MS + 1, 7, -2 * DAY_MS + 1),
        (-2 * DAY_MS, 7, -2 * DAY_MS + 1),
        (-2 * DAY_MS + 1, 2, 1),
        (0, 2, 1),
        (1, 0, DAY_MS + 1),
        (DAY_MS, 0, DAY_MS + 1),
        (40 * DAY_MS + 5, 0, 41 * DAY_MS + 1),
    ],
)
def test_what_there_is_to_say_and_when_there_is_more(
    from_due_ms: int, found: int | None, next_ms: int
) -> None:
    """The latest alone: whoever was away is not told what has passed."""
    now_ms = DUE_MS + from_due_ms
    said = None if found is None else Reminder(DUE_MS, found)
    assert reminder(CASE, now_ms, REMIND) == said
    assert next_reminder_ms(CASE, now_ms, REMIND) == DUE_MS + next_ms
    assert clock_of(CASE, now_ms, 0).state is (
        ClockState.OVERDUE if from_due_ms > 0 else ClockState.RUNNING
    )


def test_without_reminders_only_what_is_overdue_is_told() -> None:
    """An empty list of days."""
    assert reminder(CASE, DUE_MS, ()) is None
    assert next_reminder_ms(CASE, DUE_MS, ()) == DUE_MS + 1
    assert reminder(CASE, DUE_MS + 1, ()) == Reminder(DUE_MS, 0)


@pytest.mark.parametrize(
    "case",
    [
        _case(None),
        replace(CASE, line=replace(CASE.line, state=State.WITHDRAWN)),
        replace(CASE, line=replace(CASE.line, state=State.ARRIVED, met_ms=DUE_MS)),
        replace(CASE, line=replace(CASE.line, state=State.ARRIVED, met_ms=DUE_MS + DAY_MS)),
    ],
    ids=["not-informed", "withdrawn", "met", "met-late"],
)
def test_a_clock_that_does_not_run_reminds_nobody(case: Case) -> None:
    """Neither now nor later."""
    for now_ms in (DUE_MS, DUE_MS + 1, DUE_MS + 90 * DAY_MS):
        assert reminder(case, now_ms, REMIND) is None
        assert next_reminder_ms(case, now_ms, REMIND) is None


def test_what_was_told_is_told_again_only_when_it_says_more_or_the_next_day() -> None:
    """Before the due date once each; after it once a day, in UTC."""
    soon, overdue = Reminder(DUE_MS, 2), Reminder(DUE_MS, 0)
    told_ms = DUE_MS - DAY_MS
    assert not is_told(soon, 7, told_ms, told_ms + 1)
    assert is_told(soon, 2, told_ms, told_ms + 50 * DAY_MS)
    assert is_told(soon, 0, told_ms, told_ms)
    assert not is_told(overdue, 2, told_ms, DUE_MS + 1)
    noon_ms = DUE_MS + DAY_MS // 2
    assert is_told(overdue, 0, noon_ms, end_of_day(noon_ms))
    assert not is_told(overdue, 0, noon_ms, end_of_day(noon_ms) + 1)
