"""Values that several messages share: instants and enums, from and to the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from sesn_node.domain.checks import check_range
from sesn_node.errors import MalformedError

E = TypeVar("E", bound=StrEnum)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400
_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z, the bound of google.protobuf.Timestamp."""
_MICROSECOND_NS = 1_000


def time_to_pb(value: datetime | None) -> Timestamp | None:
    """Write an instant, whole microseconds in UTC; None stays unset."""
    if value is None:
        return None
    since = value - _EPOCH
    return Timestamp(
        seconds=since.days * _DAY_S + since.seconds, nanos=since.microseconds * _MICROSECOND_NS
    )


def time_from_pb(message: Timestamp) -> datetime:
    """Read an instant.

    Raises:
        MalformedError: Before 1970, after the year 9999, or finer than a microsecond.
    """
    check_range("seconds", message.seconds, 0, _LAST_SECOND)
    check_range("nanos", message.nanos, 0, 999_999_999)
    if message.nanos % _MICROSECOND_NS:
        raise MalformedError("nanos: expected whole microseconds")
    return _EPOCH + timedelta(
        seconds=message.seconds, microseconds=message.nanos // _MICROSECOND_NS
    )


def enum_from_pb(field: str, members: Mapping[int, E], value: int) -> E:
    """Read an enum.

    Raises:
        MalformedError: Unset, or a number that has no name here.
    """
    member = members.get(value)
    if member is None:
        problem = f"{value} is unknown" if value else "missing"
        raise MalformedError(f"{field}: {problem}; expected one of {', '.join(members.values())}")
    return member
