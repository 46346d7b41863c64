"""The dialling end: what stands in for a gRPC channel and its calls."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

from tests.simulation.faults import Fault
from tests.simulation.loop import OWNER
from tests.simulation.network import Connection, broken
from tests.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Writer: TypeAlias = "Callable[[Any], bytes]"

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

    def stream_stream(self, method: str, request_serializer: Writer) -> Callable[[], Call]:
        """Return what opens a stream."""
        return partial(Call, self, _last(method), request_serializer)

    def unary_unary(
        self, method: str, request_serializer: Writer
    ) -> Callable[..., Coroutine[object, object, bytes]]:
        """Return what makes a call of one request and one answer."""
        return partial(self._once, _last(method), request_serializer)

    async def _once(
        self,
        method: str,
        write: Writer,
        request: object,
        timeout: float,  # noqa: ASYNC109 - as gRPC has it
    ) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                await self.connected()
                call = Call(self, method, write)
                try:
                    await call.write(request)
                    answer = await call.read()
                finally:
                    call.cancel()
        except TimeoutError as error:
            raise broken(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from error
        if not isinstance(answer, bytes):
            raise broken(grpc.StatusCode.INTERNAL, "no response")
        return answer


def _last(method: str) -> str:
    """Return the name of a method alone."""
    return method.rpartition("/")[2]


class Call:
    """Stands in for `grpc.aio.StreamStreamCall`, the calling end of one call."""

    def __init__(self, channel: Channel, method: str, write: Writer) -> None:
        self._channel = channel
        self.method = method
        self._write = write
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

    async def write(self, message: object) -> None:
        """Send a message; returns before it arrives.

        Raises:
            asyncio.InvalidStateError: The call has ended.
        """
        if self._status is not None:
            raise asyncio.InvalidStateError("RPC already finished.")
        data = self._write(message)
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
        return data

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
