"""The Exchange service: calls in, use cases, answers out."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import DESCRIPTOR as HEALTH
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection

from sesn_node import __version__
from sesn_node.errors import ConfigError, SesnError
from sesn_node.exchange.cardgate import shown_card
from sesn_node.exchange.gossip import prove_consistency
from sesn_node.exchange.links import peer_is_back
from sesn_node.exchange.peers import take_shown_card
from sesn_node.exchange.redeliver import deliver_again, deliver_from
from sesn_node.exchange.witness import add_checkpoint, cosigned_checkpoint
from sesn_node.telemetry.logs import get_logger
from sesn_node.transport.link import SERVICE, CollectedLink
from sesn_node.transport.pacing import COLLECTING, Pacing
from sesn_node.transport.statuses import details_of, status_of
from sesn_node.transport.tls import SERVER_OPTIONS
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb.card_pb2 import SealedCard
from sesn_node.wire.batches import answer_to_pb, witness_answer_to_pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.transport.admission import Admission
    from sesn_node.transport.pacing import Reception

    Context = grpc.aio.ServicerContext[Any, Any]

T = TypeVar("T")

_log = get_logger(__name__)

_MAX_STREAMS = 4
"""Streams of one agency, each way: a process of its node each, and one that is about to end."""


class Deliveries(Protocol):
    """What the service asks of the running node."""

    def greeted(self, agency: AgencyId) -> None:
        """A partner presented itself."""

    async def serve(self, agency: AgencyId, link: CollectedLink) -> None:
        """Send what we hold for a partner over its `Collect` stream, until it ends.

        Raises:
            SesnError: It broke, or the partner is not trusted any more.
        """


class ExchangeService:
    """Answers partners. The messages of streams come to it as bytes; see `offer`."""

    def __init__(
        self,
        office: Office,
        reception: Reception,
        *,
        admission: Admission,
        deliveries: Deliveries,
        timeout_s: float,
    ) -> None:
        self._office = office
        self._reception = reception
        self._collections = Pacing(COLLECTING)
        self._admission = admission
        self._deliveries = deliveries
        self._timeout_s = timeout_s
        self._pushing: Counter[AgencyId] = Counter()
        self._collecting: Counter[AgencyId] = Counter()

    def pushes(self, agency: AgencyId) -> bool:
        """Say whether a partner has a delivery stream of its own to this process."""
        return self._pushing[agency] > 0

    async def GetCard(self, request: pb.GetCardRequest, context: Context) -> pb.GetCardResponse:
        """Swap cards. Whoever does so can reach us, so what waits for it may go now."""
        caller = self._admission.caller()
        try:
            if request.HasField("card"):
                sealed = request.card.SerializeToString(deterministic=True)
                await asyncio.to_thread(take_shown_card, self._office, caller, sealed)
            counts = await asyncio.to_thread(peer_is_back, self._office, caller)
            own = await asyncio.to_thread(shown_card, self._office)
        except SesnError as error:
            await _abort(context, caller, error)
        if counts:
            self._deliveries.greeted(caller)
        return pb.GetCardResponse(
            card=SealedCard.FromString(own.sealed),
            version=__version__,
            time_ms=self._office.clock(),
        )

    async def Deliver(
        self, request_iterator: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[pb.DeliverResponse]:
        """Take batches, one answer each, in order."""
        caller = self._admission.caller()
        intake = self._reception.open(caller)
        async with _counted(self._pushing, caller, context):
            try:
                # On a new stream as well: else each batch could come on one of its own.
                await self._reception.ready(caller)
                async for batch in request_iterator:
                    with self._admission.busy():
                        answer = await self._reception.receive(caller, intake, batch)
                    yield answer_to_pb(answer)
                    await self._reception.ready(caller)
            except SesnError as error:
                await _abort(context, caller, error)

    async def Collect(
        self, request_iterator: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[pb.DeliverRequest]:
        """Give a partner the batches that we hold for it, one answer each, in order."""
        caller = self._admission.caller()
        async with _counted(self._collecting, caller, context):
            try:
                await self._collections.wait(caller)
            except SesnError as error:
                await _abort(context, caller, error)
            link = CollectedLink(request_iterator, self._timeout_s)
            serving = asyncio.ensure_future(self._deliveries.serve(caller, link))
            try:
                while (request := await _unless_over(link.request(), serving)) is not None:
                    with self._admission.busy():
                        yield request
                        await _unless_over(link.answered(), serving)
                await serving
            except SesnError as error:
                await _abort(context, caller, error)
            finally:
                # Not cancelled: if a batch was under way, its fate has to be recorded.
                link.end()
                await asyncio.gather(serving, return_exceptions=True)

    async def AddCheckpoint(
        self, request: pb.AddCheckpointRequest, context: Context
    ) -> pb.AddCheckpointResponse:
        """Witness a checkpoint of any ledger that we know."""
        caller = self._admission.caller()
        try:
            answer = await asyncio.to_thread(add_checkpoint, self._office, caller, request.body)
        except SesnError as error:
            await _abort(context, caller, error)
        self._office.watch.judged(caller, answer.status)
        return pb.AddCheckpointResponse(answer=witness_answer_to_pb(answer))

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, context: Context
    ) -> pb.GetCheckpointResponse:
        """Show the last checkpoint of a ledger that we cosigned."""
        caller = self._admission.caller()
        try:
            note = await asyncio.to_thread(cosigned_checkpoint, self._office, request.origin)
        except SesnError as error:
            await _abort(context, caller, error)
        return pb.GetCheckpointResponse(checkpoint=note)

    async def DeliverAgain(
        self, request: pb.DeliverAgainRequest, context: Context
    ) -> pb.DeliverAgainResponse:
        """Deliver messages again that a partner lost."""
        caller = self._admission.caller()
        ids, following = tuple(request.message_ids), 0
        try:
            if request.origin and not ids:
                count, following = await asyncio.to_thread(
                    deliver_from, self._office, caller, request.origin, request.from_index
                )
            else:
                count = await asyncio.to_thread(deliver_again, self._office, caller, ids)
        except SesnError as error:
            await _abort(context, caller, error)
        if count:
            self._deliveries.greeted(caller)
        return pb.DeliverAgainResponse(count=count, next_index=following)

    async def ProveConsistency(
        self, request: pb.ProveConsistencyRequest, context: Context
    ) -> pb.ProveConsistencyResponse:
        """Prove that our ledger has one history."""
        caller = self._admission.caller()
        try:
            body = await asyncio.to_thread(
                prove_consistency,
                self._office,
                caller,
                request.origin,
                request.old_size,
                request.new_size,
            )
        except SesnError as error:
            await _abort(context, caller, error)
        return pb.ProveConsistencyResponse(body=body)


async def _abort(context: Context, caller: AgencyId, error: SesnError) -> NoReturn:
    _log.warning("call-failed", peer=caller, code=error.code, detail=str(error))
    await context.abort(status_of(error), details_of(error))
    raise error


@asynccontextmanager
async def _counted(
    streams: Counter[AgencyId], caller: AgencyId, context: Context
) -> AsyncIterator[None]:
    """Count a stream of an agency while it is open, and refuse one too many."""
    if streams[caller] >= _MAX_STREAMS:
        await context.abort(
            grpc.StatusCode.RESOURCE_EXHAUSTED, f"at most {_MAX_STREAMS} streams an agency"
        )
    streams[caller] += 1
    try:
        yield
    finally:
        streams[caller] -= 1


async def _unless_over(step: Coroutine[object, object, T], work: asyncio.Future[None]) -> T | None:
    """Wait for a step of something that goes on beside; None once that has ended."""
    waiting: asyncio.Future[T] = asyncio.ensure_future(step)
    both: set[asyncio.Future[Any]] = {waiting, work}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        waiting.cancel()


def offer(service: ExchangeService, server: grpc.aio.Server) -> None:
    """Have a server call the service.

    The generated code would have messages of 6 MiB parsed on the event loop. Single requests are
    small enough for that, see `admission`.
    """
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "GetCard": grpc.unary_unary_rpc_method_handler(
            service.GetCard, pb.GetCardRequest.FromString, pb.GetCardResponse.SerializeToString
        ),
        "Deliver": grpc.stream_stream_rpc_method_handler(
            service.Deliver, None, pb.DeliverResponse.SerializeToString
        ),
        "Collect": grpc.stream_stream_rpc_method_handler(
            service.Collect, None, pb.DeliverRequest.SerializeToString
        ),
        "AddCheckpoint": grpc.unary_unary_rpc_method_handler(
            service.AddCheckpoint,
            pb.AddCheckpointRequest.FromString,
            pb.AddCheckpointResponse.SerializeToString,
        ),
        "DeliverAgain": grpc.unary_unary_rpc_method_handler(
            service.DeliverAgain,
            pb.DeliverAgainRequest.FromString,
            pb.DeliverAgainResponse.SerializeToString,
        ),
        "GetCheckpoint": grpc.unary_unary_rpc_method_handler(
            service.GetCheckpoint,
            pb.GetCheckpointRequest.FromString,
            pb.GetCheckpointResponse.SerializeToString,
        ),
        "ProveConsistency": grpc.unary_unary_rpc_method_handler(
            service.ProveConsistency,
            pb.ProveConsistencyRequest.FromString,
            pb.ProveConsistencyResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)


class Server:
    """The server with the Exchange, health and reflection services."""

    def __init__(self, service: ExchangeService, admission: Admission) -> None:
        self._server = grpc.aio.server(interceptors=[admission], options=SERVER_OPTIONS)
        self._health = health.aio.HealthServicer()
        offer(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE, HEALTH.services_by_name["Health"].full_name, reflection.SERVICE_NAME),
            self._server,
        )

    async def start(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """Listen on `host:port` and return the port.

        Raises:
            ConfigError: The address cannot be listened on.
        """
        try:
            port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise ConfigError(
                f"node.listen {address}: the address cannot be listened on; is another program "
                "using it?"
            ) from error
        # Until somebody has looked: the service's own default is that all is well.
        await self.set_healthy(healthy=False)
        await self._server.start()
        return port

    async def set_healthy(self, *, healthy: bool) -> None:
        """Tell those who ask `grpc.health.v1` whether messages can be taken."""
        status = HealthCheckResponse.SERVING if healthy else HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE):
            await self._health.set(name, status)

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, and let those under way finish for a while."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
