"""Sending to one partner over one link: take what is due, send it, settle the answer, again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.batches import NOTHING_WITNESSED, Batch
from sesn_node.domain.ids import show_message_id
from sesn_node.errors import PeerUnavailable, SesnError, StorageError, VerificationError
from sesn_node.exchange.aside import set_aside
from sesn_node.exchange.deliver import prepare_batch
from sesn_node.exchange.intake import MOST_NEW_PROOFS
from sesn_node.exchange.settle import settle
from sesn_node.telemetry.logs import get_logger
from sesn_node.telemetry.watch import Carried
from sesn_node.trust.directory import NOT_TRUSTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.breaker import Breaker
    from sesn_node.exchange.deliver import Outgoing
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.settle import Settled
    from sesn_node.store.leases import Lease, Leases
    from sesn_node.telemetry.watch import Sending
    from sesn_node.transport.link import Link

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a delivery, in seconds.

    Args:
        poll_s: How often the outbox is looked at when nothing wakes us.
        timeout_s: How long a partner may take to answer.
        collect_after_s: How long a partner may leave us alone before we collect from it.
    """

    poll_s: float = 1.0
    timeout_s: float = 30.0
    collect_after_s: float = 10.0


class Pump:
    """Sends over one link while it holds the partner's delivery lease.

    The lease is one for all processes of our agency and for both ways to the partner, its
    `Collect` and our `Deliver`: a message is never on its way twice at once. Belongs to the event
    loop.

    Args:
        office: Ours.
        agency: The partner.
        leases: Where the lease is asked for.
        breaker: Counts the successes here; whoever runs the pump counts the failures.
        pace: Times.
        shown: SHA-256 of our card that the partner has seen; empty if we do not know.
    """

    def __init__(  # noqa: PLR0913 - what a delivery needs to know
        self,
        office: Office,
        agency: AgencyId,
        *,
        leases: Leases,
        breaker: Breaker,
        pace: Pace,
        shown: bytes = b"",
    ) -> None:
        self._office = office
        self._agency = agency
        self._leases = leases
        self._breaker = breaker
        self._pace = pace
        self._shown = shown
        self._wake = asyncio.Event()
        self._stood_since: float | None = None
        self._new_proofs = 0
        self._stopping = False

    def wake(self) -> None:
        """Look at the outbox now."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the batch that is under way, then end."""
        self._stopping = True
        self._wake.set()

    async def run(self, link: Link) -> None:
        """Send until stopped.

        Raises:
            PeerUnavailable: The link broke.
            VerificationError: The partner's answers prove nothing.
            PolicyError: The partner is not trusted any more.
            StorageError: Our own database refuses.
        """
        while not self._stopping:
            async with self._leased() as lease:
                if lease is not None:
                    await self._send(link, lease)
                    continue
            # Another process of ours delivers to it, or the other way is open.
            self._wake.clear()
            await self._idle(link)

    @asynccontextmanager
    async def _leased(self) -> AsyncIterator[Lease | None]:
        """Have the lease within the block; None if somebody else has it.

        A thread cannot be cancelled: what it takes when nobody waits for it any more is given back,
        and what is to be given back is, whoever waits for that.
        """
        in_thread = asyncio.get_running_loop().run_in_executor
        taking = in_thread(None, self._leases.acquire, self._agency)
        try:
            lease = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(_give_back)
            raise
        try:
            yield lease
        finally:
            if lease is not None:
                await asyncio.shield(in_thread(None, lease.release))

    async def _send(self, link: Link, lease: Lease) -> None:
        """Send batch after batch while the lease is ours."""
        witness = NOTHING_WITNESSED
        self._new_proofs = 0
        while not self._stopping:
            self._wake.clear()
            outgoing = await asyncio.to_thread(
                prepare_batch,
                self._office,
                self._agency,
                sequence=link.next_sequence,
                shown=self._shown,
                witness=witness,
                probe=self._breaker.probing,
                again=self._new_proofs > 0,
            )
            if outgoing is None:
                if witness.cosignatures:
                    # Nothing to ride on: our word on the partner's checkpoint goes alone.
                    await link.exchange(Batch(link.next_sequence, witness=witness))
                    witness = NOTHING_WITNESSED
                await self._idle(link)
                if not lease.valid():
                    return
                continue
            self._stood_since = None
            settled = await self._exchange(link, outgoing)
            self._shown = outgoing.card_sha256
            if settled.prove_again:
                self._new_proofs += 1
            else:
                # Not before: a partner whose answers prove nothing is not to be tried at once
                # again, nor with whole batches.
                self._breaker.succeeded()
                self._new_proofs = 0
            if self._new_proofs > MOST_NEW_PROOFS:
                raise VerificationError(
                    f"{self._agency} keeps refusing our checkpoint; has this database been "
                    "restored from a backup?"
                )
            witness = settled.witness
            self._report(outgoing, settled)

    async def _exchange(self, link: Link, outgoing: Outgoing) -> Settled:
        """Exchange a batch; a probe that got no usable answer is set aside."""
        sending = self._report_sending(outgoing)
        try:
            settled = await self._settled(link, outgoing, sending)
        except asyncio.CancelledError:
            sending.failed("CUT_OFF")
            raise
        except SesnError as error:
            sending.failed(error.code)
            ours = isinstance(error, StorageError) or error.code == NOT_TRUSTED
            alone = self._breaker.probing or outgoing.suspect
            if alone and outgoing.consigned and not ours:
                await asyncio.to_thread(set_aside, self._office, self._agency, outgoing, error)
            raise
        if settled.prove_again:
            sending.failed("PROVE_AGAIN")
            return settled
        if settled.witness.status:
            self._office.watch.judged(self._agency, settled.witness.status)
        refused: dict[bytes, tuple[str, bool]] = {
            one.message_id: (refusal.code.value, refusal.code.permanent)
            for one, refusal in settled.refused
        }
        sending.settled({one.message_id for one in settled.acknowledged}, refused)
        return settled

    async def _settled(self, link: Link, outgoing: Outgoing, sending: Sending) -> Settled:
        """Send a batch and settle its answer; let it be proven again if need be."""
        answer = await link.exchange(outgoing.batch)
        sending.answered(answer.witness.status)
        for _ in range(MOST_NEW_PROOFS):
            settled = await asyncio.to_thread(settle, self._office, self._agency, outgoing, answer)
            if not settled.answer_again:
                return settled
            answer = await link.exchange(Batch(link.next_sequence, witness=settled.witness))
        raise VerificationError(f"{self._agency} does not prove its ledger from what we hold of it")

    async def _idle(self, link: Link) -> None:
        """Wait until there may be something to send. A link that stands for a while is a success.

        Raises:
            PeerUnavailable: The link was lost.
        """
        clock = asyncio.get_running_loop().time
        if self._stood_since is None:
            self._stood_since = clock()
        wake = asyncio.ensure_future(self._wake.wait())
        lost = asyncio.ensure_future(link.lost.wait())
        try:
            await asyncio.wait(
                {wake, lost}, timeout=self._pace.poll_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            wake.cancel()
            lost.cancel()
        if link.lost.is_set():
            raise PeerUnavailable("the connection was lost")
        if clock() - self._stood_since >= self._pace.poll_s:
            self._breaker.succeeded()

    def _report_sending(self, outgoing: Outgoing) -> Sending:
        """Tell that a batch leaves."""
        sequence = outgoing.batch.sequence
        carried = [
            Carried(one.message_id, one.attempts + 1, one.proven.index)
            for one in outgoing.consigned
        ]
        # Proven anew, it is the same attempt.
        for one in carried if not self._new_proofs else ():
            _log.info(
                "message-sent",
                peer=self._agency,
                message_id=show_message_id(one.message_id),
                attempt=one.attempt,
                batch=sequence,
            )
        return self._office.watch.sending(self._agency, sequence, carried)

    def _report(self, outgoing: Outgoing, settled: Settled) -> None:
        for one in settled.acknowledged:
            _log.info(
                "message-acknowledged",
                peer=self._agency,
                message_id=show_message_id(one.message_id),
            )
        for one, refusal in settled.refused:
            _log.warning(
                "message-refused",
                peer=self._agency,
                message_id=show_message_id(one.message_id),
                code=refusal.code.value,
                permanent=refusal.code.permanent,
                # The partner's words.
                detail=refusal.detail,
            )
        _log.debug("batch-settled", peer=self._agency, messages=len(outgoing.consigned))


def _give_back(taken: asyncio.Future[Lease | None]) -> None:
    """End a lease that nobody waits for."""
    if taken.cancelled() or taken.exception() is not None:
        return
    lease = taken.result()
    if lease is not None:
        taken.get_loop().run_in_executor(None, lease.release)
