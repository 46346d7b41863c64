"""The database: connection settings and transactions.

SQLite runs in WAL mode with `synchronous=FULL`, so that a commit that returned survives a
power cut, and with `secure_delete`, so that erased bytes are overwritten in the file.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sesn_node.errors import ConfigError, StorageError
from sesn_node.store.browse import Browse
from sesn_node.store.inbox import InboxTable
from sesn_node.store.ledger import LedgerTable
from sesn_node.store.migrate import migrate
from sesn_node.store.outbox import OutboxTable
from sesn_node.store.peers import PeerTable
from sesn_node.store.witness import WitnessTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection as SqliteConnection

    from sqlalchemy import Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry

_SQLITE = "sqlite:///"
_BUSY_TIMEOUT_MS = 10_000
_CONNECTIONS = 16
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


class Transaction:
    """The tables, as one transaction sees them."""

    __slots__ = ("_connection", "browse", "inbox", "ledger", "outbox", "peers", "witness")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.ledger = LedgerTable(connection)
        self.outbox = OutboxTable(connection)
        self.inbox = InboxTable(connection)
        self.peers = PeerTable(connection)
        self.witness = WitnessTable(connection)
        self.browse = Browse(connection)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the body wrote, and nothing else, if it raises.

        Raises:
            StorageError: The database refused a statement. It may have undone the transaction by
                itself (SQLite does so on a full disk or an I/O error), so all of it must end.
        """
        # The plain statements: SQLAlchemy's nested transactions cost ten times as much.
        run = self._connection.exec_driver_sql
        with refusals():
            run("SAVEPOINT operation")
            try:
                yield
            except DBAPIError:
                # Without a transaction, these statements would begin one that nobody ends.
                raise
            except BaseException:
                run("ROLLBACK TO operation")
                run("RELEASE operation")
                # What it remembers may be undone.
                self.peers = PeerTable(self._connection)
                raise
            run("RELEASE operation")


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the database refuses into a StorageError."""
    try:
        yield
    except SQLAlchemyError as error:
        # Of what the database said itself, without the statement; else a row that must be there
        # is not, or no connection was free.
        problem = error.orig if isinstance(error, DBAPIError) else error
        raise StorageError(
            f"the database refused: {problem}. Nothing was half written; check its disk, its "
            "permissions and 'sesn ledger verify'."
        ) from error


class Store:
    """One database, shared by the threads of a process and by processes of one agency."""

    def __init__(self, url: str) -> None:
        """Open the database and bring its schema up to date.

        Raises:
            ConfigError: The URL names no supported database.
            StorageError: The database cannot be opened, or is newer than this program.
        """
        self._engine = _create_engine(url)
        try:
            migrate(self._engine)
        except BaseException as error:
            # Nobody closes a store that was never opened.
            self._engine.dispose()
            if isinstance(error, DBAPIError):
                raise StorageError(
                    f"the database {self._engine.url} cannot be opened: {error.orig}. Check the "
                    "path, its permissions and the free space."
                ) from error
            raise

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a consistent snapshot; nothing may be written in it."""
        with self._transaction("BEGIN") as transaction:
            yield transaction

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open the one write transaction; commit when the body ends, roll back if it raises.

        Raises:
            StorageError: The database refused; after a failed commit the outcome is unknown.
        """
        with self._transaction("BEGIN IMMEDIATE") as transaction:
            yield transaction

    def close(self) -> None:
        """Close all connections; SQLite folds its write-ahead log back when the last one goes."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        with refusals(), self._engine.connect() as connection:
            connection.info["begin"] = begin
            with connection.begin():
                yield Transaction(connection)


def _create_engine(url: str) -> Engine:
    # Not by SQLAlchemy's parser, which reads % and ? in the path of a home as more than characters.
    path = url.removeprefix(_SQLITE)
    if path in {"", url}:
        raise ConfigError(
            f"database.url {url!r}: expected {_SQLITE}PATH, the embedded database of a node"
        )
    parsed = URL.create("sqlite", database=path)
    # Overflow connections would be opened, set up and thrown away with every transaction.
    engine = create_engine(parsed, pool_size=_CONNECTIONS, max_overflow=0)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: SqliteConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transaction control would start a deferred transaction behind our back,
    # which deadlocks two writers instead of queueing them.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.info.get("begin", "BEGIN"))
