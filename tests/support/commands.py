"""Running `sesn` in this process, and holding a home against what it was before."""

from __future__ import annotations

import io
import json
import logging
import re
import sqlite3
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from sesn_node.cli.main import run
from sesn_node.cli.show import console, error_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    JsonIn = str | int | float | bool | list["JsonIn"] | dict[str, "JsonIn"] | None


_QUOTED: Final = re.compile(r"'(?:sesn )(?:--home \S+ )?([a-z]+(?: [a-z]+(?=[\s']))?)")


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, JsonIn]:
        """The one line of JSON on stdout."""
        (line,) = self.out.splitlines()
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def failed(self, exit_code: int, code: str, *words: str) -> None:
        """Check that it failed as it should: one clear line, and no traceback."""
        assert self.code == exit_code, self
        (line,) = [one for one in self.err.splitlines() if one.startswith("error ")]
        assert line.startswith(f"error {code}: "), line
        for word in words:
            assert word in line, (word, line)
        assert "Traceback" not in self.err + self.out


def sesn(*arguments: object, home: Path | None = None) -> Ran:
    """Run a command; stdin is no terminal."""
    line = [] if home is None else ["--home", str(home)]
    line += [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    # A process of its own would look at its terminal anew.
    console.cache_clear()
    error_console.cache_clear()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(line)
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def logging_kept() -> Iterator[None]:
    """A command sets up logging for its process, which here has other tests to run."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()


def rows(value: JsonIn) -> list[dict[str, JsonIn]]:
    """Take a JSON value as the list of objects that it should be."""
    assert isinstance(value, list)
    return [row for row in value if isinstance(row, dict)]


def assert_commands_exist(advice: str) -> None:
    """Whoever types a command that stands in quotes is understood: its help can be shown."""
    for words in set(_QUOTED.findall(advice)):
        line = words.split()
        assert sesn(*line, "--help").code == 0, words
        # A group shows its help for a word that it does not know, too.
        assert len(line) == 1 or f"sesn {words}" in sesn(*line, "--help").out, words


def contents(home: Path) -> dict[str, str | bytes]:
    """Everything in a home that must not change by accident: rows, keys, settings, head file."""
    found: dict[str, str | bytes] = {}
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if path.is_dir() or name.startswith("run/") or path.suffix == ".lock":
            continue
        if name == "node.db":
            with sqlite3.connect(path) as database:
                found[name] = "\n".join(database.iterdump())
            database.close()
        elif not name.startswith("node.db-"):
            found[name] = path.read_bytes()
    return found


@contextmanager
def untouched(home: Path) -> Iterator[None]:
    """Fail if the body changes anything in a home."""
    before = contents(home)
    yield
    assert contents(home) == before
