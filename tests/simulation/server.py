"""The listening end: what stands in for a gRPC server, around the node's own handlers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio

from sesn_node.transport.link import SERVICE
from sesn_node.transport.server import offer
from tests.simulation.faults import Fault
from tests.simulation.loop import OWNER
from tests.simulation.process import Process
from tests.simulation.strands import Crash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sesn_node.transport.admission import Admission
    from sesn_node.transport.server import ExchangeService
    from tests.simulation.client import Call
    from tests.simulation.network import Connection


class Aborted(Exception):
    """A handler ended its call with a status."""


class SimulatedServer:
    """Stands in for `transport.server.Server`. Admission and service are the node's own."""

    def __init__(self, service: ExchangeService, admission: Admission) -> None:
        host = OWNER.get()
        assert isinstance(host, Process)
        self.host = host
        self._admission = admission
        self._handlers: dict[str, Any] = {}
        self._calls: dict[ServerCall, None] = {}
        self._stopping = False
        # It asks the server for two methods, see below.
        offer(service, self)  # type: ignore[arg-type]  # see above

    # What `offer` calls.

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """Registered by method as well, see below."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Take the handlers of the service's methods."""
        assert service == SERVICE
        self._handlers.update(handlers)

    # What the node calls.

    async def start(self, address: str, _credentials: object) -> int:
        """Listen."""
        self.host.world.network.listen(address, self)
        return int(address.rpartition(":")[2])

    async def set_healthy(self, *, healthy: bool) -> None:
        """Nobody asks."""

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and let those under way finish for a while."""
        self._stopping = True
        self.host.world.network.leave(self)
        tasks = [call.task for call in self._calls]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()

    # What the network calls.

    def accept(self, connection: Connection, caller: Call | None, leaf: bytes) -> ServerCall:
        """Make the callee's end of a call; it runs when the first byte arrives."""
        method = caller.method if caller is not None else "Deliver"
        return ServerCall(self, connection, caller, method, leaf)

    def ghost(self, connection: Connection, caller: Call, data: bytes, leaf: bytes) -> None:
        """Deliver a request once more, late, over a stream that nobody listens to."""
        if caller.method != "Deliver":
            return
        twin = ServerCall(self, connection, None, caller.method, leaf)
        loop = self.host.world.loop
        delay = loop.chance.choice((0.0, 0.05, 1.0, 20.0))

        def arrive() -> None:
            if self.host.alive and not self._stopping:
                self.host.world.network.trace(str(connection), "a request arrives twice")
                twin.receive(data)
                loop.call_later(5.0, twin.cancelled, context=self.host.context)

        loop.call_later(delay, arrive, context=self.host.context)

    async def serve(self, call: ServerCall) -> None:
        """Run the node's handler of a call, behind its admission."""
        if self._stopping:
            call.status(grpc.StatusCode.UNAVAILABLE, "the server shuts down")
            return

        async def continuation(_: object) -> Any:  # noqa: ANN401 - grpc's handlers are untyped
            return self._handlers[call.method]

        plain = self._handlers[call.method]
        handler = await self._admission.intercept_service(continuation, None)  # type: ignore[arg-type]  # not looked at
        self._calls[call] = None
        try:
            if handler.stream_unary is not None:
                # Behind the admission, which reads a single request by itself.
                response = await handler.stream_unary(call.requests(), call)
                call.send(plain.response_serializer(response))
            else:
                async with aclosing(handler.stream_stream(call.requests(), call)) as responses:
                    async for response in responses:
                        call.send(plain.response_serializer(response))
            call.status(grpc.StatusCode.OK, "")
        except Aborted:
            pass
        except (asyncio.CancelledError, Crash):
            call.status(grpc.StatusCode.CANCELLED, "cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - as gRPC does
            call.status(grpc.StatusCode.UNKNOWN, f"Unexpected {type(error)}")
            self.host.world.fault(f"{self.host}: {call.method} raised {error!r}", error)
        finally:
            self._calls.pop(call, None)


class ServerCall:
    """The callee's end of one call, and the context that handlers see."""

    def __init__(
        self,
        server: SimulatedServer,
        connection: Connection,
        caller: Call | None,
        method: str,
        leaf: bytes,
    ) -> None:
        self._server = server
        self._connection = connection
        self._caller = caller
        self.method = method
        self._leaf = leaf
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._ended = False
        self._task: asyncio.Task[None] | None = None
        if caller is not None:
            connection.on_lost[False].append(lambda _: self.cancelled())
            # The call begins when its headers arrive, whether or not a message follows.
            connection.send(f"{method} begin", self.begin, forward=True)

    @property
    def task(self) -> asyncio.Task[None]:
        """What runs the handler."""
        assert self._task is not None
        return self._task

    def begin(self) -> None:
        """Start the handler."""
        host = self._server.host
        if self._task is None and host.alive and not self._ended:
            self._task = host.world.loop.create_task(
                self._server.serve(self), name=f"{self.method}", context=host.context.copy()
            )

    def receive(self, data: bytes) -> None:
        """Take a message of the caller."""
        self.begin()
        if not self._ended:
            self._incoming.put_nowait(data)

    def cancelled(self) -> None:
        """The caller is gone, or does not want it any more."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()

    async def requests(self) -> AsyncIterator[bytes]:
        """Yield what the caller sends."""
        while (data := await self._incoming.get()) is not None:
            yield data

    def send(self, data: bytes) -> None:
        """Send a response."""
        caller = self._caller
        if caller is None or self._ended:
            return
        what = f"{self.method} {'request' if self.method == 'Collect' else 'answer'}"
        self._connection.send(what, lambda: caller.receive(data), forward=False)
        if self.method == "Deliver" and self._server.host.strike(Fault.TWICE, what):
            self._connection.send(what, lambda: caller.receive(data), forward=False)

    def status(self, code: grpc.StatusCode, details: str) -> None:
        """End the call."""
        caller = self._caller
        if caller is None or self._ended:
            return
        self._ended = True
        if self._server.host.alive:
            self._connection.send(
                f"{self.method} status", lambda: caller.end(code, details), forward=False
            )

    # What handlers see of their context.

    def auth_context(self) -> dict[str, list[bytes]]:
        """What TLS knows of the caller."""
        return {"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [self._leaf]}

    def peer(self) -> str:
        """Address of the caller."""
        return str(self._connection.client)

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """End the call with a status."""
        self.status(code, details)
        raise Aborted
