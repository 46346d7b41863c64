"""Share: seal a message to its recipients, record it, and queue it.

When `share` returns, the message is durable and stands in our ledger; the network has not been
touched. Delivery happens by itself, now or when a recipient can be reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.crypto.primitives import random_bytes
from sesn_node.crypto.seal import MessageContext, SealRecipient, seal
from sesn_node.crypto.signing import ObjectKind, body_hash, sign_object
from sesn_node.domain.alert import Alert, Urgency
from sesn_node.domain.conversation import Recall, Request, Update
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.forward import Forward
from sesn_node.domain.ids import AgencyId, MessageId, new_message_id, show_message_id
from sesn_node.domain.messages import MAX_LIFETIME_MS, SUITE, Header, Priority, Recipient
from sesn_node.domain.payload import Payload
from sesn_node.errors import ConflictError, PolicyError, StorageError
from sesn_node.exchange.caserules import check_step_alone
from sesn_node.exchange.casesteps import check_own, keep_step, sealed_step
from sesn_node.exchange.endorsing import endorsed
from sesn_node.exchange.office import MOVED, new_entry, unmoved
from sesn_node.exchange.search import index_terms
from sesn_node.exchange.storedkeys import SENT_TABLE
from sesn_node.store.outbox_rows import QueuedMessage
from sesn_node.store.sealed import SealedRow, SentRow
from sesn_node.store.search import TermRow
from sesn_node.telemetry.logs import get_logger
from sesn_node.telemetry.spans import Timeline
from sesn_node.wire.envelopes import decode_header, encode_header
from sesn_node.wire.payloads import decode_payload, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.domain.entries import EntryRef
    from sesn_node.exchange.casesteps import SealedStep
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

_PRIORITIES = {
    Urgency.ROUTINE: Priority.ROUTINE,
    Urgency.URGENT: Priority.URGENT,
    Urgency.SHIP_SAILS: Priority.IMMEDIATE,
}
_ENTROPY_BYTES = 10


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is sealed.

    Args:
        payload: What it says.
        to: Recipients; order and duplicates do not matter.
        in_reply_to: Message that it answers.
        conversation_id: Conversation that it belongs to; a new one if None.
        expires_ms: Last moment to deliver it, Unix milliseconds; by default what our terms say.
        only_reply: Refuse to record it if we answered the recipients' `in_reply_to` already.
        by_node: The node sends it by itself: nobody signs it.
    """

    payload: Payload
    to: tuple[AgencyId, ...]
    in_reply_to: MessageId | None = None
    conversation_id: MessageId | None = None
    expires_ms: int | None = None
    only_reply: bool = False
    by_node: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed message, ready to be recorded.

    `directory` says for which cards it was sealed: if what it says of a recipient changes before
    the message is recorded, it is sealed anew. `carries` is sender and id of the message that it
    passes on, `retain_ms` when its content has to go, `step` the step of a case that it is.
    """

    message_id: MessageId
    header_sha256: bytes
    row: SentRow
    copies: tuple[tuple[str, bytes], ...]
    terms: tuple[TermRow, ...]
    commitment: bytes
    directory: Directory
    only_reply: bool
    carries: tuple[AgencyId, MessageId] | None = None
    retain_ms: int | None = None
    step: SealedStep | None = None


def share(
    office: Office, draft: Draft, *, beside: Callable[[Work], None] | None = None
) -> MessageId:
    """Seal, record and queue a message.

    Args:
        office: Ours.
        draft: The message; whoever acts signs it.
        beside: What else is done in the transaction that records it.

    Returns:
        The message id; the message is durable.

    Raises:
        ConflictError: It answers a message that was answered already, and must not.
        PolicyError: A recipient is not trusted, has no key in force, or is ourselves; or a limit
            of this node or of a recipient forbids the message; or people are wanting, as
            `endorsed` says.
        MalformedError: The message cannot be written.
        StorageError: It could not be stored; nothing was shared, or the outcome is unknown. Code
            `DISK_FLOOR`: there is too little room, and nothing was shared.
    """
    office.disk.require_room()
    draft = endorsed(office, draft)
    timeline = Timeline()
    # The directory as last seen will do: whether it is the newest, the transaction asks, and a
    # refusal is checked against the newest.
    directory = office.partners.latest or office.directory()
    while True:
        try:
            sealed = seal_draft(office, draft, directory)
        except PolicyError:
            newest = office.directory()
            if newest.version == directory.version:
                raise
            directory = newest
            continue
        timeline.mark("sealed")
        try:
            parts = (sealed.carries, sealed.step, beside)
            writes = sealed.only_reply or any(part is not None for part in parts)
            office.sequencer.run(recording(sealed, beside), writes=writes)
        except ConflictError as error:
            if error.code != MOVED:
                raise
            directory = office.directory()
            continue
        except StorageError as error:
            _durable_after_all(office, sealed, error)
        timeline.mark("committed")
        _log.info(
            "message-shared",
            message_id=show_message_id(sealed.message_id),
            recipients=len(sealed.copies),
        )
        answers = sealed.row.sealed.in_reply_to
        office.watch.shared(sealed.message_id, len(sealed.copies), timeline, answers)
        return sealed.message_id


def seal_draft(office: Office, draft: Draft, directory: Directory) -> Sealed:
    """Seal a draft for the partners that a directory knows; nothing is stored.

    Raises:
        PolicyError: As `share`.
        MalformedError: As `share`.
    """
    now_ms = office.clock()
    data = encode_payload(draft.payload)
    message_id = new_message_id(now_ms, random_bytes(_ENTROPY_BYTES))
    expires_ms = draft.expires_ms or now_ms + office.terms.lifetime_ms
    recipients = _recipients(
        office,
        directory,
        draft.to,
        payload_bytes=len(data),
        now_ms=now_ms,
        expires_ms=expires_ms,
    )
    content = seal(data, MessageContext(SUITE, message_id, office.agency), recipients)
    header = Header(
        message_id=message_id,
        sender=office.agency,
        recipients=tuple(
            Recipient(AgencyId(copy.agency), copy.key_id, copy.sha256) for copy in content.wrapped
        ),
        created_ms=now_ms,
        expires_ms=expires_ms,
        conversation_id=draft.conversation_id or message_id,
        in_reply_to=draft.in_reply_to,
        priority=_priority(draft.payload),
        seal_key_id=office.keys.seal.key_id,
        ciphertext_sha256=content.ciphertext_sha256,
        commitment=content.commitment,
    )
    header_bytes = encode_header(header)
    header_sha256 = body_hash(header_bytes)
    signature = sign_object(office.keys.seal, ObjectKind.ENVELOPE, header_bytes)
    step = sealed_step(header, header_bytes, header_sha256, signature, draft.payload)
    if step is not None:
        check_step_alone(directory.own, header, draft.payload)
    row = SealedRow(
        kind=draft.payload.kind.value,
        header=header_bytes,
        header_sha256=header_sha256,
        seal=signature,
        ciphertext=content.ciphertext,
        content_key=office.keys.storage.wrap(content.content_key, table=SENT_TABLE, row=message_id),
        conversation_id=header.conversation_id,
        in_reply_to=header.in_reply_to,
        priority=int(header.priority),
        created_ms=now_ms,
        expires_ms=expires_ms,
        entry_index=-1,
    )
    return Sealed(
        message_id=message_id,
        header_sha256=header_sha256,
        row=SentRow(message_id, row),
        copies=tuple((copy.agency, copy.wrapped) for copy in content.wrapped),
        terms=tuple(
            TermRow(term, now_ms, office.agency, message_id)
            for term in index_terms(office, draft.payload)
        ),
        commitment=content.commitment,
        directory=directory,
        only_reply=draft.only_reply,
        carries=carried(draft.payload),
        retain_ms=draft.payload.markings.retain_ms,
        step=step,
    )


def recording(
    sealed: Sealed, beside: Callable[[Work], None] | None = None
) -> Callable[[Work], MessageId]:
    """Return the operation that records a sealed message; it raises as `record` does.

    Args:
        sealed: The message.
        beside: What else it does, before; it may raise too.
    """

    def operation(work: Work) -> MessageId:
        if beside is not None:
            beside(work)
        record(work, sealed)
        return sealed.message_id

    return operation


def record(work: Work, sealed: Sealed) -> EntryRef:
    """Record a sealed message: SHARED, the message, its copies; return where SHARED stands.

    Raises:
        ConflictError: Trust in a recipient changed since the sealing (`MOVED`; seal
            the draft again), or only one reply is allowed (`DECIDED`).
        PolicyError: `RECALLED`: what it passes on was recalled by its originator. Or it is a step
            of a case that must not be taken (`check_own`).
    """
    to = [AgencyId(agency) for agency, _ in sealed.copies]
    if not unmoved(work.transaction, sealed.directory, to):
        raise ConflictError("trust changed while the message was being sealed", code=MOVED)
    answered = sealed.row.sealed.in_reply_to
    # By whom it was sent, too: two senders may have used one id.
    senders = [agency for agency, _ in sealed.copies]
    if sealed.only_reply and work.transaction.outbox.replied(answered or b"", senders):
        raise ConflictError(
            f"message {show_message_id(answered or b'')} was decided already; 'sesn alert "
            "show' tells how",
            code="DECIDED",
        )
    if sealed.carries is not None:
        _pass_on(work, sealed.carries, sealed.message_id)
    if sealed.step is not None:
        check_own(work.transaction, sealed.step)
    shared = work.append(
        new_entry(
            EntryKind.SHARED,
            work.now_ms,
            sealed.header_sha256,
            message_id=sealed.message_id,
            commitment=sealed.commitment,
        )
    )
    row = sealed.row.recorded_at(work.number(shared))
    if sealed.step is not None:
        keep_step(work, sealed.step, work.number(shared))
    work.queue(
        QueuedMessage(
            sealed.directory.own.agency, row, sealed.copies, sealed.terms, sealed.retain_ms
        )
    )
    return shared


def _pass_on(work: Work, original: tuple[AgencyId, MessageId], message_id: MessageId) -> None:
    """Note what a message of ours passes on, so that a recall of that finds it.

    Raises:
        PolicyError: The recall has come already.
    """
    originator, original_id = original
    if work.transaction.recalls.tombstones(originator, [original_id]):
        raise PolicyError(
            f"{originator} has recalled its message {show_message_id(original_id)}: nobody passes "
            "it on any more",
            code="RECALLED",
        )
    work.transaction.forwards.add(originator, original_id, message_id)


def _durable_after_all(office: Office, sealed: Sealed, error: StorageError) -> None:
    """A failed commit may have reached the disk; raise the error unless it did."""
    try:
        with office.store.read() as transaction:
            if transaction.outbox.message(sealed.message_id) is None:
                raise error
    except StorageError:
        raise error from None


def _recipients(  # noqa: PLR0913 - what the rules look at
    office: Office,
    directory: Directory,
    to: Sequence[AgencyId],
    *,
    payload_bytes: int,
    now_ms: int,
    expires_ms: int,
) -> list[SealRecipient]:
    agencies = sorted(set(to))
    if not agencies:
        raise PolicyError("to: name at least one recipient")
    if len(agencies) > office.terms.recipients:
        raise PolicyError(
            f"to: {len(agencies)} recipients, this node allows {office.terms.recipients} in one "
            "message; send it in parts"
        )
    if office.agency in agencies:
        raise PolicyError(f"to: {office.agency} is this agency itself")
    if not now_ms < expires_ms <= now_ms + MAX_LIFETIME_MS:
        raise PolicyError("expires: must lie in the future, within 366 days")
    recipients = []
    for agency in agencies:
        card = directory.trusted(agency, now_ms).card
        if payload_bytes > min(card.card.limits.payload_bytes, office.terms.limits.payload_bytes):
            raise PolicyError(
                f"the message has {payload_bytes} bytes, more than {agency} or this node takes; "
                "shorten it",
                code="TOO_LARGE",
            )
        key, key_id, public = card.encryption_key(now_ms)
        if expires_ms > key.destroyed_ms:
            raise PolicyError(
                f"the message would outlive the encryption key of {agency}; let it expire sooner "
                "or ask them for a new card"
            )
        recipients.append(SealRecipient(agency, key_id, public))
    return recipients


def _priority(payload: Payload) -> Priority:
    """As urgent as the alert or request that it says, changes or passes on."""
    body = payload.body
    if isinstance(body, Recall):
        return Priority.IMMEDIATE
    if isinstance(body, Forward):
        return _priority(decode_payload(body.original.payload))
    if isinstance(body, Update):
        body = body.alert
    return _PRIORITIES[body.urgency] if isinstance(body, Alert | Request) else Priority.URGENT


def carried(payload: Payload) -> tuple[AgencyId, MessageId] | None:
    """Return sender and id of the message that is passed on; None if none is."""
    if not isinstance(payload.body, Forward):
        return None
    header = decode_header(payload.body.original.header)
    return header.sender, header.message_id
