"""PostgreSQL under a store: connections that break, servers that stop, and what they say."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from sesn_node import address
from sesn_node.errors import ConfigError, StorageError
from sesn_node.store.engine import Store
from sesn_node.store.ledger import EntryRow, HeadRow
from sesn_node.store.schema import APPEND_ONLY
from tests.support.engines import PostgresEngine
from tests.support.patience import wait_until
from tests.support.postgres import Server, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sesn_node.store.engine import Transaction
    from tests.support.engines import Engine

pytestmark = pytest.mark.engine("postgresql")

_HEAD = HeadRow("nl.customs.sesn/ledger/1", 0, bytes(32), b"note")
_GROWN = HeadRow("nl.customs.sesn/ledger/1", 1, b"1" * 32, b"note 1")
_POOL = 16


class _Database:
    """A database with an open store, and an administrator who ends connections."""

    def __init__(self, engine: PostgresEngine, home: Path) -> None:
        self.server = engine.server
        self.url = address.resolved(engine.address(home), home)
        self.name = engine.database(home)
        self.store = Store(self.url)
        with self.store.write() as transaction:
            transaction.ledger.open(_HEAD)

    def cut_off(self) -> None:
        """End every connection, and wait until they are gone."""
        assert self.server.cut_off(self.name) > 0

    def busy(self) -> int:
        """How many connections stand in a transaction."""
        ((count,),) = self.server.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state LIKE %s",
            self.name,
            "idle in transaction%",
        )
        assert isinstance(count, int)
        return count

    def head(self) -> HeadRow:
        """Read the head of the ledger."""
        with self.store.read() as transaction:
            return transaction.ledger.require_head()

    def with_option(self, option: str) -> Store:
        """Open another store, for whose sessions the server has a setting of its own."""
        return Store(f"{self.url}&options=-c%20{quote(option)}")


@pytest.fixture
def database(engine: Engine, tmp_path: Path) -> Iterator[_Database]:
    """A new database with a ledger that has no entry."""
    assert isinstance(engine, PostgresEngine)
    made = _Database(engine, tmp_path / "home")
    yield made
    made.store.close()


def _grow(transaction: Transaction, then: Callable[[], object] = bool) -> None:
    transaction.ledger.append(_HEAD, _GROWN, [EntryRow(0, "KEY", None, b"entry")], {0: b"0" * 32})
    then()


def _look_twice(transaction: Transaction, meanwhile: Callable[[], object]) -> None:
    transaction.ledger.require_head()
    meanwhile()
    transaction.ledger.require_head()


def test_connections_that_broke_in_the_pool(database: _Database) -> None:
    """Connections that were cut while they lay idle are replaced: no operation fails."""
    held, all_open = threading.Barrier(_POOL), []

    def read() -> None:
        with database.store.read() as transaction:
            held.wait()
            all_open.append(transaction.ledger.head())

    readers = [threading.Thread(target=read) for _ in range(_POOL)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(all_open) == _POOL
    database.cut_off()
    for _ in range(_POOL):
        assert database.head() == _HEAD
    database.cut_off()
    with database.store.write() as transaction:
        _grow(transaction)
    assert database.head() == _GROWN


def test_connection_cut_in_a_transaction(database: _Database) -> None:
    """A transaction whose connection is cut fails with clear words, whole; the next one works."""
    with (
        pytest.raises(StorageError, match=r"broke.*Nothing was half written; work goes on"),
        database.store.write() as transaction,
    ):
        _grow(transaction, database.cut_off)
    with (
        pytest.raises(StorageError, match="broke"),
        database.store.read() as transaction,
    ):
        _look_twice(transaction, database.cut_off)
    assert database.head() == _HEAD
    with database.store.write() as transaction:
        _grow(transaction)


def test_own_error_after_the_connection_was_cut(database: _Database) -> None:
    """What went wrong first is told, not that undoing it failed as well."""

    def fail() -> None:
        database.cut_off()
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"), database.store.write() as transaction:
        _grow(transaction, fail)
    assert database.head() == _HEAD


def test_server_that_stops_and_starts(tmp_path: Path) -> None:
    """While the server is away, errors say so; when it is back, all goes on by itself."""
    with server() as away:
        engine = PostgresEngine(away)
        database = _Database(engine, tmp_path / "home")
        for at_once in (False, True):
            away.stop(at_once=at_once)
            with pytest.raises(StorageError, match=r"cannot be reached.*when it is back"):
                database.head()
            with pytest.raises(StorageError, match=r"cannot be opened.*that the server runs"):
                Store(database.url)
            with pytest.raises(StorageError, match="who delivers"):
                database.store.leases().acquire("gh.epa")
            away.start()
            assert database.head() == _HEAD
        database.store.close()


def test_transaction_that_stands_still(database: _Database) -> None:
    """A process that stops in the middle of a write holds nobody up for ever."""
    slow = database.with_option("idle_in_transaction_session_timeout=50ms")
    with (
        pytest.raises(StorageError, match=r"idle-in-transaction.*was the process stopped"),
        slow.write() as transaction,
    ):
        _grow(transaction, partial(wait_until, lambda: database.busy() == 0, "it is ended"))
    slow.close()
    assert database.head() == _HEAD


def test_ledger_held_by_another(database: _Database) -> None:
    """Who waits too long for the ledger is told what may be the matter."""
    hasty = database.with_option("lock_timeout=50ms")
    with database.store.write() as transaction:
        _grow(transaction)
        with pytest.raises(StorageError, match=r"held the ledger for too long"), hasty.write():
            pass
    with hasty.write() as transaction:
        assert transaction.ledger.require_head() == _GROWN
    hasty.close()


def _setting(store: Store, name: str) -> object:
    with store.read() as transaction:
        connection = transaction._connection  # noqa: SLF001 - asked of PostgreSQL itself
        return connection.exec_driver_sql(f"SHOW {name}").scalar()


def test_settings_of_sessions(database: _Database) -> None:
    """Commits are durable whatever the server does by default; an administrator's limits stand."""
    assert _setting(database.store, "synchronous_commit") == "on"
    assert _setting(database.store, "idle_in_transaction_session_timeout") == "1min"
    assert _setting(database.store, "lock_timeout") == "30s"
    assert _setting(database.store, "transaction_isolation") == "repeatable read"
    assert _setting(database.store, "transaction_read_only") == "on"
    for option, expected in [
        ("synchronous_commit=off", "on"),
        ("synchronous_commit=remote_apply", "remote_apply"),
        ("lock_timeout=7s", "7s"),
        ("idle_in_transaction_session_timeout=9s", "9s"),
    ]:
        store = database.with_option(option)
        assert _setting(store, option.partition("=")[0]) == expected
        store.close()


@pytest.mark.parametrize("table", [table.name for table in APPEND_ONLY])
def test_history_is_not_truncated(database: _Database, table: str) -> None:
    """TRUNCATE, which is no DELETE here, is refused too."""
    with (
        database.server.connect(database.name) as connection,
        pytest.raises(Exception, match=f"{table} is append-only"),
    ):
        connection.execute(f"TRUNCATE {table} CASCADE".encode())


def test_database_that_lacks_characters(database: _Database) -> None:
    """A database of another encoding is refused before anything is made in it."""
    name = f"{database.name}_latin"
    made = f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 OWNER sesn"
    database.server.connect("postgres", user="postgres").execute(made.encode()).connection.close()
    try:
        with pytest.raises(ConfigError, match=r"LATIN1.*ENCODING 'UTF8'"):
            Store(database.server.address(name))
    finally:
        database.server.drop(name)


def test_user_whom_the_server_does_not_know(database: _Database) -> None:
    """Nobody is let in by chance, and no password is told."""
    url = database.url.replace("sesn@", "nobody:s3cr3t@")
    with pytest.raises(
        StorageError, match=r"role .nobody. does not exist.*lets this user in"
    ) as no:
        Store(url)
    assert "s3cr3t" not in str(no.value)


def test_lease_is_held_by_one_process(database: _Database) -> None:
    """Of two processes one holds a lease; the other gets it the moment that the first is gone."""
    first, second = database.store.leases(), database.store.leases()
    lease = first.acquire("gh.epa")
    assert lease is not None
    assert second.acquire("gh.epa") is None
    first.close()
    wait_until(lambda: second.acquire("gh.epa"), "the other takes over")
    second.close()


def test_lease_is_lost_with_its_connection(database: _Database) -> None:
    """A lease ends with its session, which both its holder and others notice at once."""
    first, second = database.store.leases(), database.store.leases()
    lease = first.acquire("gh.epa")
    assert lease is not None
    database.cut_off()
    wait_until(lambda: not lease.valid(), "the holder notices")
    taken = second.acquire("gh.epa")
    assert taken is not None
    assert first.acquire("gh.epa") is None
    # One that is lost is not given back: another holds it.
    lease.release()
    assert taken.valid()
    assert first.acquire("gh.epa") is None
    first.close()
    second.close()


@pytest.fixture
def listening(database: _Database) -> Iterator[threading.Semaphore]:
    """How often another process of the agency was woken; it has been once, to begin with."""
    woken = threading.Semaphore(0)
    other = Store(database.url)
    with other.listening(woken.release):
        assert woken.acquire(timeout=60)
        yield woken
    other.close()


def _notify_and_fail(transaction: Transaction) -> None:
    transaction.notify()
    raise RuntimeError("mine")


def test_others_are_woken_at_commit(database: _Database, listening: threading.Semaphore) -> None:
    """A notification arrives once the transaction has committed, and not if it has not."""
    with database.store.write() as transaction:
        transaction.notify()
        _grow(transaction)
        assert not listening.acquire(blocking=False)
    assert listening.acquire(timeout=60)
    with pytest.raises(RuntimeError, match="mine"), database.store.write() as transaction:
        _notify_and_fail(transaction)
    with database.store.write() as transaction:
        transaction.notify()
    assert listening.acquire(timeout=60)
    assert not listening.acquire(blocking=False)


def test_nobody_wakes_itself(database: _Database, listening: threading.Semaphore) -> None:
    """A process hears of others' changes alone: of its own it knows."""
    woken = threading.Semaphore(0)
    with database.store.listening(woken.release):
        assert woken.acquire(timeout=60)
        for _ in range(3):
            with database.store.write() as transaction:
                transaction.notify()
            assert listening.acquire(timeout=60)
        other = Store(database.url)
        with other.write() as transaction:
            transaction.notify()
        other.close()
        assert woken.acquire(timeout=60)
        assert not woken.acquire(blocking=False)


def test_listener_comes_back(database: _Database, listening: threading.Semaphore) -> None:
    """Cut off, it connects again, and has everything looked at: it may have missed something."""
    database.cut_off()
    assert listening.acquire(timeout=60)
    with database.store.write() as transaction:
        transaction.notify()
    assert listening.acquire(timeout=60)


def test_listener_ends_while_the_server_is_away(tmp_path: Path) -> None:
    """A node that shuts down does not wait for a database that is not there."""
    with server() as away:
        database = _Database(PostgresEngine(away), tmp_path / "home")
        woken = threading.Semaphore(0)
        with database.store.listening(woken.release):
            assert woken.acquire(timeout=60)
            away.stop(at_once=True)
        away.start()
        assert database.head() == _HEAD
        database.store.close()


def test_server_of_tests_leaves_nothing() -> None:
    """A server that was started for a test is gone when the test is over."""
    with server() as made:
        assert isinstance(made, Server)
        folder = made.address("postgres").partition("host=")[2]
        assert made.ask("SELECT 1") == [(1,)]
    assert not Path(folder).exists()
    with pytest.raises(StorageError, match="cannot be opened"):
        Store(f"postgresql://postgres@/postgres?host={folder}")


def test_leftovers_of_a_killed_test_run() -> None:
    """What a test run left that was killed is removed by the next one; what is in use stays."""
    with server() as made:
        folder = Path(made.address("postgres").partition("host=")[2])
        left = folder.with_name(f"{folder.name}-left")
        (left / "data").mkdir(parents=True)
        (left / "lock").touch()
        with server():
            assert not left.exists()
            assert made.ask("SELECT 1") == [(1,)]
