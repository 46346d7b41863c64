"""What backup, restore and doctor do with a database as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from sesn_node.store import sql
from sesn_node.store.dump import Loader, write_dump
from sesn_node.store.schema import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sesn_node.store.dump import Sink


class Upkeep:
    """The whole database as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def revision(self) -> str:
        """Return the version of the schema."""
        found = self._connection.execute(text("SELECT version_num FROM alembic_version"))
        return str(found.scalar_one())

    def rows(self) -> dict[str, int]:
        """Count the rows of every table that has any."""
        counts = {
            table.name: self._connection.execute(
                select(func.count()).select_from(table)
            ).scalar_one()
            for table in metadata.sorted_tables
        }
        return {name: count for name, count in counts.items() if count}

    def standbys(self) -> list[tuple[str, bool | None]]:
        """Return PostgreSQL's attached standbys: name, and whether each commit waits for it.

        None where this database user may not see that; nothing on SQLite.
        """
        if self._connection.dialect.name != sql.POSTGRESQL:
            return []
        rows = self._connection.execute(
            text(
                "SELECT application_name, sync_state FROM pg_stat_replication "
                "WHERE coalesce(state, '') <> 'backup' ORDER BY application_name"
            )
        )
        waits = {"sync": True, "quorum": True, "async": False, "potential": False}
        return [(str(name), waits.get(state)) for name, state in rows]

    def write_dump(self, sink: Sink, settings: bytes) -> int:
        """Write all tables; see `dump.write_dump`."""
        return write_dump(self._connection, sink, settings)

    def loader(self) -> Loader:
        """Return what writes the rows of a dump into these tables, which must be empty."""
        return Loader(self._connection)
