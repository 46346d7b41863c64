"""History stays as it is: the database itself refuses to change or delete it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import StorageError
from sesn_node.store.schema import APPEND_ONLY
from tests.support.casework import Casework
from tests.support.homes import GH, NL
from tests.support.snapshot import snapshot
from tests.support.stamping import stamp
from tests.support.tsa import Tsa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sesn_node.exchange.office import Office
    from tests.support.network import Network

_TABLES = [table.name for table in APPEND_ONLY]
_HOUR_MS = 60 * 60 * 1000


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies with a history: received, refused, cosigned, time-stamped, and a case."""
    net = connect(NL, GH)
    net.share(NL, GH)
    net.deliver(NL, GH)
    net[GH].skew_ms = 2 * _HOUR_MS
    net.share(NL, GH, expires_ms=net.clock.now_ms + _HOUR_MS)
    net.deliver(NL, GH)
    net[GH].skew_ms = 0
    Casework(net).request(NL, GH)
    net.deliver(NL, GH)
    stamp(net[GH].office, Tsa.when(net.clock.now_ms))
    return net


@pytest.fixture
def database(net: Network) -> Iterator[sqlite3.Connection]:
    """Ghana's database, opened past the node by any tool."""
    with closing(sqlite3.connect(net[GH].home / "node.db")) as database:
        yield database


@pytest.mark.parametrize("table", _TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "DELETE FROM {table} WHERE rowid = 1",
        "UPDATE {table} SET rowid = rowid",
    ],
)
def test_history_is_not_changed_past_the_node(
    net: Network, database: sqlite3.Connection, table: str, statement: str
) -> None:
    """UPDATE and DELETE are refused to any tool, and nothing is lost."""
    before = snapshot(net[GH].office)
    assert before[table], "the table must hold something to lose"
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        database.execute(statement.format(table=table))
    database.rollback()
    assert snapshot(net[GH].office) == before


def _execute(office: Office, statement: str) -> None:
    """Run any statement the way the node runs its own."""
    with office.store.write() as transaction:
        connection = transaction._connection  # noqa: SLF001 - no table offers this
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("table", _TABLES)
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE"])
def test_history_is_not_replaced_by_the_node(net: Network, table: str, verb: str) -> None:
    """A row cannot be replaced either, which SQLite counts as an insertion."""
    office = net[GH].office
    before = snapshot(office)
    statement = f"{verb} INTO {table} SELECT * FROM {table}"  # noqa: S608 - our names
    with pytest.raises(StorageError, match="append-only"):
        _execute(office, statement)
    assert snapshot(office) == before


def test_tables_of_the_present_can_change(net: Network, database: sqlite3.Connection) -> None:
    """The guard covers history only: states, links and heads move on."""
    assert net[GH].agency == GH
    for table in ("outbox", "sent", "inbox", "peer", "link", "witness_head", "ledger_head"):
        database.execute(f"UPDATE {table} SET rowid = rowid")  # noqa: S608 - our names
    database.rollback()
