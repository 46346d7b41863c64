"""Backlog: where each copy of our messages stands, and why. Nothing here needs a key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import ENDED, LONGEST_WAIT_MS, DeliveryState
from sesn_node.domain.entries import UndeliveredCode
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.messages import Priority
from sesn_node.exchange.breaker import Circuit, circuit
from sesn_node.exchange.copyviews import CopyView, copy_view
from sesn_node.exchange.links import is_open
from sesn_node.wire.cards import decode_card, decode_sealed_card

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sesn_node.store.copies import ListedCopy
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.peers import LinkRow

OPEN_STATES = frozenset({DeliveryState.QUEUED, *ENDED})
"""States of copies that are not acknowledged."""


class Reason(StrEnum):
    """Why a copy is where it is; words for programs."""

    TURN = "waits-for-its-turn"
    """It may leave, and does so after those that go first."""
    PUT_OFF = "put-off"
    """Its recipient's node did not take it for now."""
    NOT_REACHED = "not-reached"
    """Its recipient's node cannot be reached."""
    COLLECTS = "waits-to-be-collected"
    """Its recipient has no endpoint, and dials us."""
    OVERDUE = "past-its-expiry"
    """Nobody may deliver it any more; a serving node ends it as expired."""
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    DEAD = "given-up"
    """Put off more often than the settings allow."""
    REVOKED = "recipient-revoked"
    ERASED = "erased"
    """Its content was erased here before it had left."""
    RECALLED = "recalled"
    """We recalled the message before its receipt had come."""
    EXPIRED = "expired"
    RESEALED = "sealed-anew"
    """Ended without a receipt, and another message says the same."""


@dataclass(frozen=True, slots=True)
class CopyStanding:
    """A copy, and why it is where it is.

    Args:
        copy: The copy.
        reason: Why.
        kind: What the message is: `alert` or `response`.
        priority: Its place in the outbox.
        created_ms: When it was written.
        expires_ms: Until when it may be delivered.
        ahead: How many copies for the same recipient go first; None if it may not leave now.
    """

    copy: CopyView
    reason: Reason
    kind: str
    priority: Priority
    created_ms: int
    expires_ms: int
    ahead: int | None


@dataclass(frozen=True, slots=True)
class RecipientStanding:
    """A recipient, how the link to it stands, and copies for it.

    Args:
        agency: The recipient.
        link: Failures, the next attempt, the last error, and when it was last reached.
        circuit: Whether whole batches may flow.
        collects: It has no endpoint, so it has to dial us.
        is_open: Whether a connection to it stands (`links.is_open`), if a process serves at all.
        delivered_from: Where the process is that delivers to it now, empty if none does; None if
            the database cannot tell, being inside the one process that serves.
        copies: Those that were asked for: queued ones in the order in which they leave, then
            those that ended, then those that are acknowledged, the last first.
    """

    agency: AgencyId
    link: LinkRow
    circuit: Circuit
    collects: bool
    is_open: bool
    delivered_from: str | None
    copies: tuple[CopyStanding, ...]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Copies by recipient; `total` also counts those that were left out for their number."""

    recipients: tuple[RecipientStanding, ...]
    total: int


def backlog(
    store: Store,
    now_ms: int,
    *,
    limit: int,
    agency: AgencyId | None = None,
    states: Collection[DeliveryState] = OPEN_STATES,
) -> Backlog:
    """Say where copies stand, at most `limit`, those first that leave next.

    Args:
        store: The database.
        now_ms: The time.
        limit: How many copies.
        agency: Only those for this recipient.
        states: Only those that stand so.
    """
    with store.read() as transaction:
        copies = transaction.copies
        rows: list[ListedCopy] = []
        if DeliveryState.QUEUED in states:
            rows += copies.queued(limit, agency)
        ended = [state.value for state in ENDED if state in states]
        if ended:
            rows += copies.ended(ended, limit - len(rows), agency)
        if DeliveryState.ACKNOWLEDGED in states:
            rows += copies.acknowledged(limit - len(rows), agency)
        total = copies.count(states, agency)
        recipients = recipients_of(transaction, rows, now_ms)
    return Backlog(recipients, total)


def recipients_of(
    transaction: Transaction, rows: Sequence[ListedCopy], now_ms: int
) -> tuple[RecipientStanding, ...]:
    """Say how the recipients of these copies stand, by id, and why each copy is where it is."""
    queued = [
        (row.copy.message_id, row.copy.agency)
        for row in rows
        if row.copy.state is DeliveryState.QUEUED
    ]
    ahead = transaction.copies.ahead(queued, now_ms) if queued else {}
    agencies = sorted({row.copy.agency for row in rows})
    deliverers = transaction.copies.deliverers(agencies)
    found = []
    for agency in agencies:
        link = transaction.peers.link(agency)
        collects = _collects(transaction, agency)
        copies = tuple(
            _standing(row, link, ahead, collects=collects, now_ms=now_ms)
            for row in rows
            if row.copy.agency == agency
        )
        found.append(
            RecipientStanding(
                agency=AgencyId(agency),
                link=link,
                circuit=circuit(link.failures),
                collects=collects,
                is_open=is_open(link, deliverers),
                delivered_from=None if deliverers is None else deliverers.get(agency, ""),
                copies=copies,
            )
        )
    return tuple(found)


def _collects(transaction: Transaction, agency: str) -> bool:
    sealed = transaction.browse.card(agency)
    if sealed is None:
        return False
    # Verified when it was taken.
    body, _ = decode_sealed_card(sealed)
    return not decode_card(body).endpoints


def _standing(
    row: ListedCopy,
    link: LinkRow,
    ahead: Mapping[tuple[bytes, str], int],
    *,
    collects: bool,
    now_ms: int,
) -> CopyStanding:
    copy = row.copy
    before = ahead.get((copy.message_id, copy.agency))
    return CopyStanding(
        copy=copy_view(copy),
        reason=_reason(row, link, collects=collects, now_ms=now_ms),
        kind=row.kind,
        priority=Priority(copy.priority),
        created_ms=row.created_ms,
        expires_ms=copy.expires_ms,
        ahead=before,
    )


def _reason(row: ListedCopy, link: LinkRow, *, collects: bool, now_ms: int) -> Reason:
    copy = row.copy
    if copy.state is not DeliveryState.QUEUED:
        return _ending(row)
    if copy.expires_ms <= now_ms:
        return Reason.OVERDUE
    if link.failures:
        return Reason.NOT_REACHED
    if now_ms < copy.next_attempt_ms <= now_ms + LONGEST_WAIT_MS:
        return Reason.PUT_OFF
    return Reason.COLLECTS if collects else Reason.TURN


def _ending(row: ListedCopy) -> Reason:
    copy = row.copy
    if copy.state is DeliveryState.ACKNOWLEDGED:
        return Reason.ACKNOWLEDGED
    if copy.resealed_as is not None:
        return Reason.RESEALED
    if copy.state is DeliveryState.DEAD and copy.code in _DECIDED:
        return _DECIDED[copy.code]
    return _ENDINGS[copy.state]


_DECIDED = {
    UndeliveredCode.PEER_REVOKED.value: Reason.REVOKED,
    UndeliveredCode.ERASED.value: Reason.ERASED,
    UndeliveredCode.RECALLED.value: Reason.RECALLED,
}
_ENDINGS = {
    DeliveryState.REFUSED: Reason.REFUSED,
    DeliveryState.EXPIRED: Reason.EXPIRED,
    DeliveryState.DEAD: Reason.DEAD,
}
