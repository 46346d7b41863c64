"""Taking: what the one transaction of a batch stores, logs and refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.batches import Refused
from sesn_node.domain.entries import EntryKind
from sesn_node.exchange.examine import Fresh, Refusable, Seen
from sesn_node.exchange.office import new_entry
from sesn_node.exchange.recovered import received_before
from sesn_node.store.inbox import InboxRow
from sesn_node.store.sealed import SealedRow
from sesn_node.wire.batches import encode_proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.examine import Examined
    from sesn_node.exchange.limiter import Limiter
    from sesn_node.exchange.work import Work


@dataclass(frozen=True, slots=True)
class Taken:
    """What the transaction did: outcomes in order, entry indexes in place of receipts."""

    outcomes: tuple[int | Refused, ...]
    cosignatures: bytes


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
        "_limiter",
        "_recovered",
        "_refused",
        "_rows",
        "_seen",
        "_work",
    )

    def __init__(
        self, work: Work, caller: AgencyId, examined: Sequence[Examined], limiter: Limiter
    ) -> None:
        self._work = work
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

    def outcomes(self) -> tuple[int | Refused, ...]:
        """Store and log what came; returns the outcomes in order. Call it once."""
        outcomes = tuple(self._decide(one) for one in self._examined)
        self._work.transaction.inbox.add(self._rows)
        return outcomes

    def _decide(self, one: Examined) -> int | Refused:
        """Decide one shipment: the index of our entry for it, or its refusal."""
        if isinstance(one, Refused):
            return one
        if isinstance(one, Seen):
            return one.entry_index
        if isinstance(one, Fresh):
            known = self._seen.get(one.message_id)
            if known is None:
                index = self._take_back(one)
                if index is None:
                    index = self._store(one)
                self._seen[one.message_id] = (one.header_sha256, index)
                return index
            if known[0] == one.header_sha256:
                return known[1]
            one = one.conflicting()
        self._log_refusal(one)
        return one.refused

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
        self._keep(one, received.index)
        return received.index

    def _take_back(self, one: Fresh) -> int | None:
        """Keep a message that our ledger holds already, since its content was lost; else None.

        What was erased meanwhile does not come back.
        """
        if not self._recovered:
            return None
        before = received_before(self._work.transaction, self._caller, one)
        if before is None:
            return None
        if not before.erased:
            self._keep(one, before.index)
        return before.index

    def _keep(self, one: Fresh, index: int) -> None:
        header = one.header
        self._rows.append(
            InboxRow(
                sender=self._caller,
                message_id=header.message_id,
                sealed=SealedRow(
                    kind=one.kind,
                    header=one.shipment.envelope.header,
                    header_sha256=one.header_sha256,
                    seal=one.shipment.envelope.seal,
                    ciphertext=one.shipment.envelope.ciphertext,
                    content_key=one.stored_key,
                    conversation_id=header.conversation_id,
                    in_reply_to=header.in_reply_to,
                    priority=int(header.priority),
                    created_ms=header.created_ms,
                    expires_ms=header.expires_ms,
                    entry_index=index,
                ),
                received_ms=self._work.now_ms,
                shared_entry=one.shipment.shared.entry,
                shared_index=one.shipment.shared.index,
                shared_proof=encode_proof(one.shipment.shared.proof),
                shared_origin=one.shared.origin,
                shared_size=one.shared_size,
                terms=one.terms,
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
        self._refused[key] = entry.index
        self._work.transaction.inbox.add_refusal(
            sender=self._caller,
            message_id=one.message_id,
            header_sha256=one.header_sha256,
            code=code.value,
            refused_ms=now_ms,
            entry_index=entry.index,
        )
