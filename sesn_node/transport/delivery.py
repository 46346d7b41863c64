"""Delivering to one partner: dial, greet, send what is due, settle; wait, and try again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.batches import NOTHING_WITNESSED, Batch
from sesn_node.domain.ids import show_message_id
from sesn_node.errors import PeerUnavailable, PolicyError, SesnError, VerificationError
from sesn_node.exchange.backoff import backoff_ms
from sesn_node.exchange.deliver import prepare_batch
from sesn_node.exchange.links import link_failed, link_opened, peer_is_back
from sesn_node.exchange.peers import take_shown_card
from sesn_node.exchange.settle import settle
from sesn_node.telemetry import get_logger
from sesn_node.transport.link import open_link
from sesn_node.trust.directory import NOT_TRUSTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.deliver import Outgoing
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.settle import Settled
    from sesn_node.transport.link import Link
    from sesn_node.transport.tls import TlsIdentity

_log = get_logger(__name__)

_MOST_NEW_PROOFS = 20
"""Traffic in both directions moves what each side holds of the other; this often in a row it does
not move by chance."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a delivery, in seconds."""

    poll_s: float = 1.0
    timeout_s: float = 30.0


class Delivery:
    """The one task that sends to a partner. Belongs to the event loop."""

    def __init__(
        self, office: Office, identity: Callable[[], TlsIdentity], agency: AgencyId, pace: Pace
    ) -> None:
        self._office = office
        self._identity = identity
        self._agency = agency
        self._pace = pace
        self._wake = asyncio.Event()
        self._back = asyncio.Event()
        self._stopping = False
        self._failures = 0

    def wake(self) -> None:
        """Look at the outbox now; a back-off goes on."""
        self._wake.set()

    def peer_is_back(self) -> None:
        """The partner reached us: end the back-off and try now."""
        self._back.set()
        self._wake.set()

    def stop(self) -> None:
        """Finish the batch that is under way, then end."""
        self._stopping = True
        self._back.set()
        self._wake.set()

    async def run(self) -> None:
        """Deliver until stopped. Ends by itself only when the partner is no longer trusted."""
        while not self._stopping:
            try:
                await self._connect_and_deliver()
            except SesnError as error:
                if isinstance(error, PolicyError) and error.code == NOT_TRUSTED:
                    _log.info("delivery-ended", peer=self._agency, code=error.code)
                    return
                await self._failed(error)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the deliveries
                _log.exception("delivery-fault", peer=self._agency)
                await self._failed(PeerUnavailable(f"fault in this node: {type(error).__name__}"))

    async def _connect_and_deliver(self) -> None:
        office = self._office
        directory = await asyncio.to_thread(office.directory)
        partner = directory.trusted(self._agency, office.clock()).card
        link_to = open_link(self._identity(), directory.own, partner, self._pace.timeout_s)
        async with link_to as (link, card):
            await asyncio.to_thread(take_shown_card, office, self._agency, card)
            self._back.clear()
            await asyncio.to_thread(link_opened, office, self._agency)
            _log.info("link-up", peer=self._agency)
            await self._deliver(link)

    async def _deliver(self, link: Link) -> None:
        """Send batch after batch over an open link; raises when it breaks."""
        witness = NOTHING_WITNESSED
        new_proofs = 0
        while not self._stopping:
            self._wake.clear()
            outgoing = await asyncio.to_thread(
                prepare_batch,
                self._office,
                self._agency,
                sequence=link.next_sequence,
                witness=witness,
            )
            if outgoing is None:
                if witness.cosignatures:
                    # Nothing to ride on: our word on the partner's checkpoint goes alone.
                    await link.exchange(Batch(link.next_sequence, witness=witness))
                    witness = NOTHING_WITNESSED
                await self._idle(link)
                self._failures = 0
                continue
            settled = await self._exchange(link, outgoing)
            # Not before: a partner whose answers prove nothing must not be tried at once again.
            self._failures = 0
            new_proofs = new_proofs + 1 if settled.prove_again else 0
            if new_proofs > _MOST_NEW_PROOFS:
                raise VerificationError(
                    f"{self._agency} keeps refusing our checkpoint; has this database been "
                    "restored from a backup?"
                )
            witness = settled.witness
            self._report(outgoing, settled)

    async def _exchange(self, link: Link, outgoing: Outgoing) -> Settled:
        """Send a batch and settle its answer; let it be proven again if need be."""
        answer = await link.exchange(outgoing.batch)
        for _ in range(_MOST_NEW_PROOFS):
            settled = await asyncio.to_thread(settle, self._office, self._agency, outgoing, answer)
            if not settled.answer_again:
                return settled
            answer = await link.exchange(Batch(link.next_sequence, witness=settled.witness))
        raise VerificationError(f"{self._agency} does not prove its ledger from what we hold of it")

    async def _idle(self, link: Link) -> None:
        """Wait until there may be something to send; raise if the link is lost meanwhile."""
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

    async def _failed(self, error: SesnError) -> None:
        self._failures += 1
        wait_ms = backoff_ms(self._office.terms, self._failures)
        # The first failure of a series and proofs of misbehaviour are news; the rest is not.
        report = _log.debug if self._failures > 1 else _log.info
        if isinstance(error, VerificationError | PolicyError):
            report = _log.warning
        report(
            "link-down",
            peer=self._agency,
            code=error.code,
            detail=str(error),
            failures=self._failures,
            wait_ms=wait_ms,
        )
        with suppress(SesnError):
            await asyncio.to_thread(
                link_failed, self._office, self._agency, self._failures, wait_ms, str(error)
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await self._back.wait()
        if self._back.is_set():
            self._back.clear()
            self._failures = 0
            with suppress(SesnError):
                await asyncio.to_thread(peer_is_back, self._office, self._agency)

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
            )
        _log.debug("batch-settled", peer=self._agency, messages=len(outgoing.consigned))
