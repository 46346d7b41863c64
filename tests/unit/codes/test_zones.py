"""Local times: over the ends of summer time, across the date line, and without data of a system."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from sesn_node.codes.zones import find_zone, local, zoned
from sesn_node.domain.times import unix_ms

if TYPE_CHECKING:
    from collections.abc import Iterator


def at(text: str) -> int:
    """Read a moment in UTC, Unix milliseconds."""
    return unix_ms(datetime.fromisoformat(f"{text}+00:00"))


@pytest.fixture(params=["as installed", "without data of the system"])
def _data(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take away the data of the system: then there is that of the package alone."""
    before = zoneinfo.TZPATH
    if request.param != "as installed":
        zoneinfo.reset_tzpath(())
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(before)
    zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.usefixtures("_data")
@pytest.mark.parametrize(
    ("moment", "zone", "shown"),
    [
        # Summer time ends in Amsterdam at 01:00 UTC: two o'clock comes twice.
        ("2026-10-25T00:30", "Europe/Amsterdam", "2026-10-25 02:30 CEST"),
        ("2026-10-25T01:30", "Europe/Amsterdam", "2026-10-25 02:30 CET"),
        # It begins: there is no half past two.
        ("2028-03-26T00:59", "Europe/Amsterdam", "2028-03-26 01:59 CET"),
        ("2028-03-26T01:00", "Europe/Amsterdam", "2028-03-26 03:00 CEST"),
        ("2026-11-01T08:30", "America/Los_Angeles", "2026-11-01 01:30 PDT"),
        ("2026-11-01T09:30", "America/Los_Angeles", "2026-11-01 01:30 PST"),
        ("2028-02-29T23:59", "Africa/Accra", "2028-02-29 23:59 GMT"),
        # One moment on two days, and in two years.
        ("2027-12-31T10:30", "Pacific/Kiritimati", "2028-01-01 00:30 +14"),
        ("2027-12-31T10:30", "Pacific/Pago_Pago", "2027-12-30 23:30 SST"),
        ("2028-02-29T12:00", "", "2028-02-29 12:00 UTC"),
        ("2028-02-29T12:00", "Europe/Utopia", "2028-02-29 12:00 UTC"),
    ],
)
def test_a_moment_as_the_clock_shows_it(moment: str, zone: str, shown: str) -> None:
    """With what the zone calls it, so that no hour can be taken for another."""
    assert zoned(at(moment), zone) == shown


@pytest.mark.usefixtures("_data")
@pytest.mark.parametrize("name", ["Europe", "Europe/Utopia", "", "../UTC", "/etc/localtime", "A\0"])
def test_what_is_no_zone(name: str) -> None:
    """A folder of zones, an unknown one, and what would lead elsewhere."""
    assert find_zone(name) is None
    assert local(0, name) is None
