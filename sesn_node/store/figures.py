"""What metrics ask the database: numbers, from indexes that are as small as what they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from sesn_node.domain.entries import UndeliveredCode
from sesn_node.store import sql
from sesn_node.store.schema import outbox, sent

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ID_TIME_DIGITS = 12
"""A UUIDv7 begins with its time: 48 bits of Unix milliseconds."""

# In these words, without parameters: so both databases see that the partial indexes have it all.
_QUEUED = text("state = 'queued'")
_ENDED = text("state IN ('refused', 'expired', 'dead')")


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

    def queued(self) -> list[Queued]:
        """Say what waits for each partner."""
        as_hex = sql.hex_of(self._connection.dialect.name, outbox.c.message_id)
        rows = self._connection.execute(
            select(outbox.c.agency, func.count(), func.min(as_hex))
            .where(_QUEUED)
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
            .where(_ENDED)
            .group_by(outbox.c.agency, outbox.c.state)
        )
        return [(agency, state, count) for agency, state, count in rows]

    def ended_since(self, since_ms: int) -> list[tuple[str, str, int]]:
        """Count the copies that ended so since then and were not sealed anew, revocations aside."""
        rows = self._connection.execute(
            select(outbox.c.agency, outbox.c.state, func.count())
            .where(
                _ENDED,
                outbox.c.settled_ms >= since_ms,
                outbox.c.resealed_as.is_(None),
                func.coalesce(outbox.c.code, "") != UndeliveredCode.PEER_REVOKED.value,
            )
            .group_by(outbox.c.agency, outbox.c.state)
        )
        return [(agency, state, count) for agency, state, count in rows]

    def shared(self) -> int:
        """Count the messages that we sealed."""
        # By the column of the smallest index: the rows themselves hold whole messages.
        return self._connection.execute(select(func.count(sent.c.created_ms))).scalar_one()
