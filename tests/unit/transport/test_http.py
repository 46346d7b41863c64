"""The small HTTP server: what it answers, and what those who mean ill get from it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import ConfigError
from sesn_node.transport import http
from sesn_node.transport.http import Page, PageServer, text_page
from tests.support.watching import ask, get

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LARGE = 8 << 20
_PATIENCE_S = 45.0
_GET = b"GET /page HTTP/1.1\r\nHost: here\r\n\r\n"


async def _page() -> Page:
    return text_page(HTTPStatus.OK, "hello")


async def _broken() -> Page:
    raise RuntimeError("secret")


async def _large() -> Page:
    return Page(HTTPStatus.OK, "application/octet-stream", bytes(_LARGE))


@dataclass(frozen=True)
class Served:
    """A server, and where it listens."""

    pages: PageServer
    endpoint: str

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection, and say nothing."""
        host, _, port = self.endpoint.rpartition(":")
        return await asyncio.open_connection(host, int(port), limit=1024)

    async def holds(self, connections: int) -> None:
        """Wait until the server holds so many connections."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                if self.pages.connections == connections:
                    return
                await asyncio.sleep(0)


@asynccontextmanager
async def _served() -> AsyncIterator[Served]:
    pages = PageServer({"/page": _page, "/broken": _broken, "/large": _large})
    endpoint = await pages.start("127.0.0.1:0")
    try:
        yield Served(pages, endpoint)
    finally:
        await pages.stop()


async def _ended(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection, in order or not."""
    data = bytearray()
    with suppress(ConnectionResetError):
        while more := await reader.read(1 << 20):
            data += more
    return bytes(data)


async def test_page_is_answered_and_the_connection_closed() -> None:
    """The answer says how long it is, what it is, and that nobody should keep it."""
    async with _served() as served:
        answer = await get(served.endpoint, "/page")
    assert (answer.status, answer.body) == (200, b"hello\n")
    assert answer.headers == {
        "content-type": "text/plain; charset=utf-8",
        "content-length": "6",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "connection": "close",
    }


async def test_query_does_not_matter() -> None:
    """Whoever adds a query gets the page."""
    async with _served() as served:
        assert (await get(served.endpoint, "/page?name=x")).status == 200


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /other HTTP/1.1", 404),
        (b"GET page HTTP/1.1", 404),
        (b"GET /../page HTTP/1.1", 404),
        (b"GET /p\xe4ge HTTP/1.1", 404),
        (b"GET http://here/page HTTP/1.1", 404),
        (b"POST /page HTTP/1.1", 405),
        (b"HEAD /page HTTP/1.1", 405),
        (b"OPTIONS * HTTP/1.1", 405),
        (b"get /page HTTP/1.1", 405),
        (b"GET /page", 400),
        (b"GET /page HTTP/2.0", 400),
        (b"GET  /page HTTP/1.1", 400),
        (b"GET /page page HTTP/1.1", 400),
        (b"", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"PRI * HTTP/2.0", 400),
    ],
)
async def test_what_is_no_get_of_a_page_is_refused(request_line: bytes, status: int) -> None:
    """Other paths, other methods, other protocols: a status, and no more."""
    async with _served() as served:
        answer = await ask(served.endpoint, request_line + b"\r\n\r\n")
    assert answer.status == status
    assert answer.headers.get("allow") == ("GET" if status == 405 else None)


async def test_long_request_is_refused() -> None:
    """A request of more than 8 KiB is not read to its end."""
    async with _served() as served:
        long = b"GET /page HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n"
        assert (await ask(served.endpoint, long)).status == 431


async def test_fault_in_a_page_tells_nothing() -> None:
    """What went wrong stands in the log, not in the answer."""
    async with _served() as served:
        answer = await get(served.endpoint, "/broken")
    assert answer.status == 500
    assert b"secret" not in answer.body


@pytest.mark.parametrize("begun", [b"", b"GET /page HTTP/1.1\r\n"])
async def test_slow_request_is_cut_off(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """Whoever sends nothing, or does not come to an end, loses the connection."""
    monkeypatch.setattr(http, "_REQUEST_S", 0.02)
    async with _served() as served:
        reader, writer = await served.connect()
        writer.write(begun)
        assert await _ended(reader) == b""
        await served.holds(0)
        writer.close()


async def test_slow_reader_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not read the answer loses the connection, and its memory is given back."""
    monkeypatch.setattr(http, "_ANSWER_S", 0.02)
    async with _served() as served:
        reader, writer = await served.connect()
        writer.write(b"GET /large HTTP/1.1\r\n\r\n")
        await served.holds(1)
        # Our own end stops reading at 2 KiB, so the server's buffers stay full.
        await served.holds(0)
        assert len(await _ended(reader)) < _LARGE
        assert (await get(served.endpoint, "/page")).status == 200
        writer.close()


async def test_one_connection_too_many_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that say nothing take no more than their number; when they go, others come."""
    monkeypatch.setattr(http, "_CONNECTIONS", 3)
    async with _served() as served:
        held = [await served.connect() for _ in range(3)]
        await served.holds(3)
        reader, refused = await served.connect()
        assert await _ended(reader) == b""
        for _, writer in [*held, (reader, refused)]:
            writer.close()
        await served.holds(0)
        assert (await ask(served.endpoint, _GET)).status == 200


async def test_server_stops_with_open_connections() -> None:
    """Whoever is connected when the node stops does not keep it from stopping."""
    async with _served() as served:
        reader, writer = await served.connect()
        await served.holds(1)
    assert await _ended(reader) == b""
    writer.close()


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no.such.host.invalid:1"])
async def test_address_that_is_not_ours_is_an_error(address: str) -> None:
    """The error names the setting."""
    with pytest.raises(ConfigError, match=r"metrics\.listen"):
        await PageServer({}).start(address)
