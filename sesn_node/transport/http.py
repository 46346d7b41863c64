"""A small HTTP server for a monitoring system: GET, one request a connection, everything bounded.

HTTP/1.1 (RFC 9112), without what nobody needs who asks for a page now and then: no bodies, no
keep-alive, no TLS. A client that is slow, sends much or comes in numbers costs itself its answer,
and nobody else anything.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sesn_node.errors import ConfigError
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = get_logger(__name__)

_CONNECTIONS: Final = 32
_REQUEST_BYTES: Final = 8 * 1024
_REQUEST_S: Final = 5.0
_ANSWER_S: Final = 10.0
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: HTTPStatus
    content_type: str
    body: bytes


def text_page(status: HTTPStatus, words: str) -> Page:
    """Answer with a line of text."""
    return Page(status, _TEXT, words.encode() + b"\n")


class PageServer:
    """Serves pages by their path. Belongs to the event loop.

    Args:
        pages: What makes each page, by path.
    """

    def __init__(self, pages: dict[str, Callable[[], Awaitable[Page]]]) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many are being answered."""
        return len(self._open)

    async def start(self, address: str) -> str:
        """Listen on `host:port`, and return the same with the port that was taken.

        Raises:
            ConfigError: The address cannot be listened on.
        """
        host, _, port = address.rpartition(":")
        try:
            self._server = await asyncio.start_server(
                self._connected, host.strip("[]"), int(port), limit=_REQUEST_BYTES
            )
        except OSError as error:
            raise ConfigError(
                f"metrics.listen {address}: the address cannot be listened on "
                f"({error.strerror}); is another program using it?"
            ) from error
        return f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # Whoever is gone, or too slow, gets no answer.
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_REQUEST_S):
                    request = await _read_request(reader)
                page = await self._page(request)
                async with asyncio.timeout(_ANSWER_S):
                    writer.write(_written(page))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _page(self, request: bytes | None) -> Page:
        if request is None:
            return text_page(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"a request has at most {_REQUEST_BYTES} bytes",
            )
        match request.split(b"\r\n", 1)[0].split(b" "):
            case [b"GET", target, b"HTTP/1.1" | b"HTTP/1.0"]:
                make = self._pages.get(target.partition(b"?")[0].decode("ascii", "replace"))
            case [_, _, b"HTTP/1.1" | b"HTTP/1.0"]:
                return text_page(HTTPStatus.METHOD_NOT_ALLOWED, "only GET")
            case _:
                return text_page(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request")
        if make is None:
            return text_page(HTTPStatus.NOT_FOUND, f"there are {', '.join(self._pages)}")
        try:
            return await make()
        except Exception:  # noqa: BLE001 - a fault in a page must not end the server
            _log.exception("page-fault")
            return text_page(HTTPStatus.INTERNAL_SERVER_ERROR, "fault in this node; see its log")


async def _read_request(reader: asyncio.StreamReader) -> bytes | None:
    """Read up to the empty line; None if the request is too long."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return None


def _written(page: Page) -> bytes:
    allow = "Allow: GET\r\n" if page.status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\n"
        f"Content-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\n"
        f"{allow}"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode("ascii") + page.body
