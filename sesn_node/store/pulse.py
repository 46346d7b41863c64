"""The pulse: one row that a serving node writes now and then, to see that it still can.

Opening a transaction proves little: SQLite begins and commits an empty one on a read-only file
system and on a full disk alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from sesn_node.store.schema import pulse
from sesn_node.store.sql import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection


class PulseTable:
    """The pulse as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def beat(self) -> None:
        """Write the row. Its number grows, since a row that stays as it was is not written."""
        statement = upsert(self._connection.dialect.name, pulse).values(id=1, beats=1)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["id"], set_={"beats": pulse.c.beats + 1}
            )
        )

    def beats(self) -> int:
        """Return how often it was written."""
        return self._connection.execute(select(pulse.c.beats)).scalar_one_or_none() or 0
