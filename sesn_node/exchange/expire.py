"""Expire: end the copies whose message nobody may deliver any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, UndeliveredCode
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.exchange.office import new_entry
from sesn_node.telemetry.logs import get_logger
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.sealed import SentRow

_log = get_logger(__name__)

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

    def operation(work: Work) -> list[tuple[bytes, str]]:
        copies = work.transaction.outbox.expired(work.now_ms, _AT_ONCE)
        end_undelivered(work, copies, DeliveryState.EXPIRED, UndeliveredCode.EXPIRED)
        return copies

    ended = office.sequencer.run(operation).value
    for message_id, agency in ended:
        _log.warning("message-expired", peer=agency, message_id=show_message_id(message_id))
    office.watch.undelivered(ended, UndeliveredCode.EXPIRED.value)
    return len(ended)


def end_undelivered(
    work: Work,
    copies: Iterable[tuple[bytes, str]],
    state: DeliveryState,
    code: UndeliveredCode,
) -> None:
    """End queued copies (message id, agency) without a receipt, each with an UNDELIVERED entry.

    What the recipient's node said last stays in the detail.
    """
    for message_id, agency in copies:
        message = work.transaction.outbox.message(message_id)
        copy = work.transaction.outbox.copy(message_id, agency)
        if message is None or copy is None:
            continue
        append_undelivered(work, message, agency, code)
        said = ": ".join(part for part in (copy.code, copy.detail) if part)
        work.transaction.outbox.close(
            message_id,
            agency,
            state=state,
            code=code.value,
            detail=said or None,
            settled_ms=work.now_ms,
        )


def append_undelivered(work: Work, message: SentRow, agency: str, code: UndeliveredCode) -> None:
    """Record in the ledger that a message of ours will not reach a recipient, and why."""
    work.append(about_copy(work, EntryKind.UNDELIVERED, message, agency, code.value))


def about_copy(work: Work, kind: EntryKind, message: SentRow, agency: str, code: str) -> Entry:
    """Write an entry about one recipient's copy, which answers the message's SHARED entry."""
    number = message.sealed.entry_index
    return new_entry(
        kind,
        work.now_ms,
        message.sealed.header_sha256,
        message_id=MessageId(message.message_id),
        commitment=decode_entry(work.entry_at(number)).commitment,
        answers=work.ref(number),
        agency=AgencyId(agency),
        code=code,
    )
