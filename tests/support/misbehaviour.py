"""Ways in which a trusted partner can misbehave, each for as long as it is let."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import Counter
from contextlib import AsyncExitStack, suppress
from itertools import count
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from sesn_node.domain.batches import Batch
from sesn_node.domain.ids import new_message_id
from sesn_node.ledger.witness import Status
from sesn_node.transport.tls import MAX_MESSAGE_BYTES
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from sesn_node.wire._pb.card_pb2 import SealedCard
from sesn_node.wire._pb.envelope_pb2 import SealedEnvelope
from sesn_node.wire.batches import answer_to_pb, batch_from_pb, batch_to_pb
from tests.support.calls import HEALTH, calling
from tests.support.intruders import load_identity
from tests.support.serving import HOST
from tests.support.takeover import deafness, silence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.hostile import Answers, Batches, Hostile

_STREAMS = 4
_CONNECTIONS = 4
_AT_ONCE = 16
_MESSAGES = 256
_PATIENCE_S = 5.0
_GIANT = os.urandom(MAX_MESSAGE_BYTES - 1000)


class Misbehaviour:
    """What a hostile partner does, and how often it did.

    Args:
        hostile: Who.
        gently: Leave the event loop to others that share it, and open fewer connections.
    """

    def __init__(self, hostile: Hostile, *, gently: bool = False) -> None:
        self.hostile = hostile
        self._pause_s = 0.05 if gently else 0.001
        self._sockets = 30 if gently else 300
        self.done: Counter[str] = Counter()

    async def run(self, kind: str) -> None:
        """Misbehave in one of the `KINDS` of ways, until cancelled."""
        await getattr(self, kind)()

    # As a node that is delivered to.

    async def silent(self) -> None:
        """Take every batch and answer none."""
        await self._serve(self._swallow)

    async def unread(self) -> None:
        """Accept streams and never read."""
        await self._serve(self._ignore)

    async def twice(self) -> None:
        """Give each answer twice."""
        await self._serve(self._twice)

    async def wrong(self) -> None:
        """Answer with receipts for messages that nobody sent."""
        await self._serve(self._wrong)

    async def again(self) -> None:
        """Say to each batch that its checkpoint has to be proven from somewhere else."""
        await self._serve(self._prove_again)

    async def giant_answers(self) -> None:
        """Answer with as much as a message may hold."""
        await self._serve(self._giant)

    async def chatter(self) -> None:
        """Answer for ever, whatever was asked."""
        await self._serve(self._chatter)

    async def _serve(self, deliver: Callable[[Batches], Answers]) -> None:
        async with self.hostile.served(deliver):
            # Greeted, the victim tries again at once.
            await self._each_connection(self._greet_now_and_then)

    async def _greet_now_and_then(self, stub: rpc.ExchangeStub) -> None:
        while True:
            await self._count("greetings", stub.GetCard(pb.GetCardRequest(), timeout=_PATIENCE_S))
            await asyncio.sleep(1.0)

    def _swallow(self, batches: Batches) -> Answers:
        return silence(self._counted(batches))

    async def _counted(self, batches: Batches) -> Batches:
        async for one in batches:
            self.done["batches"] += 1
            yield one

    def _ignore(self, batches: Batches) -> Answers:
        self.done["streams"] += 1
        return deafness(batches)

    async def _twice(self, batches: Batches) -> Answers:
        async for answer in self.hostile.honestly(self._counted(batches)):
            yield answer
            yield answer

    async def _wrong(self, batches: Batches) -> Answers:
        async for request in self._counted(batches):
            other = new_message_id(self.hostile.puppet.now_ms(), os.urandom(10))
            yield answer_to_pb(self.hostile.reply(batch_from_pb(request), message_id=other))

    async def _prove_again(self, batches: Batches) -> Answers:
        async for request in self._counted(batches):
            witness = pb.WitnessAnswer(status=int(Status.OTHER_OLD_SIZE), size=1)
            outcomes = [pb.Outcome(refusal=pb.Refusal(code=pb.NOT_IN_LEDGER))]
            yield pb.DeliverResponse(
                sequence=request.sequence,
                witness=witness,
                outcomes=outcomes * len(request.shipments),
            )

    async def _giant(self, batches: Batches) -> Answers:
        async for request in self._counted(batches):
            yield pb.DeliverResponse(sequence=request.sequence, add_checkpoint=_GIANT)

    async def _chatter(self, _batches: Batches) -> Answers:
        for number in count(1):
            self.done["answers"] += 1
            yield pb.DeliverResponse(sequence=number, add_checkpoint=_GIANT[: 1 << 16])

    # As a node that collects.

    async def collects_silently(self) -> None:
        """Collect, and answer nothing."""
        await self._collect(self._swallow)

    async def collects_unread(self) -> None:
        """Collect, and read nothing."""
        await self._collect(self._ignore)

    async def collects_wrong(self) -> None:
        """Collect, and answer with receipts for messages that nobody sent."""
        await self._collect(self._wrong)

    async def _collect(self, answering: Callable[[Batches], Answers]) -> None:
        async def often(stub: rpc.ExchangeStub) -> None:
            while True:
                self.done["openings"] += 1
                await self.hostile.collect(stub, answering)

        await self._each_connection(often, _STREAMS // _CONNECTIONS)

    async def openings(self, pause_s: float = 0.0) -> None:
        """Open Collect, wait for a batch, and cancel.

        Args:
            pause_s: How long to wait until the next, so that it is no flood.
        """

        async def often(stub: rpc.ExchangeStub) -> None:
            while True:
                stream = stub.Collect()
                self.done["openings"] += 1
                with suppress(grpc.RpcError, TimeoutError, asyncio.InvalidStateError):
                    async with asyncio.timeout(0.05):
                        if await stream.read() is not grpc.aio.EOF:
                            self.done["batches"] += 1
                stream.cancel()
                if pause_s:
                    await asyncio.sleep(pause_s)

        await self._each_connection(often)

    # Floods.

    async def empty_batches(self) -> None:
        """Send batches with nothing in them."""
        await self._deliver(Batch)

    async def broken_batches(self) -> None:
        """Send batches of shipments that are none, under a good checkpoint."""
        body = self.hostile.puppet.add_checkpoint(0)
        shipments = [pb.Shipment()] * _MESSAGES
        await self._deliver_raw(
            lambda number: pb.DeliverRequest(
                sequence=number, add_checkpoint=body, shipments=shipments
            )
        )

    async def giant_batches(self) -> None:
        """Send batches as large as a message may be, of contents that are too large."""
        envelope = SealedEnvelope(ciphertext=_GIANT[: 5 << 18])
        shipments = [pb.Shipment(envelope=envelope)] * 4
        await self._deliver_raw(
            lambda number: pb.DeliverRequest(sequence=number, shipments=shipments)
        )

    async def same_messages(self) -> None:
        """Send the same messages again and again."""
        puppet = self.hostile.puppet
        letters = [puppet.letter(self.hostile.victim.card) for _ in range(_MESSAGES)]
        batch = puppet.batch(*letters, old=0)
        body = puppet.add_checkpoint(len(puppet.ledger))
        first = batch_to_pb(batch)
        later = pb.DeliverRequest(add_checkpoint=body, shipments=first.shipments)
        async with self.hostile.calling() as stub:
            stream = stub.Deliver()
            await stream.write(first)
            await stream.read()
            stream.cancel()

        def request(number: int) -> pb.DeliverRequest:
            later.sequence = number
            return later

        await self._deliver_raw(request)

    async def bad_messages(self) -> None:
        """Send sealed messages that are not for the victim: each refusal could be an entry."""
        puppet = self.hostile.puppet
        letters = [puppet.letter(puppet.card) for _ in range(_MESSAGES)]
        batch = puppet.batch(*letters, old=0)
        await self._deliver(lambda number: Batch(number, batch.add_checkpoint, batch.shipments))

    async def _deliver(self, batch: Callable[[int], Batch]) -> None:
        await self._deliver_raw(lambda number: batch_to_pb(batch(number)))

    async def _deliver_raw(self, request: Callable[[int], pb.DeliverRequest]) -> None:
        async def often(stub: rpc.ExchangeStub) -> None:
            while True:
                stream = stub.Deliver()
                with suppress(grpc.RpcError, asyncio.InvalidStateError):
                    for number in count(1):
                        await stream.write(request(number))
                        if await stream.read() is grpc.aio.EOF:
                            break
                        self.done["batches"] += 1
                self.done["streams"] += 1
                stream.cancel()

        await self._each_connection(often, _STREAMS // _CONNECTIONS)

    async def greetings(self) -> None:
        """Greet as fast as the victim answers."""
        card = SealedCard.FromString(self.hostile.home.card.sealed)
        await self._call(
            "GetCard", lambda stub: stub.GetCard(pb.GetCardRequest(card=card), timeout=_PATIENCE_S)
        )

    async def giants(self) -> None:
        """Greet with cards as large as a message may be."""
        card = SealedCard(body=_GIANT, seal=b"seal")
        request = pb.GetCardRequest(card=card)
        await self._call("GetCard", lambda stub: stub.GetCard(request, timeout=_PATIENCE_S))

    async def checkpoints(self) -> None:
        """Have a ledger witnessed that grows by an entry each time."""
        puppet = self.hostile.puppet
        bodies: list[bytes] = []
        for number in range(150):
            size = puppet.append(number.to_bytes(4)) + 1
            bodies.append(puppet.add_checkpoint(size - 1 if bodies else 0))
        left = iter(bodies)

        async def submit(stub: rpc.ExchangeStub) -> None:
            body = next(left, bodies[-1])
            answered = await stub.AddCheckpoint(
                pb.AddCheckpointRequest(body=body), timeout=_PATIENCE_S
            )
            self.done[f"status {answered.answer.status}"] += 1

        await self._call("AddCheckpoint", submit, at_once=1, connections=1)

    async def resets(self) -> None:
        """Open calls and cancel them before they are answered."""

        async def often(stub: rpc.ExchangeStub) -> None:
            while True:
                call = stub.GetCard(pb.GetCardRequest())
                await asyncio.sleep(0)
                call.cancel()
                self.done["calls"] += 1
                if self.done["calls"] % _AT_ONCE == 0:
                    await asyncio.sleep(self._pause_s)

        await self._each_connection(often)

    async def watches(self) -> None:
        """Watch the victim's health many times over."""
        async with AsyncExitStack() as open_:
            for _ in range(_CONNECTIONS):
                channel = await open_.enter_async_context(
                    calling(self.hostile.victim, self.hostile.home.identity)
                )
                watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
                watch = channel.unary_stream(f"{HEALTH}/Watch")
                for _ in range(64):
                    call = watch(b"")
                    with suppress(grpc.RpcError):
                        await call.read()
                        self.done["watches"] += 1
            await asyncio.Event().wait()

    async def sockets(self) -> None:
        """Hold as many connections as can be had."""
        victim = self.hostile.victim
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        load_identity(context, self.hostile.home.identity, self.hostile.home.path)
        held = []
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    held.append(await asyncio.open_connection(HOST, victim.port, ssl=context))
                self.done["connections"] += 1
            except (OSError, TimeoutError):
                self.done["refused"] += 1
                await asyncio.sleep(0.1)
            if len(held) > self._sockets:
                held.pop(0)[1].close()

    async def _call(
        self,
        name: str,
        call: Callable[[rpc.ExchangeStub], Awaitable[object]],
        *,
        at_once: int = _AT_ONCE,
        connections: int = _CONNECTIONS,
    ) -> None:
        async def often(stub: rpc.ExchangeStub) -> None:
            while True:
                await self._count(name, call(stub))

        await self._each_connection(often, at_once, connections)

    async def _count(self, name: str, call: Awaitable[object]) -> None:
        try:
            await call
        except grpc.aio.AioRpcError as error:
            self.done[f"{name} {error.code().name}"] += 1
            await asyncio.sleep(0.01)
        else:
            self.done[name] += 1

    async def _each_connection(
        self,
        work: Callable[[rpc.ExchangeStub], Awaitable[None]],
        at_once: int = 1,
        connections: int = _CONNECTIONS,
    ) -> None:
        async with AsyncExitStack() as open_:
            stubs = [
                await open_.enter_async_context(self.hostile.calling()) for _ in range(connections)
            ]
            async with asyncio.TaskGroup() as group:
                for stub in stubs * at_once:
                    group.create_task(_forever(work, stub))


async def _forever(
    work: Callable[[rpc.ExchangeStub], Awaitable[None]], stub: rpc.ExchangeStub
) -> None:
    await work(stub)


KINDS: Final = tuple(
    name
    for name, found in vars(Misbehaviour).items()
    if not name.startswith("_") and name != "run" and asyncio.iscoroutinefunction(found)
)
