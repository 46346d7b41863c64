"""Asking a time-stamping authority over HTTP (RFC 3161 section 3.4), everything bounded.

One POST on a connection of its own, to the address that the settings name and to no other:
redirects are refused, proxies and cookies are unknown. Time and bytes are bounded as a whole, so
that an authority that answers a byte at a time costs one wait, like one that is silent.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from sesn_node.errors import PeerUnavailable
from sesn_node.trust.timestamps import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    import socket

QUERY_TYPE: Final = "application/timestamp-query"
REPLY_TYPE: Final = "application/timestamp-reply"

_MAX_HEAD_BYTES: Final = 64 * 1024
_MAX_BYTES: Final = _MAX_HEAD_BYTES + MAX_ANSWER_BYTES
_CHUNK: Final = 16 * 1024
_PORTS: Final = {"http": 80, "https": 443}


async def ask(url: str, query: bytes, timeout_s: float) -> bytes:
    """Send a time-stamp request; return the bytes of the answer, of which nothing is believed.

    Args:
        url: `http://` or `https://`; of the latter the certificate is verified as the system does.
        query: RFC 3161 TimeStampReq, DER.
        timeout_s: How long all of it may take, the name look-up included.

    Raises:
        PeerUnavailable: It cannot be reached, takes too long, answers too much, or with another
            HTTP status or content type than it has to.
    """
    try:
        async with asyncio.timeout(timeout_s):
            raw = await _exchange(url, query)
    except TimeoutError as error:
        raise _failed(url, f"no whole answer within {timeout_s:g} s") from error
    except (OSError, ValueError) as error:
        # Of TLS, too; a name that cannot be encoded is a ValueError.
        raise _failed(url, f"cannot be reached: {error}") from error
    return _body(url, raw)


async def _exchange(url: str, query: bytes) -> bytes:
    parts = urlsplit(url)
    host = parts.hostname or ""
    context = ssl.create_default_context() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(
        host, parts.port or _PORTS[parts.scheme], ssl=context
    )
    try:
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        head = (
            f"POST {target} HTTP/1.1\r\n"
            f"Host: {parts.netloc}\r\n"
            f"Content-Type: {QUERY_TYPE}\r\n"
            f"Content-Length: {len(query)}\r\n"
            f"Accept: {REPLY_TYPE}\r\n"
            "User-Agent: sesn-node\r\n"
            "Connection: close\r\n"
            "\r\n"
        )
        writer.write(head.encode("ascii") + query)
        await writer.drain()
        return await _read(url, reader)
    finally:
        # Nothing that is left matters, and a polite end may take as long as the other side likes.
        writer.transport.abort()


async def _read(url: str, reader: asyncio.StreamReader) -> bytes:
    """Read to the end: we asked for the connection to be closed (RFC 9112 section 9.6)."""
    raw = bytearray()
    while chunk := await reader.read(_CHUNK):
        raw += chunk
        if len(raw) > _MAX_BYTES:
            raise _failed(url, f"answers with more than {_MAX_BYTES:,} bytes")
    return bytes(raw)


class _Received:
    """What was received, for the parser of the standard library, which wants a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _body(url: str, raw: bytes) -> bytes:
    answer = http.client.HTTPResponse(cast("socket.socket", _Received(raw)), method="POST")
    try:
        answer.begin()
        body = answer.read(MAX_ANSWER_BYTES + 1)
        whole = not answer.read(1) and (answer.length or 0) == 0
    except (http.client.HTTPException, ValueError) as error:
        raise _failed(url, "does not answer in HTTP") from error
    if answer.status != HTTPStatus.OK:
        # A redirect, too: which hosts are asked, the settings say.
        raise _failed(url, f"answers with HTTP status {answer.status}")
    kind = answer.headers.get_content_type()
    if kind != REPLY_TYPE:
        raise _failed(url, f"answers with {kind[:60]!a}, expected {REPLY_TYPE}")
    if len(body) > MAX_ANSWER_BYTES:
        raise _failed(url, f"answers with more than {MAX_ANSWER_BYTES:,} bytes")
    if not whole:
        raise _failed(url, "breaks off within its answer")
    return body


def _failed(url: str, problem: str) -> PeerUnavailable:
    return PeerUnavailable(f"time-stamping authority {url}: {problem}", code="AUTHORITY_FAILED")
