"""Taking: what the one transaction of a batch stores, logs and refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.batches import Refused
from sesn_node.domain.entries import EntryKind, ErasedCode
from sesn_node.domain.ids import parse_origin
from sesn_node.domain.payload import RECALLABLE, MessageKind
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange.about import about_message
from sesn_node.exchange.casesteps import file_obstacle, has_part, keep_step, obstacle
from sesn_node.exchange.examine import BUSY_RETRY_MS, Fresh, Refusable, Seen
from sesn_node.exchange.office import new_entry
from sesn_node.exchange.recovered import received_before, stands_otherwise
from sesn_node.exchange.restate import restate
from sesn_node.exchange.search import OF_CASES
from sesn_node.store.erasures import ErasureRow
from sesn_node.store.inbox import InboxRow
from sesn_node.store.numbers import index_of
from sesn_node.store.recalls import RecallRow
from sesn_node.store.sealed import SealedRow
from sesn_node.wire.batches import encode_proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.examine import Examined
    from sesn_node.exchange.limiter import Limiter
    from sesn_node.exchange.work import Work


@dataclass(frozen=True, slots=True)
class Taken:
    """What the transaction did: outcomes in order, entry indexes in place of receipts.

    `has_duties`: something came that this node has to do something about by itself.
    """

    outcomes: tuple[int | Refused, ...]
    cosignatures: bytes
    has_duties: bool = False


_EARLY: Final = Refused(
    RefusalCode.BUSY,
    "this agency has no part in that case, as far as is known here yet",
    BUSY_RETRY_MS,
)
"""Of a case file: the step that gives us a part may be on its way, so its sender tries again."""


def recalled_reason(sender: AgencyId) -> str:
    """Say why the content of a recalled message is gone."""
    return f"{sender} recalled it"


class Taking:
    """Decides on the shipments of a batch, in its transaction; made for each anew.

    What the tables hold is compared again: the same message may have come in over another stream
    since it was examined, and it may stand twice in the batch.

    Args:
        work: The transaction.
        caller: Who sent the batch.
        examined: What came of examining its shipments.
        limiter: How many refusals the caller can cause to be logged.
    """

    __slots__ = (
        "_caller",
        "_examined",
        "_gone",
        "_limiter",
        "_recalled",
        "_recalls",
        "_recovered",
        "_refused",
        "_rows",
        "_seen",
        "_us",
        "_work",
    )

    def __init__(
        self, work: Work, caller: AgencyId, examined: Sequence[Examined], limiter: Limiter
    ) -> None:
        self._work = work
        self._us = parse_origin(work.origin)[0]
        self._caller = caller
        self._examined = examined
        self._limiter = limiter
        inbox = work.transaction.inbox
        ids = [one.message_id for one in examined if isinstance(one, Fresh | Refusable)]
        self._seen = {
            message_id: (row.header_sha256, row.entry_index)
            for message_id, row in inbox.seen(caller, ids).items()
        }
        self._refused: dict[tuple[bytes, bytes, str], int] = {}
        if any(isinstance(one, Refusable) for one in examined):
            self._refused = inbox.refused(caller, ids)
        self._rows: list[InboxRow] = []
        self._recovered = bool(work.transaction.recovery.every())
        self._recalls: list[RecallRow] = []
        self._recalled = work.transaction.recalls.tombstones(caller, ids)
        self._gone: dict[MessageId, int] = {}

    def outcomes(self) -> tuple[int | Refused, ...]:
        """Store and log what came; returns the outcomes in order. Call it once."""
        outcomes = tuple(self._decide(one) for one in self._examined)
        self._work.transaction.inbox.add(self._rows)
        self._work.transaction.recalls.add(self._recalls)
        for message_id, number in self._gone.items():
            self._note_gone(message_id, number)
        return outcomes

    @property
    def has_duties(self) -> bool:
        """Whether something came that this node has to do something about by itself."""
        return bool(self._recalls) or any(row.sealed.kind in OF_CASES for row in self._rows)

    def _decide(self, one: Examined) -> int | Refused:
        """Decide one shipment: the index of our entry for it, or its refusal."""
        if isinstance(one, Refused):
            return one
        if isinstance(one, Seen):
            return self._proven(one.entry_index)
        if isinstance(one, Fresh):
            known = self._seen.get(one.message_id)
            refused = self._unwanted(one) if known is None else None
            if refused is not None:
                return refused
            if known is None:
                number = self._take_back(one)
                if number is None and not self._stands_otherwise(one):
                    number = self._store(one)
                if number is not None:
                    self._seen[one.message_id] = (one.header_sha256, number)
                    return self._proven(number)
            elif known[0] == one.header_sha256:
                return self._proven(known[1])
            one = one.conflicting()
        self._log_refusal(one)
        return one.refused

    def _unwanted(self, one: Fresh) -> Refused | None:
        """Refuse a message that must not be taken, for good or for now; None if it may."""
        if self._is_early(one):
            return _EARLY
        problem = self._overtaken(one)
        if problem is None:
            return None
        refusable = one.against_policy(problem)
        self._log_refusal(refusable)
        return refusable.refused

    def _overtaken(self, one: Fresh) -> str | None:
        """Say why a message must not be taken that was good when it was examined; None if it may.

        A recall and what it names can be examined side by side: neither is here then. Of a recall
        and what cannot be recalled, the first is kept (`sesn_node.exchange.withdrawing`).
        """
        if one.carries is not None:
            sender, carried = one.carries
            if self._work.transaction.recalls.tombstones(sender, [carried]):
                return "the message that was passed on was recalled by its originator"
        if one.recall is None:
            recalled = {message_id for message_id, _ in self._recalled}
            if MessageKind(one.kind) not in RECALLABLE and one.message_id in recalled:
                return "its sender has recalled it, and messages of this kind cannot be"
        elif not self._kinds_of(one.recall.message_id) <= RECALLABLE:
            return "messages of this kind cannot be recalled"
        return self._case_obstacle(one)

    def _case_obstacle(self, one: Fresh) -> str | None:
        """Say why steps of a case must not be taken: what the case is, only now is certain."""
        if one.kind == MessageKind.CASE_STEP.value:
            return obstacle(self._work.transaction, one.steps[0])
        if one.kind == MessageKind.CASE_FILE.value:
            return file_obstacle(self._work.transaction, one.steps)
        return None

    def _is_early(self, one: Fresh) -> bool:
        """Tell whether a case file came before the step that gives us a part in the case."""
        if one.kind != MessageKind.CASE_FILE.value:
            return False
        return not has_part(self._work.transaction, self._us, one.steps)

    def _kinds_of(self, message_id: MessageId) -> set[MessageKind]:
        """Return what the caller's message of an id is, if it is here, or came just before."""
        kinds = {row.sealed.kind for row in self._rows if row.message_id == message_id}
        stored = self._work.transaction.erasures.outlines([message_id])
        kinds |= {row.kind for row in stored if row.sender == self._caller}
        return {MessageKind(kind) for kind in kinds}

    def _proven(self, number: int) -> int:
        """Return the index of the entry that can be proven now: in the open ledger."""
        return index_of(restate(self._work, [number])[number])

    def _store(self, one: Fresh) -> int:
        header = one.header
        received = self._work.append(
            new_entry(
                EntryKind.RECEIVED,
                self._work.now_ms,
                one.header_sha256,
                message_id=header.message_id,
                commitment=header.commitment,
                answers=one.shared,
                agency=self._caller,
            )
        )
        number = self._work.number(received)
        self._keep(one, number, self._work.now_ms)
        return number

    def _take_back(self, one: Fresh) -> int | None:
        """Keep a message that our ledger holds already, since its content was lost; else None.

        What was erased meanwhile does not come back; what the state of a case depends on does.
        """
        if not self._recovered:
            return None
        before = received_before(self._work.transaction, self._caller, one)
        if before is None:
            return None
        if before.erased:
            self._keep_steps(one, before.number)
        else:
            self._keep(one, before.number, before.time_ms)
        return before.number

    def _stands_otherwise(self, one: Fresh) -> bool:
        """Tell whether a message whose row was lost contradicts what our ledger says of it."""
        return self._recovered and stands_otherwise(self._work.transaction, self._caller, one)

    def _keep(self, one: Fresh, number: int, received_ms: int) -> None:
        """Store a message; of one that its sender has recalled, nothing of what it says."""
        header = one.header
        gone = self._is_recalled(one)
        if gone:
            self._gone[header.message_id] = number
        self._rows.append(
            InboxRow(
                sender=self._caller,
                message_id=header.message_id,
                sealed=SealedRow(
                    kind=one.kind,
                    header=one.shipment.envelope.header,
                    header_sha256=one.header_sha256,
                    seal=one.shipment.envelope.seal,
                    ciphertext=None if gone else one.shipment.envelope.ciphertext,
                    content_key=None if gone else one.stored_key,
                    conversation_id=header.conversation_id,
                    in_reply_to=header.in_reply_to,
                    priority=int(header.priority),
                    created_ms=header.created_ms,
                    expires_ms=header.expires_ms,
                    entry_index=number,
                ),
                received_ms=received_ms,
                shared_entry=one.shipment.shared.entry,
                shared_index=one.shipment.shared.index,
                shared_proof=encode_proof(one.shipment.shared.proof),
                shared_origin=one.shared.origin,
                shared_size=one.shared_size,
                terms=() if gone else one.terms,
                retain_ms=None if gone else one.retain_ms,
                carries=one.carries,
            )
        )
        self._keep_steps(one, number)

    def _keep_steps(self, one: Fresh, number: int) -> None:
        """Keep the steps of a case that a message brings; most bring none."""
        carrier = None
        if one.kind == MessageKind.CASE_FILE.value:
            carrier = self._caller, one.message_id
        for step in one.steps:
            keep_step(self._work, step, number, carrier)

    def _is_recalled(self, one: Fresh) -> bool:
        """Tell whether the recall of a message was here before it; note what a recall withdraws."""
        message_id = one.message_id
        if one.recall is not None:
            named = one.recall.message_id, one.recall.header_sha256
            self._recalls.append(RecallRow(self._caller, message_id, *named))
            self._recalled.add(named)
        recalled = (message_id, one.header_sha256) in self._recalled
        return recalled and MessageKind(one.kind) in RECALLABLE

    def _note_gone(self, message_id: MessageId, number: int) -> None:
        """Record that nothing is kept of what a message says, since its recall was here first."""
        now_ms = self._work.now_ms
        ref = self._work.append(
            about_message(self._work, EntryKind.ERASED, number, ErasedCode.RECALLED.value)
        )
        self._work.transaction.erasures.add(
            ErasureRow(
                self._caller,
                message_id,
                now_ms,
                self._work.number(ref),
                recalled_reason(self._caller),
                # Its bytes have never been in the files.
                scrubbed_ms=now_ms,
            )
        )

    def _log_refusal(self, one: Refusable) -> None:
        """Append REFUSED, once per message and code, and not faster than the limiter allows."""
        code = one.refused.code
        now_ms = self._work.now_ms
        key = (one.message_id, one.header_sha256, code.value)
        if (
            not code.permanent
            or key in self._refused
            or not self._limiter.allow(self._caller, now_ms)
        ):
            return
        entry = self._work.append(
            new_entry(
                EntryKind.REFUSED,
                now_ms,
                one.header_sha256,
                message_id=one.message_id,
                commitment=one.commitment,
                agency=self._caller,
                code=code.value,
            )
        )
        number = self._work.number(entry)
        self._refused[key] = number
        self._work.transaction.inbox.add_refusal(
            sender=self._caller,
            message_id=one.message_id,
            header_sha256=one.header_sha256,
            code=code.value,
            refused_ms=now_ms,
            entry_index=number,
        )
