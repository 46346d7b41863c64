"""The checks that every domain object is built from.

Each one raises `MalformedError` whose message starts with the path of the field, relative to the
object that is being built: `recipients[2].key_id: expected 32 bytes, got 31`. Whoever builds a
part of something larger puts its own place in front with `under`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime, timedelta

from sesn_node.domain.ids import agency_id, message_id
from sesn_node.errors import MalformedError

SHA256_BYTES = 32

MAX_TIME_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last instant that RFC 3339 and `datetime` can write."""

MAX_INTEGER = 2**63 - 1
"""Sizes, indexes and sequences stay within a signed 64-bit integer: every database has one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_OFFSET = timedelta(0)

# Control characters could forge lines in a terminal or a log; bidirectional embeddings,
# overrides and isolates (Unicode UAX #9 section 2) let a text read otherwise than it is stored;
# lone surrogates have no UTF-8 form. Everything else is the writer's business.
_REORDERING = "\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_NOT_IN_LINE = re.compile(f"[\x00-\x1f\x7f-\x9f{_REORDERING}]")
_NOT_IN_TEXT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_REORDERING}]")


def printable(text: str) -> str:
    """Drop what could move a terminal's cursor, forge a line or turn the reading direction.

    For words of others that end up on a screen or in a log, without having been a field of a
    checked object: statuses of calls, errors about what somebody sent.
    """
    return "".join(character for character in text if character.isprintable())


def clean_line(text: str) -> str:
    """Return a text of others as `check_line` takes it: what breaks a line is a space."""
    return _NOT_IN_LINE.sub("", re.sub(r"[\t\n\r\u2028\u2029]+", " ", text))


def clean_text(text: str) -> str:
    """Return a text of others as `check_text` takes it: every line ends with a line feed."""
    return _NOT_IN_TEXT.sub("", re.sub(r"\r\n|[\r\u2028\u2029]", "\n", text))


def under(place: str, error: MalformedError) -> MalformedError:
    """Put the place of a part before the path that its error names."""
    return MalformedError(f"{place}.{error.message}", code=error.code)


def check_fixed(path: str, value: bytes, size: int) -> None:
    """Refuse bytes of another length than `size`."""
    if len(value) != size:
        raise MalformedError(f"{path}: expected {size:,} bytes, got {len(value):,}")


def check_length(path: str, value: bytes, low: int, high: int) -> None:
    """Refuse bytes shorter than `low` or longer than `high`."""
    if not low <= len(value) <= high:
        raise MalformedError(f"{path}: expected {low:,} to {high:,} bytes, got {len(value):,}")


def check_range(path: str, value: int, low: int, high: int) -> None:
    """Refuse an integer outside `low` to `high`, both included."""
    if not low <= value <= high:
        raise MalformedError(f"{path}: expected {low} to {high}, got {value}")


def check_time_ms(path: str, value: int) -> None:
    """Refuse Unix milliseconds that are zero, negative or after the year 9999."""
    if not 0 < value <= MAX_TIME_MS:
        raise MalformedError(f"{path}: expected Unix milliseconds up to the year 9999, got {value}")


def check_agency(path: str, value: str) -> None:
    """Refuse what is not an agency id."""
    try:
        agency_id(value)
    except MalformedError as exc:
        raise MalformedError(f"{path}: {exc.message}") from exc


def check_message_id(path: str, value: bytes) -> None:
    """Refuse what is not the 16 bytes of a UUIDv7 (RFC 9562 section 5.7)."""
    try:
        message_id(value)
    except MalformedError as exc:
        raise MalformedError(f"{path}: expected the 16 bytes of a UUIDv7") from exc


def check_count(path: str, items: tuple[object, ...], low: int, high: int) -> None:
    """Refuse a list with fewer than `low` or more than `high` elements."""
    if not low <= len(items) <= high:
        raise MalformedError(f"{path}: expected {low} to {high} elements, got {len(items)}")


def check_distinct(path: str, keys: Iterable[Hashable]) -> None:
    """Refuse a list in which a key occurs twice."""
    seen: set[Hashable] = set()
    for index, key in enumerate(keys):
        if key in seen:
            raise MalformedError(f"{path}[{index}]: {key!r} occurs twice")
        seen.add(key)


def check_line(path: str, value: str, high: int, *, required: bool = False) -> None:
    """Refuse a single line that is too long, holds control characters, or is wanted and blank."""
    _check_characters(path, value, high, _NOT_IN_LINE)
    if required and not value.strip():
        raise MalformedError(f"{path}: must not be empty")


def check_text(path: str, value: str, high: int, *, required: bool = False) -> None:
    """Refuse a text that breaks `check_line`'s rules; line feeds and tabs are welcome here."""
    _check_characters(path, value, high, _NOT_IN_TEXT)
    if required and not value.strip():
        raise MalformedError(f"{path}: must not be empty")


def check_pattern(path: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
    """Refuse a text that does not match the whole pattern; the message says what is expected."""
    if pattern.fullmatch(value) is None:
        shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "..."
        raise MalformedError(f"{path}: expected {expected}, got {shown!a}")


def check_agencies(path: str, agencies: tuple[str, ...], low: int, high: int) -> None:
    """Refuse agencies that are too few or too many, not ascending, named twice, or none."""
    check_count(path, agencies, low, high)
    for index, agency in enumerate(agencies):
        check_agency(f"{path}[{index}]", agency)
    if list(agencies) != sorted(set(agencies)):
        raise MalformedError(f"{path}: must be ascending, each once")


def check_instant(path: str, value: datetime | None) -> None:
    """Refuse a time that is not aware, not in UTC, or before 1970 (RFC 3339 writes the rest)."""
    if value is None:
        return
    if value.utcoffset() != _NO_OFFSET:
        raise MalformedError(f"{path}: expected a time in UTC, got {value.isoformat()}")
    if value < _EPOCH:
        raise MalformedError(f"{path}: expected a time from 1970 on, got {value.isoformat()}")


_SHOWN = 60


def _check_characters(path: str, value: str, high: int, forbidden: re.Pattern[str]) -> None:
    if len(value) > high:
        raise MalformedError(f"{path}: at most {high:,} characters, got {len(value):,}")
    found = forbidden.search(value)
    if found is not None:
        raise MalformedError(
            f"{path}: character {found.start() + 1} is U+{ord(found.group()):04X}, a control "
            "character that is not allowed here; remove it"
        )
