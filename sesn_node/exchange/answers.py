"""Answers: what a partner's answer to a batch proves. Nothing here is written.

The numbers in the code are the steps of `settle`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.batches import ProvenEntry, Refused
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.domain.ids import Origin, show_message_id
from sesn_node.errors import VerificationError
from sesn_node.exchange.cosigned import check_cosignatures
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.ledger.witness import Status
from sesn_node.store.outbox_rows import ReceiptRow
from sesn_node.wire.batches import encode_proof
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from sesn_node.domain.batches import Answer
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.cosigned import Cosigned
    from sesn_node.exchange.deliver import Consigned, Outgoing
    from sesn_node.exchange.witness import Judged
    from sesn_node.ledger.head import TreeHead
    from sesn_node.trust.directory import Directory


@dataclass(frozen=True, slots=True)
class Proven:
    """An answer that passed steps 1 to 3."""

    judged: Judged | None
    cosigned: Cosigned | None
    receipts: tuple[tuple[Consigned, ReceiptRow, EntryRef], ...]
    refused: tuple[tuple[Consigned, Refused], ...]


def verify_answer(  # noqa: PLR0913 - what an answer is held against
    agency: AgencyId,
    directory: Directory,
    outgoing: Outgoing,
    answer: Answer,
    *,
    judged: Judged | None,
    now_ms: int,
) -> Proven:
    """Take steps 1 to 3.

    Raises:
        VerificationError: A receipt, a signature or a proof is wrong, or wanting.
        MalformedError: A cosignature or an entry cannot be read.
        PolicyError: The partner is no longer trusted.
    """
    refused = tuple(
        (consigned, outcome)
        for consigned, outcome in zip(outgoing.consigned, answer.outcomes, strict=True)
        if isinstance(outcome, Refused)
    )
    if len(refused) == len(answer.outcomes) and not answer.add_checkpoint:
        return Proven(None, None, (), refused)
    if answer.witness.status != Status.COSIGNED:
        raise VerificationError(
            f"{agency} answered without cosigning our checkpoint (status {answer.witness.status})"
        )
    cosigned = check_cosignatures(  # 1
        directory, agency, outgoing.batch.add_checkpoint, answer.witness.cosignatures, now_ms
    )
    if judged is None or judged.accepted is None:  # 2
        reason = "unknown origin" if judged is None else judged.verdict.reason
        raise VerificationError(f"the checkpoint of {agency} is not accepted: {reason}")
    theirs = judged.accepted
    receipts = tuple(  # 3
        _verify_receipt(directory.own.agency, theirs, outgoing, consigned, outcome)
        for consigned, outcome in zip(outgoing.consigned, answer.outcomes, strict=True)
        if isinstance(outcome, ProvenEntry)
    )
    return Proven(judged, cosigned, receipts, refused)


def _verify_receipt(
    us: AgencyId,
    theirs: TreeHead,
    outgoing: Outgoing,
    consigned: Consigned,
    receipt: ProvenEntry,
) -> tuple[Consigned, ReceiptRow, EntryRef]:
    """Step 3: the receipt is about this message, and stands in the partner's ledger."""
    entry = decode_entry(receipt.entry)
    hashed = leaf_hash(receipt.entry)
    verify_inclusion(hashed, receipt.index, theirs.size, receipt.proof, theirs.root)
    named = (
        entry.kind,
        entry.message_id,
        entry.object_sha256,
        entry.commitment,
        entry.agency,
    )
    expected = (
        EntryKind.RECEIVED,
        consigned.message_id,
        consigned.header_sha256,
        consigned.commitment,
        us,
    )
    # Received before our ledger was closed, it answers what that says of the message.
    if named != expected or entry.answers not in {consigned.shared, consigned.proven}:
        raise VerificationError(
            f"the receipt for message {show_message_id(consigned.message_id)} is about another "
            "message, or for another agency"
        )
    row = ReceiptRow(
        entry=receipt.entry,
        index=receipt.index,
        proof=encode_proof(receipt.proof),
        origin=theirs.origin,
        size=theirs.size,
        shared_size=outgoing.head.size,
    )
    return consigned, row, EntryRef(Origin(theirs.origin), receipt.index, hashed)
