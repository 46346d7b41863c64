"""The database: transactions, and what the processes that share it have between them."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sesn_node import address
from sesn_node.crypto.primitives import random_bytes
from sesn_node.errors import ConfigError, StorageError
from sesn_node.store import problems, sql, sqlite
from sesn_node.store.alarms import AlarmTable
from sesn_node.store.audit import AuditTable
from sesn_node.store.browse import Browse
from sesn_node.store.cases import CaseTable
from sesn_node.store.conversations import ConversationTable
from sesn_node.store.copies import CopyTable
from sesn_node.store.erasures import ErasureTable
from sesn_node.store.figures import Figures
from sesn_node.store.forwards import ForwardTable
from sesn_node.store.groups import GroupTable
from sesn_node.store.inbox import InboxTable
from sesn_node.store.keeping import KeepingTable
from sesn_node.store.leases import LocalLeases
from sesn_node.store.ledger import LedgerTable
from sesn_node.store.migrate import migrate
from sesn_node.store.outbox import OutboxTable
from sesn_node.store.peers import PeerTable
from sesn_node.store.people import OperatorTable, SecretTable
from sesn_node.store.pulse import PulseTable
from sesn_node.store.recalls import RecallTable
from sesn_node.store.recovery import RecoveryTable
from sesn_node.store.scrubbed import AT_MOST_BYTES, Scrubbed
from sesn_node.store.search import SearchTable
from sesn_node.store.timestamps import TimestampTable
from sesn_node.store.upkeep import Upkeep
from sesn_node.store.watch import WatchTable
from sesn_node.store.witness import WitnessTable
from sesn_node.store.wrapped import WrappedKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from sesn_node.store.leases import Held, Leases

_CONNECTIONS: Final = 16
_PROCESS_BYTES: Final = 8


class Transaction:
    """The tables, as one transaction sees them."""

    __slots__ = (
        "_connection",
        "_notifies",
        "alarms",
        "audit",
        "browse",
        "cases",
        "conversations",
        "copies",
        "erasures",
        "figures",
        "forwards",
        "groups",
        "inbox",
        "keeping",
        "ledger",
        "operators",
        "outbox",
        "peers",
        "pulse",
        "recalls",
        "recovery",
        "search",
        "secrets",
        "timestamps",
        "upkeep",
        "watch",
        "witness",
        "wrapped",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._notifies = False
        self.ledger = LedgerTable(connection)
        self.outbox = OutboxTable(connection)
        self.inbox = InboxTable(connection)
        self.peers = PeerTable(connection)
        self.witness = WitnessTable(connection)
        self.wrapped = WrappedKeys(connection)
        self.pulse = PulseTable(connection)
        self.keeping = KeepingTable(connection)
        self.recalls = RecallTable(connection)
        self.recovery = RecoveryTable(connection)
        self.search = SearchTable(connection)
        self.secrets = SecretTable(connection)
        self.operators = OperatorTable(connection)
        self.timestamps = TimestampTable(connection)
        self.browse = Browse(connection)
        self.cases = CaseTable(connection)
        self.conversations = ConversationTable(connection)
        self.copies = CopyTable(connection)
        self.erasures = ErasureTable(connection)
        self.figures = Figures(connection)
        self.forwards = ForwardTable(connection)
        self.groups = GroupTable(connection)
        self.upkeep = Upkeep(connection)
        self.watch = WatchTable(connection)
        self.audit = AuditTable(connection)
        self.alarms = AlarmTable(connection)

    def notify(self) -> None:
        """Wake the other processes that share this database, once this transaction has committed.

        Nothing happens where no other process can be listening.
        """
        self._notifies = True

    @property
    def notifies(self) -> bool:
        """Whether others are to be woken."""
        return self._notifies

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
        raise StorageError(problems.refused(error)) from error


class Store:
    """One database, shared by the threads of a process and by processes of one agency."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        """Open the database and bring its schema up to date.

        Args:
            url: `sqlite:///PATH`, or an address that libpq knows: `postgresql://...`.
            create: Whether the database may be empty as yet.

        Raises:
            ConfigError: The URL names no supported database.
            StorageError: The database cannot be opened, is newer than this program, or is empty
                and must not be.
        """
        self._url = url
        self._engine = _create_engine(url)
        self._dialect = self._engine.dialect.name
        self._closed = False
        self._held: Held = {}
        self._process = random_bytes(_PROCESS_BYTES).hex()
        event.listen(self._engine, "begin", _on_begin)
        try:
            migrate(self._engine, create=create)
        except BaseException as error:
            # Nobody closes a store that was never opened.
            self._engine.dispose()
            if isinstance(error, DBAPIError):
                raise StorageError(problems.cannot_open(url, error)) from error
            raise
        # Looked at when the file is open, so that it is there.
        self._file: sqlite.OpenFile | None = None
        if self._dialect == sql.SQLITE:
            self._file = sqlite.OpenFile(url.removeprefix(address.SQLITE))
            # SQLite makes the file that is not there: an empty one, in the place of ours.
            event.listen(self._engine, "do_connect", self._before_connecting)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a consistent snapshot; nothing may be written in it."""
        with self._transaction(sql.begin_read(self._dialect)) as transaction:
            yield transaction

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open the one write transaction; commit when the body ends, roll back if it raises.

        One at a time, whatever process opens it: it begins by locking the head of the ledger.

        Raises:
            StorageError: The database refused; after a failed commit the outcome is unknown.
        """
        if self._file is not None:
            self._file.check()
        with self._transaction(sql.begin_write(self._dialect)) as transaction:
            yield transaction

    def _before_connecting(self, *_: object) -> None:
        if self._file is not None:
            self._file.check()

    def leases(self) -> Leases:
        """Return the leases by which the processes of one agency share out deliveries."""
        if self._dialect == sql.SQLITE:
            return LocalLeases(self._held)
        from sesn_node.store.shared import SharedLeases  # noqa: PLC0415 - as `_create_engine`

        return SharedLeases(self._url)

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` when another process has committed something that it notified of.

        Args:
            wake: Called from another thread, also whenever notifications may have been missed. It
                must return at once and not raise.
        """
        if self._dialect == sql.SQLITE:
            yield
            return
        from sesn_node.store import shared  # noqa: PLC0415 - as `_create_engine`

        with shared.listening(self._url, self._process, wake):
            yield

    def scrub(self, most_bytes: int = AT_MOST_BYTES) -> Scrubbed:
        """Take the bytes of erased content out of the files of this database, as far as we can.

        Args:
            most_bytes: A larger database is not written anew: nobody else can write meanwhile.

        Raises:
            StorageError: The database cannot be opened.
        """
        if self._closed:
            raise StorageError("the database is closed: this process is ending")
        if self._dialect == sql.SQLITE:
            return sqlite.scrub(self._engine, most_bytes)
        from sesn_node.store import vacuum  # noqa: PLC0415 - as `_create_engine`

        return vacuum.scrub(self._url, most_bytes)

    def close(self) -> None:
        """Close all connections; SQLite folds its write-ahead log back when the last one goes.

        What another thread has under way may still end; nothing new begins.
        """
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        with refusals(), self._begun(begin) as connection:
            try:
                transaction = Transaction(connection)
                yield transaction
                notify = sql.notify(self._dialect, self._process) if transaction.notifies else None
                if notify is not None:
                    connection.exec_driver_sql(notify)
                connection.commit()
            except BaseException:
                # What went wrong first is what the caller must hear of.
                with suppress(SQLAlchemyError):
                    connection.rollback()
                raise
            finally:
                if self._closed:
                    # Its pool is gone: nobody else would close it.
                    connection.invalidate()

    def _begun(self, begin: str) -> Connection:
        """Begin a transaction on a connection of the pool.

        One that broke while it lay there shows itself when nothing was done yet, and all of its
        age are thrown away with it: the next one is new. Asking each connection beforehand whether
        it lives would cost a round trip every time.
        """
        if self._closed:
            raise StorageError("the database is closed: this process is ending")
        for last in (False, True):
            connection = self._engine.connect()
            connection.info["begin"] = begin
            try:
                connection.begin()
            except BaseException as error:
                connection.close()
                broken = isinstance(error, DBAPIError) and error.connection_invalidated
                if last or not broken:
                    raise
            else:
                return connection
        raise AssertionError


def _create_engine(url: str) -> Engine:
    if url.startswith(address.POSTGRESQL):
        # Imported here because a node on SQLite does not pay for it.
        from sesn_node.store import postgres  # noqa: PLC0415 - see above

        return postgres.create(url, _CONNECTIONS)
    path = url.removeprefix(address.SQLITE)
    if path in {"", url}:
        raise ConfigError(
            f"database.url: expected {address.SQLITE}PATH, the embedded database of a node, or "
            f"{address.POSTGRESQL}USER@HOST/DATABASE"
        )
    return sqlite.create(path, _CONNECTIONS)


def _on_begin(connection: Connection) -> None:
    # Two statements may stand in it, which PostgreSQL takes only without parameters.
    connection.exec_driver_sql(connection.info["begin"], execution_options={"no_parameters": True})
