"""A TCP proxy on the loopback interface that does to connections what networks do.

It stands between two nodes, listens on a port of its own, and connects to the real one. What it
does to bytes can be set for each direction, and changed while it runs:

    proxy.forward.delay_s = 0.2       # from the dialling end to the listening one
    proxy.backward.black_hole = True  # the other way

Bytes within a connection are never lost, changed or reordered: it is TCP that breaks, not bytes.
Only later connections overtake earlier ones (`reorder`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 16 * 1024
_GLANCE_S = 0.005
"""How often a setting is looked at while nothing may pass."""
_PATIENCE_S = 30.0
_CHUNKS = 64
_CUT = b"cut"
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Way:
    """What happens to bytes that go one way.

    Args:
        black_hole: Nothing gets through, no FIN either, and neither end is told. As TCP sends
            again, what is under way arrives if this ends before anybody gives up.
        delay_s: Each chunk waits this long.
        jitter_s: And up to this much longer, by chance; later chunks do not overtake.
        bytes_per_s: At most so many, 0 for no bound.
        cut_after: Reset the connection when so many have passed on it, 0 for never.
        passed: How many have passed, over all connections.
    """

    black_hole: bool = False
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: int = 0
    cut_after: int = 0
    passed: int = 0


@dataclass(slots=True)
class Settings:
    """How a proxy behaves.

    Args:
        forward: From whoever dials to whoever listens.
        backward: The other way.
        refusing: New connections are closed at once.
        cut_every_s: Reset all connections at this interval, 0 for never.
        orderly: Close with FIN where else a reset would be sent.
        reorder: Hold back each connection's first bytes until a later connection has sent its own,
            or for at most `reorder_s`.
        reorder_s: See `reorder`.
    """

    forward: Way = field(default_factory=Way)
    backward: Way = field(default_factory=Way)
    refusing: bool = False
    cut_every_s: float = 0.0
    orderly: bool = False
    reorder: bool = False
    reorder_s: float = 1.0


class Proxy:
    """A running proxy. Settings may be changed from any thread; `cut` and `wait` as well.

    Args:
        target: Host and port of the real listener; asked for at each connection, as a node that
            restarts may listen elsewhere.
        seed: Of the jitter.
    """

    def __init__(self, target: Callable[[], tuple[str, int]], seed: int = 0) -> None:
        self.settings = Settings()
        self.accepted = 0
        self.cuts = 0
        self.port = 0
        self._target = target
        self._chance = Random(seed)
        self._pairs: dict[_Pair, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def forward(self) -> Way:
        """What happens to bytes from whoever dials."""
        return self.settings.forward

    @property
    def backward(self) -> Way:
        """What happens to bytes from whoever listens."""
        return self.settings.backward

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._pairs)

    @property
    def address(self) -> str:
        """What to dial."""
        return f"127.0.0.1:{self.port}"

    def heal(self) -> None:
        """End all faults; connections that are open go on."""
        passed = self.forward.passed, self.backward.passed
        self.settings = Settings()
        self.forward.passed, self.backward.passed = passed

    def cut(self) -> None:
        """Reset every connection that is open, now."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(_PATIENCE_S)

    async def _cut(self) -> None:
        for pair in list(self._pairs):
            self.cuts += 1
            pair.reset(orderly=self.settings.orderly)

    async def serve(self, ready: Callable[[], None], stopping: asyncio.Event) -> None:
        """Run until `stopping` is set."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        cutter = asyncio.create_task(self._cut_regularly())
        ready()
        try:
            await stopping.wait()
        finally:
            cutter.cancel()
            server.close()
            for pair in list(self._pairs):
                pair.reset(orderly=False)
            await asyncio.gather(cutter, return_exceptions=True)

    async def _cut_regularly(self) -> None:
        while True:
            every_s = self.settings.cut_every_s
            await asyncio.sleep(every_s or _GLANCE_S)
            if every_s:
                await self._cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.settings.refusing:
            _close(writer, orderly=False)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target())
        except OSError:
            _close(writer, orderly=False)
            return
        pair = _Pair(self, self.accepted, writer, far_writer)
        self._pairs[pair] = None
        try:
            await pair.run(reader, far_reader)
        finally:
            self._pairs.pop(pair, None)
            pair.reset(orderly=True)

    def wait_s(self, way: Way) -> float:
        """Draw how long a chunk waits."""
        return way.delay_s + way.jitter_s * self._chance.random()

    async def turn(self, number: int) -> None:
        """Wait for a later connection, if connections are to overtake each other."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.settings.reorder and loop.time() < began + self.settings.reorder_s:
            if any(pair.number > number and pair.spoke for pair in self._pairs):
                return
            await asyncio.sleep(_GLANCE_S)


class _Pair:
    """A connection from one end to the proxy, and the one from there to the other end."""

    def __init__(
        self, proxy: Proxy, number: int, near: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.spoke = False
        self._proxy = proxy
        self._near = near
        self._far = far

    async def run(self, near: asyncio.StreamReader, far: asyncio.StreamReader) -> None:
        """Carry bytes both ways until both ends have closed, or one of them broke."""
        tasks = [
            asyncio.create_task(self._carry(near, self._far, "forward")),
            asyncio.create_task(self._carry(far, self._near, "backward")),
        ]
        try:
            await asyncio.gather(*tasks)
        except OSError:
            self.reset(orderly=False)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def reset(self, *, orderly: bool) -> None:
        """Close both connections: with a reset, or in order."""
        for writer in (self._near, self._far):
            _close(writer, orderly=orderly)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str
    ) -> None:
        """Carry one way. What waits for its time does not keep the next bytes from being read."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS)
        writing = asyncio.create_task(self._write(chunks, writer, name))
        reading = asyncio.create_task(self._read(reader, chunks, name))
        try:
            # Whichever breaks breaks the other.
            await asyncio.gather(reading, writing)
        finally:
            reading.cancel()
            writing.cancel()

    def _way(self, name: str) -> Way:
        return self._proxy.forward if name == "forward" else self._proxy.backward

    async def _read(
        self, reader: asyncio.StreamReader, chunks: asyncio.Queue[tuple[float, bytes]], name: str
    ) -> None:
        loop = asyncio.get_running_loop()
        due = 0.0
        carried = 0
        while True:
            data = await reader.read(_CHUNK)
            way = self._way(name)
            if name == "forward" and not self.spoke:
                await self._proxy.turn(self.number)
                self.spoke = True
            if way.cut_after:
                data = data[: max(0, way.cut_after - carried)]
            carried += len(data)
            # Never before what was sent before it.
            due = max(due, loop.time() + self._proxy.wait_s(way))
            await chunks.put((due, data))
            if not data:
                return
            if way.cut_after and carried >= way.cut_after:
                await chunks.put((due, _CUT))
                return

    async def _write(
        self, chunks: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, name: str
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await chunks.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            await self._opening(name)
            if data is _CUT:
                self._proxy.cuts += 1
                self.reset(orderly=self._proxy.settings.orderly)
                return
            if not data:
                writer.write_eof()
                return
            await self._send(writer, data, self._way(name))

    async def _opening(self, name: str) -> None:
        """Wait until bytes may pass at all; a setting is no event."""
        while self._way(name).black_hole:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_GLANCE_S)

    @staticmethod
    async def _send(writer: asyncio.StreamWriter, data: bytes, way: Way) -> None:
        """Write some bytes, as fast as they may go."""
        while data:
            rate = way.bytes_per_s
            size = max(1, rate // 20) if rate else len(data)
            part, data = data[:size], data[size:]
            writer.write(part)
            way.passed += len(part)
            await writer.drain()
            if rate:
                await asyncio.sleep(len(part) / rate)


def _close(writer: asyncio.StreamWriter, *, orderly: bool) -> None:
    transport = writer.transport
    if transport.is_closing():
        return
    if orderly:
        transport.close()
        return
    sock = transport.get_extra_info("socket")
    with suppress(OSError):
        # No lingering: the kernel sends RST.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


@contextmanager
def proxied(target: Callable[[], tuple[str, int]], *, seed: int = 0) -> Iterator[Proxy]:
    """Run a proxy in a thread of its own."""
    proxy = Proxy(target, seed)
    ready = threading.Event()
    holder: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stopping = asyncio.Event()
        holder.append((asyncio.get_running_loop(), stopping))
        await proxy.serve(ready.set, stopping)

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="proxy", daemon=True)
    thread.start()
    assert ready.wait(_PATIENCE_S), "the proxy does not listen"
    try:
        yield proxy
    finally:
        loop, stopping = holder[0]
        loop.call_soon_threadsafe(stopping.set)
        thread.join(_PATIENCE_S)
