"""Asking an authority over HTTP: bounded in time and bytes, and nobody else is asked."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import pytest

from sesn_node.errors import PeerUnavailable
from sesn_node.transport.authority import ask
from sesn_node.trust.timestamp_signers import read_roots
from sesn_node.trust.timestamps import MAX_ANSWER_BYTES, new_query, open_answer
from tests.support.tsa import certify, private_pem
from tests.support.tsa_server import HOST, TsaServer, reply, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_PATIENCE_S: Final = 30.0
_QUERY: Final = new_query(b"three lines\n")


@pytest.fixture
async def server() -> AsyncIterator[TsaServer]:
    """An authority at work."""
    async with serving() as running:
        yield running


async def test_an_honest_authority(server: TsaServer) -> None:
    """One POST as RFC 3161 section 3.4 wants it, and the answer as it came."""
    answer = await ask(server.url, _QUERY.der, _PATIENCE_S)
    assert open_answer(answer, _QUERY, read_roots(server.tsa.root.pem))
    (head,) = server.heads
    lines = head.split("\r\n")
    assert lines[0] == "POST /tsa?kind=test HTTP/1.1"
    assert f"Host: {HOST}:{server.port}" in lines
    assert "Content-Type: application/timestamp-query" in lines
    assert "Connection: close" in lines


async def test_chunks_are_put_together(server: TsaServer) -> None:
    """A server may not know the length of its answer beforehand (RFC 9112 section 7.1)."""
    server.answer = lambda _: (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply; charset=binary\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert await ask(server.url, _QUERY.der, _PATIENCE_S) == b"abcde"


async def _fails(server: TsaServer, raw: bytes) -> str:
    server.answer = lambda _: raw
    with pytest.raises(PeerUnavailable) as caught:
        await ask(server.url, _QUERY.der, _PATIENCE_S)
    assert caught.value.code == "AUTHORITY_FAILED"
    assert server.url in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (reply(b"", "500 Internal Server Error"), "status 500"),
        (reply(b"", "404 Not Found"), "status 404"),
        (reply(b"a page", kind="text/html"), "'text/html'"),
        (reply(bytes(MAX_ANSWER_BYTES + 1)), "more than 66,560 bytes"),
        (reply(bytes(10_000_000)), "more than 132,096 bytes"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000, "more than 132,096 bytes"),
        (reply(b"0123456789")[:-1], "breaks off"),
        (b"", "not answer in HTTP"),
        (b"\x16\x03\x01", "not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "not answer in HTTP"),
    ],
)
async def test_other_answers(server: TsaServer, raw: bytes, problem: str) -> None:
    """What is no answer of an authority is refused, however long it is."""
    assert problem in await _fails(server, raw)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_leads_nowhere(server: TsaServer, status: str) -> None:
    """Which hosts are asked, the settings say, and nobody else."""
    async with serving() as elsewhere:
        moved = reply(b"", status, headers=f"Location: {elsewhere.url}\r\n")
        assert f"status {status[:3]}" in await _fails(server, moved)
        assert elsewhere.heads == []


async def test_a_slow_answer_costs_one_wait(server: TsaServer) -> None:
    """An authority that sends a byte and no more is left alone after the time it was given."""
    server.slow = True
    with pytest.raises(PeerUnavailable, match=r"no whole answer within 0\.2 s"):
        await ask(server.url, _QUERY.der, 0.2)


async def test_nobody_there() -> None:
    """A closed port, a name that does not exist, and one that cannot."""
    async with serving() as gone:
        url = gone.url
    for one in (url, "http://authority.invalid/", f"http://{'a' * 64}.invalid/"):
        with pytest.raises(PeerUnavailable, match="cannot be reached"):
            await ask(one, _QUERY.der, _PATIENCE_S)


async def test_tls_is_verified(tmp_path: Path) -> None:
    """Over https, a server under a certificate that this system does not trust is not believed."""
    stranger = certify(HOST)
    file = tmp_path / "stranger.pem"
    file.write_bytes(stranger.pem + private_pem(stranger.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    async with serving(tls=context) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(PeerUnavailable, match="certificate verify failed"):
            await ask(url, _QUERY.der, _PATIENCE_S)
        assert server.heads == []
