"""Times: Unix milliseconds, their multiples, and how people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


def utc_second(time_ms: int) -> str:
    """Write a time in UTC, to the second."""
    return f"{datetime.fromtimestamp(time_ms // SECOND_MS, UTC):%Y-%m-%d %H:%M:%S}"


def utc_minute(time_ms: int) -> str:
    """Write a time in UTC, to the minute."""
    return f"{datetime.fromtimestamp(time_ms // SECOND_MS, UTC):%Y-%m-%d %H:%M}"


def minute_of(at: datetime) -> str:
    """Write a moment as it stands in a message, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}"
