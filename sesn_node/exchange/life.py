"""Life: all that happened to one message of ours, in order. Nothing here needs a key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind, OperatorCode, UndeliveredCode
from sesn_node.domain.ids import AgencyId, MessageId, parse_origin, show_message_id
from sesn_node.domain.messages import Priority
from sesn_node.errors import PolicyError
from sesn_node.exchange.backlog import recipients_of
from sesn_node.store.numbers import index_of
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sesn_node.domain.entries import Entry, EntryRef
    from sesn_node.exchange.backlog import CopyStanding, RecipientStanding
    from sesn_node.exchange.copyviews import ReceiptView
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.ledger import EntryRow
    from sesn_node.store.sealed import SentRow


class StepKind(StrEnum):
    """What happened to a message; words for programs."""

    SHARED = "shared"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused-by-recipient"
    UNDELIVERED = "undelivered"
    REQUEUED = "requeued"
    RESEALED = "sealed-anew"
    VIEWED = "viewed"
    DISCLOSED = "disclosed"
    ERASED = "erased"
    LEGAL_HOLD = "legal-hold"
    CASE = "case"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened, which our ledger tells.

    Args:
        kind: What.
        at_ms: When, by our clock.
        number: The entry that says so, as tables call it.
        agency: The recipient that is concerned; None if all are.
        code: Why, where something went wrong; of a case, what the entry says of it.
        detail: The same in the words of the recipient's node, if they are kept; of an erasure, in
            those of whoever had it done.
        receipt: The recipient's receipt.
        cosigned_ms: When the recipient cosigned our ledger with it, by its clock.
        other: The message that says the same now, or that answers.
        other_kind: What an answer is: `response` for a decision.
    """

    kind: StepKind
    at_ms: int
    number: int
    agency: AgencyId | None = None
    code: str = ""
    detail: str = ""
    receipt: ReceiptView | None = None
    cosigned_ms: int | None = None
    other: MessageId | None = None
    other_kind: str = ""

    @property
    def entry(self) -> int:
        """Index of that entry in its ledger."""
        return index_of(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A message of ours, from its seal to where its copies stand now.

    Args:
        message_id: The message.
        kind: What it is: `alert` or `response`.
        priority: Its place in the outbox.
        created_ms: When it was written.
        expires_ms: Until when it may be delivered.
        sealed_bytes: Size of its sealed content; None if that was erased.
        conversation_id: The first message of its conversation.
        in_reply_to: The message that it answers.
        resealed_from: The message whose content this one says anew.
        steps: What happened, in the order of our ledger.
        recipients: Where each copy stands.
    """

    message_id: MessageId
    kind: str
    priority: Priority
    created_ms: int
    expires_ms: int
    sealed_bytes: int | None
    conversation_id: MessageId
    in_reply_to: MessageId | None
    resealed_from: MessageId | None
    steps: tuple[Step, ...]
    recipients: tuple[RecipientStanding, ...]


_KINDS = {
    EntryKind.SHARED: StepKind.SHARED,
    EntryKind.ACKNOWLEDGED: StepKind.ACKNOWLEDGED,
    EntryKind.REFUSED_BY_PEER: StepKind.REFUSED,
    EntryKind.UNDELIVERED: StepKind.UNDELIVERED,
}
_OF_CONTENT = {
    EntryKind.VIEWED: StepKind.VIEWED,
    EntryKind.DISCLOSED: StepKind.DISCLOSED,
    EntryKind.ERASED: StepKind.ERASED,
    EntryKind.LEGAL_HOLD: StepKind.LEGAL_HOLD,
    EntryKind.CASE: StepKind.CASE,
}
_ENDINGS = frozenset({EntryKind.REFUSED_BY_PEER, EntryKind.UNDELIVERED})
_OPERATOR = {
    OperatorCode.REQUEUED: StepKind.REQUEUED,
    OperatorCode.RESEALED: StepKind.RESEALED,
}


def life(store: Store, message_id: MessageId, now_ms: int) -> Life:
    """Tell the life of a message that was sent from here.

    Raises:
        PolicyError: No such message.
    """
    with store.read() as transaction:
        message = transaction.outbox.message(message_id)
        if message is None:
            raise unknown_message(message_id)
        rows = transaction.copies.of_message(message_id)
        recipients = recipients_of(transaction, rows, now_ms)
        copies = {one.agency: copy for one in recipients for copy in one.copies}
        steps = [
            *_steps(transaction, message, copies),
            *_content_steps(transaction, message),
        ]
        answered = _answers(transaction, message_id, copies)
        source = transaction.copies.resealed_from(message_id)
    sealed = message.sealed
    return Life(
        message_id=message_id,
        kind=sealed.kind,
        priority=Priority(sealed.priority),
        created_ms=sealed.created_ms,
        expires_ms=sealed.expires_ms,
        sealed_bytes=None if sealed.ciphertext is None else len(sealed.ciphertext),
        conversation_id=MessageId(sealed.conversation_id),
        in_reply_to=None if sealed.in_reply_to is None else MessageId(sealed.in_reply_to),
        resealed_from=None if source is None else MessageId(source),
        steps=tuple(sorted((*steps, *answered), key=lambda step: step.number)),
        recipients=recipients,
    )


def unknown_message(message_id: bytes) -> PolicyError:
    """Say that no message of ours has this id."""
    return PolicyError(
        f"no message {show_message_id(message_id)} was sent from here; 'sesn outbox list --all' "
        "shows them",
        code="UNKNOWN_MESSAGE",
    )


def _steps(
    transaction: Transaction, message: SentRow, copies: Mapping[AgencyId, CopyStanding]
) -> list[Step]:
    rows = [
        (row, decode_entry(row.entry)) for row in transaction.ledger.entries_of(message.message_id)
    ]
    # Somebody else's message under the same id has entries too.
    ours = [
        (row, entry)
        for row, entry in rows
        if entry.kind in _KINDS or entry.kind is EntryKind.OPERATOR
    ]
    last = {entry.agency: row.number for row, entry in ours if entry.kind in _ENDINGS}
    anew = _named(transaction, [entry for _, entry in ours if entry.code == OperatorCode.RESEALED])
    origins = {first: origin for origin, first in transaction.ledger.numbering().items()}
    found = []
    for row, entry in ours:
        copy = None if entry.agency is None else copies.get(entry.agency)
        if entry.kind is EntryKind.ACKNOWLEDGED and copy is not None:
            # The answer that brought it came to a checkpoint of the ledger that says so.
            origin = origins[row.number - row.index]
            found.append(_acknowledged(transaction, origin, row, entry, copy))
            continue
        is_last = last.get(entry.agency) == row.number
        found.append(
            Step(
                kind=_KINDS.get(entry.kind) or _OPERATOR[OperatorCode(entry.code)],
                at_ms=entry.time_ms,
                number=row.number,
                agency=entry.agency,
                code="" if entry.kind is EntryKind.OPERATOR else entry.code,
                detail=_words(entry, copy) if copy is not None and is_last else "",
                other=None if entry.answers is None else anew.get(entry.answers),
            )
        )
    return found


def _content_steps(transaction: Transaction, message: SentRow) -> list[Step]:
    """Tell what the ledger says of a message itself: who saw it, when it went, its case."""
    numbering = transaction.ledger.numbering()
    own = parse_origin(transaction.ledger.require_head().origin)[0]
    erased = transaction.erasures.find(own, message.message_id)
    reasons = {} if erased is None else {erased.entry_index: erased.reason}
    found = []
    for row in transaction.ledger.entries_of(message.message_id):
        entry = decode_entry(row.entry)
        answers = entry.answers
        # Somebody else's message under the same id has entries too.
        if entry.kind not in _OF_CONTENT or answers is None:
            continue
        if numbering.get(answers.origin, 0) + answers.index != message.sealed.entry_index:
            continue
        found.append(
            Step(
                kind=_OF_CONTENT[entry.kind],
                at_ms=entry.time_ms,
                number=row.number,
                code=entry.code,
                detail=reasons.get(row.number, ""),
            )
        )
    return found


def _words(entry: Entry, copy: CopyStanding) -> str:
    """Return what the recipient's node said last; only of the last ending it is kept."""
    if not copy.copy.state.ended:
        return ""
    parts = [copy.copy.code if entry.code == UndeliveredCode.DEAD else "", copy.copy.detail]
    return ": ".join(part for part in parts if part)


def _acknowledged(
    transaction: Transaction, origin: str, row: EntryRow, entry: Entry, copy: CopyStanding
) -> Step:
    receipt = copy.copy.receipt
    cosigned_ms = None
    if receipt is not None:
        kept = transaction.witness.cosignature(origin, receipt.shared_size, copy.copy.agency)
        cosigned_ms = None if kept is None else kept.time_s * 1000
    return Step(
        kind=StepKind.ACKNOWLEDGED,
        at_ms=entry.time_ms,
        number=row.number,
        agency=copy.copy.agency,
        receipt=receipt,
        cosigned_ms=cosigned_ms,
    )


def _named(transaction: Transaction, resealed: Sequence[Entry]) -> dict[EntryRef, MessageId]:
    """Return which messages were made when content was sealed anew, by their SHARED entries."""
    numbering = transaction.ledger.numbering()
    refs = {
        numbering[entry.answers.origin] + entry.answers.index: entry.answers
        for entry in resealed
        if entry.answers is not None and entry.answers.origin in numbering
    }
    rows = transaction.ledger.entries_at(list(refs))
    return {
        refs[number]: MessageId(row.message_id) for number, row in rows.items() if row.message_id
    }


def _answers(
    transaction: Transaction, message_id: MessageId, copies: Mapping[AgencyId, CopyStanding]
) -> list[Step]:
    return [
        Step(
            kind=StepKind.ANSWERED,
            at_ms=row.received_ms,
            number=row.sealed.entry_index,
            agency=AgencyId(row.sender),
            other=MessageId(row.message_id),
            other_kind=row.sealed.kind,
        )
        for row in transaction.inbox.replies([message_id])
        if row.sender in copies
    ]
