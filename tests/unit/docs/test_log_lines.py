"""Every line that a node logs is explained in the operations handbook, and the other way round."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
_LOGGERS: Final = {"_log", "logger"}
# What a logger's method is called, and the level of its lines.
_LEVELS: Final = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
}
# Of an exception, which is an argument in the code, the line tells what is harmless.
_FAILURE: Final = "failure"
_TABLE = re.compile(
    r"^\| (?P<events>`[a-z-]+`(?:, `[a-z-]+`)*) \| (?P<levels>(?:debug|info|warning|error)[^|]*)"
    r" \| [^|]* \|(?P<fields>[^|]*)\|$",
    re.MULTILINE,
)
_BY_COMMANDS = {"message-shared", "message-requeued", "message-resealed"}


@dataclass(slots=True)
class Line:
    """All that a line can be."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def _methods(value: ast.expr) -> set[str]:
    """Methods of a logger that an expression names."""
    return {
        node.attr
        for node in ast.walk(value)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in _LOGGERS
        and node.attr in _LEVELS
    }


def _words(value: ast.expr) -> set[str]:
    """Strings that an expression may be."""
    if isinstance(value, ast.IfExp):
        return _words(value.body) | _words(value.orelse)
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return {value.value}
    return set()


def _lines(function: ast.AST) -> Iterator[tuple[str, Line]]:
    """Find what a function logs: by a method, or by one that it has chosen before."""
    methods: dict[str, set[str]] = {}
    words: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            methods[name] = methods.get(name, set()) | _methods(node.value)
            words[name] = words.get(name, set()) | _words(node.value)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            called = methods.get(node.func.id, set())
        else:
            called = _methods(node.func)
        if not called:
            continue
        event = node.args[0]
        names = words.get(event.id, set()) if isinstance(event, ast.Name) else _words(event)
        assert names, f"which event? {ast.unparse(node)}"
        fields = {str(one.arg) for one in node.keywords}
        if "exc_info" in fields or "exception" in called:
            fields = fields - {"exc_info"} | {_FAILURE}
        for name in names:
            yield name, Line({_LEVELS[one] for one in called}, fields)


def _logged() -> dict[str, Line]:
    found: dict[str, Line] = {}
    for path in (ROOT / "sesn_node").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name, line in _lines(node):
                    known = found.setdefault(name, Line())
                    known.levels |= line.levels
                    known.fields |= line.fields
    return found


def _explained(page: str) -> dict[str, Line]:
    """Read the table; a cell of levels is `info; warning if ...`."""
    return {
        event: Line(
            {part.split()[0] for part in match["levels"].split(";")},
            set(re.findall(r"`(\w+)`", match["fields"])),
        )
        for match in _TABLE.finditer(page)
        for event in re.findall(r"`([a-z-]+)`", match["events"])
    }


def test_every_line_is_explained() -> None:
    """The table of log lines has the events, levels and fields of the code, and no others."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    logged = _logged()
    by_commands = {event for event in logged if event in _BY_COMMANDS}
    assert by_commands == _BY_COMMANDS
    assert all(f"`{event}`" in page for event in by_commands)
    explained = _explained(page)
    assert set(explained) == set(logged) - by_commands
    differ = {event: (line, logged[event]) for event, line in explained.items()}
    assert {event: pair for event, pair in differ.items() if pair[0] != pair[1]} == {}
