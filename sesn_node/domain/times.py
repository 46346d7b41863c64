"""Times: Unix milliseconds, their multiples, and how people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def instant(time_ms: int) -> datetime:
    """Return Unix milliseconds as messages write times: aware, in UTC."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def unix_ms(at: datetime) -> int:
    """Return an aware time as Unix milliseconds; what is finer is cut off."""
    # Not by way of timestamp(), a float: times of 2038 and 2039 would come out one too few.
    return (at - _EPOCH) // _MILLISECOND


def utc_second(time_ms: int) -> str:
    """Write a time in UTC, to the second."""
    return f"{datetime.fromtimestamp(time_ms // SECOND_MS, UTC):%Y-%m-%d %H:%M:%S}"


def utc_minute(time_ms: int) -> str:
    """Write a time in UTC, to the minute."""
    return f"{datetime.fromtimestamp(time_ms // SECOND_MS, UTC):%Y-%m-%d %H:%M}"


def minute_of(at: datetime) -> str:
    """Write a moment as it stands in a message, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}"
