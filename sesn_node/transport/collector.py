"""Collecting from one partner: take the batches that it holds for us, over a stream of our own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.intake import Intake
    from sesn_node.transport.link import Inlet
    from sesn_node.transport.pacing import Reception


class Collector:
    """Answers one `Collect` stream of ours. Belongs to the event loop.

    Args:
        agency: The partner.
        intake: Our end of the stream.
        reception: Receives them.
    """

    def __init__(self, agency: AgencyId, intake: Intake, reception: Reception) -> None:
        self._agency = agency
        self._intake = intake
        self._reception = reception
        self._stopping = asyncio.Event()
        self.useful = False
        """Whether any batch brought something new."""

    def stop(self) -> None:
        """Answer the batch that is under way, then end."""
        self._stopping.set()

    async def run(self, inlet: Inlet) -> None:
        """Take batches until stopped.

        Raises:
            PeerUnavailable: The stream broke.
            MalformedError: A batch cannot be read.
            SesnError: A batch shows a card or a cosignature that is not the partner's, or too
                many of them bring nothing.
        """
        while (batch := await self._next(inlet)) is not None:
            answer = await self._reception.receive(self._agency, self._intake, batch)
            self.useful = self.useful or self._intake.useful
            await inlet.answer(answer)

    async def _next(self, inlet: Inlet) -> bytes | None:
        """Wait for the next batch; None when stopped."""
        arrives = asyncio.ensure_future(self._arrival(inlet))
        stops = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({arrives, stops}, return_when=asyncio.FIRST_COMPLETED)
            return arrives.result() if arrives.done() else None
        finally:
            arrives.cancel()
            stops.cancel()

    async def _arrival(self, inlet: Inlet) -> bytes:
        await self._reception.ready(self._agency)
        return await inlet.next()
