"""Times: there and back in whole milliseconds, and how people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from sesn_node.domain.times import DAY_MS, instant, unix_ms, utc_minute, utc_second


def test_times_are_utc() -> None:
    """To the second or the minute, whatever comes after it."""
    assert utc_second(1_700_000_000_999) == "2023-11-14 22:13:20"
    assert utc_minute(1_700_000_000_999) == "2023-11-14 22:13"
    assert utc_second(DAY_MS) == "1970-01-02 00:00:00"


# By way of a float of seconds, this one of October 2038 would come back as 2,170,000,000,001.
@example(2_170_000_000_002)
@given(st.integers(0, 250_000_000_000_000))
def test_milliseconds_survive_the_way_there_and_back(time_ms: int) -> None:
    """No millisecond is lost, and what is finer is cut off."""
    assert unix_ms(instant(time_ms)) == time_ms
    assert unix_ms(instant(time_ms) + timedelta(microseconds=999)) == time_ms
    assert instant(0) == datetime(1970, 1, 1, tzinfo=UTC)
