"""Expire: end the copies whose message nobody may deliver any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind, EntryRef, UndeliveredCode
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.exchange.office import new_entry
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.store.outbox import DeliveryState
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.sequencer import Work

_AT_ONCE = 500


def expire(office: Office) -> int:
    """End copies that are past their expiry, at most 500 a call, and return how many.

    Each ends as `expired` in the outbox and as UNDELIVERED in the ledger. A receipt that comes
    in later settles it all the same.

    Raises:
        StorageError: Nothing was changed.
    """
    with office.store.read() as transaction:
        if not transaction.outbox.expired(office.clock(), 1):
            return 0

    def operation(work: Work) -> int:
        copies = work.transaction.outbox.expired(work.now_ms, _AT_ONCE)
        end_undelivered(work, copies, DeliveryState.EXPIRED, UndeliveredCode.EXPIRED)
        return len(copies)

    return office.sequencer.run(operation).value


def end_undelivered(
    work: Work,
    copies: Iterable[tuple[bytes, str]],
    state: DeliveryState,
    code: UndeliveredCode,
) -> None:
    """End queued copies (message id, agency) without a receipt, each with an UNDELIVERED entry."""
    for message_id, agency in copies:
        message = work.transaction.outbox.message(message_id)
        if message is None:
            continue
        index = message.sealed.entry_index
        data = work.transaction.ledger.entries_at([index])[index].entry
        shared = EntryRef(work.origin, index, leaf_hash(data))
        work.append(
            new_entry(
                EntryKind.UNDELIVERED,
                work.now_ms,
                message.sealed.header_sha256,
                message_id=MessageId(message_id),
                commitment=decode_entry(data).commitment,
                answers=shared,
                agency=AgencyId(agency),
                code=code.value,
            )
        )
        work.transaction.outbox.close(
            message_id,
            agency,
            state=state,
            code=code.value,
            detail=None,
            settled_ms=work.now_ms,
        )
