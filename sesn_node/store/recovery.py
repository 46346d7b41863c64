"""Entries that came back, what partners asked for again, and what they are to be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, insert, select, update

from sesn_node.domain.delivery import DeliveryState
from sesn_node.store.schema import again, outbox, recovered, to_ask

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Connection


@dataclass(frozen=True, slots=True)
class RecoveredRow:
    """Entries that an export brought back.

    Args:
        start: The first of them, by number.
        end: The one after the last.
        recovered_ms: When.
    """

    start: int
    end: int
    recovered_ms: int


class RecoveryTable:
    """What was recovered, and is delivered again, as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: RecoveredRow) -> None:
        """Note that entries came back."""
        self._connection.execute(
            insert(recovered).values(
                start_index=row.start, end_index=row.end, recovered_ms=row.recovered_ms
            )
        )

    def every(self) -> tuple[RecoveredRow, ...]:
        """Return what came back, in the order of the ledger."""
        rows = self._connection.execute(select(recovered).order_by(recovered.c.start_index))
        return tuple(RecoveredRow(*row) for row in rows)

    def ask_again(self, agency: str, message_ids: Collection[bytes], now_ms: int) -> int:
        """Have acknowledged copies of these messages delivered again.

        Those that have expired, or whose content was erased, are left out.

        Args:
            agency: The recipient.
            message_ids: The messages.
            now_ms: The time.

        Returns:
            How many are to be delivered again by this call.
        """
        known = select(again.c.message_id).where(again.c.agency == agency)
        found = self._connection.execute(
            select(outbox.c.message_id).where(
                outbox.c.agency == agency,
                outbox.c.state == DeliveryState.ACKNOWLEDGED.value,
                outbox.c.message_id.in_(list(message_ids)),
                outbox.c.wrapped_key.is_not(None),
                outbox.c.expires_ms > now_ms,
                outbox.c.message_id.not_in(known),
            )
        )
        rows = [
            {"agency": agency, "message_id": row.message_id, "next_attempt_ms": 0} for row in found
        ]
        if rows:
            self._connection.execute(insert(again), rows)
        return len(rows)

    def ask_from(
        self, agency: str, origin: str, first: int, limit: int, now_ms: int
    ) -> tuple[int, int]:
        """Have acknowledged copies delivered again whose receipts stand at the end of a ledger.

        Args:
            agency: The recipient, whose ledger it is.
            origin: The ledger.
            first: The first entry that counts.
            limit: How many receipts to look at.
            now_ms: The time.

        Returns:
            How many are to be delivered again by this call, and the entry to go on from; 0 if
            those were all.
        """
        rows = self._connection.execute(
            select(outbox.c.message_id, outbox.c.receipt_index)
            .where(
                outbox.c.agency == agency,
                outbox.c.state == DeliveryState.ACKNOWLEDGED.value,
                outbox.c.receipt_origin == origin,
                outbox.c.receipt_index >= first,
            )
            .order_by(outbox.c.receipt_index)
            .limit(limit + 1)
        ).all()
        more = rows[limit].receipt_index if len(rows) > limit else 0
        count = self.ask_again(agency, [row.message_id for row in rows[:limit]], now_ms)
        return count, more

    def to_ask(self, agency: str) -> tuple[tuple[str, int], ...]:
        """Return of which closed ledgers of ours a partner is still to be asked, and from where."""
        rows = self._connection.execute(
            select(to_ask.c.origin, to_ask.c.next_index)
            .where(to_ask.c.agency == agency)
            .order_by(to_ask.c.origin)
        )
        return tuple((row.origin, row.next_index) for row in rows)

    def still_to_ask(self) -> tuple[str, ...]:
        """Return the partners that are still to be asked, by id."""
        rows = self._connection.execute(
            select(to_ask.c.agency).distinct().order_by(to_ask.c.agency)
        )
        return tuple(row.agency for row in rows)

    def set_to_ask(self, agency: str, origin: str, first: int) -> None:
        """Note from which entry of a closed ledger on to ask a partner; 0 if that is done."""
        this = (to_ask.c.agency == agency) & (to_ask.c.origin == origin)
        self._connection.execute(delete(to_ask).where(this))
        if first:
            values = {"agency": agency, "origin": origin, "next_index": first}
            self._connection.execute(insert(to_ask), values)

    def waiting(self) -> dict[str, int]:
        """Say how many copies each agency is still to be delivered again."""
        found: dict[str, int] = {}
        for row in self._connection.execute(select(again.c.agency)):
            found[row.agency] = found.get(row.agency, 0) + 1
        return found

    def done(self, agency: str, message_ids: Collection[bytes]) -> None:
        """Note that these need not be delivered again, or not any more."""
        if message_ids:
            self._connection.execute(delete(again).where(_those(agency, message_ids)))

    def put_off(self, agency: str, message_ids: Collection[bytes], until_ms: int) -> None:
        """Try these later."""
        if message_ids:
            self._connection.execute(
                update(again).where(_those(agency, message_ids)).values(next_attempt_ms=until_ms)
            )


def _those(agency: str, message_ids: Collection[bytes]) -> ColumnElement[bool]:
    return and_(again.c.agency == agency, again.c.message_id.in_(list(message_ids)))
