"""Connections to SQLite, the database inside a node's own process.

It runs in WAL mode with `synchronous=FULL`, so that a commit that returned survives a power cut,
and with `secure_delete`, so that erased bytes are overwritten in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, create_engine, event

from sesn_node.errors import StorageError

if TYPE_CHECKING:
    from sqlite3 import Connection as SqliteConnection

    from sqlalchemy import Engine
    from sqlalchemy.pool import ConnectionPoolEntry

_BUSY_TIMEOUT_MS = 10_000
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    # Else REPLACE, which deletes rows as well, would pass the triggers of the append-only tables.
    "PRAGMA recursive_triggers = ON",
    f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}",
)


DATABASE_REPLACED: Final = "DATABASE_REPLACED"
"""Code of the error that says: another file has the name of the one that is open."""


class OpenFile:
    """The database file that a process has open.

    The system lets anybody remove or replace a file under those who have it open. They go on
    writing to one that nobody will find again, and every commit succeeds.
    """

    __slots__ = ("_identity", "_path")

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._identity = self._look()

    def check(self) -> None:
        """Make sure that what is written is found again.

        Raises:
            StorageError: Code `DATABASE_REPLACED`.
        """
        found = self._look()
        if found is None or found != self._identity:
            what = "was removed" if found is None else "was replaced by another"
            raise StorageError(
                f"the database file {self._path} {what} while this process has it open, so what it "
                "wrote now would be lost. Nothing is written; restart the node.",
                code=DATABASE_REPLACED,
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def create(path: str, connections: int) -> Engine:
    """Return an engine with a pool of that many connections to a database file."""
    # Not by SQLAlchemy's parser, which reads % and ? in the path of a home as more than characters.
    parsed = URL.create("sqlite", database=path)
    # Overflow connections would be opened, set up and thrown away with every transaction.
    engine = create_engine(parsed, pool_size=connections, max_overflow=0)
    event.listen(engine, "connect", _on_connect)
    return engine


def _on_connect(connection: SqliteConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transaction control would start a deferred transaction behind our back,
    # which deadlocks two writers instead of queueing them.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)
