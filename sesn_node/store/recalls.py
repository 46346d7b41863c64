"""Recalls that arrived, messages of ours that we recalled, and what forwards carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, insert, or_, select, tuple_, update

from sesn_node.store.schema import TO_OBEY, forwarded, inbox, legal_hold, outbox, recall, withdrawn
from sesn_node.store.sql import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row


Carried = tuple[str, bytes]
"""A message of a third agency: its sender and id."""


@dataclass(frozen=True, slots=True)
class RecallRow:
    """A Recall that arrived.

    Args:
        sender: Who withdraws a message of its own.
        recall_id: The Recall.
        message_id: The message.
        header_sha256: SHA-256 of its header.
        outcome: What became of it here, as `DestructionOutcome`; None: nothing yet.
        outcome_ms: When.
        answer_id: The Destruction that says so; None: the sender was not told yet.
    """

    sender: str
    recall_id: bytes
    message_id: bytes
    header_sha256: bytes
    outcome: str | None = None
    outcome_ms: int | None = None
    answer_id: bytes | None = None


_INSERT = insert(recall)
_UNDER_HOLD = (
    select(legal_hold.c.sender)
    .where(legal_hold.c.sender == recall.c.sender, legal_hold.c.message_id == recall.c.message_id)
    .exists()
)
_INSERT_FORWARDED = insert(forwarded)
_NAMED = select(recall.c.message_id, recall.c.header_sha256).where(
    recall.c.sender == bindparam("sender"),
    recall.c.message_id.in_(bindparam("message_ids", expanding=True)),
)


def add_forwarded(
    connection: Connection, rows: Iterable[tuple[str, bytes, Carried | None]]
) -> None:
    """Note (sender, message id, what it carries) of forwards that arrived, as they are stored."""
    values = [
        {
            "sender": sender,
            "message_id": message_id,
            "original_sender": carried[0],
            "original_id": carried[1],
        }
        for sender, message_id, carried in rows
        if carried is not None
    ]
    if values:
        connection.execute(_INSERT_FORWARDED, values)


class RecallTable:
    """Recalls as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[RecallRow]) -> None:
        """Store recalls that arrived."""
        if rows:
            self._connection.execute(
                _INSERT,
                [
                    {
                        "sender": row.sender,
                        "recall_id": row.recall_id,
                        "message_id": row.message_id,
                        "header_sha256": row.header_sha256,
                    }
                    for row in rows
                ],
            )

    def tombstones(self, sender: str, message_ids: Sequence[bytes]) -> set[tuple[bytes, bytes]]:
        """Return (message id, header hash) of those of a sender's messages that it recalled."""
        rows = self._connection.execute(_NAMED, {"sender": sender, "message_ids": message_ids})
        return {(row.message_id, row.header_sha256) for row in rows}

    def to_obey(self, limit: int) -> list[RecallRow]:
        """Return recalls about which there is something to do: not answered, or held no more.

        The senders take turns: one that cannot be told anything would hold up all others. Of each,
        those that nobody has obeyed yet come first.
        """
        turn = func.row_number().over(
            partition_by=recall.c.sender,
            order_by=(recall.c.outcome.is_not(None), recall.c.recall_id),
        )
        due = (
            select(recall, turn.label("turn"))
            .where(TO_OBEY, or_(recall.c.answer_id.is_(None), ~_UNDER_HOLD))
            .subquery()
        )
        rows = self._connection.execute(
            select(*(due.c[column.name] for column in recall.c))
            .order_by(due.c.turn, due.c.sender)
            .limit(limit)
        )
        return [_recall_row(row) for row in rows]

    def of_message(self, sender: str, message_id: bytes) -> list[RecallRow]:
        """Return the recalls of a message, by id."""
        rows = self._connection.execute(
            select(recall)
            .where(recall.c.sender == sender, recall.c.message_id == message_id)
            .order_by(recall.c.recall_id)
        )
        return [_recall_row(row) for row in rows]

    def find(self, sender: str, recall_id: bytes) -> RecallRow | None:
        """Return a recall."""
        row = self._connection.execute(
            select(recall).where(recall.c.sender == sender, recall.c.recall_id == recall_id)
        ).one_or_none()
        return None if row is None else _recall_row(row)

    def set_outcome(self, row: RecallRow, outcome: str, at_ms: int) -> None:
        """Note what became of a recalled message; the sender is to be told of it."""
        self._connection.execute(
            update(recall)
            .where(recall.c.sender == row.sender, recall.c.recall_id == row.recall_id)
            .values(outcome=outcome, outcome_ms=at_ms, answer_id=None)
        )

    def set_answer(self, row: RecallRow, answer_id: bytes) -> None:
        """Note the message that tells the sender."""
        self._connection.execute(
            update(recall)
            .where(recall.c.sender == row.sender, recall.c.recall_id == row.recall_id)
            .values(answer_id=answer_id)
        )

    def withdraw(self, message_id: bytes, now_ms: int) -> None:
        """Note that we recalled a message, and take away every key by which a copy could leave."""
        statement = upsert(self._connection.dialect.name, withdrawn).values(
            message_id=message_id, withdrawn_ms=now_ms
        )
        self._connection.execute(statement.on_conflict_do_nothing(index_elements=["message_id"]))
        self._connection.execute(
            update(outbox).where(outbox.c.message_id == message_id).values(wrapped_key=None)
        )

    def withdrawn(self, message_id: bytes) -> int | None:
        """Return when we recalled a message of ours first; None if we have not."""
        return self._connection.execute(
            select(withdrawn.c.withdrawn_ms).where(withdrawn.c.message_id == message_id)
        ).scalar_one_or_none()

    def every_withdrawn(self) -> set[bytes]:
        """Return the ids of all messages that we recalled; for verification."""
        return set(self._connection.execute(select(withdrawn.c.message_id)).scalars())

    def every(self) -> list[RecallRow]:
        """Return all recalls that arrived; for verification."""
        rows = self._connection.execute(select(recall).order_by(*recall.primary_key))
        return [_recall_row(row) for row in rows]

    def carried_by(self, sender: str, message_id: bytes) -> Carried | None:
        """Return what a forward that arrived carries; None if it is none."""
        row = self._connection.execute(
            select(forwarded.c.original_sender, forwarded.c.original_id).where(
                forwarded.c.sender == sender, forwarded.c.message_id == message_id
            )
        ).one_or_none()
        return None if row is None else (row.original_sender, row.original_id)

    def carrying(self, sender: str, message_id: bytes) -> list[tuple[str, bytes]]:
        """Return sender and id of forwards that arrived, are here, and carry a message."""
        rows = self._connection.execute(
            select(forwarded.c.sender, forwarded.c.message_id)
            .join(
                inbox,
                (forwarded.c.sender == inbox.c.sender)
                & (forwarded.c.message_id == inbox.c.message_id),
            )
            .where(
                forwarded.c.original_id == message_id,
                forwarded.c.original_sender == sender,
                inbox.c.ciphertext.is_not(None),
            )
            .order_by(forwarded.c.sender, forwarded.c.message_id)
        )
        return [(row.sender, row.message_id) for row in rows]

    def also_from(self, carried: Carried, forward: tuple[str, bytes]) -> bool:
        """Say whether what a forward carries is here with its content by another way, too.

        Args:
            carried: The message.
            forward: Sender and id of the forward.
        """
        sender, message_id = carried
        there = inbox.c.ciphertext.is_not(None)
        direct = select(inbox.c.message_id).where(
            inbox.c.sender == sender, inbox.c.message_id == message_id, there
        )
        others = (
            select(inbox.c.message_id)
            .join(
                forwarded,
                (forwarded.c.sender == inbox.c.sender)
                & (forwarded.c.message_id == inbox.c.message_id),
            )
            .where(
                forwarded.c.original_id == message_id,
                forwarded.c.original_sender == sender,
                tuple_(inbox.c.sender, inbox.c.message_id) != forward,
                there,
            )
        )
        return any(
            self._connection.execute(one.limit(1)).one_or_none() is not None
            for one in (direct, others)
        )


def _recall_row(row: Row[tuple[object, ...]]) -> RecallRow:
    return RecallRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
