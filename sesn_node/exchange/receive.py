"""Receive: verify, open, store and log a batch of messages, and answer with receipts.

The numbers in the code are the steps, in the order in which they are taken. The first that fails
refuses the shipment, and never the batch; steps 1 to 3 hold for the batch as a whole:

 1. the caller is who TLS says, and trusted (`transport` hands over the proven agency)
 2. the sender's checkpoint is verified against what we witnessed of its ledger
 3. sizes
 4. strict parse of envelope and header
 5. the sender is the caller
 6. the seal verifies under a key of the sender's card, in force at creation
 7. not seen before: a duplicate gets the receipt of the first time, however late it comes;
    another header under the same id is a conflict, and so is an id of a message of ours
 8. not expired, and not of the future
 9. the SHARED entry names this message, and stands in the sender's ledger
10. addressed to us, with the wrapped key that the header names; it opens
11. the content opens, and is the one that header and ledger commit to
12. the payload reads; a response answers a message that we sent to its sender

Then one transaction: sender and witness record compared again, inbox, RECEIVED, checkpoint.
Everything that this answer claims is durable before it leaves.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.batches import (
    Answer,
    Batch,
    Outcome,
    ProvenEntry,
    Refused,
    WitnessAnswer,
)
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import (
    ConflictError,
    MalformedError,
    PolicyError,
    StorageError,
    VerificationError,
)
from sesn_node.exchange.cosigned import check_cosignatures, keep_cosigned
from sesn_node.exchange.examine import BUSY_RETRY_MS, Examiner
from sesn_node.exchange.intake import Intake
from sesn_node.exchange.limiter import REFUSALS, Limiter
from sesn_node.exchange.office import MOVED, unmoved
from sesn_node.exchange.outcomes import arrival, refuse_all, report, unproven, unwitnessed
from sesn_node.exchange.replaced import cosigned_before_rotation
from sesn_node.exchange.taking import Taken, Taking
from sesn_node.exchange.witness import judge_checkpoint, keep_fork, record
from sesn_node.ledger.note import MISSING_SIGNATURE
from sesn_node.ledger.witness import Status
from sesn_node.store.disk import DISK_FLOOR
from sesn_node.store.numbers import number_of
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.cosigned import Cosigned
    from sesn_node.exchange.examine import Examined
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.witness import Judged
    from sesn_node.exchange.work import Work
    from sesn_node.telemetry.watch import Receiving
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

_ATTEMPTS = 5


class Receiver:
    """Receives batches of all partners; one per node."""

    __slots__ = ("_limiter", "_office")

    def __init__(self, office: Office) -> None:
        self._office = office
        self._limiter = Limiter(REFUSALS)

    def open(self, caller: AgencyId) -> Intake:
        """Begin to receive on a new stream of a partner whose identity TLS has proven."""
        return Intake(self._office, self, caller)

    def receive(self, caller: AgencyId, batch: Batch, previous: Answer | None = None) -> Answer:
        """Take a batch from a partner whose identity TLS has proven.

        Args:
            caller: The partner.
            batch: What it sent.
            previous: Our last answer on this stream, which the batch's witness part is about.

        Returns:
            One outcome per shipment, in order. A node that cannot store answers `BUSY` for
            all, a caller that is no longer trusted gets `NOT_TRUSTED`.

        Raises:
            SesnError: The cosignatures are not the caller's over `previous`: the stream ends.
        """
        cosigned = self._cosigned(caller, batch, previous)
        if batch.witness.status == Status.OTHER_OLD_SIZE and not batch.shipments:
            return self._answer_again(caller, batch, previous)
        if not batch.shipments:
            self._keep_cosigned(cosigned)
            return Answer(batch.sequence)
        watch = self._office.watch
        receiving = watch.receiving(caller, batch.sequence, len(batch.shipments))
        answer = self._receive_or_refuse(caller, batch, cosigned, receiving)
        if answer.witness.status:
            watch.judged(caller, answer.witness.status)
        if not answer.add_checkpoint:
            receiving.refused(
                next((one.code.value for one in answer.outcomes if isinstance(one, Refused)), "")
            )
        return answer

    def keep_word(self, caller: AgencyId, batch: Batch, previous: Answer | None) -> bool:
        """Keep what the caller says of our last answer, and tell whether that is new.

        Raises:
            SesnError: As `receive`.
        """
        return self._keep_cosigned(self._cosigned(caller, batch, previous))

    def _receive_or_refuse(
        self, caller: AgencyId, batch: Batch, cosigned: Cosigned | None, receiving: Receiving
    ) -> Answer:
        """Receive a batch, unless the caller or this node's own state forbids it."""
        try:
            self._office.disk.require_room()
            return self._receive(caller, batch, cosigned, receiving)
        except PolicyError as error:
            refused = Refused(RefusalCode.NOT_TRUSTED, str(error))
        except StorageError as error:
            detail = f"this node cannot store at present ({error.code})"
            if error.code == DISK_FLOOR:
                detail = "this node has too little disk space left for new messages"
                # The caller's word on what we sent before is small, and it is evidence.
                with suppress(StorageError):
                    self._keep_cosigned(cosigned)
            refused = Refused(RefusalCode.BUSY, detail, BUSY_RETRY_MS)
        return refuse_all(caller, batch, refused)

    def _keep_cosigned(self, cosigned: Cosigned | None) -> bool:
        """Keep a cosignature; tell whether it is the first over its checkpoint."""
        if cosigned is None:
            return False
        run = self._office.sequencer.run
        return run(lambda work: keep_cosigned(work.transaction, cosigned)).value

    def _cosigned(self, caller: AgencyId, batch: Batch, previous: Answer | None) -> Cosigned | None:
        if previous is None or not previous.add_checkpoint or not batch.witness.cosignatures:
            return None
        try:
            return check_cosignatures(
                self._office.directory(),
                caller,
                previous.add_checkpoint,
                batch.witness.cosignatures,
                self._office.clock(),
            )
        except VerificationError as error:
            body, lines = previous.add_checkpoint, batch.witness.cosignatures
            if error.code != MISSING_SIGNATURE or not cosigned_before_rotation(
                self._office, caller, body, lines
            ):
                raise
            # It proves nothing, and nobody misses it.
            _log.info("cosignature-not-kept", peer=caller, code=error.code)
            return None

    def _answer_again(self, caller: AgencyId, batch: Batch, previous: Answer | None) -> Answer:
        """Prove the last answer's receipts from the size that the caller says it holds.

        Both directions of traffic witness one ledger, so the caller may have witnessed more of
        ours meanwhile than it had told us.
        """
        if previous is None:
            raise MalformedError("there is no answer on this stream that could be proven again")
        size = batch.witness.size
        self._office.sequencer.run(lambda work: work.transaction.peers.set_witnessed(caller, size))
        outcomes = [one.index if isinstance(one, ProvenEntry) else one for one in previous.outcomes]
        return self._answer(caller, batch, outcomes, previous.witness, again=True)

    def _receive(
        self, caller: AgencyId, batch: Batch, cosigned: Cosigned | None, receiving: Receiving
    ) -> Answer:
        office = self._office
        for _ in range(_ATTEMPTS):
            now_ms = office.clock()
            with office.store.read() as transaction:
                directory = office.partners.current(transaction)
                sender = directory.trusted(caller, now_ms).card  # 1
                try:
                    judged = judge_checkpoint(  # 2
                        transaction, directory, batch.add_checkpoint, owner=caller
                    )
                except MalformedError as error:
                    bad = WitnessAnswer(int(Status.BAD_REQUEST))
                    return refuse_all(caller, batch, unproven(bad, str(error)), bad)
                examined: list[Examined] = []
                if judged is not None and judged.accepted is not None:
                    examiner = Examiner(office, sender, judged.accepted, now_ms)
                    examined = examiner.examine(transaction, batch.shipments)
            if judged is None or judged.accepted is None:
                keep_fork(office, judged, caller)  # outside the read: it writes
                return unwitnessed(caller, batch, judged)
            receiving.mark("examined")
            try:
                done = office.sequencer.run(
                    partial(
                        self._take,
                        directory=directory,
                        judged=judged,
                        cosigned=cosigned,
                        examined=examined,
                    )
                )
            except ConflictError as error:
                if error.code != MOVED:
                    raise
                continue
            receiving.mark("committed")
            if done.value.has_duties:
                self._office.bell.ring()
            report(caller, examined, done.value.outcomes)
            witness = WitnessAnswer(int(Status.COSIGNED), 0, done.value.cosignatures)
            answer = self._answer(caller, batch, done.value.outcomes, witness)
            receiving.done(list(map(arrival, examined, done.value.outcomes)))
            return answer
        busy = Refused(RefusalCode.BUSY, "too many batches at once", BUSY_RETRY_MS)
        return refuse_all(caller, batch, busy)

    def _take(
        self,
        work: Work,
        directory: Directory,
        judged: Judged,
        cosigned: Cosigned | None,
        examined: Sequence[Examined],
    ) -> Taken:
        """The one transaction of a batch."""
        caller = judged.agency
        if not unmoved(work.transaction, directory, [caller]):
            raise ConflictError("trust changed while the batch was examined", code=MOVED)
        cosignatures = record(self._office, work, judged)
        if cosigned is not None:
            keep_cosigned(work.transaction, cosigned)
        taking = Taking(work, caller, examined, self._limiter)
        return Taken(taking.outcomes(), cosignatures, taking.has_duties)

    def _answer(
        self,
        caller: AgencyId,
        batch: Batch,
        decided: Sequence[int | Refused],
        witness: WitnessAnswer,
        *,
        again: bool = False,
    ) -> Answer:
        """Prove the entries that were decided on.

        Args:
            caller: Who sent the batch.
            batch: The batch.
            decided: Indexes of our entries, and refusals.
            witness: Our word on the checkpoint of the batch.
            again: Under the size that the caller holds, if the entries stand in it; else under
                our newest checkpoint.
        """
        indexes = [one for one in decided if isinstance(one, int)]
        with self._office.store.read() as transaction:
            held = transaction.peers.link(caller).witnessed_size
            newest = ledger = self._office.ledger(transaction)
            if again:
                ledger = self._office.covering(transaction, indexes, held)
            first = number_of(newest.head.ledger, 0)
            entries = transaction.ledger.entries_at([first + one for one in indexes])
            proofs = dict(zip(indexes, ledger.prove(indexes), strict=True))
            body = ledger.add_checkpoint(held)
        self._office.sequencer.release(newest.head)
        outcomes: list[Outcome] = [
            one
            if isinstance(one, Refused)
            else ProvenEntry(entries[first + one].entry, one, proofs[one])
            for one in decided
        ]
        return Answer(batch.sequence, witness, body, tuple(outcomes))
