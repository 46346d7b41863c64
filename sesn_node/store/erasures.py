"""Erasing what messages say, and what is known about it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, literal, or_, select, tuple_, update

from sesn_node.store.keeping import end_date
from sesn_node.store.schema import again, erasure, inbox, outbox, search_term, sent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement, Connection, Row


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """A message whose content was erased.

    Args:
        sender: Who sent it, ourselves included.
        message_id: The message.
        erased_ms: When.
        entry_index: The ERASED entry of our ledger.
        reason: Why, in the words of whoever had it erased.
        scrubbed_ms: Since when the files of the database hold no byte of it; None: they may.
    """

    sender: str
    message_id: bytes
    erased_ms: int
    entry_index: int
    reason: str
    scrubbed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """A message without what it says.

    Args:
        sender: Who sent it; empty for one of ours.
        message_id: Its id.
        kind: `alert` or `response`.
        conversation_id: The first message of its conversation.
        in_reply_to: The message that it answers.
        entry_index: Our SHARED or RECEIVED entry.
        has_content: Whether any of its content is there.
    """

    sender: str
    message_id: bytes
    kind: str
    conversation_id: bytes
    in_reply_to: bytes | None
    entry_index: int
    has_content: bool


_IN_CLEAR = ("kind", "conversation_id", "in_reply_to", "entry_index")
_NOTHING = {"ciphertext": None, "content_key": None}


class ErasureTable:
    """Erased content as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def erase_sent(self, agency: str, message_id: bytes) -> None:
        """Take away what a message of ours says, every key to it, and what it is found by.

        The words of partners about its copies go too: one that opened it could quote it there.
        """
        run = self._connection.execute
        run(update(sent).where(sent.c.message_id == message_id).values(_NOTHING))
        run(
            update(outbox)
            .where(outbox.c.message_id == message_id)
            .values(wrapped_key=None, detail=None)
        )
        run(delete(again).where(again.c.message_id == message_id))
        self._forget(agency, message_id)

    def erase_received(self, sender: str, message_id: bytes) -> None:
        """Take away what a message that arrived says, the key to it, and what it is found by."""
        self._connection.execute(
            update(inbox)
            .where(inbox.c.sender == sender, inbox.c.message_id == message_id)
            .values(_NOTHING)
        )
        self._forget(sender, message_id)

    def _forget(self, sender: str, message_id: bytes) -> None:
        end_date(self._connection, sender, message_id)
        # The index is ordered by term, so this reads all of it: some 30 MB of 100,000 alerts.
        self._connection.execute(
            delete(search_term).where(
                search_term.c.sender == sender, search_term.c.message_id == message_id
            )
        )

    def add(self, row: ErasureRow) -> None:
        """Note an erasure."""
        self._connection.execute(
            insert(erasure).values(
                sender=row.sender,
                message_id=row.message_id,
                erased_ms=row.erased_ms,
                entry_index=row.entry_index,
                reason=row.reason,
                scrubbed_ms=row.scrubbed_ms,
            )
        )

    def find(self, sender: str, message_id: bytes) -> ErasureRow | None:
        """Return what is known about the erasure of a message."""
        row = self._connection.execute(
            select(erasure).where(erasure.c.sender == sender, erasure.c.message_id == message_id)
        ).one_or_none()
        return None if row is None else _erasure_row(row)

    def every(self) -> list[ErasureRow]:
        """Return all erasures, in the order of the ledger."""
        rows = self._connection.execute(select(erasure).order_by(erasure.c.entry_index))
        return [_erasure_row(row) for row in rows]

    def not_scrubbed(self) -> list[tuple[str, bytes]]:
        """Return (sender, message id) of erased content that the files may still hold."""
        rows = self._connection.execute(
            select(erasure.c.sender, erasure.c.message_id).where(erasure.c.scrubbed_ms.is_(None))
        )
        return [(row.sender, row.message_id) for row in rows]

    def set_scrubbed(self, keys: Iterable[tuple[str, bytes]], at_ms: int) -> None:
        """Note that the files hold nothing of these any more."""
        self._connection.execute(
            update(erasure)
            .where(
                tuple_(erasure.c.sender, erasure.c.message_id).in_(list(keys)),
                erasure.c.scrubbed_ms.is_(None),
            )
            .values(scrubbed_ms=at_ms)
        )

    def outlines(self, message_ids: Collection[bytes]) -> list[Outline]:
        """Return the messages of these ids, sent and received."""
        ids = list(message_ids)
        return self._outlines(sent.c.message_id.in_(ids), inbox.c.message_id.in_(ids))

    def related(self, conversation_id: bytes, message_ids: Collection[bytes]) -> list[Outline]:
        """Return the messages of a conversation that are, or that answer, any of these."""
        ids = list(message_ids)
        ours, theirs = (
            (table.c.conversation_id == conversation_id)
            & or_(table.c.message_id.in_(ids), table.c.in_reply_to.in_(ids))
            for table in (sent, inbox)
        )
        return self._outlines(ours, theirs)

    def without_content(self) -> int:
        """Count the messages of which some or all content is missing; reads every row."""
        total = 0
        for table in (sent, inbox):
            missing = or_(table.c.ciphertext.is_(None), table.c.content_key.is_(None))
            counted = select(func.count()).select_from(table).where(missing)
            total += self._connection.execute(counted).scalar_one()
        return total

    def keys_left(self, message_ids: Collection[bytes]) -> set[bytes]:
        """Say which of these messages of ours still have a copy with a wrapped key."""
        rows = self._connection.execute(
            select(outbox.c.message_id).where(
                outbox.c.message_id.in_(list(message_ids)), outbox.c.wrapped_key.is_not(None)
            )
        )
        return {row.message_id for row in rows}

    def terms_left(self, keys: Collection[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
        """Say which of these (sender, message id) can still be found by something."""
        rows = self._connection.execute(
            select(search_term.c.sender, search_term.c.message_id)
            .where(tuple_(search_term.c.sender, search_term.c.message_id).in_(list(keys)))
            .distinct()
        )
        return {(row.sender, row.message_id) for row in rows}

    def _outlines(self, ours: ColumnElement[bool], theirs: ColumnElement[bool]) -> list[Outline]:
        found = []
        for table, wanted in ((sent, ours), (inbox, theirs)):
            has_content = or_(table.c.ciphertext.is_not(None), table.c.content_key.is_not(None))
            sender = inbox.c.sender if table is inbox else literal("").label("sender")
            columns = [table.c[name] for name in _IN_CLEAR]
            rows = self._connection.execute(
                select(
                    sender, table.c.message_id, *columns, has_content.label("has_content")
                ).where(wanted)
            )
            found += [Outline(**row._mapping) for row in rows]  # noqa: SLF001 - as below
        return found


def _erasure_row(row: Row[tuple[object, ...]]) -> ErasureRow:
    return ErasureRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
