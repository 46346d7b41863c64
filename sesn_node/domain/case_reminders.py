"""When officers are reminded of the due date of a case: before it, and when it has passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_clock import ClockState, clock_of, end_of_day
from sesn_node.domain.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.case_state import Case

OVERDUE: Final = 0
"""Days of a reminder that the due date has passed."""

_RUNS: Final = frozenset({ClockState.RUNNING, ClockState.WARNING, ClockState.OVERDUE})


@dataclass(frozen=True, slots=True)
class Reminder:
    """What there is to be reminded of at some moment.

    Args:
        due_ms: The last moment of the due date, Unix milliseconds.
        days: So many days before it this is said; 0: it has passed.
    """

    due_ms: int
    days: int

    @property
    def is_overdue(self) -> bool:
        """Whether the due date has passed."""
        return self.days == OVERDUE


def reminder(case: Case, now_ms: int, remind_days: Iterable[int]) -> Reminder | None:
    """Return what there is to say of a due date now: the latest of what was ever to be said.

    Nothing before t0 is proven, nor once the date was met or the request withdrawn. Whoever looks
    after a long time is told what is true then, and not what would have been said meanwhile.

    Args:
        case: The case.
        now_ms: The moment, Unix milliseconds.
        remind_days: How many days before the due date something is said.
    """
    clock = clock_of(case, now_ms, 0)
    if clock.due_ms is None or clock.state not in _RUNS:
        return None
    if clock.state is ClockState.OVERDUE:
        return Reminder(clock.due_ms, OVERDUE)
    near = [days for days in remind_days if now_ms > clock.due_ms - days * DAY_MS]
    return Reminder(clock.due_ms, min(near)) if near else None


def next_reminder_ms(case: Case, now_ms: int, remind_days: Iterable[int]) -> int | None:
    """Return when there is something else to say, if nothing happens meanwhile; None: never.

    Of a due date that has passed it is the beginning of the next day, in UTC.
    """
    clock = clock_of(case, now_ms, 0)
    if clock.due_ms is None or clock.state not in _RUNS:
        return None
    if clock.state is ClockState.OVERDUE:
        return end_of_day(now_ms) + 1
    moments = [clock.due_ms - days * DAY_MS + 1 for days in (*remind_days, OVERDUE)]
    return min(one for one in moments if one > now_ms)


def is_told(found: Reminder, days: int, told_ms: int, now_ms: int) -> bool:
    """Tell whether a reminder was given; that a date has passed is said again each day, in UTC.

    Args:
        found: The reminder.
        days: What was said last of this due date.
        told_ms: When, Unix milliseconds.
        now_ms: The moment, Unix milliseconds.
    """
    if days > found.days:
        return False
    return not found.is_overdue or now_ms <= end_of_day(told_ms)
