"""Local times: what the clock shows where an agency works.

Zones are those of the IANA database (RFC 6557): of the system, or, where it has none, of the
package `tzdata`, which is part of every installation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sesn_node.domain.times import instant

if TYPE_CHECKING:
    from datetime import datetime


def find_zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its name; None if there is none, or if this edition lacks it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Of a folder of zones, such as "Europe", some versions tell that it is no file.
        return None


def local(time_ms: int, zone: str) -> datetime | None:
    """Return what the clock shows in a zone, aware; None if the zone is not known here.

    Args:
        time_ms: The moment, Unix milliseconds.
        zone: Name in the IANA database.
    """
    found = find_zone(zone)
    return None if found is None else instant(time_ms).astimezone(found)


def zoned(time_ms: int, zone: str) -> str:
    """Write a moment as the clock shows it in a zone, to the minute, with what the zone calls it.

    The abbreviation tells the two hours apart that a clock which is set back shows twice. Zones
    without one are told by their distance from UTC, as the database has it: `+14`. A zone that is
    not known here, or none, is shown as UTC.
    """
    at = local(time_ms, zone) if zone else None
    if at is None:
        return f"{instant(time_ms):%Y-%m-%d %H:%M} UTC"
    return f"{at:%Y-%m-%d %H:%M} {at.tzname()}"
