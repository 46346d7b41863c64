"""Calling a node's services directly: as a partner does, or as an attacker would."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection_pb2

from sesn_node.transport.tls import channel_credentials, channel_options
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sesn_node.transport.tls import TlsIdentity
    from tests.support.serving import Home

TIMEOUT_S = 30.0
HEALTH = "/grpc.health.v1.Health"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
_LOST = "Internal error from Core"

# grpc's calls are generic in messages that its stubs do not name.
UnaryCall = grpc.aio.UnaryUnaryCall[Any, Any]
Stream = grpc.aio.StreamStreamCall[Any, Any]
StreamCall = Stream | grpc.aio.UnaryStreamCall[Any, Any]


@asynccontextmanager
async def calling(home: Home, identity: TlsIdentity) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to the node of a home, with any certificate."""
    credentials = channel_credentials(identity, home.root_der)
    options = channel_options(home.agency)
    async with grpc.aio.secure_channel(home.endpoint, credentials, options=options) as channel:
        yield channel


async def every_rpc(channel: grpc.aio.Channel) -> set[grpc.StatusCode]:
    """Try all that a node offers, health and reflection included, and collect the statuses."""
    exchange = rpc.ExchangeStub(channel)
    check = raw_unary(channel, f"{HEALTH}/Check")
    watch: Callable[..., StreamCall] = channel.unary_stream(f"{HEALTH}/Watch")
    reflect = raw_stream(channel, REFLECTION)
    services = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    return {
        await status(exchange.GetCard(pb.GetCardRequest(), timeout=TIMEOUT_S)),
        await status(exchange.AddCheckpoint(pb.AddCheckpointRequest(), timeout=TIMEOUT_S)),
        await status(exchange.GetCheckpoint(pb.GetCheckpointRequest(), timeout=TIMEOUT_S)),
        await status(exchange.DeliverAgain(pb.DeliverAgainRequest(), timeout=TIMEOUT_S)),
        await stream_status(
            lambda: exchange.Deliver(timeout=TIMEOUT_S), pb.DeliverRequest(sequence=1)
        ),
        await status(check(b"", timeout=TIMEOUT_S)),
        await stream_status(lambda: watch(b"", timeout=TIMEOUT_S)),
        await stream_status(lambda: reflect(timeout=TIMEOUT_S), services),
    }


def raw_unary(channel: grpc.aio.Channel, method: str) -> Callable[..., UnaryCall]:
    """Return a call that takes and gives bytes, whatever they mean."""
    call: Callable[..., UnaryCall] = channel.unary_unary(method)
    return call


def raw_stream(channel: grpc.aio.Channel, method: str) -> Callable[..., Stream]:
    """Return a streaming call that takes and gives bytes, whatever they mean."""
    call: Callable[..., Stream] = channel.stream_stream(method)
    return call


async def status(call: Awaitable[object]) -> grpc.StatusCode:
    """Finish a unary call and return its status."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def stream_status(
    open_call: Callable[[], StreamCall], request: object | None = None
) -> grpc.StatusCode:
    """Send one message and read one; OK if there was an answer, else how the call ended."""
    while True:
        call = open_call()
        try:
            if request is not None and isinstance(call, grpc.aio.StreamStreamCall):
                await call.write(request)
            answered = await call.read() is not grpc.aio.EOF
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            answered = False
        code = grpc.StatusCode.OK if answered else await call.code()
        details = None if answered else await call.details()
        call.cancel()
        # grpc forgets the status of a call that ended while it was written to: ask again.
        if (code, details) != (grpc.StatusCode.INTERNAL, _LOST):
            return code
