"""Times: how people read them."""

from __future__ import annotations

from sesn_node.domain.times import DAY_MS, utc_minute, utc_second


def test_times_are_utc() -> None:
    """To the second or the minute, whatever comes after it."""
    assert utc_second(1_700_000_000_999) == "2023-11-14 22:13:20"
    assert utc_minute(1_700_000_000_999) == "2023-11-14 22:13"
    assert utc_second(DAY_MS) == "1970-01-02 00:00:00"
