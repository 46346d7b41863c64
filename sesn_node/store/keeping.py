"""How long content may be kept: dates on which it has to go, and holds that forbid it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, insert, select

from sesn_node.store.schema import legal_hold, retention

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A message that must not be erased for now.

    Args:
        sender: Who sent it, ourselves included.
        message_id: The message.
        reason: What forbids it.
        placed_ms: Since when.
        entry_index: The LEGAL_HOLD entry of our ledger that placed it.
    """

    sender: str
    message_id: bytes
    reason: str
    placed_ms: int
    entry_index: int


@dataclass(frozen=True, slots=True)
class RetentionRow:
    """A message whose content is here, and has to go on a date; `held` says that it must not."""

    sender: str
    message_id: bytes
    until_ms: int
    held: bool = False


_INSERT = insert(retention)
_SAME = and_(
    legal_hold.c.sender == retention.c.sender,
    legal_hold.c.message_id == retention.c.message_id,
)
_HELD = select(legal_hold.c.sender).where(_SAME).exists()


def add_dates(connection: Connection, rows: Iterable[tuple[str, bytes, int | None]]) -> None:
    """Note (sender, message id, date) of messages, in the transaction that stores them."""
    values = [
        {"sender": sender, "message_id": message_id, "until_ms": until_ms}
        for sender, message_id, until_ms in rows
        if until_ms is not None
    ]
    if values:
        connection.execute(_INSERT, values)


def end_date(connection: Connection, sender: str, message_id: bytes) -> None:
    """Forget the date of a message whose content is gone."""
    connection.execute(
        delete(retention).where(retention.c.sender == sender, retention.c.message_id == message_id)
    )


class KeepingTable:
    """Holds and dates as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hold(self, sender: str, message_id: bytes) -> HoldRow | None:
        """Return what forbids to erase a message."""
        row = self._connection.execute(
            select(legal_hold).where(
                legal_hold.c.sender == sender, legal_hold.c.message_id == message_id
            )
        ).one_or_none()
        return None if row is None else _hold_row(row)

    def holds(self) -> list[HoldRow]:
        """Return all holds, in the order of the ledger."""
        rows = self._connection.execute(select(legal_hold).order_by(legal_hold.c.entry_index))
        return [_hold_row(row) for row in rows]

    def place(self, row: HoldRow) -> None:
        """Forbid to erase a message."""
        self._connection.execute(
            insert(legal_hold).values(
                sender=row.sender,
                message_id=row.message_id,
                reason=row.reason,
                placed_ms=row.placed_ms,
                entry_index=row.entry_index,
            )
        )

    def release(self, sender: str, message_id: bytes) -> None:
        """Allow it again."""
        self._connection.execute(
            delete(legal_hold).where(
                legal_hold.c.sender == sender, legal_hold.c.message_id == message_id
            )
        )

    def until(self, sender: str, message_id: bytes) -> int | None:
        """Return when the content of a message has to go; None if never, or if it is gone."""
        return self._connection.execute(
            select(retention.c.until_ms).where(
                retention.c.sender == sender, retention.c.message_id == message_id
            )
        ).scalar_one_or_none()

    def past(self, now_ms: int, limit: int) -> list[RetentionRow]:
        """Return messages whose date is past and that no hold protects, oldest date first."""
        rows = self._connection.execute(
            select(retention)
            .where(retention.c.until_ms <= now_ms, ~_HELD)
            .order_by(retention.c.until_ms, retention.c.sender, retention.c.message_id)
            .limit(limit)
        )
        return [RetentionRow(row.sender, row.message_id, row.until_ms) for row in rows]

    def soon(self, before_ms: int, limit: int) -> list[RetentionRow]:
        """Return messages whose date comes before an instant, held ones as well."""
        rows = self._connection.execute(
            select(retention, _HELD.label("held"))
            .where(retention.c.until_ms < before_ms)
            .order_by(retention.c.until_ms, retention.c.sender, retention.c.message_id)
            .limit(limit)
        )
        return [
            RetentionRow(row.sender, row.message_id, row.until_ms, bool(row.held)) for row in rows
        ]

    def count_soon(self, before_ms: int) -> int:
        """Count the messages whose date comes before an instant."""
        return self._connection.execute(
            select(func.count()).select_from(retention).where(retention.c.until_ms < before_ms)
        ).scalar_one()


def _hold_row(row: Row[tuple[object, ...]]) -> HoldRow:
    return HoldRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
