"""What the node relies on in a database, whichever: transactions, leases, words for errors."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sesn_node import address
from sesn_node.errors import ConflictError, StorageError
from sesn_node.exchange.witness import MAX_WITNESSED_SIZE
from sesn_node.store.engine import Store
from sesn_node.store.ledger import EntryRow, HeadRow
from sesn_node.store.schema import APPEND_ONLY, metadata
from sesn_node.store.witness import WitnessRow
from tests.support.patience import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.store.engine import Transaction
    from tests.support.engines import Engine

_PATIENCE_S = 60.0
_STARTING = 6
_HEAD = HeadRow("nl.customs.sesn/ledger/1", 0, bytes(32), b"note")
_GROWN = HeadRow("nl.customs.sesn/ledger/1", 1, b"1" * 32, b"note 1")


@pytest.fixture
def url(engine: Engine, tmp_path: Path) -> str:
    """The address of a database that holds nothing yet."""
    home = tmp_path / "home"
    found = address.resolved(engine.address(home), home)
    home.mkdir()
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A new database with a ledger that has no entry."""
    opened = Store(url)
    with opened.write() as transaction:
        transaction.ledger.open(_HEAD)
    yield opened
    opened.close()


@pytest.fixture
def other(store: Store, url: str) -> Iterator[Store]:
    """The same database, as another process has it open."""
    assert _head(store) == _HEAD
    opened = Store(url, create=False)
    yield opened
    opened.close()


def _head(store: Store) -> HeadRow | None:
    with store.read() as transaction:
        return transaction.ledger.head()


def _grow(transaction: Transaction) -> None:
    transaction.ledger.append(_HEAD, _GROWN, [EntryRow(0, "KEY", None, b"entry")], {0: b"0" * 32})


def _grow_and_fail(transaction: Transaction) -> None:
    _grow(transaction)
    raise RuntimeError("mine")


def _repeat(transaction: Transaction) -> None:
    """Have the database refuse a statement."""
    transaction.ledger.open(_HEAD)


def _grow_and_repeat(transaction: Transaction) -> None:
    _grow(transaction)
    with transaction.savepoint():
        _repeat(transaction)


def _advance_and_fail(transaction: Transaction, row: WitnessRow) -> None:
    transaction.witness.advance(None, row)
    transaction.notify()
    raise RuntimeError("mine")


def test_several_processes_start_at_once(url: str) -> None:
    """Each finds the whole schema, whoever made it."""
    with ThreadPoolExecutor(_STARTING) as pool:
        opened = list(pool.map(lambda _: Store(url), range(_STARTING)))
    for store in opened:
        assert _head(store) is None
        store.close()


def test_empty_database_where_a_node_should_be(url: str, engine: Engine, tmp_path: Path) -> None:
    """A mistyped address is told as such, and no tables are left in a stranger's database."""
    with pytest.raises(StorageError, match=r"holds no node: check database\.url"):
        Store(url, create=False)
    with engine.raw(tmp_path / "home") as database, pytest.raises(Exception, match="ledger_head"):
        database.rows("SELECT * FROM ledger_head")


def test_failed_body_writes_nothing(store: Store) -> None:
    """A write transaction whose body raises is undone, and the error is its own."""
    with pytest.raises(RuntimeError, match="mine"), store.write() as transaction:
        _grow_and_fail(transaction)
    assert _head(store) == _HEAD


def test_refusal_of_the_database(store: Store) -> None:
    """What the database refuses is a StorageError, in a savepoint and outside; all goes on."""
    words = r"refused: .*\. Nothing was half written"
    with pytest.raises(StorageError, match=words), store.write() as transaction:
        _repeat(transaction)
    with pytest.raises(StorageError, match=words), store.write() as transaction:
        _grow_and_repeat(transaction)
    assert _head(store) == _HEAD
    with store.write() as transaction:
        _grow(transaction)
    assert _head(store) == _GROWN


def test_refusal_tells_no_row(store: Store) -> None:
    """What was to be written is not repeated in the error: it goes to logs and to officers."""
    row = EntryRow(0, "KEY", None, b"the words of an entry")
    with pytest.raises(StorageError) as refused, store.write() as transaction:
        transaction.ledger.append(_HEAD, _GROWN, [row, row], {})
    assert "words" not in str(refused.value)
    assert row.entry.hex() not in str(refused.value)
    assert "INSERT" not in str(refused.value)


def test_savepoint_undoes_its_body_alone(store: Store) -> None:
    """What was written before a savepoint, and after it failed, stays."""
    heads = [WitnessRow(f"x{number}.sesn/ledger/1", "x", 1, bytes(32)) for number in range(3)]
    with store.write() as transaction:
        transaction.witness.advance(None, heads[0])
        with pytest.raises(RuntimeError, match="mine"), transaction.savepoint():
            _advance_and_fail(transaction, heads[1])
        with transaction.savepoint():
            transaction.witness.advance(None, heads[2])
    with store.read() as transaction:
        assert transaction.witness.heads() == [heads[0], heads[2]]
        assert transaction.ledger.require_head().size == 0


def test_reader_sees_one_moment(store: Store, other: Store) -> None:
    """A read transaction does not see what is committed after its first read."""
    with store.read() as reader:
        assert reader.ledger.head() == _HEAD
        with other.write() as writer:
            _grow(writer)
        assert reader.ledger.head() == _HEAD
    assert _head(store) == _GROWN


def test_writers_queue_up(store: Store, other: Store) -> None:
    """A second writer, of another process or this one, waits for the first and sees its work."""
    begun, seen = threading.Event(), list[HeadRow | None]()

    def wait_for_the_first() -> None:
        begun.set()
        with other.write() as transaction:
            seen.append(transaction.ledger.head())

    second = threading.Thread(target=wait_for_the_first)
    with store.write() as transaction:
        second.start()
        begun.wait(_PATIENCE_S)
        _grow(transaction)
    second.join(_PATIENCE_S)
    assert seen == [_GROWN]


def test_head_moves_from_where_it_was(store: Store) -> None:
    """Whoever builds on another head than the one that is there is told so."""
    with store.write() as transaction:
        _grow(transaction)
    with pytest.raises(ConflictError, match="head moved"), store.write() as transaction:
        _grow(transaction)


@pytest.mark.parametrize("table", [table.name for table in APPEND_ONLY])
@pytest.mark.parametrize("statement", ["DELETE FROM {0}", "UPDATE {0} SET {1} = {1}"])
def test_history_is_not_changed(
    store: Store, engine: Engine, tmp_path: Path, table: str, statement: str
) -> None:
    """The owner of the database is refused to change the history, by a mistake or past the node."""
    with store.write() as transaction:
        _fill(transaction)
    column = next(iter(metadata.tables[table].columns)).name
    with engine.raw(tmp_path / "home") as database:
        before = database.rows(f"SELECT * FROM {table}")  # noqa: S608 - our names
        assert before, "the table must hold something to lose"
        with pytest.raises(Exception, match=f"{table} is append-only"):
            database.change(statement.format(table, column))
        assert database.rows(f"SELECT * FROM {table}") == before  # noqa: S608 - our names


def _fill(transaction: Transaction) -> None:
    """Put a row into every append-only table."""
    _grow(transaction)
    card = {"agency": "gh.epa", "sha256": b"c" * 32, "sequence": 1, "sealed": b"card"}
    refused = {"sender": "gh.epa", "message_id": b"m" * 16, "header_sha256": b"h" * 32}
    stamped = {"origin": "o", "size": 1, "root": bytes(32), "authority": "a"}
    step = {"case_id": b"c" * 16, "step_id": b"s" * 32, "sender": "gh.epa", "message_id": b"m" * 16}
    sealed = {"header": b"header", "seal": b"seal", "salt": bytes(32), "mark": b"mark"}
    rows: dict[str, dict[str, object]] = {
        "checkpoint": {"origin": "o", "size": 1, "root": bytes(32), "note": b"note"},
        "cosignature": {"origin": "o", "size": 1, "agency": "a", "time_s": 1, "lines": b"lines"},
        "card": {**card, "taken_ms": 1},
        "refusal": {**refused, "code": "POLICY", "refused_ms": 1, "entry_index": 0},
        "case_step": {**step, **sealed, "entry_index": 0},
        "timestamp_token": {**stamped, "time_ms": 1, "stored_ms": 1, "token": b"token"},
    }
    for name, row in rows.items():
        connection = transaction._connection  # noqa: SLF001 - rows that mean nothing
        connection.execute(metadata.tables[name].insert(), row)


def test_partners_with_absurdly_long_ledgers(store: Store) -> None:
    """The longest ledgers that are witnessed, of more partners than there will be, add up."""
    partners = 500
    with store.write() as transaction:
        for number in range(partners):
            origin = f"x{number}.sesn/ledger/1"
            row = WitnessRow(origin, f"x{number}", MAX_WITNESSED_SIZE, bytes(32))
            transaction.witness.advance(None, row)
    head = _head(store)
    assert head is not None
    assert head.witnessed == partners * (MAX_WITNESSED_SIZE + 1)


def test_lease_is_held_by_one(store: Store) -> None:
    """Nobody takes a lease that is held, this process included; given back, it can be taken."""
    leases = store.leases()
    lease = leases.acquire("gh.epa")
    assert lease is not None
    assert lease.valid()
    assert leases.acquire("gh.epa") is None
    other = leases.acquire("be.police")
    assert other is not None
    lease.release()
    lease.release()
    assert not lease.valid()
    again = leases.acquire("gh.epa")
    assert again is not None
    # The old one is history, and does not end the new one.
    lease.release()
    assert again.valid()
    assert other.valid()
    leases.close()
    assert not again.valid()
    assert not other.valid()


def test_closed_leases(store: Store) -> None:
    """What was closed takes nothing any more, however late it is asked; others do."""
    leases, others = store.leases(), store.leases()
    held = others.acquire("be.police")
    assert leases.acquire("be.police") is None
    lease = leases.acquire("gh.epa")
    assert lease is not None
    assert others.acquire("gh.epa") is None
    leases.close()
    assert not lease.valid()
    assert leases.acquire("gh.epa") is None
    wait_until(lambda: others.acquire("gh.epa"), "the lease is given back")
    assert held is not None
    assert held.valid()
    others.close()


def test_closed_store(store: Store) -> None:
    """What is under way when a store is closed may end; nothing begins any more."""
    with store.write() as transaction:
        store.close()
        _grow(transaction)
    for opening in (store.read, store.write):
        with pytest.raises(StorageError, match="closed"), opening():
            pass


def test_notifying_changes_nothing(store: Store) -> None:
    """Asking to wake others is allowed in any transaction, on any database."""
    with store.listening(lambda: None):
        with store.write() as transaction:
            transaction.notify()
        with pytest.raises(RuntimeError, match="mine"), store.write() as transaction:
            _advance_and_fail(transaction, WitnessRow("x.sesn/ledger/1", "x", 1, bytes(32)))
        with store.read() as transaction:
            assert transaction.ledger.head() == _HEAD
