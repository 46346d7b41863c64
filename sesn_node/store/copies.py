"""Copies as people list them: where they stand, what goes first, and who delivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from sesn_node.domain.delivery import ENDED, DeliveryState
from sesn_node.store.outbox import SUSPECT, wait_is_over
from sesn_node.store.outbox_rows import OutboxRow, outbox_row
from sesn_node.store.schema import HAS_ENDED, IS_QUEUED, outbox, sent
from sesn_node.store.sql import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Select


@dataclass(frozen=True, slots=True)
class ListedCopy:
    """A copy with what its message is: kind, and when it was written."""

    copy: OutboxRow
    kind: str
    created_ms: int


_COPY = select(outbox, sent.c.kind, sent.c.created_ms).join(
    sent, sent.c.message_id == outbox.c.message_id
)
# Who holds the session advisory locks that leases are (PostgreSQL manual, 53.12 and 27.2.3): the
# halves of a 64-bit key stand in two columns.
_HOLDERS = text(
    """
    SELECT (l.classid::bigint << 32) | l.objid::bigint AS key, l.pid, host(a.client_addr) AS host
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)


class CopyTable:
    """Copies for people, as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def queued(self, limit: int, agency: str | None = None) -> list[ListedCopy]:
        """Return queued copies in the order in which they leave, those of one agency or of all."""
        order = (outbox.c.priority.desc(), outbox.c.message_id, outbox.c.agency)
        # Their keys first, which are in the index: whole rows would take long to sort.
        keys = select(outbox.c.message_id, outbox.c.agency).where(IS_QUEUED).order_by(*order)
        if agency is not None:
            keys = keys.where(outbox.c.agency == agency)
        first = keys.limit(limit).subquery()
        statement = _COPY.join(
            first,
            (first.c.message_id == outbox.c.message_id) & (first.c.agency == outbox.c.agency),
        ).order_by(SUSPECT, *order)
        return self._some(statement, limit, None)

    def ended(
        self, states: Sequence[str], limit: int, agency: str | None = None
    ) -> list[ListedCopy]:
        """Return copies that ended without a receipt in these ways, the last first."""
        statement = _COPY.where(HAS_ENDED, outbox.c.state.in_(states)).order_by(
            outbox.c.settled_ms.desc(), outbox.c.message_id, outbox.c.agency
        )
        return self._some(statement, limit, agency)

    def acknowledged(self, limit: int, agency: str | None = None) -> list[ListedCopy]:
        """Return copies with a receipt, the newest message first."""
        statement = _COPY.where(outbox.c.state == "acknowledged").order_by(
            outbox.c.message_id.desc(), outbox.c.agency
        )
        return self._some(statement, limit, agency)

    def of_message(self, message_id: bytes) -> list[ListedCopy]:
        """Return the copies of a message, by agency."""
        rows = self._connection.execute(
            _COPY.where(outbox.c.message_id == message_id).order_by(outbox.c.agency)
        )
        return [ListedCopy(outbox_row(row), row.kind, row.created_ms) for row in rows]

    def every(self) -> list[OutboxRow]:
        """Return all copies; for verification."""
        rows = self._connection.execute(
            select(outbox).order_by(outbox.c.message_id, outbox.c.agency)
        )
        return [outbox_row(row) for row in rows]

    def ahead(self, keys: Sequence[tuple[bytes, str]], now_ms: int) -> dict[tuple[bytes, str], int]:
        """Say how many copies for the same agency leave before each of these, if they may leave.

        Those that wait for their next attempt, or have expired, are missing from the result.
        """
        place = (
            func.row_number()
            .over(
                partition_by=outbox.c.agency,
                order_by=(SUSPECT, outbox.c.priority.desc(), outbox.c.message_id),
            )
            .label("place")
        )
        due = (
            select(outbox.c.message_id, outbox.c.agency, place)
            .where(
                IS_QUEUED,
                outbox.c.agency.in_({agency for _, agency in keys}),
                wait_is_over(now_ms),
                outbox.c.expires_ms > now_ms,
            )
            .subquery()
        )
        rows = self._connection.execute(
            select(due).where(due.c.message_id.in_({message_id for message_id, _ in keys}))
        )
        return {(row.message_id, row.agency): row.place - 1 for row in rows}

    def resealed_from(self, message_id: bytes) -> bytes | None:
        """Return the message whose content this one was made to say anew, if it was."""
        row = self._connection.execute(
            select(outbox.c.message_id).where(outbox.c.resealed_as == message_id)
        ).one_or_none()
        return None if row is None else row.message_id

    def count(self, states: Collection[str], agency: str | None = None) -> int:
        """Count the copies in these states, those of one agency or of all."""
        total = 0
        # One by one: for all but those that are acknowledged an index is enough.
        for state in states:
            of = IS_QUEUED if state == DeliveryState.QUEUED else outbox.c.state == state
            statement = select(func.count()).select_from(outbox).where(of)
            if state in ENDED:
                statement = statement.where(HAS_ENDED)
            if agency is not None:
                statement = statement.where(outbox.c.agency == agency)
            total += self._connection.execute(statement).scalar_one()
        return total

    def deliverers(self, agencies: Sequence[str]) -> dict[str, str] | None:
        """Say where the process is that delivers to each of these agencies now.

        Returns:
            For those to whom one delivers, its address and database session; None if this
            database cannot tell, since it is inside the one process that serves.
        """
        if self._connection.dialect.name != POSTGRESQL:
            return None
        from sesn_node.store.shared import lease_key  # noqa: PLC0415 - only with PostgreSQL

        keys = {lease_key(agency): agency for agency in agencies}
        return {
            keys[row.key]: f"{row.host or 'this machine'}, database session {row.pid}"
            for row in self._connection.execute(_HOLDERS)
            if row.key in keys
        }

    def _some(
        self, statement: Select[tuple[object, ...]], limit: int, agency: str | None
    ) -> list[ListedCopy]:
        if agency is not None:
            statement = statement.where(outbox.c.agency == agency)
        rows = self._connection.execute(statement.limit(limit))
        return [ListedCopy(outbox_row(row), row.kind, row.created_ms) for row in rows]
