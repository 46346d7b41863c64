"""A trusted partner whose node keeps no rule, on the wire: a puppet behind real gRPC."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

from sesn_node.bootstrap import system_clock
from sesn_node.domain.batches import NOTHING_WITNESSED, Answer, Batch, WitnessAnswer
from sesn_node.ledger.witness import Status
from sesn_node.transport.tls import server_credentials
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from sesn_node.wire._pb.card_pb2 import SealedCard
from sesn_node.wire.batches import answer_to_pb, batch_from_pb
from tests.support.calls import calling
from tests.support.puppet import Puppet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from sesn_node.trust.card import TrustedCard
    from tests.support.serving import Home

Batches: TypeAlias = "AsyncIterator[pb.DeliverRequest]"
Answers: TypeAlias = "AsyncIterator[pb.DeliverResponse]"
Answering: TypeAlias = "Callable[[Batches], Answers]"
"""What somebody does with the batches of a stream, whichever end of it dialled."""


class _Insider:
    """Whoever took over a home that nobody serves."""

    def __init__(self, home: Home) -> None:
        self.home: Path = home.path
        self.card: TrustedCard = home.card
        self.agency: AgencyId = home.agency

    def now_ms(self) -> int:
        """Read the clock."""
        return system_clock()

    def close(self) -> None:
        """Nothing is open."""


class Hostile:
    """An agency's keys in the wrong hands.

    `reply` answers a batch as an honest node would, but that it opens nothing; what a test does
    with such answers is what is wrong with them.

    Args:
        home: The agency's home, which nobody has open.
        victim: Whom it talks to.
    """

    def __init__(self, home: Home, victim: Home) -> None:
        self.home = home
        self.victim = victim
        self.puppet = Puppet(_Insider(home))
        # So that proofs have hashes.
        for number in range(3):
            self.puppet.append(bytes([number]))
        self._known = 0
        self._last: list[int] = []
        self._witness = NOTHING_WITNESSED

    def reply(self, batch: Batch, **changes: object) -> Answer:
        """Answer a batch; `changes` replace fields of the receipts."""
        puppet = self.puppet
        if not batch.shipments:
            if batch.witness.status != Status.OTHER_OLD_SIZE:
                return Answer(batch.sequence)
            self._known = batch.witness.size
            return self._proven(batch)
        self._last = [puppet.append(entry) for entry in puppet.receipts(batch, **changes)]
        self._witness = WitnessAnswer(int(Status.COSIGNED), 0, puppet.cosigned(batch))
        return self._proven(batch)

    def _proven(self, batch: Batch) -> Answer:
        """Prove the last receipts under the newest checkpoint."""
        body = self.puppet.add_checkpoint(self._known)
        self._known = len(self.puppet.ledger)
        outcomes = tuple(self.puppet.prove(index) for index in self._last)
        return Answer(batch.sequence, self._witness, body, outcomes)

    async def honestly(self, batches: Batches) -> Answers:
        """Answer every batch."""
        async for request in batches:
            yield answer_to_pb(self.reply(batch_from_pb(request)))

    @asynccontextmanager
    async def served(
        self,
        deliver: Answering,
        card: bytes | None = None,
        compression: grpc.Compression | None = None,
    ) -> AsyncIterator[Service]:
        """Listen where the agency's card says, until the block ends.

        Args:
            deliver: What it does with delivery streams.
            card: What it shows in greetings; its own card if not given.
            compression: How it sends what it says.
        """
        # Nobody calls what it leaves out.
        service = Service(  # type: ignore[abstract] # see above
            self.home.card.sealed if card is None else card, deliver
        )
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)], compression=compression)
        rpc.add_ExchangeServicer_to_server(service, server)
        credentials = server_credentials(
            lambda: self.home.identity, lambda: (self.victim.root_der,)
        )
        server.add_secure_port(self.home.endpoint, credentials)
        await server.start()
        try:
            yield service
        finally:
            await server.stop(None)

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[rpc.ExchangeStub]:
        """Call the victim's node, proven by the agency's own leaf."""
        async with calling(self.victim, self.home.identity) as channel:
            yield rpc.ExchangeStub(channel)

    async def collect(self, stub: rpc.ExchangeStub, answering: Answering) -> None:
        """Collect from the victim over one stream, until either end has had enough."""
        stream = stub.Collect()
        over = asyncio.Event()
        stream.add_done_callback(lambda _: over.set())

        async def batches() -> Batches:
            while (request := await stream.read()) is not grpc.aio.EOF:
                assert isinstance(request, pb.DeliverRequest)
                yield request

        async def answers() -> None:
            async for answer in answering(batches()):
                await stream.write(answer)

        works = {asyncio.ensure_future(answers()), asyncio.ensure_future(over.wait())}
        try:
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for work in works:
                work.cancel()
            stream.cancel()
            # Whatever went wrong: the victim ended the stream.
            await asyncio.gather(*works, return_exceptions=True)


class Service(rpc.ExchangeServicer):
    """What a hostile node offers: it greets, does with batches what it likes, and has none.

    Args:
        card: What it shows.
        deliver: What it does with delivery streams.
    """

    def __init__(self, card: bytes, deliver: Answering) -> None:
        self.card = card
        self.greetings = 0
        self.streams = 0
        self.offers = True
        """Whether who collects may wait."""
        self._deliver = deliver

    async def GetCard(  # noqa: N802 - gRPC methods carry the names of the .proto file
        self, _request: pb.GetCardRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetCardResponse:
        """Show the card."""
        self.greetings += 1
        return pb.GetCardResponse(
            card=SealedCard.FromString(self.card), version="0", time_ms=system_clock()
        )

    async def Deliver(  # noqa: N802 - as above
        self, request_iterator: Batches, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> Answers:
        """Do what was asked for."""
        self.streams += 1
        async for answer in self._deliver(request_iterator):
            yield answer

    async def Collect(  # noqa: N802 - as above
        self, _request_iterator: Answers, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> Batches:
        """Have nothing for whoever collects."""
        if self.offers:
            await asyncio.Event().wait()
        nothing: list[pb.DeliverRequest] = []
        for never in nothing:
            yield never
