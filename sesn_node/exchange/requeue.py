"""Requeue: an operator has copies tried again that ended without a receipt.

The same bytes go out again, and the ledger says who wanted it: OPERATOR with REQUEUED. A copy that
its recipient could not open, or holds another message of this id, would be refused again
for its bytes. Its content is sealed anew under the recipient's newest card, as a message of its
own in the same conversation: SHARED, and OPERATOR with RESEALED. A step of a case is never sealed
anew: other steps name the hash of its header.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, OperatorCode
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import MessageKind
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.erase import is_erased
from sesn_node.exchange.expire import about_copy
from sesn_node.exchange.life import unknown_message
from sesn_node.exchange.office import MOVED, new_entry
from sesn_node.exchange.open import ERASED, open_sent
from sesn_node.exchange.share import Draft, record, seal_draft
from sesn_node.telemetry.logs import get_logger
from sesn_node.telemetry.spans import Timeline
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.share import Sealed
    from sesn_node.exchange.work import Work
    from sesn_node.store.outbox_rows import OutboxRow
    from sesn_node.store.sealed import SentRow
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

_FOR_ITS_BYTES = frozenset(
    {RefusalCode.UNDECRYPTABLE, RefusalCode.COMMITMENT_MISMATCH, RefusalCode.CONFLICT}
)
"""Refusals that the same bytes would meet again, whatever changed at the recipient."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of one recipient's copy.

    Args:
        agency: The recipient.
        resealed_as: The message that says the same now, if the content was sealed anew.
        changed: Whether this call did it; else it was so before.
    """

    agency: AgencyId
    resealed_as: MessageId | None
    changed: bool


def requeue(
    office: Office, message_id: MessageId, agency: AgencyId | None = None
) -> tuple[Requeued, ...]:
    """Have the copies of a message tried again that ended without a receipt.

    Doing it twice is as good as once.

    Args:
        office: Ours.
        message_id: A message of ours.
        agency: One of its recipients; None for all whose copies ended so.

    Returns:
        What became of each copy that is concerned; never empty.

    Raises:
        PolicyError: No such message, or not sent to that agency; its expiry has passed; a
            recipient is not trusted; or its content was erased or cannot be sealed anew;
            `CASE_STEP`: it is a step of a case, and its bytes would be refused again.
        ConflictError: Every copy is acknowledged (`ACKNOWLEDGED`).
        StorageError: Nothing was done, or the outcome is unknown: do it again.
    """
    timeline = Timeline()
    while True:
        directory = office.directory()
        with office.store.read() as transaction:
            message = transaction.outbox.message(message_id)
            copies = _chosen(message_id, transaction.outbox.copies(message_id), agency)
        if message is None:
            raise unknown_message(message_id)
        if any(_ended(copy) for copy in copies):
            _check_expiry(message, office.clock())
        anew = [copy for copy in copies if _ended(copy) and copy.code in _FOR_ITS_BYTES]
        if anew and message.sealed.kind == MessageKind.CASE_STEP.value:
            raise _never_anew(message, anew)
        sealed = {copy.agency: _sealed_anew(office, message, copy, directory) for copy in anew}
        if sealed:
            office.disk.require_room()
        try:
            operation = partial(_requeue_all, office, message, copies, sealed)
            done = office.sequencer.run(operation).value
        except ConflictError as error:
            if error.code != MOVED:
                raise
            continue
        _report(message_id, done)
        for one in done:
            if one.changed and one.resealed_as is not None:
                office.watch.shared(one.resealed_as, 1, timeline, None)
        return done


def _chosen(
    message_id: MessageId, copies: Sequence[OutboxRow], agency: AgencyId | None
) -> list[OutboxRow]:
    """Return the copies that are concerned: never empty.

    Raises:
        PolicyError: No such copy.
        ConflictError: They are all acknowledged.
    """
    found = [copy for copy in copies if agency in {None, copy.agency}]
    if not found:
        if not copies:
            raise unknown_message(message_id)
        to = ", ".join(copy.agency for copy in copies)
        raise PolicyError(
            f"message {show_message_id(message_id)} was not sent to {agency}, but to {to}",
            code="NOT_A_RECIPIENT",
        )
    open_ = [copy for copy in found if copy.state is not DeliveryState.ACKNOWLEDGED]
    if not open_:
        who = agency or "every recipient"
        raise ConflictError(
            f"{who} has acknowledged message {show_message_id(message_id)}: there is nothing to "
            "send again",
            code="ACKNOWLEDGED",
        )
    return [copy for copy in open_ if copy.state.ended] or open_


def _ended(copy: OutboxRow) -> bool:
    return copy.state.ended and copy.resealed_as is None


def _check_expiry(message: SentRow, now_ms: int) -> None:
    if message.sealed.expires_ms <= now_ms:
        raise PolicyError(
            f"message {show_message_id(message.message_id)} is past its expiry, so no node would "
            "take it; share it anew",
            code="EXPIRED",
        )


def _never_anew(message: SentRow, copies: Sequence[OutboxRow]) -> PolicyError:
    """Say that a step of a case stays as it was sealed, and how a member gets it all the same."""
    case_id = show_message_id(message.sealed.conversation_id)
    orders = ", ".join(f"'sesn case file {case_id} --to {copy.agency}'" for copy in copies)
    return PolicyError(
        f"message {show_message_id(message.message_id)} is a step of a case, which is not sealed "
        f"anew: other steps build on it as it is. Hand it over in a case file: {orders}",
        code="CASE_STEP",
    )


def _sealed_anew(office: Office, message: SentRow, copy: OutboxRow, directory: Directory) -> Sealed:
    """Seal the content of a message for one of its recipients, under that one's newest card."""
    replies_to = message.sealed.in_reply_to
    draft = Draft(
        payload=open_sent(office, message),
        to=(AgencyId(copy.agency),),
        in_reply_to=None if replies_to is None else MessageId(replies_to),
        conversation_id=MessageId(message.sealed.conversation_id),
        expires_ms=message.sealed.expires_ms,
    )
    return seal_draft(office, draft, directory)


def _requeue_all(
    office: Office,
    message: SentRow,
    copies: Sequence[OutboxRow],
    sealed: Mapping[str, Sealed],
    work: Work,
) -> tuple[Requeued, ...]:
    return tuple(_requeue(office, work, message, copy, sealed) for copy in copies)


def _requeue(
    office: Office,
    work: Work,
    message: SentRow,
    planned: OutboxRow,
    sealed: Mapping[str, Sealed],
) -> Requeued:
    """Deal with one copy, in the transaction."""
    agency = AgencyId(planned.agency)
    outbox = work.transaction.outbox
    copy = outbox.copy(planned.message_id, agency)
    if copy is None or not _ended(copy):
        # Done before, or its receipt came in meanwhile.
        known = None if copy is None else copy.resealed_as
        return Requeued(agency, None if known is None else MessageId(known), changed=False)
    if is_erased(work.transaction, office.agency, copy.message_id):
        raise PolicyError(
            f"the content of message {show_message_id(message.message_id)} was erased: there is "
            "nothing to send",
            code=ERASED,
        )
    if work.transaction.recalls.withdrawn(copy.message_id) is not None:
        raise PolicyError(
            f"message {show_message_id(message.message_id)} was recalled: nobody is to get it",
            code="RECALLED",
        )
    office.partners.within(work.transaction).trusted(agency, work.now_ms)
    if copy.code not in _FOR_ITS_BYTES:
        work.append(
            about_copy(work, EntryKind.OPERATOR, message, agency, OperatorCode.REQUEUED.value)
        )
        outbox.requeue(copy.message_id, agency)
        # As after any message that is queued, the deliveries are woken.
        work.has_queued = True
        return Requeued(agency, None, changed=True)
    anew = sealed.get(agency)
    if anew is None:
        # It was refused after the plan was made.
        raise ConflictError("the copy changed meanwhile", code=MOVED)
    shared = record(work, anew)
    header = decode_header(message.sealed.header)
    work.append(
        new_entry(
            EntryKind.OPERATOR,
            work.now_ms,
            message.sealed.header_sha256,
            message_id=header.message_id,
            commitment=header.commitment,
            answers=shared,
            agency=agency,
            code=OperatorCode.RESEALED.value,
        )
    )
    # The row that the copy will point to.
    work.flush()
    outbox.set_resealed(copy.message_id, agency, anew.message_id)
    return Requeued(agency, anew.message_id, changed=True)


def _report(message_id: MessageId, done: Sequence[Requeued]) -> None:
    for one in done:
        if one.changed and one.resealed_as is None:
            _log.info("message-requeued", message_id=show_message_id(message_id), peer=one.agency)
        elif one.changed:
            _log.info(
                "message-resealed",
                message_id=show_message_id(message_id),
                peer=one.agency,
                resealed_as=show_message_id(one.resealed_as or b""),
            )
