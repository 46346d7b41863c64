"""Connections to SQLite, the database inside a node's own process.

It runs in WAL mode with `synchronous=FULL`, so that a commit that returned survives a power cut,
and with `secure_delete`, so that erased bytes are overwritten in the file.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import URL, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from sesn_node.errors import StorageError
from sesn_node.store.scrubbed import Scrubbed

if TYPE_CHECKING:
    from sqlite3 import Connection as SqliteConnection

    from sqlalchemy import Engine
    from sqlalchemy.pool import ConnectionPoolEntry

_BUSY_TIMEOUT_MS = 10_000
# How long, and how often, emptying the log waits for those who read.
_GLANCE_MS = 300
_GLANCES = 5
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    # Else what a savepoint may bring back, erased content too, goes through a file in /var/tmp.
    "PRAGMA temp_store = MEMORY",
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


def scrub(engine: Engine, most_bytes: int) -> Scrubbed:
    """Take erased bytes out of the database file and its write-ahead log.

    `secure_delete` overwrites what is deleted, but not the copies that are left in unused parts of
    a page when rows were moved between pages before. So the file is written anew, from what is
    still there, and then the log is emptied.

    Args:
        engine: The database.
        most_bytes: A larger database is not written anew: nobody else can write meanwhile.

    Raises:
        StorageError: The database cannot be opened.
    """
    try:
        pooled = engine.raw_connection()
    except SQLAlchemyError as error:
        raise StorageError(f"the database cannot be opened: {error}") from error
    try:
        database = cast("SqliteConnection", pooled.driver_connection)
        return _scrub(database, most_bytes)
    except sqlite3.Error as error:
        return Scrubbed(done=False, remains=(f"the database file still holds it: {error}",))
    finally:
        pooled.close()


def _scrub(database: SqliteConnection, most_bytes: int) -> Scrubbed:
    remains = []
    ((pages,),) = database.execute("PRAGMA page_count")
    ((page_bytes,),) = database.execute("PRAGMA page_size")
    if pages * page_bytes > most_bytes:
        remains.append(
            "unused parts of the database file's pages may hold pieces of it, until 'sesn alert "
            "erase' is run with --compact, which writes the file anew"
        )
    else:
        try:
            # What is still there passes through a temporary file, nothing that was erased.
            database.execute("PRAGMA temp_store = FILE")
            database.execute("VACUUM")
        except sqlite3.OperationalError as error:
            remains.append(
                "unused parts of the database file's pages may hold pieces of it, since the file "
                f"could not be written anew ({error})"
            )
        finally:
            database.execute("PRAGMA temp_store = MEMORY")
    if not _empty_log(database):
        remains.append(
            "the write-ahead log (node.db-wal) still holds it, since somebody reads the database"
        )
    return Scrubbed(not remains, tuple(remains))


def _empty_log(database: SqliteConnection) -> bool:
    """Fold the write-ahead log back and cut it to nothing; not while anybody reads."""
    # Whoever waits for readers here keeps all writers waiting: several short waits.
    database.execute(f"PRAGMA busy_timeout = {_GLANCE_MS}")
    try:
        for attempt in range(_GLANCES):
            ((busy, _, _),) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if not busy:
                return True
            if attempt + 1 < _GLANCES:
                time.sleep(_GLANCE_MS / 1000)
        return False
    finally:
        database.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")


def _on_connect(connection: SqliteConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transaction control would start a deferred transaction behind our back,
    # which deadlocks two writers instead of queueing them.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)
