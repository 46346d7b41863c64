"""Recall: withdraw a message of ours, wherever it went.

One transaction: copies that still wait end as UNDELIVERED with RECALLED; the keys by which a copy
could leave are taken away; a Recall is queued for every recipient that has the message or may have
it. A copy that waits may be on its way, so only one that was refused is certain not to be there.
Our own content stays, unless it is to be erased too: who withdraws something answers for it.

A recall of an alert withdraws its updates as well. What was sealed anew for a recipient is another
message, with a recall of its own. Who is not trusted now is told by a later call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.conversation import MAX_REASON, Recall
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import ErasedCode, UndeliveredCode
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import RECALLABLE, MessageKind, Payload
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.endorsing import endorsed
from sesn_node.exchange.erase import erase_in, report_erased, targets_of
from sesn_node.exchange.expire import append_undelivered
from sesn_node.exchange.office import MOVED
from sesn_node.exchange.share import Draft, record, seal_draft
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.erase import Done
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.share import Sealed
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.sealed import SentRow
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

OF_HANDLING: Final = Markings(Tlp.AMBER_STRICT)
"""Marks of what nodes tell each other about the handling of a message. Those of the message itself
may be gone with it."""

_RECALL: Final = MessageKind.RECALL.value
_TOLD: Final = frozenset({DeliveryState.QUEUED, DeliveryState.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One message that is withdrawn.

    Args:
        message: The message.
        queued: Recipients whose copies still wait.
        to_tell: Recipients that have it, or may have it, and were not told yet.
    """

    message: SentRow
    queued: tuple[AgencyId, ...]
    to_tell: tuple[AgencyId, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A Recall that was queued: the message that it withdraws, its own id, and its recipients."""

    message_id: MessageId
    recall_id: MessageId
    to: tuple[AgencyId, ...]


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a recall came to.

    Args:
        messages: The messages that are withdrawn; the one that was named first.
        told: Recalls that this call queued.
        cancelled: Copies (message, recipient) that still waited, and ended with it.
        untold: Recipients that may have it and cannot be told now, with the code of the reason.
        erased: Our own content was erased, too, by this call.
    """

    messages: tuple[MessageId, ...]
    told: tuple[Told, ...]
    cancelled: tuple[tuple[MessageId, AgencyId], ...]
    untold: tuple[tuple[AgencyId, str], ...]
    erased: bool = False


def recall(
    office: Office,
    message_id: MessageId,
    reason: str,
    *,
    erase_own: bool = False,
    by_node: bool = False,
) -> Recalled:
    """Withdraw a message of ours. Done again, it tells those who could not be told before.

    Args:
        office: Ours.
        message_id: A message that we sent.
        reason: Why, for its recipients; one line of at most 500 characters. It stays with them.
        erase_own: Erase our own content as well.
        by_node: The node recalls by itself what it has passed on: nobody signs it.

    Raises:
        MalformedError: The reason is missing, too long, or no line.
        PolicyError: We sent no such message (`NOT_OURS`), its kind cannot be recalled
            (`NOT_RECALLABLE`), a legal hold forbids to erase our own content (`UNDER_HOLD`), or
            people are wanting, as `endorsed` says.
        StorageError: Nothing was recalled, or the outcome is unknown: do it again.
    """
    while True:
        with office.store.read() as transaction:
            directory = office.partners.current(transaction)
            plan = planned(office, transaction, message_id)
        sealed, untold = _seal_all(office, directory, plan, reason, by_node=by_node)
        operation = partial(
            _record_all, office, plan=plan, sealed=sealed, reason=reason, erase_own=erase_own
        )
        try:
            erased = office.sequencer.run(operation).value
        except ConflictError as error:
            if error.code != MOVED:
                raise
            continue
        done = Recalled(
            messages=tuple(MessageId(one.message.message_id) for one in plan),
            told=tuple(_told(one, sealed) for one in plan if one.message.message_id in sealed),
            cancelled=tuple(
                (MessageId(one.message.message_id), agency) for one in plan for agency in one.queued
            ),
            untold=untold,
            erased=any(one.fresh for one in erased),
        )
        _report(office, done, erased)
        return done


def planned(
    office: Office, transaction: Transaction, message_id: MessageId
) -> tuple[Withdrawal, ...]:
    """Say what a recall concerns; nothing is written.

    Raises:
        PolicyError: As `recall`.
    """
    message = transaction.outbox.message(message_id)
    if message is None:
        raise PolicyError(
            f"message {show_message_id(message_id)} was not sent from here: only its sender can "
            "recall it",
            code="NOT_OURS",
        )
    kind = MessageKind(message.sealed.kind)
    if kind not in RECALLABLE:
        raise _not_recallable(message_id, kind)
    ids = _family(office, transaction, message_id)
    rows = {row.message_id: row for row in transaction.browse.sent_messages(ids)}
    return tuple(_withdrawal(transaction, rows[one]) for one in ids if one in rows)


def _not_recallable(message_id: MessageId, kind: MessageKind) -> PolicyError:
    why = f"is a {kind.value.replace('_', ' ')}, which cannot be recalled"
    if kind is MessageKind.CASE_STEP:
        why = (
            "is a step of a case, and what was said there stays said: take a further step. 'sesn "
            "case withdraw' ends a case that this agency began"
        )
    return PolicyError(f"message {show_message_id(message_id)} {why}", code="NOT_RECALLABLE")


def told_by(transaction: Transaction, message_id: bytes) -> dict[AgencyId, MessageId]:
    """Return who was sent a recall of a message of ours that waits or arrived, and which."""
    recalls = [
        row for row in transaction.browse.sent_replies([message_id]) if row.sealed.kind == _RECALL
    ]
    return {
        AgencyId(copy.agency): MessageId(row.message_id)
        for row in recalls
        for copy in transaction.outbox.copies(row.message_id)
        if copy.state in _TOLD
    }


def _family(office: Office, transaction: Transaction, message_id: MessageId) -> list[bytes]:
    """Name a message, its updates, and what says the same under another seal."""
    same = [one.message_id for one in targets_of(office, transaction, message_id, office.agency)]
    updates = [
        row.message_id
        for row in transaction.browse.sent_replies(same)
        if row.sealed.kind == MessageKind.UPDATE.value
    ]
    found: list[bytes] = list(same)
    for update in updates:
        targets = targets_of(office, transaction, MessageId(update), office.agency)
        found += [one.message_id for one in targets]
    return list(dict.fromkeys(found))


def _withdrawal(transaction: Transaction, message: SentRow) -> Withdrawal:
    copies = transaction.outbox.copies(message.message_id)
    told = told_by(transaction, message.message_id)
    return Withdrawal(
        message,
        queued=tuple(AgencyId(one.agency) for one in copies if one.state is DeliveryState.QUEUED),
        to_tell=tuple(
            AgencyId(one.agency)
            for one in copies
            # What a node refused, it has not kept.
            if one.state is not DeliveryState.REFUSED and one.agency not in told
        ),
    )


def _seal_all(
    office: Office,
    directory: Directory,
    plan: Sequence[Withdrawal],
    reason: str,
    *,
    by_node: bool,
) -> tuple[dict[bytes, Sealed], tuple[tuple[AgencyId, str], ...]]:
    """Seal a Recall of each message to those who can be told; the others, and why not."""
    now_ms = office.clock()
    latest_ms = now_ms + office.terms.lifetime_ms
    sealed: dict[bytes, Sealed] = {}
    untold: dict[AgencyId, str] = {}
    for one in plan:
        to = []
        for agency in one.to_tell:
            try:
                directory.openable_until((agency,), now_ms, latest_ms)
            except PolicyError as error:
                untold[agency] = error.code
            else:
                to.append(agency)
        message = one.message
        # Also checks the reason where nobody is left to be told.
        body = Recall(MessageId(message.message_id), message.sealed.header_sha256, reason)
        if to:
            draft = Draft(
                payload=Payload(OF_HANDLING, body),
                to=tuple(to),
                in_reply_to=body.message_id,
                conversation_id=MessageId(message.sealed.conversation_id),
                expires_ms=directory.openable_until(to, now_ms, latest_ms),
                by_node=by_node,
            )
            draft = endorsed(office, draft)
            sealed[message.message_id] = seal_draft(office, draft, directory)
    return sealed, tuple(untold.items())


def _record_all(  # noqa: PLR0913 - what was planned and sealed
    office: Office,
    work: Work,
    *,
    plan: Sequence[Withdrawal],
    sealed: dict[bytes, Sealed],
    reason: str,
    erase_own: bool,
) -> tuple[Done, ...]:
    """Record it all, in the transaction."""
    named = MessageId(plan[0].message.message_id)
    if planned(office, work.transaction, named) != tuple(plan):
        raise ConflictError("the copies changed while the recall was sealed", code=MOVED)
    for one in plan:
        message_id = one.message.message_id
        for agency in one.queued:
            append_undelivered(work, one.message, agency, UndeliveredCode.RECALLED)
            work.transaction.outbox.close(
                message_id,
                agency,
                state=DeliveryState.DEAD,
                code=UndeliveredCode.RECALLED.value,
                detail=None,
                settled_ms=work.now_ms,
            )
        work.transaction.recalls.withdraw(message_id, work.now_ms)
        if message_id in sealed:
            record(work, sealed[message_id])
    if not erase_own:
        return ()
    return tuple(
        erase_in(
            office,
            work,
            message_id=MessageId(one.message.message_id),
            sender=office.agency,
            reason=f"recalled: {reason}"[:MAX_REASON],
            code=ErasedCode.RECALLED,
        )
        for one in plan
    )


def _told(one: Withdrawal, sealed: dict[bytes, Sealed]) -> Told:
    found = sealed[one.message.message_id]
    return Told(
        MessageId(one.message.message_id),
        found.message_id,
        tuple(AgencyId(agency) for agency, _ in found.copies),
    )


def _report(office: Office, done: Recalled, erased: Sequence[Done]) -> None:
    for one in done.told:
        _log.info(
            "message-recalled",
            message_id=show_message_id(one.message_id),
            recipients=len(one.to),
        )
    if done.cancelled:
        office.watch.undelivered(done.cancelled, UndeliveredCode.RECALLED.value)
    for some in erased:
        report_erased(office, some)
