"""Every field of an alert has a place in both forms, or a reason; and its row in the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from sesn_node.domain.alert import Alert, Consignment, Goods, Party
from sesn_node.domain.markings import Evaluation, Markings
from sesn_node.domain.payload import Payload
from tests.support.interop import whole

PAGE = Path(__file__).resolve().parents[3] / "docs" / "interoperation.md"
_ROW = re.compile(r"^\| `(?P<field>\w+\.\w+)` \|(?P<rest>.*)\|$", re.MULTILINE)


def _parts(value: object) -> Iterator[object]:
    """Yield every domain object of a message."""
    if isinstance(value, tuple):
        for one in value:
            yield from _parts(one)
    elif is_dataclass(value):
        yield value
        for field in fields(value):
            yield from _parts(getattr(value, field.name))


def _named(payload: Payload) -> list[object]:
    found = [payload, *_parts(payload.markings), *_parts(payload.body)]
    assert {Alert, Markings, Consignment, Goods, Party, Evaluation} <= {type(one) for one in found}
    return found


def test_sample_leaves_no_field_out() -> None:
    """The round trips of the sample are worth something only if every field is in it."""
    said = set()
    every = set()
    for one in _named(whole()):
        assert is_dataclass(one)
        for field in fields(one):
            name = f"{type(one).__name__}.{field.name}"
            every.add(name)
            if getattr(one, field.name) not in (None, "", ()):
                said.add(name)
    assert every - said == set()


def test_page_has_a_row_for_every_field() -> None:
    """A new field needs a row, and an old one's row goes with it."""
    page = PAGE.read_text(encoding="utf-8")
    rows = {match["field"]: match["rest"].split("|") for match in _ROW.finditer(page)}
    expected = {
        f"{type(one).__name__}.{field.name}"
        for one in _named(whole())
        if is_dataclass(one)
        for field in fields(one)
    }
    assert set(rows) == expected
    assert all(len(cells) == 2 and all(cell.strip() for cell in cells) for cells in rows.values())
