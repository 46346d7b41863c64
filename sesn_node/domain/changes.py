"""What differs between two versions of an alert, field by field."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.alert import Alert


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs.

    Args:
        field: Its path, such as `consignment.containers[0].seal`.
        before: What it said; empty if it said nothing.
        after: What it says; empty if it says nothing.
    """

    field: str
    before: str
    after: str


def changes(before: Alert, after: Alert) -> tuple[Change, ...]:
    """Return the fields that differ, by path; elements of a list are compared by their place."""
    old, new = dict(_leaves("", before)), dict(_leaves("", after))
    return tuple(
        Change(path, old.get(path, ""), new.get(path, ""))
        for path in sorted({*old, *new})
        if old.get(path, "") != new.get(path, "")
    )


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield path and text of everything that a value says."""
    if value is None or value == "":
        return
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            inner = f"{path}.{field.name}" if path else field.name
            yield from _leaves(inner, getattr(value, field.name))
    elif isinstance(value, tuple):
        for index, element in enumerate(value):
            yield from _leaves(f"{path}[{index}]", element)
    elif isinstance(value, datetime):
        yield path, value.isoformat().replace("+00:00", "Z")
    else:
        yield path, str(value)
