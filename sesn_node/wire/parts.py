"""Conversion of the parts of a message, so that an error names the whole path of the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sesn_node.domain.checks import under
from sesn_node.errors import MalformedError

P = TypeVar("P")
T = TypeVar("T")


def convert_part(place: str, convert: Callable[[P], T], part: P) -> T:
    """Convert one part.

    Raises:
        MalformedError: From `convert`, with the place of the part in front.
    """
    try:
        return convert(part)
    except MalformedError as exc:
        raise under(place, exc) from exc


def convert_parts(
    place: str, convert: Callable[[P], T], parts: Sequence[P], limit: int
) -> tuple[T, ...]:
    """Convert a list of parts.

    They are counted before any is built: a megabyte holds a great many empty ones.

    Raises:
        MalformedError: More than `limit` parts, or from `convert`, with the part's place in front.
    """
    if len(parts) > limit:
        raise MalformedError(f"{place}: at most {limit} elements, got {len(parts):,}")
    return tuple(
        convert_part(f"{place}[{index}]", convert, part) for index, part in enumerate(parts)
    )
