"""Stored content keys, read and replaced in bulk: for a change of the storage key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, func, or_, select, update

from sesn_node.store.schema import inbox, sent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class WrappedRow:
    """The content key of one message, as it is stored.

    Args:
        sender: Who sent the message; empty for one of ours.
        message_id: Its id.
        content_key: Tag and wrapped key.
    """

    sender: str
    message_id: bytes
    content_key: bytes


_ONE_SENT = (
    update(sent)
    .where(sent.c.message_id == bindparam("b_message_id"))
    .values(content_key=bindparam("b_content_key"))
)
_ONE_RECEIVED = (
    update(inbox)
    .where(inbox.c.sender == bindparam("b_sender"), inbox.c.message_id == bindparam("b_message_id"))
    .values(content_key=bindparam("b_content_key"))
)


class WrappedKeys:
    """Stored content keys as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def sent_under_others(self, tag: bytes, after: bytes, limit: int) -> list[WrappedRow]:
        """Return content keys of ours whose tag is not this one, by message id.

        Args:
            tag: What those begin with that are to be left out.
            after: Return those of later ids only.
            limit: At most so many.
        """
        rows = self._connection.execute(
            select(sent.c.message_id, sent.c.content_key)
            .where(sent.c.message_id > after, func.substr(sent.c.content_key, 1, len(tag)) != tag)
            .order_by(sent.c.message_id)
            .limit(limit)
        )
        return [WrappedRow("", row.message_id, row.content_key) for row in rows]

    def received_under_others(
        self, tag: bytes, after: tuple[str, bytes], limit: int
    ) -> list[WrappedRow]:
        """Return content keys of messages that arrived whose tag is not this one, in order.

        Args:
            tag: As above.
            after: Return those of later (sender, message id) only.
            limit: At most so many.
        """
        sender, message_id = after
        rows = self._connection.execute(
            select(inbox.c.sender, inbox.c.message_id, inbox.c.content_key)
            .where(
                or_(
                    inbox.c.sender > sender,
                    and_(inbox.c.sender == sender, inbox.c.message_id > message_id),
                ),
                func.substr(inbox.c.content_key, 1, len(tag)) != tag,
            )
            .order_by(inbox.c.sender, inbox.c.message_id)
            .limit(limit)
        )
        return [WrappedRow(row.sender, row.message_id, row.content_key) for row in rows]

    def replace(self, rows: Sequence[WrappedRow]) -> None:
        """Store content keys that were wrapped anew; those of ours have no sender."""
        ours = [_values(row) for row in rows if not row.sender]
        theirs = [{**_values(row), "b_sender": row.sender} for row in rows if row.sender]
        for statement, values in ((_ONE_SENT, ours), (_ONE_RECEIVED, theirs)):
            if values:
                self._connection.execute(statement, values)


def _values(row: WrappedRow) -> dict[str, object]:
    return {"b_message_id": row.message_id, "b_content_key": row.content_key}
