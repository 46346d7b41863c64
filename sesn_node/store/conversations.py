"""Messages by conversation, and by kind; nothing here opens one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, union_all

from sesn_node.store.schema import inbox, outbox, sent

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation: its id, how many messages it has, and when the last came or went."""

    conversation_id: bytes
    messages: int
    last_ms: int


class ConversationTable:
    """Conversations as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, limit: int) -> list[ConversationRow]:
        """Return the conversations that went on last, newest first.

        It reads the times of all messages, and nothing else of them.
        """
        times = union_all(
            select(sent.c.conversation_id, sent.c.created_ms.label("at_ms")),
            select(inbox.c.conversation_id, inbox.c.received_ms.label("at_ms")),
        ).subquery()
        last = func.max(times.c.at_ms).label("last_ms")
        rows = self._connection.execute(
            select(times.c.conversation_id, func.count().label("messages"), last)
            .group_by(times.c.conversation_id)
            .order_by(last.desc(), times.c.conversation_id.desc())
            .limit(limit)
        )
        return [ConversationRow(row.conversation_id, row.messages, row.last_ms) for row in rows]

    def ids_between(self, low: bytes, high: bytes, limit: int) -> list[bytes]:
        """Return the ids of conversations, from `low` to `high`."""
        found: set[bytes] = set()
        for one in (sent, inbox):
            rows = self._connection.execute(
                select(one.c.conversation_id)
                .where(one.c.conversation_id.between(low, high))
                .distinct()
                .order_by(one.c.conversation_id)
                .limit(limit)
            )
            found.update(row.conversation_id for row in rows)
        return sorted(found)[:limit]

    def headers(self, conversation_id: bytes, limit: int) -> list[bytes]:
        """Return the headers of the first messages of a conversation, sent and received."""
        found = []
        for one, when in ((sent, sent.c.created_ms), (inbox, inbox.c.received_ms)):
            rows = self._connection.execute(
                select(one.c.header)
                .where(one.c.conversation_id == conversation_id)
                .order_by(when, one.c.message_id)
                .limit(limit)
            )
            found += [row.header for row in rows]
        return found

    def unanswered(self, kind: str, answer: str) -> int:
        """Count the messages of a kind that arrived and that we sent no answer to.

        Args:
            kind: Of the messages that arrived.
            answer: Of what we would have sent.
        """
        answered = (
            select(sent.c.message_id)
            .join(outbox, outbox.c.message_id == sent.c.message_id)
            .where(
                sent.c.in_reply_to == inbox.c.message_id,
                sent.c.kind == answer,
                outbox.c.agency == inbox.c.sender,
            )
        )
        return self._connection.execute(
            select(func.count()).select_from(inbox).where(inbox.c.kind == kind, ~answered.exists())
        ).scalar_one()
