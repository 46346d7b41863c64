"""Messages that we sealed, and how each recipient's copy stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from sesn_node.domain.delivery import ENDED, LONGEST_WAIT_MS, NO_ANSWER, DeliveryState
from sesn_node.store.keeping import add_dates
from sesn_node.store.outbox_rows import Due, OutboxRow, QueuedMessage, ReceiptRow, outbox_row
from sesn_node.store.schema import again, outbox, sent
from sesn_node.store.sealed import SentRow, sealed_values, sent_row
from sesn_node.store.search import add_terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection


def wait_is_over(now_ms: ColumnElement[int] | int) -> ColumnElement[bool]:
    """Say of a queued copy whether it need not wait any more for its next attempt."""
    next_ms = outbox.c.next_attempt_ms
    return or_(next_ms <= now_ms, next_ms - LONGEST_WAIT_MS > now_ms)


_QUEUED = DeliveryState.QUEUED.value
SUSPECT = func.coalesce(outbox.c.code, "") == NO_ANSWER
_DUE = (
    select(
        outbox.c.message_id,
        outbox.c.wrapped_key,
        sent.c.header,
        sent.c.seal,
        sent.c.ciphertext,
        sent.c.entry_index,
        outbox.c.attempts,
    )
    .join(sent, sent.c.message_id == outbox.c.message_id)
    .where(
        outbox.c.agency == bindparam("agency"),
        wait_is_over(bindparam("now_ms")),
        outbox.c.expires_ms > bindparam("now_ms"),
    )
    .order_by(outbox.c.priority.desc(), outbox.c.message_id)
    .limit(bindparam("limit"))
    # PostgreSQL's driver would fetch them all at once: 256 MiB for a batch of 4.
    .execution_options(stream_results=True, max_row_buffer=64)
)
_FIRST_DUE = _DUE.where(outbox.c.state == _QUEUED, ~SUSPECT)
_LAST_DUE = _DUE.where(outbox.c.state == _QUEUED, SUSPECT)
# Acknowledged, and asked for again; nothing of what is recorded about them changes.
_AGAIN_DUE = _DUE.join(
    again, (again.c.agency == outbox.c.agency) & (again.c.message_id == outbox.c.message_id)
).where(
    again.c.agency == bindparam("agency"),
    again.c.next_attempt_ms <= bindparam("now_ms"),
    outbox.c.wrapped_key.is_not(None),
)
_EXPIRED = (
    select(outbox.c.message_id, outbox.c.agency)
    .where(outbox.c.state == _QUEUED, outbox.c.expires_ms <= bindparam("now_ms"))
    .order_by(outbox.c.message_id, outbox.c.agency)
    .limit(bindparam("limit"))
)
_ONE = and_(
    outbox.c.message_id == bindparam("b_message_id"), outbox.c.agency == bindparam("b_agency")
)
# Settling is conditional on not yet acknowledged; a late receipt settles any other state.
_ACKNOWLEDGE = (
    update(outbox)
    .where(_ONE, outbox.c.state != DeliveryState.ACKNOWLEDGED.value)
    .values(
        state=DeliveryState.ACKNOWLEDGED.value,
        code=None,
        detail=None,
        settled_ms=bindparam("b_settled_ms"),
        receipt_entry=bindparam("b_entry"),
        receipt_index=bindparam("b_index"),
        receipt_proof=bindparam("b_proof"),
        receipt_origin=bindparam("b_origin"),
        receipt_size=bindparam("b_size"),
        shared_size=bindparam("b_shared_size"),
    )
)
_CLOSE = (
    update(outbox)
    .where(_ONE, outbox.c.state == _QUEUED)
    .values(
        state=bindparam("b_state"),
        code=bindparam("b_code"),
        detail=bindparam("b_detail"),
        settled_ms=bindparam("b_settled_ms"),
        attempts=outbox.c.attempts + bindparam("b_attempts"),
    )
)
_REQUEUE = (
    update(outbox)
    .where(_ONE, outbox.c.state.in_(ENDED), outbox.c.resealed_as.is_(None))
    .values(state=_QUEUED, attempts=0, next_attempt_ms=0, code=None, detail=None, settled_ms=None)
)
_DEFER = (
    update(outbox)
    .where(_ONE, outbox.c.state == _QUEUED)
    .values(
        attempts=outbox.c.attempts + 1,
        next_attempt_ms=bindparam("b_next_attempt_ms"),
        code=bindparam("b_code"),
        detail=bindparam("b_detail"),
    )
)
_INSERT_SENT = insert(sent)
_INSERT_COPY = insert(outbox)
_STATES = select(outbox.c.message_id, outbox.c.state, outbox.c.attempts).where(
    outbox.c.agency == bindparam("agency"),
    outbox.c.message_id.in_(bindparam("message_ids", expanding=True)),
)
_OWN = select(sent.c.message_id).where(
    sent.c.message_id.in_(bindparam("message_ids", expanding=True))
)


class OutboxTable:
    """Sent messages and their copies, as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, queued: Sequence[QueuedMessage]) -> None:
        """Store sealed messages with what they can be found by, and queue their copies."""
        self._connection.execute(
            _INSERT_SENT,
            [
                {"message_id": one.message.message_id, **sealed_values(one.message.sealed)}
                for one in queued
            ],
        )
        self._connection.execute(
            _INSERT_COPY,
            [
                {
                    "message_id": one.message.message_id,
                    "agency": agency,
                    "wrapped_key": wrapped_key,
                    "state": _QUEUED,
                    "priority": one.message.sealed.priority,
                    "expires_ms": one.message.sealed.expires_ms,
                }
                for one in queued
                for agency, wrapped_key in one.copies
            ],
        )
        add_terms(self._connection, (term for one in queued for term in one.terms))
        add_dates(
            self._connection,
            ((one.sender, one.message.message_id, one.retain_ms) for one in queued),
        )

    def due(self, agency: str, now_ms: int, limit: int) -> Iterator[Due]:
        """Yield copies that may leave now, the most urgent first, then the oldest; suspects last.

        One at a time: a caller that has enough leaves the others, of up to 1 MiB each, unread.
        """
        for statement in (_FIRST_DUE, _AGAIN_DUE, _LAST_DUE):
            # Several statements, since sorting would read them all.
            suspect = statement is _LAST_DUE
            rows = self._connection.execute(
                statement, {"agency": agency, "now_ms": now_ms, "limit": limit}
            )
            with rows:
                for row in rows:
                    yield Due(*row, suspect=suspect)
                    limit -= 1

    def expired(self, now_ms: int, limit: int) -> list[tuple[bytes, str]]:
        """Return queued copies (message id, agency) whose message has expired."""
        rows = self._connection.execute(_EXPIRED, {"now_ms": now_ms, "limit": limit})
        return [(row.message_id, row.agency) for row in rows]

    def states(self, agency: str, message_ids: Sequence[bytes]) -> dict[bytes, DeliveryState]:
        """Say how an agency's copies of these messages stand."""
        rows = self._connection.execute(_STATES, {"agency": agency, "message_ids": message_ids})
        return {row.message_id: DeliveryState(row.state) for row in rows}

    def tries(self, agency: str, message_ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the attempts so far of those of these copies that are queued."""
        rows = self._connection.execute(_STATES, {"agency": agency, "message_ids": message_ids})
        return {row.message_id: row.attempts for row in rows if row.state == _QUEUED}

    def acknowledge(
        self, agency: str, receipts: Sequence[tuple[bytes, ReceiptRow]], settled_ms: int
    ) -> None:
        """Store the receipts of copies that are not acknowledged yet."""
        if not receipts:
            return
        self._connection.execute(
            _ACKNOWLEDGE,
            [
                {
                    "b_message_id": message_id,
                    "b_agency": agency,
                    "b_settled_ms": settled_ms,
                    "b_entry": receipt.entry,
                    "b_index": receipt.index,
                    "b_proof": receipt.proof,
                    "b_origin": receipt.origin,
                    "b_size": receipt.size,
                    "b_shared_size": receipt.shared_size,
                }
                for message_id, receipt in receipts
            ],
        )

    def close(  # noqa: PLR0913 - one argument per column
        self,
        message_id: bytes,
        agency: str,
        *,
        state: DeliveryState,
        code: str,
        detail: str | None,
        settled_ms: int,
        attempts: int = 0,
    ) -> None:
        """End a queued copy without a receipt, after so many more attempts."""
        self._connection.execute(
            _CLOSE,
            {
                "b_message_id": message_id,
                "b_agency": agency,
                "b_state": state.value,
                "b_code": code,
                "b_detail": detail,
                "b_settled_ms": settled_ms,
                "b_attempts": attempts,
            },
        )

    def defer(
        self, message_id: bytes, agency: str, *, until_ms: int, code: str, detail: str | None
    ) -> None:
        """Count a failed attempt and say when to try again."""
        self._connection.execute(
            _DEFER,
            {
                "b_message_id": message_id,
                "b_agency": agency,
                "b_next_attempt_ms": until_ms,
                "b_code": code,
                "b_detail": detail,
            },
        )

    def requeue(self, message_id: bytes, agency: str) -> None:
        """Queue a copy again that ended without a receipt, as if it had never been tried."""
        self._connection.execute(_REQUEUE, {"b_message_id": message_id, "b_agency": agency})

    def set_resealed(self, message_id: bytes, agency: str, resealed_as: bytes) -> None:
        """Note the message that says the same under another seal."""
        self._connection.execute(
            update(outbox)
            .where(outbox.c.message_id == message_id, outbox.c.agency == agency)
            .values(resealed_as=resealed_as)
        )

    def has_deferred(self, agency: str) -> bool:
        """Say whether any copy of an agency waits for its next attempt."""
        found = self._connection.execute(select(outbox.c.agency).where(_deferred(agency)).limit(1))
        return found.one_or_none() is not None

    def end_deferral(self, agency: str) -> None:
        """Make every queued copy of an agency due at once.

        Except those that the agency's node could not answer: they would hold up the others again.
        """
        self._connection.execute(update(outbox).where(_deferred(agency)).values(next_attempt_ms=0))

    def queued_for(self, agency: str) -> list[bytes]:
        """Return the ids of all copies queued for an agency."""
        rows = self._connection.execute(
            select(outbox.c.message_id).where(outbox.c.agency == agency, outbox.c.state == _QUEUED)
        )
        return [row.message_id for row in rows]

    def message(self, message_id: bytes) -> SentRow | None:
        """Return a message that we sealed."""
        row = self._connection.execute(
            select(sent).where(sent.c.message_id == message_id)
        ).one_or_none()
        return None if row is None else sent_row(row)

    def own(self, message_ids: Sequence[bytes]) -> set[bytes]:
        """Say which of these ids are those of messages that we sealed."""
        rows = self._connection.execute(_OWN, {"message_ids": message_ids})
        return {row.message_id for row in rows}

    def replied(self, message_id: bytes, agencies: Sequence[str]) -> bool:
        """Say whether we answered the message of this id that any of these agencies sent us."""
        found = self._connection.execute(
            select(outbox.c.agency)
            .join(sent, sent.c.message_id == outbox.c.message_id)
            .where(sent.c.in_reply_to == message_id, outbox.c.agency.in_(agencies))
            .limit(1)
        )
        return found.one_or_none() is not None

    def copy(self, message_id: bytes, agency: str) -> OutboxRow | None:
        """Return one recipient's copy."""
        row = self._connection.execute(
            select(outbox).where(outbox.c.message_id == message_id, outbox.c.agency == agency)
        ).one_or_none()
        return None if row is None else outbox_row(row)

    def copies(self, message_id: bytes) -> list[OutboxRow]:
        """Return the copies of a message, by agency."""
        rows = self._connection.execute(
            select(outbox).where(outbox.c.message_id == message_id).order_by(outbox.c.agency)
        )
        return [outbox_row(row) for row in rows]


def _deferred(agency: str) -> ColumnElement[bool]:
    return and_(
        outbox.c.agency == agency,
        outbox.c.state == _QUEUED,
        outbox.c.next_attempt_ms > 0,
        ~SUSPECT,
    )
