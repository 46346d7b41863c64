"""The Exchange service: calls in, use cases, answers out."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import DESCRIPTOR as HEALTH
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection

from sesn_node.errors import ConfigError, SesnError
from sesn_node.exchange.peers import take_shown_card
from sesn_node.exchange.witness import add_checkpoint, cosigned_checkpoint
from sesn_node.telemetry import get_logger
from sesn_node.transport.statuses import details_of, status_of
from sesn_node.transport.tls import SERVER_OPTIONS
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from sesn_node.wire._pb.card_pb2 import SealedCard
from sesn_node.wire.batches import answer_to_pb, batch_from_pb, witness_answer_to_pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sesn_node.domain.batches import Answer
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.receive import Receiver
    from sesn_node.transport.admission import Admission

    Context = grpc.aio.ServicerContext[Any, Any]

_log = get_logger(__name__)

SERVICE = "sesn.v1.Exchange"

_MAX_STREAMS = 4
"""Delivery streams of one agency: a process of its node each, and one that is about to end."""


class ExchangeService(rpc.ExchangeServicer):
    """Answers partners. `greeted` is told of every partner that presents itself."""

    def __init__(
        self,
        office: Office,
        receiver: Receiver,
        admission: Admission,
        greeted: Callable[[AgencyId], None],
    ) -> None:
        self._office = office
        self._receiver = receiver
        self._admission = admission
        self._greeted = greeted
        self._streams: Counter[AgencyId] = Counter()

    async def GetCard(self, request: pb.GetCardRequest, context: Context) -> pb.GetCardResponse:
        """Swap cards. Whoever does so can reach us, so what waits for it may go now."""
        caller = self._admission.caller()
        try:
            if request.HasField("card"):
                sealed = request.card.SerializeToString(deterministic=True)
                await asyncio.to_thread(take_shown_card, self._office, caller, sealed)
            own = (await asyncio.to_thread(self._office.directory)).own
        except SesnError as error:
            await _abort(context, caller, error)
        self._greeted(caller)
        return pb.GetCardResponse(card=SealedCard.FromString(own.sealed))

    async def Deliver(
        self, request_iterator: AsyncIterator[pb.DeliverRequest], context: Context
    ) -> AsyncIterator[pb.DeliverResponse]:
        """Take batches, one answer each, in order."""
        caller = self._admission.caller()
        if self._streams[caller] >= _MAX_STREAMS:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"at most {_MAX_STREAMS} streams an agency"
            )
        previous: Answer | None = None
        self._streams[caller] += 1
        try:
            async for request in request_iterator:
                with self._admission.busy():
                    answer = await asyncio.to_thread(self._take, caller, request, previous)
                if answer.add_checkpoint:
                    previous = answer
                yield answer_to_pb(answer)
        except SesnError as error:
            await _abort(context, caller, error)
        finally:
            self._streams[caller] -= 1

    def _take(
        self, caller: AgencyId, request: pb.DeliverRequest, previous: Answer | None
    ) -> Answer:
        """Read and receive a batch, in a thread: others are served meanwhile."""
        return self._receiver.receive(caller, batch_from_pb(request), previous)

    async def AddCheckpoint(
        self, request: pb.AddCheckpointRequest, context: Context
    ) -> pb.AddCheckpointResponse:
        """Witness a checkpoint of any ledger that we know."""
        caller = self._admission.caller()
        try:
            answer = await asyncio.to_thread(add_checkpoint, self._office, caller, request.body)
        except SesnError as error:
            await _abort(context, caller, error)
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


async def _abort(context: Context, caller: AgencyId, error: SesnError) -> NoReturn:
    _log.warning("call-failed", peer=caller, code=error.code, detail=str(error))
    await context.abort(status_of(error), details_of(error))
    raise error


class Server:
    """The server with the Exchange, health and reflection services."""

    def __init__(self, service: ExchangeService, admission: Admission) -> None:
        self._server = grpc.aio.server(interceptors=[admission], options=SERVER_OPTIONS)
        self._health = health.aio.HealthServicer()
        rpc.add_ExchangeServicer_to_server(service, self._server)
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
