"""Backups of test homes, and empty places to restore them into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from sesn_node import address, config
from sesn_node.exchange.backup import back_up, opened
from sesn_node.exchange.restore import Place, restore
from sesn_node.store.engine import Store
from sesn_node.store.schema import metadata
from tests.support.engines import PostgresEngine, current
from tests.support.homes import CHEAP, PASSPHRASE

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.exchange.contents import Contents
    from sesn_node.exchange.restore import Restored
    from tests.support.engines import Engine
    from tests.support.network import Member

Rows = dict[str, list[tuple[object, ...]]]


def backed_up(member: Member, target: Path, *, force: bool = False) -> Contents:
    """Back up an open member's database, with keys that are cheap to derive."""
    return back_up(
        member.office.store,
        (member.home / config.FILE_NAME).read_bytes(),
        target,
        PASSPHRASE,
        now_ms=member.now_ms(),
        force=force,
        kdf=CHEAP,
    )


def place_for(engine: Engine, home: Path) -> Place:
    """An empty database for a home that has none yet."""
    url = engine.address(home)
    home.mkdir(parents=True)
    return Place(address.resolved(url, home), address.sqlite_path(url, home), address.shown(url))


def restored(backup: Path, place: Place) -> Restored:
    """Restore a backup, whoever's it is."""
    with opened(backup, PASSPHRASE) as found:
        return restore(found, place, lambda _: None)


def take_away(home: Path) -> None:
    """Leave a home that nobody has open without its database, or with an empty one."""
    engine = current()
    if isinstance(engine, PostgresEngine):
        name = engine.database(home)
        engine.server.drop(name)
        engine.server.rename(engine.server.create(), name)
        return
    for suffix in ("", "-wal", "-shm"):
        (home / f"node.db{suffix}").unlink(missing_ok=True)


def rows_of(url: str) -> Rows:
    """Every row of every table of a database."""
    store = Store(url)
    try:
        with store.read() as transaction:
            connection = transaction._connection  # noqa: SLF001 - the checker looks at all
            return {
                table.name: [
                    tuple(row)
                    for row in connection.execute(select(table).order_by(*table.primary_key))
                ]
                for table in metadata.sorted_tables
            }
    finally:
        store.close()
