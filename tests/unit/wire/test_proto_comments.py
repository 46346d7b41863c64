"""Every field of the wire is documented where it is declared."""

from __future__ import annotations

import re
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "proto/sesn/v1"
FILES = sorted(FOLDER.glob("*.proto"))
_FIELD = re.compile(r"\s+(?:repeated )?[\w.]+ (?P<name>\w+) = \d+;.*")
_COMMENT = re.compile(r"\s+// \S")


def _fields(text: str) -> list[tuple[str, bool]]:
    """List the fields of every message, by name, and whether a comment stands directly above."""
    lines = ["", *text.splitlines()]
    return [
        (field["name"], _COMMENT.match(above) is not None)
        for above, line in pairwise(lines)
        if (field := _FIELD.fullmatch(line))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_has_a_comment_directly_above(path: Path) -> None:
    """A reader of a .proto file learns what each field holds, and in which unit."""
    fields = _fields(path.read_text(encoding="utf-8"))
    assert fields
    assert [name for name, commented in fields if not commented] == []


def test_no_field_escapes_the_check() -> None:
    """The check sees as many fields as the compiler does."""
    for path in FILES:
        module = import_module(f"sesn_node.wire._pb.{path.stem}_pb2")
        compiled = [
            field.name
            for message in module.DESCRIPTOR.message_types_by_name.values()
            for field in message.fields
        ]
        seen = [name for name, _ in _fields(path.read_text(encoding="utf-8"))]
        assert sorted(seen) == sorted(compiled)


def test_a_field_without_a_comment_is_found() -> None:
    """A blank line, another field or a trailing comment does not count as documentation."""
    text = "  // One.\n  bytes one = 1;\n  repeated b.C two = 2; // Two.\n\n  uint32 three = 3;\n"
    assert _fields(text) == [("one", True), ("two", False), ("three", False)]
