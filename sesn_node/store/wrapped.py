"""Stored content keys, read and replaced in bulk: for a change of the storage key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, func, select, tuple_, update

from sesn_node.store.schema import inbox, secret, sent, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Connection, Table


@dataclass(frozen=True, slots=True)
class WrappedRow:
    """A content key as it is stored.

    Args:
        key: The primary key of its row: (message id), (sender, message id), (kind, name)
            or, of the watchlist, its two terms.
        content_key: Tag and wrapped key.
    """

    key: tuple[str | bytes, ...]
    content_key: bytes


TABLES: Final = (sent.name, inbox.name, secret.name, watch.name)
"""Every table with content keys."""

_ROWS: Final[dict[str, tuple[Table, tuple[Column[bytes] | Column[str], ...]]]] = {
    sent.name: (sent, (sent.c.message_id,)),
    inbox.name: (inbox, (inbox.c.sender, inbox.c.message_id)),
    secret.name: (secret, (secret.c.kind, secret.c.name)),
    watch.name: (watch, (watch.c.term, watch.c.other)),
}


class WrappedKeys:
    """Stored content keys as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def under_others(
        self, table: str, tag: bytes, after: tuple[str | bytes, ...], limit: int
    ) -> list[WrappedRow]:
        """Return content keys whose tag is not this one, in the order of the primary key.

        Args:
            table: One of `TABLES`.
            tag: What those begin with that are to be left out.
            after: Return those of later primary keys only; empty for all.
            limit: At most so many.
        """
        where, columns = _ROWS[table]
        query = (
            select(*columns, where.c.content_key)
            .where(func.substr(where.c.content_key, 1, len(tag)) != tag)
            .order_by(*columns)
            .limit(limit)
        )
        if after:
            query = query.where(tuple_(*columns) > tuple_(*after))
        rows = self._connection.execute(query)
        return [WrappedRow(tuple(row)[:-1], row.content_key) for row in rows]

    def replace(self, table: str, rows: Sequence[WrappedRow]) -> None:
        """Store content keys of a table that were wrapped anew."""
        if not rows:
            return
        where, columns = _ROWS[table]
        statement = (
            update(where)
            .where(*(column == bindparam(f"b_{column.name}") for column in columns))
            .values(content_key=bindparam("b_content_key"))
        )
        names = [f"b_{column.name}" for column in columns]
        self._connection.execute(
            statement,
            [
                {"b_content_key": row.content_key, **dict(zip(names, row.key, strict=True))}
                for row in rows
            ],
        )
