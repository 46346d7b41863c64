"""The dialling end: what stands in for a gRPC channel and its stub."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

from sesn_node.wire._pb import exchange_pb2 as pb
from tests.simulation.faults import Fault
from tests.simulation.loop import OWNER
from tests.simulation.network import Connection, broken
from tests.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

Response: TypeAlias = "type[pb.DeliverRequest | pb.DeliverResponse | pb.GetCardResponse]"

_CONNECTS_S = (0.0, 0.002, 0.05)


class Channel:
    """Stands in for `grpc.aio.Channel`: one connection, made at the first call.

    Args:
        endpoint: Where to.
        leaf: The certificate that we show, PEM.
    """

    def __init__(self, endpoint: str, leaf: bytes) -> None:
        host = OWNER.get()
        assert isinstance(host, Process)
        self.host = host
        self.endpoint = endpoint
        self.leaf = leaf
        self._connection: Connection | None = None

    async def connected(self) -> Connection:
        """Connect, unless that was done.

        Raises:
            grpc.aio.AioRpcError: Nobody is there.
        """
        network = self.host.world.network
        if self._connection is None:
            await asyncio.sleep(network.loop.chance.choice(_CONNECTS_S))
            server = network.reach(self.host, self.endpoint)
            if server is None or self.host.strike(Fault.UNREACHABLE, "dial"):
                raise broken(grpc.StatusCode.UNAVAILABLE, "simulated: connection refused")
            self._connection = Connection(network, self.host, server)
            network.trace(str(self._connection), "connected")
        return self._connection

    @property
    def connection(self) -> Connection | None:
        """The connection, once there is one."""
        return self._connection

    async def close(self) -> None:
        """End the connection and all its calls."""
        if self._connection is not None:
            self._connection.close()


class Stub:
    """Stands in for `ExchangeStub`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def GetCard(  # noqa: N802 - named in the .proto file
        self,
        request: pb.GetCardRequest,
        timeout: float,  # noqa: ASYNC109 - as gRPC has it
    ) -> pb.GetCardResponse:
        """Swap cards."""
        try:
            async with asyncio.timeout(timeout):
                await self._channel.connected()
                call = Call(self._channel, "GetCard", pb.GetCardResponse)
                try:
                    await call.write(request)
                    answer = await call.read()
                finally:
                    call.cancel()
        except TimeoutError as error:
            raise broken(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from error
        if not isinstance(answer, pb.GetCardResponse):
            raise broken(grpc.StatusCode.INTERNAL, "no response")
        return answer

    def Deliver(self) -> Call:  # noqa: N802 - named in the .proto file
        """Open a stream for our batches."""
        return Call(self._channel, "Deliver", pb.DeliverResponse)

    def Collect(self) -> Call:  # noqa: N802 - named in the .proto file
        """Open a stream for the partner's batches."""
        return Call(self._channel, "Collect", pb.DeliverRequest)


class Call:
    """Stands in for `grpc.aio.StreamStreamCall`, the calling end of one call."""

    def __init__(self, channel: Channel, method: str, response: Response) -> None:
        self._channel = channel
        self.method = method
        self._response = response
        self._received: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._status: tuple[grpc.StatusCode, str] | None = None
        self._done: list[Callable[[Call], None]] = []
        connection = channel.connection
        assert connection is not None, "a stream over a channel that was never connected"
        self._connection = connection
        connection.on_lost[True].append(self._lost)
        self._begun = False
        self._remote: Any = None
        if not connection.open:
            self._finish(grpc.StatusCode.UNAVAILABLE, "simulated: connection lost")
        else:
            self._remote = connection.server.accept(connection, self, channel.leaf)

    # What the node calls.

    def add_done_callback(self, callback: Callable[[Call], None]) -> None:
        """Call back when the call has ended."""
        if self._status is not None:
            callback(self)
        else:
            self._done.append(callback)

    async def write(self, message: Message) -> None:
        """Send a message; returns before it arrives.

        Raises:
            asyncio.InvalidStateError: The call has ended.
        """
        if self._status is not None:
            raise asyncio.InvalidStateError("RPC already finished.")
        data = message.SerializeToString()
        remote = self._remote
        what = f"{self.method} {'answer' if self.method == 'Collect' else 'request'}"
        self._connection.send(what, lambda: remote.receive(data), forward=True)
        if self._connection.open and self._channel.host.strike(Fault.TWICE, what):
            self._connection.server.ghost(self._connection, self, data, self._channel.leaf)

    async def read(self) -> object:
        """Wait for the next message; `EOF` after the last one.

        Raises:
            grpc.aio.AioRpcError: The call failed.
        """
        if self._status is not None and self._received.empty():
            return self._ended()
        data = await self._received.get()
        if data is None:
            return self._ended()
        return self._response.FromString(data)

    async def details(self) -> str:
        """What the callee said of the end."""
        return self._status[1] if self._status else ""

    def cancel(self) -> bool:
        """End the call; the callee learns of it."""
        if self._status is not None:
            return False
        remote = self._remote
        if self._connection.open:
            self._connection.send(f"{self.method} end", remote.cancelled, forward=True)
        self._finish(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
        return True

    # What comes from the other end.

    def receive(self, data: bytes) -> None:
        """Take a message."""
        if self._status is None:
            self._received.put_nowait(data)

    def end(self, code: grpc.StatusCode, details: str) -> None:
        """Take the status."""
        self._finish(code, details)

    def _lost(self, why: str) -> None:
        self._finish(grpc.StatusCode.UNAVAILABLE, f"simulated: connection lost ({why})")

    def _finish(self, code: grpc.StatusCode, details: str) -> None:
        if self._status is None:
            self._status = code, details
            self._received.put_nowait(None)
            for callback in self._done:
                callback(self)

    def _ended(self) -> object:
        assert self._status is not None
        code, details = self._status
        if code is grpc.StatusCode.OK:
            return grpc.aio.EOF
        raise broken(code, details)
