"""Views of copies: how each stands, and its receipt. Nothing here needs a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from sesn_node.domain.delivery import DeliveryState
    from sesn_node.store.engine import Store
    from sesn_node.store.outbox_rows import OutboxRow


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A recipient's receipt.

    Args:
        origin: The recipient's ledger.
        index: Where the RECEIVED entry stands in it.
        leaf_hash: RFC 6962 leaf hash of that entry, 32 bytes.
        size: Size of the recipient's checkpoint that proves it.
        shared_size: Size of our checkpoint that the recipient cosigned with it.
        received_ms: When, by the recipient's clock.
    """

    origin: str
    index: int
    leaf_hash: bytes
    size: int
    shared_size: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class CopyView:
    """How one recipient's copy stands; `code` and `detail` tell of the last failure.

    `resealed_as` is the message that says the same under another seal.
    """

    message_id: MessageId
    agency: AgencyId
    state: DeliveryState
    attempts: int
    next_attempt_ms: int
    code: str | None
    detail: str | None
    settled_ms: int | None
    receipt: ReceiptView | None
    resealed_as: MessageId | None = None


def copies_of(store: Store, message_id: MessageId) -> tuple[CopyView, ...]:
    """Say how the copies of one message stand, by agency."""
    with store.read() as transaction:
        return tuple(copy_view(row) for row in transaction.outbox.copies(message_id))


def copy_view(row: OutboxRow) -> CopyView:
    """Show a copy."""
    receipt = None
    if row.receipt is not None:
        receipt = ReceiptView(
            origin=row.receipt.origin,
            index=row.receipt.index,
            leaf_hash=leaf_hash(row.receipt.entry),
            size=row.receipt.size,
            shared_size=row.receipt.shared_size,
            received_ms=decode_entry(row.receipt.entry).time_ms,
        )
    return CopyView(
        message_id=MessageId(row.message_id),
        agency=AgencyId(row.agency),
        state=row.state,
        attempts=row.attempts,
        next_attempt_ms=row.next_attempt_ms,
        code=row.code,
        detail=row.detail,
        settled_ms=row.settled_ms,
        receipt=receipt,
        resealed_as=None if row.resealed_as is None else MessageId(row.resealed_as),
    )
