"""Which of our messages carry messages of third agencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from sesn_node.store.schema import forwards

if TYPE_CHECKING:
    from sqlalchemy import Connection


class ForwardTable:
    """The index of what we passed on, as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, sender: str, original_id: bytes, message_id: bytes) -> None:
        """Note that a message of ours carries a message of a third agency."""
        self._connection.execute(
            insert(forwards).values(
                original_sender=sender, original_id=original_id, message_id=message_id
            )
        )

    def of(self, sender: str, original_id: bytes) -> list[bytes]:
        """Return the ids of our messages that carry a message of a third agency, oldest first."""
        rows = self._connection.execute(
            select(forwards.c.message_id)
            .where(forwards.c.original_sender == sender, forwards.c.original_id == original_id)
            .order_by(forwards.c.message_id)
        )
        return [row.message_id for row in rows]
