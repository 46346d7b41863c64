"""What metrics ask the database: numbers, from indexes that are as small as what they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import UndeliveredCode
from sesn_node.store import sql
from sesn_node.store.schema import HAS_ENDED, IS_QUEUED, outbox, sent

if TYPE_CHECKING:
    from sqlalchemy import Connection

_DECIDED = (
    UndeliveredCode.PEER_REVOKED.value,
    UndeliveredCode.ERASED.value,
    UndeliveredCode.RECALLED.value,
)
"""Why copies ended that nobody here need look after."""
_ID_TIME_DIGITS = 12
"""A UUIDv7 begins with its time: 48 bits of Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Queued:
    """What waits for one partner: how many copies, and when the oldest message was written."""

    agency: str
    count: int
    oldest_ms: int


class Figures:
    """Numbers as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def counts(self) -> dict[DeliveryState, int]:
        """Count the copies in each state."""
        rows = self._connection.execute(
            select(outbox.c.state, func.count()).group_by(outbox.c.state)
        )
        return {DeliveryState(state): count for state, count in rows}

    def backlog(self, now_ms: int) -> dict[str, int]:
        """Count the queued, unexpired copies of each agency."""
        rows = self._connection.execute(
            select(outbox.c.agency, func.count())
            .where(IS_QUEUED, outbox.c.expires_ms > now_ms)
            .group_by(outbox.c.agency)
        )
        return {str(agency): count for agency, count in rows}

    def queued(self) -> list[Queued]:
        """Say what waits for each partner."""
        as_hex = sql.hex_of(self._connection.dialect.name, outbox.c.message_id)
        rows = self._connection.execute(
            select(outbox.c.agency, func.count(), func.min(as_hex))
            .where(IS_QUEUED)
            .group_by(outbox.c.agency)
        )
        return [
            Queued(agency, count, int(oldest[:_ID_TIME_DIGITS], 16))
            for agency, count, oldest in rows
        ]

    def ended(self) -> list[tuple[str, str, int]]:
        """Count the copies that ended without a receipt: partner, state, count."""
        rows = self._connection.execute(
            select(outbox.c.agency, outbox.c.state, func.count())
            .where(HAS_ENDED)
            .group_by(outbox.c.agency, outbox.c.state)
        )
        return [(agency, state, count) for agency, state, count in rows]

    def ended_since(self, since_ms: int) -> list[tuple[str, str, int]]:
        """Count the copies that ended so since then, not sealed anew, nor ended by ourselves."""
        rows = self._connection.execute(
            select(outbox.c.agency, outbox.c.state, func.count())
            .where(
                HAS_ENDED,
                outbox.c.settled_ms >= since_ms,
                outbox.c.resealed_as.is_(None),
                func.coalesce(outbox.c.code, "").not_in(_DECIDED),
            )
            .group_by(outbox.c.agency, outbox.c.state)
        )
        return [(agency, state, count) for agency, state, count in rows]

    def shared(self) -> int:
        """Count the messages that we sealed."""
        # By the column of the smallest index: the rows themselves hold whole messages.
        return self._connection.execute(select(func.count(sent.c.created_ms))).scalar_one()
