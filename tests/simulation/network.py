"""The network: connections that carry calls between processes, and fail as the seed says.

As TCP does, a connection delivers each direction in order, or breaks; connections do not know of
each other. A message is never changed and, on one stream, never doubled by the network; what comes
twice comes over a second stream of the same caller, as when an old connection's data is delivered
late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from tests.simulation.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.loop import Loop
    from tests.simulation.process import Process
    from tests.simulation.server import SimulatedServer

KEEPALIVE_S = 30.0
"""After this long an end notices that nothing comes through."""

_LATENCIES_S = (0.0, 0.001, 0.02, 0.02, 0.2)
_LATE_S = (2.0, 8.0, 40.0)


class Network:
    """Who listens where, and which connections are open."""

    def __init__(self, loop: Loop, trace: Callable[..., None]) -> None:
        self.loop = loop
        self.trace = trace
        self._listeners: dict[str, SimulatedServer] = {}
        self.connections: list[Connection] = []
        self.blocked: set[tuple[str, str]] = set()
        """Caller and callee between whose agencies a firewall lets nobody dial."""

    def listen(self, endpoint: str, server: SimulatedServer) -> None:
        """Let a server be found."""
        self._listeners[endpoint] = server

    def leave(self, server: SimulatedServer) -> None:
        """Let a server be found no more."""
        for endpoint, found in list(self._listeners.items()):
            if found is server:
                del self._listeners[endpoint]

    def reach(self, caller: Process, endpoint: str) -> SimulatedServer | None:
        """Find who listens, unless something stands between."""
        server = self._listeners.get(endpoint)
        if server is None or not server.host.alive:
            return None
        if (caller.agency, server.host.agency) in self.blocked:
            return None
        return server

    def process_ended(self, process: Process) -> None:
        """Break what a process had open; its kernel says so, unless the machine went with it."""
        for connection in list(self.connections):
            if process in (connection.client, connection.server.host):
                connection.cut("the process ended", told=process.world.chance.random() < 0.7)

    def heal(self) -> None:
        """Let everybody reach everybody, and end what is stuck."""
        self.blocked.clear()
        now = self.loop.time()
        for connection in list(self.connections):
            if connection.late(now):
                connection.cut("the network heals")

    def cut_some(self, chance: Callable[[], bool]) -> None:
        """Cut the connections that chance picks."""
        for connection in list(self.connections):
            if chance():
                connection.cut("cut while idle")


class Connection:
    """One TCP connection, and the calls over it."""

    def __init__(self, network: Network, client: Process, server: SimulatedServer) -> None:
        self.network = network
        self.client = client
        self.server = server
        self.open = True
        self.hole = False
        self._ready = {True: 0.0, False: 0.0}
        # What to do at each end once the connection is gone.
        self.on_lost: dict[bool, list[Callable[[str], None]]] = {True: [], False: []}
        network.connections.append(self)

    def __str__(self) -> str:
        return f"{self.client}>{self.server.host}"

    def end(self, *, forward: bool) -> Process:
        """The process that receives in a direction: `forward` is from client to server."""
        return self.server.host if forward else self.client

    def send(self, what: str, deliver: Callable[[], None], *, forward: bool) -> None:
        """Carry something to the other end.

        Raises:
            Crash: The sending process ends, before or after.
        """
        sender = self.end(forward=not forward)
        sender.strike(Fault.CRASH_BEFORE, what)
        if not self.open:
            return
        if sender.strike(Fault.LOST, what):
            self.cut(f"{what} lost")
            return
        if sender.strike(Fault.BLACK_HOLE, what):
            self.fall_silent()
        if self.hole:
            return
        chance = self.network.loop.chance
        delay = chance.choice(_LATENCIES_S)
        if sender.strike(Fault.LATE, what):
            delay = chance.choice(_LATE_S)
        cut_after = sender.strike(Fault.CUT_AFTER, what)
        loop = self.network.loop
        when = max(self._ready[forward], loop.time() + delay)
        self._ready[forward] = when

        def arrive() -> None:
            if not self.open or self.hole or not self.end(forward=forward).alive:
                return
            self.network.trace(str(self), f"{what} arrives")
            deliver()
            if cut_after:
                self.cut(f"{what} arrived")

        loop.call_at(when, arrive, context=self.end(forward=forward).context)
        sender.strike(Fault.CRASH_AFTER, what)

    def late(self, now: float) -> bool:
        """Tell whether what was sent will not arrive soon."""
        return self.hole or max(self._ready.values()) > now + _LATE_S[0]

    def fall_silent(self) -> None:
        """Carry nothing from now on, and tell nobody; keepalive finds out."""
        if not self.hole:
            self.hole = True
            self.network.trace(str(self), "black hole")
            self.network.loop.call_later(
                KEEPALIVE_S, self.cut, "keepalive", context=self.client.world.context
            )

    def cut(self, why: str, *, told: bool = True) -> None:
        """Break the connection; each end learns of it now or later."""
        if not self.open:
            return
        self.open = False
        self.network.trace(str(self), f"cut: {why}")
        if self in self.network.connections:
            self.network.connections.remove(self)
        chance = self.network.loop.chance
        for client in (True, False):
            late = not told or chance.random() < 0.1
            delay = KEEPALIVE_S if late else chance.choice(_LATENCIES_S)
            process = self.client if client else self.server.host
            self.network.loop.call_later(delay, self._lose, client, why, context=process.context)

    def close(self) -> None:
        """Close in order; both ends know at once, or nearly."""
        self.cut("closed")

    def _lose(self, client: bool, why: str) -> None:
        process = self.client if client else self.server.host
        calls, self.on_lost[client] = self.on_lost[client], []
        if process.alive:
            for call in calls:
                call(why)


def broken(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    """Make the error that gRPC raises for a call that failed."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
