"""The databases that tests run on: SQLite files, or databases of one PostgreSQL server.

A test does not ask for one: homes are founded and copied on whichever is current.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from sesn_node import config
from sesn_node.store.engine import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.postgres import Server

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"

_FILES = ("node.db", "node.db-wal", "node.db-shm")


class _Cursor(Protocol):
    """What both drivers call a cursor."""

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> Sequence[tuple[object, ...]]: ...


class Raw:
    """A database opened past the node, as anybody with the right to do so can.

    Statements are SQLite's: question marks for values, `x'00'` and `zeroblob(n)` for bytes.
    """

    def __init__(self, execute: Callable[[str, Sequence[object]], _Cursor], name: str) -> None:
        self._execute = execute
        self._name = name

    def rows(self, statement: str, *values: object) -> Sequence[tuple[object, ...]]:
        """Ask for rows."""
        return self._execute(statement, values).fetchall()

    def change(self, statement: str, *values: object) -> int:
        """Change rows; return how many."""
        return self._execute(statement, values).rowcount

    def lift_guards(self) -> None:
        """Drop every trigger and every tie between tables, so that anything can be changed."""
        statement = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
        if self._name == POSTGRESQL:
            statement = (
                "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid "
                "WHERE NOT tgisinternal"
            )
        for trigger, table in self.rows(statement):
            on = f"ON {table}" if self._name == POSTGRESQL else ""
            self.change(f"DROP TRIGGER {trigger} {on}")
        if self._name == POSTGRESQL:
            # SQLite minds them only where it is told to.
            statement = "SELECT conname, conrelid::regclass FROM pg_constraint WHERE contype = 'f'"
            for name, table in self.rows(statement):
                self.change(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


class Engine(Protocol):
    """Where homes keep their databases. Homes are named by their folder."""

    name: str

    def address(self, home: Path) -> str:
        """Return the `database.url` for a home that is about to be founded."""

    def with_tables(self, home: Path) -> str:
        """As `address`; where it is quicker, the database has all its tables already."""

    def copy(self, home: Path, to: Path) -> None:
        """Copy a home and its database, which nobody may have open."""

    def save(self, home: Path, to: Path) -> None:
        """Copy a database aside, as a backup does; a node may have it open."""

    def put_back(self, home: Path, saved: Path) -> None:
        """Put what was saved in the place of a database that nobody has open."""

    def moved(self, home: Path) -> object:
        """Return something that changes whenever somebody writes to the database."""

    def files(self, home: Path) -> Iterator[tuple[Path, bytes]]:
        """Yield what a database keeps outside of its home: files and what is in them."""

    def raw(self, home: Path) -> AbstractContextManager[Raw]:
        """Open a database past the node."""

    def discard(self, folder: Path) -> None:
        """Remove the databases of all homes within a folder, and what was saved there."""


class SqliteEngine:
    """Files in the homes themselves."""

    name = SQLITE

    def address(self, home: Path) -> str:
        """Return the address of the file in a home."""
        assert not home.exists()
        return config.Database().url

    def with_tables(self, home: Path) -> str:
        """Return the address of the file in a home; founding makes it."""
        return self.address(home)

    def copy(self, home: Path, to: Path) -> None:
        """Copy a home; the file comes along."""
        shutil.copytree(home, to)

    def save(self, home: Path, to: Path) -> None:
        """Copy the database with SQLite's own means."""
        with (
            closing(sqlite3.connect(home / _FILES[0])) as source,
            closing(sqlite3.connect(to)) as target,
        ):
            source.backup(target)

    def put_back(self, home: Path, saved: Path) -> None:
        """Replace the file."""
        for name in _FILES:
            (home / name).unlink(missing_ok=True)
        shutil.copy2(saved, home / _FILES[0])

    def moved(self, home: Path) -> object:
        """Return times and sizes of the files that are written to."""
        stats = [(home / name).stat() for name in _FILES[:2] if (home / name).exists()]
        return [(one.st_mtime_ns, one.st_size) for one in stats]

    def files(self, home: Path) -> Iterator[tuple[Path, bytes]]:
        """There are none."""
        assert home.exists()
        yield from ()

    @contextmanager
    def raw(self, home: Path) -> Iterator[Raw]:
        """Open the file."""
        with closing(sqlite3.connect(home / _FILES[0], isolation_level=None)) as database:
            yield Raw(database.execute, SQLITE)

    def discard(self, folder: Path) -> None:
        """Files go with their folder."""


class PostgresEngine:
    """Databases of one server."""

    name = POSTGRESQL

    def __init__(self, server: Server) -> None:
        self.server = server
        # By the folder of the home, or by where they were saved to.
        self._names: dict[Path, str] = {}
        # A database that has tables and nothing in them.
        self._tables: str | None = None

    def address(self, home: Path) -> str:
        """Make an empty database and return its address."""
        self._names[home] = self.server.create()
        return self.server.address(self._names[home])

    def with_tables(self, home: Path) -> str:
        """Make a database by copying one that was migrated, and return its address."""
        if self._tables is None:
            self._tables = self.server.create()
            Store(self.server.address(self._tables)).close()
        self._names[home] = self.server.create(self._tables)
        return self.server.address(self._names[home])

    def database(self, home: Path) -> str:
        """Return the name of a home's database."""
        return self._names[home]

    def copy(self, home: Path, to: Path) -> None:
        """Copy a home and its database, and put the new one's address into its settings."""
        shutil.copytree(home, to)
        self._names[to] = self.server.create(self._names[home])
        path = to / config.FILE_NAME
        text = path.read_text(encoding="utf-8")
        was, now = (self.server.address(self._names[one]) for one in (home, to))
        assert was in text
        path.write_text(text.replace(was, now), encoding="utf-8")

    def share(self, home: Path, to: Path) -> None:
        """Copy a home for another process that works on the same database."""
        shutil.copytree(home, to)
        self._names[to] = self._names[home]

    def save(self, home: Path, to: Path) -> None:
        """Copy a database; whoever has it open is cut off, and connects again."""
        with self.server.closed_to_all(self._names[home]):
            self._names[to] = self.server.create(self._names[home])

    def put_back(self, home: Path, saved: Path) -> None:
        """Put a copy of what was saved under the name that the home knows."""
        name = self._names[home]
        self.server.drop(name)
        self.server.rename(self.server.create(self._names[saved]), name)

    def moved(self, home: Path) -> object:
        """Return how far the server's log has come."""
        assert home in self._names
        return self.server.ask("SELECT pg_current_wal_insert_lsn()")

    def files(self, home: Path) -> Iterator[tuple[Path, bytes]]:
        """Read the server's files: tables and indexes of the database, and the server's log."""
        return self.server.files(self._names[home])

    @contextmanager
    def raw(self, home: Path) -> Iterator[Raw]:
        """Open a database as its owner."""
        with closing(self.server.connect(self._names[home])) as database:

            def execute(statement: str, values: Sequence[object]) -> _Cursor:
                return database.execute(_translated(statement).encode(), values or None)

            yield Raw(execute, POSTGRESQL)

    def discard(self, folder: Path) -> None:
        """Remove the databases of a test that is over."""
        for home in [one for one in self._names if one.is_relative_to(folder)]:
            self.server.drop(self._names.pop(home))


def _translated(statement: str) -> str:
    """Say in PostgreSQL's words what is said in SQLite's."""
    zeros = re.sub(r"zeroblob\((\d+)\)", lambda found: f"x'{'00' * int(found[1])}'", statement)
    return re.sub(r"x'([0-9a-fA-F]*)'", r"'\\x\1'::bytea", zeros).replace("?", "%s")


_current: list[Engine] = [SqliteEngine()]


def current() -> Engine:
    """Return the engine of the test that runs: SQLite, unless something else was asked for."""
    return _current[-1]


@contextmanager
def using(engine: Engine) -> Iterator[None]:
    """Let the tests of the block run on an engine."""
    _current.append(engine)
    try:
        yield
    finally:
        _current.pop()
