"""What officers watch for: terms of the search index, and what they stand for, encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, or_, select

from sesn_node.store.schema import search_term, watch

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One entry of the watchlist.

    Args:
        term: The term of the search index that a message must have.
        other: A second one that it must have too; empty if there is none.
        content_key: Wrapped by the storage key.
        ciphertext: What is watched for, in words.
        added_ms: Since when.
    """

    term: bytes
    other: bytes
    content_key: bytes
    ciphertext: bytes
    added_ms: int

    @property
    def key(self) -> tuple[bytes, bytes]:
        """What names it."""
        return self.term, self.other


class WatchTable:
    """The watchlist as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def every(self) -> list[WatchRow]:
        """Return all entries, the oldest first."""
        rows = self._connection.execute(
            select(watch).order_by(watch.c.added_ms, watch.c.term, watch.c.other)
        )
        return [WatchRow(*row) for row in rows]

    def keys(self) -> frozenset[tuple[bytes, bytes]]:
        """Return the terms of all entries."""
        rows = self._connection.execute(select(watch.c.term, watch.c.other))
        return frozenset((row.term, row.other) for row in rows)

    def count(self) -> int:
        """Count the entries."""
        return self._connection.execute(select(func.count()).select_from(watch)).scalar_one()

    def add(self, row: WatchRow) -> None:
        """Store an entry that is not there."""
        self._connection.execute(
            insert(watch).values(
                term=row.term,
                other=row.other,
                content_key=row.content_key,
                ciphertext=row.ciphertext,
                added_ms=row.added_ms,
            )
        )

    def remove(self, key: tuple[bytes, bytes]) -> bool:
        """Remove an entry; say whether it was there."""
        term, other = key
        done = self._connection.execute(
            delete(watch).where(watch.c.term == term, watch.c.other == other)
        )
        return done.rowcount > 0

    def matches(self, agency: str, since_ms: int) -> int:
        """Count the messages that arrived since then and have what is watched for.

        Args:
            agency: Ourselves: what we sent does not count.
            since_ms: From then on, Unix milliseconds.
        """
        second = search_term.alias()
        both = (
            select(second.c.term)
            .where(
                second.c.term == watch.c.other,
                second.c.at_ms == search_term.c.at_ms,
                second.c.sender == search_term.c.sender,
                second.c.message_id == search_term.c.message_id,
            )
            .exists()
        )
        found = (
            select(search_term.c.sender, search_term.c.message_id)
            .join(watch, watch.c.term == search_term.c.term)
            .where(
                search_term.c.at_ms >= since_ms,
                search_term.c.sender != agency,
                or_(func.length(watch.c.other) == 0, both),
            )
            .distinct()
            .subquery()
        )
        return self._connection.execute(select(func.count()).select_from(found)).scalar_one()
