"""Settle: verify a partner's answer to a batch, and record what it proves.

A card that came with the answer is taken first: the answer may need its keys. The numbers in the
code are the steps then:

 1. the partner, as a witness, cosigned the checkpoint that we sent; both lines verify
 2. the partner's own checkpoint is verified against what we witnessed of its ledger
 3. each receipt is a RECEIVED entry of that checkpoint's origin, proven under it, and names
    this message (its id, header hash, commitment and our SHARED entry) and us as its sender
 4. one transaction: receipts, ACKNOWLEDGED, refusals, both checkpoints, both cosignatures

An answer that fails a step is the fault of the partner's node: nothing of it is recorded, and
the batch is due again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.batches import NOTHING_WITNESSED, Refused, WitnessAnswer
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import ConflictError, VerificationError
from sesn_node.exchange.answers import verify_answer
from sesn_node.exchange.aside import put_off, report_given_up
from sesn_node.exchange.cosigned import keep_cosigned
from sesn_node.exchange.office import MOVED, new_entry, unmoved
from sesn_node.exchange.peers import take_travelling_card
from sesn_node.exchange.recovered import acknowledged_before
from sesn_node.exchange.redeliver import end_again
from sesn_node.exchange.replaced import cosigned_before_rotation
from sesn_node.exchange.witness import judge_checkpoint, keep_fork, record, report_refused
from sesn_node.ledger.note import MISSING_SIGNATURE
from sesn_node.ledger.witness import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.batches import Answer
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.answers import Proven
    from sesn_node.exchange.deliver import Consigned, Outgoing
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.witness import Judged
    from sesn_node.exchange.work import Work
    from sesn_node.store.outbox_rows import ReceiptRow
    from sesn_node.trust.directory import Directory


@dataclass(frozen=True, slots=True)
class Settled:
    """What an answer came to.

    Args:
        acknowledged: Messages whose receipt was stored by this call.
        refused: Messages that were refused, with the refusal.
        given_up: Those of them that became dead letters.
        witness: Our word on the partner's checkpoint, for the next batch. Status 409: nothing
            was recorded, since the partner proved its checkpoint from another size than the one
            that we hold; it has to answer again.
        prove_again: The partner holds another size of our ledger than we thought, and refused
            the batch for it; the right size is noted, and the batch can be sent again at once. Or
            it answered under keys that it has replaced since.
    """

    acknowledged: tuple[Consigned, ...] = ()
    refused: tuple[tuple[Consigned, Refused], ...] = ()
    witness: WitnessAnswer = NOTHING_WITNESSED
    prove_again: bool = False
    given_up: tuple[tuple[Consigned, Refused], ...] = ()

    @property
    def answer_again(self) -> bool:
        """Whether the partner has to prove its answer from the size that we hold."""
        return self.witness.status == Status.OTHER_OLD_SIZE


def settle(office: Office, agency: AgencyId, outgoing: Outgoing, answer: Answer) -> Settled:
    """Verify an answer and record what it proves; see the module's steps.

    Raises:
        VerificationError: The answer proves nothing: wrong receipt, signature or proof; or its
            card is a fork or another agency's.
        MalformedError: The answer cannot be read.
        PolicyError: The partner is no longer trusted.
        StorageError: Nothing was recorded, or the outcome is unknown; the batch is due again.
    """
    if answer.card:
        take_travelling_card(office, agency, answer.card)
    early = _without_receipts(office, agency, outgoing, answer)
    if early is not None:
        return early
    while True:
        now_ms = office.clock()
        with office.store.read() as transaction:
            directory = office.partners.current(transaction)
            directory.trusted(agency, now_ms)
            body = answer.add_checkpoint
            judged = judge_checkpoint(transaction, directory, body, owner=agency) if body else None
        again = _asked_again(office, agency, judged)
        if again is not None:
            return again
        try:
            proven = verify_answer(
                agency, directory, outgoing, answer, judged=judged, now_ms=now_ms
            )
        except VerificationError as error:
            if _answered_before_rotation(office, agency, outgoing, answer, error):
                return Settled(prove_again=True)
            raise
        try:
            settled = office.sequencer.run(
                partial(
                    _record,
                    office,
                    agency=agency,
                    directory=directory,
                    proven=proven,
                )
            ).value
        except ConflictError as error:
            if error.code != MOVED:
                raise
            continue
        for consigned, refusal in settled.given_up:
            report_given_up(office, agency, consigned.message_id, refusal.code.value)
        return settled


def _asked_again(office: Office, agency: AgencyId, judged: Judged | None) -> Settled | None:
    """Say how an answer has to be given again that came with this checkpoint; None if it has not.

    Raises:
        VerificationError: `LEDGER_FORK`: it proves a fork.
    """
    if judged is None:
        return None
    if judged.verdict.fork:
        code = RefusalCode.LEDGER_FORK
        keep_fork(office, judged, agency)
        report_refused(agency, code.value, judged.verdict.status)
        raise VerificationError(f"the ledger of {agency} shows two histories", code=code.value)
    if judged.verdict.status is Status.OTHER_OLD_SIZE:
        return Settled(witness=judged.refusal)
    return Settled(prove_again=True) if judged.outdated else None


def _answered_before_rotation(
    office: Office,
    agency: AgencyId,
    outgoing: Outgoing,
    answer: Answer,
    error: VerificationError,
) -> bool:
    """Tell whether an answer fails only because its maker has replaced its witness keys since."""
    return error.code == MISSING_SIGNATURE and cosigned_before_rotation(
        office, agency, outgoing.batch.add_checkpoint, answer.witness.cosignatures
    )


def _without_receipts(
    office: Office, agency: AgencyId, outgoing: Outgoing, answer: Answer
) -> Settled | None:
    """Deal with an answer that has nothing to verify; None if it has."""
    if len(answer.outcomes) != len(outgoing.consigned):
        raise VerificationError(
            f"{agency} answered {len(answer.outcomes)} of {len(outgoing.consigned)} messages"
        )
    if not outgoing.consigned:
        return Settled()
    if answer.witness.status == Status.OTHER_OLD_SIZE:
        size = answer.witness.size
        office.sequencer.run(lambda work: work.transaction.peers.set_witnessed(agency, size))
        return Settled(prove_again=True)
    return None


def _record(
    office: Office,
    work: Work,
    *,
    agency: AgencyId,
    directory: Directory,
    proven: Proven,
) -> Settled:
    """Step 4."""
    if not unmoved(work.transaction, directory, [agency]):
        raise ConflictError("trust changed while the answer was verified", code=MOVED)
    witness = NOTHING_WITNESSED
    if proven.judged is not None:
        lines = record(office, work, proven.judged)
        witness = WitnessAnswer(int(Status.COSIGNED), 0, lines)
    if proven.cosigned is not None:
        keep_cosigned(work.transaction, proven.cosigned)
    acknowledged = _acknowledge(work, agency, proven)
    given_up = _record_refusals(office, work, agency, proven.refused)
    return Settled(acknowledged, proven.refused, witness, given_up=given_up)


def _acknowledge(work: Work, agency: AgencyId, proven: Proven) -> tuple[Consigned, ...]:
    ids = [consigned.message_id for consigned, _, _ in proven.receipts]
    states = work.transaction.outbox.states(agency, ids)
    fresh = [
        one
        for one in proven.receipts
        if states.get(one[0].message_id) is not DeliveryState.ACKNOWLEDGED
    ]
    again = bool(fresh and work.transaction.recovery.every())
    settled: dict[int, list[tuple[bytes, ReceiptRow]]] = {}
    for consigned, row, received in fresh:
        message_id = consigned.message_id
        at_ms = None
        if again:
            # Of a ledger that was recovered: the entry came back, its receipt comes only now.
            at_ms = acknowledged_before(work.transaction, agency, message_id, received)
        if at_ms is None:
            at_ms = work.now_ms
            work.append(
                new_entry(
                    EntryKind.ACKNOWLEDGED,
                    at_ms,
                    consigned.header_sha256,
                    message_id=message_id,
                    commitment=consigned.commitment,
                    answers=received,
                    agency=agency,
                )
            )
        settled.setdefault(at_ms, []).append((message_id, row))
    for at_ms, receipts in settled.items():
        work.transaction.outbox.acknowledge(agency, receipts, at_ms)
    work.transaction.recovery.done(agency, ids)
    return tuple(consigned for consigned, _, _ in fresh)


def _record_refusals(
    office: Office,
    work: Work,
    agency: AgencyId,
    refused: Sequence[tuple[Consigned, Refused]],
) -> tuple[tuple[Consigned, Refused], ...]:
    """End what was refused for good, put off the rest; return what was put off too often."""
    if not refused:
        return ()
    given_up: list[tuple[Consigned, Refused]] = []
    end_again(work, agency, refused)
    queued = work.transaction.outbox.tries(agency, [one.message_id for one, _ in refused])
    for consigned, refusal in refused:
        if consigned.message_id not in queued:
            continue
        if not refusal.code.permanent:
            if put_off(
                office,
                work,
                agency,
                consigned.message_id,
                attempts=queued[consigned.message_id],
                code=refusal.code.value,
                detail=refusal.detail,
                least_ms=refusal.retry_after_ms,
            ):
                given_up.append((consigned, refusal))
            continue
        work.append(
            new_entry(
                EntryKind.REFUSED_BY_PEER,
                work.now_ms,
                consigned.header_sha256,
                message_id=consigned.message_id,
                commitment=consigned.commitment,
                answers=consigned.shared,
                agency=agency,
                code=refusal.code.value,
            )
        )
        work.transaction.outbox.close(
            consigned.message_id,
            agency,
            state=DeliveryState.REFUSED,
            code=refusal.code.value,
            detail=refusal.detail,
            settled_ms=work.now_ms,
            attempts=1,
        )
    return tuple(given_up)
