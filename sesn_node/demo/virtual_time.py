"""Virtual time: months of casework in seconds, for nodes that run inside the demonstration.

The clock begins in the past and leaps from day to day. It never passes the real time: TLS looks at
the clock of the machine, and would take a certificate from the future for one that is not valid
yet. Keys, cards and certificates that begin in the past and last for two years are valid at every
moment of the story, and at the real one.

Nothing but the demonstration runs on it: `sesn serve` knows the clock of its machine only.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Final

from sesn_node.bootstrap import system_clock
from sesn_node.domain.times import DAY_MS, instant, unix_ms

MORNING: Final = 9
"""The hour, in UTC, at which a day of the story begins."""


class VirtualTime:
    """A clock that flows like any other, and leaps to another day when it is told to.

    Args:
        days: How far in the past it begins, in days.
    """

    def __init__(self, days: int) -> None:
        begun = instant(system_clock()) - timedelta(days=days)
        self._begun = begun.replace(hour=MORNING, minute=0, second=0, microsecond=0)
        self._lock = threading.Lock()
        self._leapt_ms = unix_ms(self._begun)
        self._since_ns = time.monotonic_ns()

    def __call__(self) -> int:
        """Return the virtual time, Unix milliseconds; what `clock=` of a home asks."""
        with self._lock:
            return self._leapt_ms + (time.monotonic_ns() - self._since_ns) // 1_000_000

    def leap(self, day: int) -> None:
        """Go on to the morning of a day of the story; on that day itself, do nothing.

        Args:
            day: Which; the first is day 0.

        Raises:
            ValueError: That day is over, or has not come yet in reality.
        """
        now_ms = self()
        morning_ms = unix_ms(self._begun + timedelta(days=day))
        if now_ms >= morning_ms + DAY_MS or morning_ms > system_clock():
            raise ValueError(f"day {day} of the story is over, or still to come in reality")
        if morning_ms > now_ms:
            with self._lock:
                self._leapt_ms, self._since_ns = morning_ms, time.monotonic_ns()


def date_of(time_ms: int) -> str:
    """Write the date of a moment, in UTC."""
    return f"{instant(time_ms):%Y-%m-%d}"
