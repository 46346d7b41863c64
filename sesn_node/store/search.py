"""The blind index: which messages have which terms. Nothing here knows what a term stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, or_, select

from sesn_node.store.schema import inbox, search_term, sent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection


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

    def find(
        self, wanted: Sequence[Sequence[bytes]], limit: int, kinds: Collection[str] = ()
    ) -> list[tuple[str, bytes]]:
        """Return the newest messages (sender, id) that have a term of each list, newest first.

        Args:
            wanted: Lists of terms.
            limit: At most so many.
            kinds: Only messages of these kinds; of any if empty.
        """
        # The rarest leads: the others are only asked about what it finds.
        rarest, *others = sorted(wanted, key=self._count)
        columns = (search_term.c.at_ms, search_term.c.sender, search_term.c.message_id)
        statement = select(*columns).where(search_term.c.term.in_(rarest))
        if len(rarest) > 1:
            statement = statement.distinct()
        if kinds:
            statement = statement.where(_is(kinds))
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

    def sharing(self, terms: Sequence[bytes], newest: int) -> list[TermRow]:
        """Return, for each of these terms, the newest messages that have it, newest first.

        Args:
            terms: What to look for.
            newest: At most so many messages a term.
        """
        found: list[TermRow] = []
        for term in terms:
            rows = self._connection.execute(
                select(search_term)
                .where(search_term.c.term == term)
                .order_by(
                    search_term.c.at_ms.desc(),
                    search_term.c.sender.desc(),
                    search_term.c.message_id.desc(),
                )
                .limit(newest)
            )
            found += [TermRow(*row) for row in rows]
        return found

    def every(self) -> list[TermRow]:
        """Return the whole index; for verification."""
        rows = self._connection.execute(select(search_term).order_by(*search_term.primary_key))
        return [TermRow(*row) for row in rows]

    def _count(self, terms: Sequence[bytes]) -> int:
        return self._connection.execute(
            select(func.count()).where(search_term.c.term.in_(terms))
        ).scalar_one()


def _is(kinds: Collection[str]) -> ColumnElement[bool]:
    """Say of a row of the index that its message, sent or received, is of one of some kinds."""
    # No id is that of a message of ours and of one that arrived: a node refuses such.
    ours = select(sent.c.message_id).where(
        sent.c.message_id == search_term.c.message_id, sent.c.kind.in_(kinds)
    )
    theirs = select(inbox.c.message_id).where(
        inbox.c.sender == search_term.c.sender,
        inbox.c.message_id == search_term.c.message_id,
        inbox.c.kind.in_(kinds),
    )
    return or_(ours.exists(), theirs.exists())
