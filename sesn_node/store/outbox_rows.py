"""Copies as rows: what is queued, what is due, and how each stands with its receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState

if TYPE_CHECKING:
    from sqlalchemy import Row

    from sesn_node.store.sealed import SentRow
    from sesn_node.store.search import TermRow


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A sealed message with a copy for each (agency, wrapped key), and what it is found by.

    `retain_ms` is when its content has to go.
    """

    sender: str
    message: SentRow
    copies: tuple[tuple[str, bytes], ...]
    terms: tuple[TermRow, ...] = ()
    retain_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A recipient's receipt: its RECEIVED entry, proven in its checkpoint of `size`.

    `shared_size` is the size of our checkpoint that the recipient cosigned with it.
    """

    entry: bytes
    index: int
    proof: bytes
    origin: str
    size: int
    shared_size: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One recipient's copy.

    `code` and `detail` tell of the last failure; `resealed_as` names the message that says the
    same under another seal, if an operator wanted that.
    """

    message_id: bytes
    agency: str
    state: DeliveryState
    priority: int
    expires_ms: int
    attempts: int
    next_attempt_ms: int
    code: str | None
    detail: str | None
    settled_ms: int | None
    receipt: ReceiptRow | None
    resealed_as: bytes | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A copy that is ready to leave.

    `suspect`: the last time, sent alone, it got no answer. It travels alone, after all others.
    """

    message_id: bytes
    wrapped_key: bytes
    header: bytes
    seal: bytes
    ciphertext: bytes
    entry_index: int
    attempts: int
    suspect: bool = False


def outbox_row(row: Row[tuple[object, ...]]) -> OutboxRow:
    """Gather a copy from its columns."""
    column = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    receipt = None
    if column["receipt_entry"] is not None:
        receipt = ReceiptRow(
            entry=column["receipt_entry"],
            index=column["receipt_index"],
            proof=column["receipt_proof"],
            origin=column["receipt_origin"],
            size=column["receipt_size"],
            shared_size=column["shared_size"],
        )
    return OutboxRow(
        message_id=column["message_id"],
        agency=column["agency"],
        state=DeliveryState(column["state"]),
        priority=column["priority"],
        expires_ms=column["expires_ms"],
        attempts=column["attempts"],
        next_attempt_ms=column["next_attempt_ms"],
        code=column["code"],
        detail=column["detail"],
        settled_ms=column["settled_ms"],
        receipt=receipt,
        resealed_as=column["resealed_as"],
    )
