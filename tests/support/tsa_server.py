"""A time-stamping authority that is asked over real HTTP, on loopback, and may misbehave."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from tests.support.tsa import Tsa

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

HOST: Final = "127.0.0.1"


def reply(
    body: bytes,
    status: str = "200 OK",
    kind: str = "application/timestamp-reply",
    headers: str = "",
) -> bytes:
    """Write an HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}"
    return f"{head}\r\n".encode() + body


class TsaServer:
    """A running authority.

    Attributes:
        tsa: Who it is.
        heads: Head of each request that came.
        answer: Makes the bytes of an HTTP answer from a TimeStampReq; a test replaces it.
        slow: Whether it sends one byte and then nothing more, until it is stopped.
    """

    def __init__(self, tsa: Tsa) -> None:
        self.tsa = tsa
        self.heads: list[str] = []
        self.answer: Callable[[bytes], bytes] = lambda query: reply(self.tsa.answer(query))
        self.slow = False
        self.port = 0
        self._stopped = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://{HOST}:{self.port}/tsa?kind=test"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
            raw = self.answer(await reader.readexactly(length))
            if self.slow:
                writer.write(raw[:1])
                await writer.drain()
                await self._stopped.wait()
            else:
                writer.write(raw)
                await writer.drain()
        writer.close()

    def stop(self) -> None:
        """Let go of whoever waits."""
        self._stopped.set()


@asynccontextmanager
async def serving(
    tsa: Tsa | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[TsaServer]:
    """Run an authority until the block ends."""
    made = TsaServer(tsa or Tsa.new())
    server = await asyncio.start_server(made.handle, HOST, 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.stop()
        server.close()
        await server.wait_closed()
