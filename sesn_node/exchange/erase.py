"""Erase: take away what a message says, and keep what proves that it was there.

One transaction: queued copies end as UNDELIVERED with ERASED; ciphertext, content key, wrapped
keys, search terms and partners' words about its copies go; ERASED is appended. Header, digests,
seal, entries and receipts stay, so every proof still verifies. The reason in words is kept in the
database.

What was sealed anew for a recipient says the same under another id, so it is erased with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.checks import check_line
from sesn_node.domain.conversation import MAX_REASON
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, ErasedCode, UndeliveredCode
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.errors import PolicyError, StorageError
from sesn_node.exchange.about import about_message
from sesn_node.exchange.expire import append_undelivered
from sesn_node.exchange.scrub import scrub
from sesn_node.exchange.views import several_senders
from sesn_node.store.erasures import ErasureRow
from sesn_node.store.numbers import index_of
from sesn_node.store.scrubbed import Scrubbed
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.erasures import Outline

_log = get_logger(__name__)

UNDER_HOLD: Final = "UNDER_HOLD"
"""Code of the error that says: a legal hold forbids it."""

_MOST_RELATED = 1_000


@dataclass(frozen=True, slots=True)
class Target:
    """A message that is to be erased, or was.

    Args:
        message_id: Its id.
        sender: Who sent it, ourselves included.
        ours: We sent it.
        kind: `alert` or `response`.
        entry: Our SHARED or RECEIVED entry of it.
        queued: Recipients whose copies still wait.
        erased: What is known, if that was done before.
    """

    message_id: MessageId
    sender: AgencyId
    ours: bool
    kind: str
    entry: int
    queued: tuple[AgencyId, ...]
    erased: ErasureRow | None


@dataclass(frozen=True, slots=True)
class Erasable:
    """What an erasure concerns.

    Args:
        targets: The message that was named, then those that say the same under another seal.
        others: Further messages of the conversation that still have content; they stay.
    """

    targets: tuple[Target, ...]
    others: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done.

    Args:
        messages: What was erased, now or before; the message that was named first.
        fresh: The ids of those that this call erased.
        ended: Copies (message, recipient) that still waited, and ended with it.
        others: Further messages of the conversation that still have content.
        scrubbed: What became of the bytes.
    """

    messages: tuple[ErasureRow, ...]
    fresh: frozenset[bytes]
    ended: tuple[tuple[MessageId, AgencyId], ...]
    others: tuple[Target, ...]
    scrubbed: Scrubbed


def erasable(office: Office, message_id: MessageId, sender: AgencyId | None = None) -> Erasable:
    """Say what an erasure would concern; nothing is written and no content is read.

    Args:
        office: Ours.
        message_id: A message that we sent or received, of any kind.
        sender: Who sent it, to choose when two senders used one id.

    Raises:
        PolicyError: No such message.
        ConflictError: Two senders used the same id, and none is named.
    """
    with office.store.read() as transaction:
        targets = targets_of(office, transaction, message_id, sender)
        return Erasable(targets, _others(office, transaction, targets))


def erase(  # noqa: PLR0913 - what an operator decides
    office: Office,
    message_id: MessageId,
    reason: str,
    *,
    sender: AgencyId | None = None,
    code: ErasedCode = ErasedCode.OPERATOR,
    compact: bool = False,
) -> Erased:
    """Erase what a message says. Doing it twice is as good as once.

    Args:
        office: Ours.
        message_id: A message that we sent or received, of any kind.
        reason: Why, in words; one line of at most 500 characters.
        sender: Who sent it, to choose when two senders used one id.
        code: Why, for the ledger.
        compact: Write the database anew however large it is; nobody else writes meanwhile.

    Raises:
        MalformedError: The reason is missing, too long, or no line.
        PolicyError: No such message, or a legal hold forbids it (`UNDER_HOLD`).
        ConflictError: Two senders used the same id, and none is named.
        StorageError: Nothing was erased, or the outcome is unknown: do it again.
    """
    check_line("reason", reason, MAX_REASON, required=True)
    operation = partial(
        erase_in, office, message_id=message_id, sender=sender, reason=reason, code=code
    )
    done = office.sequencer.run(operation).value
    report_erased(office, done)
    with office.store.read() as transaction:
        others = _others(office, transaction, targets_of(office, transaction, message_id, sender))
    return Erased(done.messages, done.fresh, done.ended, others, _scrub(office, compact))


def report_erased(office: Office, done: Done) -> None:
    """Tell what was erased, once it is durable."""
    for row in done.messages:
        if row.message_id in done.fresh:
            _log.info(
                "message-erased",
                message_id=show_message_id(MessageId(row.message_id)),
                sender=row.sender,
                entry=index_of(row.entry_index),
            )
    if done.ended:
        office.watch.undelivered(done.ended, UndeliveredCode.ERASED.value)


def is_erased(transaction: Transaction, sender: str, message_id: bytes) -> bool:
    """Say whether the content of a message was erased."""
    return transaction.erasures.find(sender, message_id) is not None


@dataclass(frozen=True, slots=True)
class Done:
    """What the transaction did; as `Erased`, without the bytes.

    Nor the others: a node that obeys a hundred recalls in one long conversation would look
    through all of it a hundred times.
    """

    messages: tuple[ErasureRow, ...]
    fresh: frozenset[bytes]
    ended: tuple[tuple[MessageId, AgencyId], ...]


def erase_in(  # noqa: PLR0913 - as `erase`
    office: Office,
    work: Work,
    *,
    message_id: MessageId,
    sender: AgencyId | None,
    reason: str,
    code: ErasedCode,
) -> Done:
    """Erase within a transaction of the caller's; the bytes are not scrubbed.

    Raises:
        PolicyError: As `erase`.
        ConflictError: As `erase`.
    """
    # Looked for here: a copy may have been sealed anew since somebody was asked.
    targets = targets_of(office, work.transaction, message_id, sender)
    for target in targets:
        hold = work.transaction.keeping.hold(target.sender, target.message_id)
        if hold is not None and target.erased is None:
            shown = show_message_id(target.message_id)
            raise PolicyError(
                f"message {shown} is under a legal hold: {hold.reason}; 'sesn alert hold {shown} "
                "--release' ends it",
                code=UNDER_HOLD,
            )
    rows, ended = [], []
    for target in targets:
        if target.erased is not None:
            rows.append(target.erased)
            continue
        ended += _end_copies(work, target)
        rows.append(_erase(office, work, target, reason, code))
    fresh = frozenset(one.message_id for one in targets if one.erased is None)
    return Done(tuple(rows), fresh, tuple(ended))


def _erase(office: Office, work: Work, target: Target, reason: str, code: ErasedCode) -> ErasureRow:
    """Erase one message, in the transaction."""
    erasures = work.transaction.erasures
    if target.ours:
        erasures.erase_sent(office.agency, target.message_id)
    else:
        erasures.erase_received(target.sender, target.message_id)
    ref = work.append(about_message(work, EntryKind.ERASED, target.entry, code.value))
    row = ErasureRow(target.sender, target.message_id, work.now_ms, work.number(ref), reason)
    erasures.add(row)
    return row


def _end_copies(work: Work, target: Target) -> list[tuple[MessageId, AgencyId]]:
    """End the copies that still wait; there is nothing left to send."""
    outbox = work.transaction.outbox
    message = outbox.message(target.message_id) if target.queued else None
    if message is None:
        return []
    for agency in target.queued:
        append_undelivered(work, message, agency, UndeliveredCode.ERASED)
        outbox.close(
            target.message_id,
            agency,
            state=DeliveryState.DEAD,
            code=UndeliveredCode.ERASED.value,
            detail=None,
            settled_ms=work.now_ms,
        )
    return [(target.message_id, agency) for agency in target.queued]


def _scrub(office: Office, compact: bool) -> Scrubbed:  # noqa: FBT001 - passed on
    try:
        return scrub(office, compact=compact)
    except StorageError as error:
        # The content is erased all the same.
        return Scrubbed(done=False, remains=(f"the database's files may hold it: {error}",))


def targets_of(
    office: Office, transaction: Transaction, message_id: MessageId, sender: AgencyId | None
) -> tuple[Target, ...]:
    """Return the message that is meant, and those that say the same.

    Raises:
        PolicyError: No such message.
        ConflictError: Two senders used the same id, and none is named.
    """
    found = [
        one
        for one in transaction.erasures.outlines([message_id])
        if sender in {None, one.sender or office.agency}
    ]
    if not found:
        whose = "" if sender is None else f" of {sender}"
        raise PolicyError(
            f"there is no message {show_message_id(message_id)}{whose}; 'sesn alert list' and "
            "'sesn outbox list --all' show them",
            code="UNKNOWN_MESSAGE",
        )
    if len(found) > 1:
        raise several_senders(message_id, [one.sender or office.agency for one in found])
    named = found[0]
    if named.sender:
        return (_target(office, transaction, named),)
    twins = _twins(transaction, message_id)
    rows = {one.message_id: one for one in transaction.erasures.outlines(twins) if not one.sender}
    return tuple(_target(office, transaction, rows[one]) for one in twins if one in rows)


def _twins(transaction: Transaction, message_id: bytes) -> list[bytes]:
    """Return a message of ours and all that say the same under another seal."""
    found = [message_id]
    for one in found:
        before = transaction.copies.resealed_from(one)
        after = [copy.resealed_as for copy in transaction.outbox.copies(one)]
        found += [twin for twin in dict.fromkeys((before, *after)) if twin and twin not in found]
    return found


def _others(
    office: Office, transaction: Transaction, targets: tuple[Target, ...]
) -> tuple[Target, ...]:
    """Return what else of the conversation still has content: what they answer, and answers."""
    erasures = transaction.erasures
    erased = {(one.sender, one.message_id) for one in targets}
    (outline, *_) = erasures.outlines([targets[0].message_id])
    conversation = outline.conversation_id
    known: dict[tuple[str, bytes], Outline] = {}
    ids = {conversation, *(one.message_id for one in targets)}
    asked: set[bytes] = set()
    while ids - asked and len(known) < _MOST_RELATED:
        asked |= ids
        for one in erasures.related(conversation, ids):
            known[one.sender or office.agency, one.message_id] = one
            ids |= {one.message_id, one.in_reply_to or one.message_id}
    return tuple(
        _target(office, transaction, one)
        for key, one in sorted(known.items(), key=lambda item: item[1].entry_index)
        if key not in erased and one.has_content
    )


def _target(office: Office, transaction: Transaction, one: Outline) -> Target:
    sender = AgencyId(one.sender or office.agency)
    copies = [] if one.sender else transaction.outbox.copies(one.message_id)
    return Target(
        message_id=MessageId(one.message_id),
        sender=sender,
        ours=not one.sender,
        kind=one.kind,
        entry=one.entry_index,
        queued=tuple(
            AgencyId(copy.agency) for copy in copies if copy.state is DeliveryState.QUEUED
        ),
        erased=transaction.erasures.find(sender, one.message_id),
    )
