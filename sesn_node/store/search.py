"""The blind index: which messages have which terms. Nothing here knows what a term stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from sesn_node.store.schema import search_term

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class TermRow:
    """One term of one message.

    Args:
        term: Keyed hash of what the message names, 16 bytes.
        at_ms: When the message was written (ours) or arrived (theirs); by it the newest is found.
        sender: Who sent it, ourselves included.
        message_id: The message.
    """

    term: bytes
    at_ms: int
    sender: str
    message_id: bytes


_INSERT = insert(search_term)


def add_terms(connection: Connection, rows: Iterable[TermRow]) -> None:
    """Store terms, in the transaction that stores their messages."""
    values = [
        {
            "term": row.term,
            "at_ms": row.at_ms,
            "sender": row.sender,
            "message_id": row.message_id,
        }
        for row in rows
    ]
    if values:
        connection.execute(_INSERT, values)


class SearchTable:
    """The index as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, wanted: Sequence[Sequence[bytes]], limit: int) -> list[tuple[str, bytes]]:
        """Return the newest messages (sender, id) that have a term of each list, newest first."""
        # The rarest leads: the others are only asked about what it finds.
        rarest, *others = sorted(wanted, key=self._count)
        columns = (search_term.c.at_ms, search_term.c.sender, search_term.c.message_id)
        statement = select(*columns).where(search_term.c.term.in_(rarest))
        if len(rarest) > 1:
            statement = statement.distinct()
        for terms in others:
            other = search_term.alias()
            statement = statement.where(
                select(other.c.term)
                .where(
                    other.c.term.in_(terms),
                    other.c.at_ms == search_term.c.at_ms,
                    other.c.sender == search_term.c.sender,
                    other.c.message_id == search_term.c.message_id,
                )
                .exists()
            )
        rows = self._connection.execute(
            statement.order_by(
                search_term.c.at_ms.desc(),
                search_term.c.sender.desc(),
                search_term.c.message_id.desc(),
            ).limit(limit)
        )
        return [(row.sender, row.message_id) for row in rows]

    def every(self) -> list[TermRow]:
        """Return the whole index; for verification."""
        rows = self._connection.execute(select(search_term).order_by(*search_term.primary_key))
        return [TermRow(*row) for row in rows]

    def _count(self, terms: Sequence[bytes]) -> int:
        return self._connection.execute(
            select(func.count()).where(search_term.c.term.in_(terms))
        ).scalar_one()
