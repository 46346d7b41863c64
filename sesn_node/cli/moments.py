"""Times that people give on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from sesn_node.domain.checks import check_time_ms
from sesn_node.errors import MalformedError

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?", re.ASCII
)


def parse_day(option: str, text: str) -> int:
    """Read a date; return its midnight in UTC, Unix milliseconds.

    Raises:
        MalformedError: No date, or a time.
    """
    if _DAY.fullmatch(text) is None:
        raise MalformedError(f"{option}: expected a date such as 2026-11-01, got {text[:40]!a}")
    return parse_moment(option, text)


def parse_moment(option: str, text: str) -> int:
    """Read a date, at its midnight in UTC, or a time with its offset; return Unix milliseconds.

    A time without an offset is refused: whose clock was meant decides what an auditor gets to see.

    Raises:
        MalformedError: Neither.
    """
    try:
        if _MOMENT.fullmatch(text) is None:
            raise ValueError(text)  # noqa: TRY301 - as when the date is none
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(
            f"{option}: expected a date such as 2026-11-01 (UTC), or a time such as "
            f"2026-11-01T12:00Z or 2026-11-01T12:00+01:00, got {text[:40]!a}"
        ) from error
    seconds = found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    check_time_ms(option, int(seconds) * 1000)
    return int(seconds) * 1000
