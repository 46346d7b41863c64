"""Who may call a node: certificates, TLS versions, and CAs that speak for others.

Each attack runs again and again while honest partners exchange an alert each way. A handshake
that fails never reaches Python: grpc's core ends it, and says so on stderr at most. What does get
through to the application is refused there, and logged with its code.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast

import grpc
import pytest

from sesn_node.bootstrap import system_clock
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import VerificationError
from sesn_node.exchange.peers import revoke_peer
from sesn_node.transport.admission import Admission, Context
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from tests.support.calls import TIMEOUT_S, Stream, calling, every_rpc
from tests.support.homes import BE, GH, NL
from tests.support.intruders import besieged, expired, forged, load_identity
from tests.support.processes import processes
from tests.support.serving import (
    DAY_MS,
    HOST,
    captured_logs,
    check_homes,
    found_home,
    founded,
    pin,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from structlog.typing import EventDict

    from sesn_node.transport.tls import TlsIdentity
    from tests.support.serving import Home

UNKNOWN = AgencyId("xk.unknown")
NEVER_CONNECTED = {grpc.StatusCode.UNAVAILABLE}
NOT_ADMITTED = {grpc.StatusCode.UNAUTHENTICATED}
ADMITTED = {grpc.StatusCode.OK}

HANDSHAKE_FAILED = (ssl.SSLError, ConnectionError)

_HTTP2_CLIENT = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
"""How a client of HTTP/2 begins (RFC 9113 section 3.4): the preface, then empty settings."""


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Sequence[EventDict]:
    """Collect what the nodes of this process log."""
    return captured_logs(monkeypatch)


def refusals(logs: Sequence[EventDict]) -> set[str]:
    """Return the codes under which callers were refused."""
    return {str(line["code"]) for line in logs if line["event"] == "caller-refused"}


async def try_all(home: Home, identity: TlsIdentity, expected: set[grpc.StatusCode]) -> None:
    """Call everything with a certificate, over a fresh connection."""
    async with calling(home, identity) as channel:
        assert await every_rpc(channel) == expected


async def test_certificate_of_a_stranger(tmp_path: Path, logs: Sequence[EventDict]) -> None:
    """An agency whose card nobody pinned ends at the handshake; partners are served."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    stranger = found_home(tmp_path, BE)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await besieged(partial(try_all, nl_home, stranger.identity, NEVER_CONNECTED), nl, gh)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == set()


async def test_strangers_root_that_names_a_partner(
    tmp_path: Path, logs: Sequence[EventDict]
) -> None:
    """A certificate that says the right thing under a home-made CA of the same name is no use."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    copycat = found_home(tmp_path / "elsewhere", GH)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await besieged(partial(try_all, nl_home, copycat.identity, NEVER_CONNECTED), nl, gh)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == set()


async def test_expired_certificate(tmp_path: Path, logs: Sequence[EventDict]) -> None:
    """A partner's own leaf is no use when its time is over."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await besieged(partial(try_all, nl_home, expired(gh_home), NEVER_CONNECTED), nl, gh)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == set()


async def test_certificate_that_expires_on_an_open_connection(
    tmp_path: Path, logs: Sequence[EventDict]
) -> None:
    """A leaf is held against the clock at every call, not only at the handshake."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    now_ms = system_clock()
    one_day = be_home.leaf(now_ms, now_ms + DAY_MS)
    in_two_days = partial(_plus, 2 * DAY_MS)
    async with serve(nl_home, clock=in_two_days) as nl, serve(gh_home, clock=in_two_days) as gh:
        await besieged(partial(try_all, nl_home, one_day, NOT_ADMITTED), nl, gh)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == {"LEAF_EXPIRED"}


def _plus(later_ms: int) -> int:
    return system_clock() + later_ms


async def test_partners_ca_that_speaks_for_another_agency(
    tmp_path: Path, logs: Sequence[EventDict]
) -> None:
    """A leaf from A's root that names B passes the handshake, and is refused on every call."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    crossed = forged(gh_home, BE)
    async with serve(nl_home) as nl, serve(gh_home) as gh, serve(be_home) as be:
        await besieged(partial(try_all, nl_home, crossed, NOT_ADMITTED), nl, gh, be)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == {"LEAF_NOT_UNDER_ROOT"}


@pytest.mark.parametrize("named", [NL, UNKNOWN])
async def test_partners_ca_that_names_us_or_an_unknown_agency(
    tmp_path: Path, logs: Sequence[EventDict], named: AgencyId
) -> None:
    """A partner's CA can neither call us as ourselves nor invent a partner."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await besieged(partial(try_all, nl_home, forged(gh_home, named), NOT_ADMITTED), nl, gh)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == {"LEAF_UNKNOWN_AGENCY"}


async def test_leaf_of_our_own_ca(tmp_path: Path, logs: Sequence[EventDict]) -> None:
    """Our own root is for cards and leaves of ours: nobody calls us with it, ourselves included."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        for identity in (nl_home.identity, forged(nl_home, GH)):
            await besieged(partial(try_all, nl_home, identity, NEVER_CONNECTED), nl, gh)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == set()


async def test_node_without_partners_lets_nobody_in(
    tmp_path: Path, logs: Sequence[EventDict]
) -> None:
    """No partner does not mean no question: without a certificate or with any, nobody gets in."""
    nl_home = found_home(tmp_path, NL)
    stranger = found_home(tmp_path, GH)
    async with serve(nl_home):
        for identity in (stranger.identity, nl_home.identity):
            async with calling(nl_home, identity) as channel:
                assert grpc.StatusCode.OK not in await every_rpc(channel)
        with pytest.raises(HANDSHAKE_FAILED):
            await asyncio.to_thread(greet, nl_home, client_context(ssl.TLSVersion.TLSv1_3))
    assert refusals(logs) <= {"LEAF_UNKNOWN_AGENCY"}


async def test_revoked_partner(tmp_path: Path, logs: Sequence[EventDict]) -> None:
    """The right leaf of a revoked card: open connections are told so, new ones fail."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        async with calling(nl_home, be_home.identity) as channel:
            assert await every_rpc(channel) == ADMITTED
            await asyncio.to_thread(revoke_peer, nl.office, BE)
            assert await every_rpc(channel) == NOT_ADMITTED
        await besieged(partial(try_all, nl_home, be_home.identity, NEVER_CONNECTED), nl, gh)
    check_homes(nl_home, gh_home)
    assert refusals(logs) == {"LEAF_UNKNOWN_AGENCY"}


async def open_stream(channel: grpc.aio.Channel) -> Stream:
    """Open a delivery stream and get an answer over it."""
    stream = rpc.ExchangeStub(channel).Deliver(timeout=TIMEOUT_S)
    await stream.write(pb.DeliverRequest(sequence=1))
    answer = await stream.read()
    assert isinstance(answer, pb.DeliverResponse)
    return stream


async def ended(stream: Stream) -> grpc.StatusCode:
    """Wait for the end of a stream on which nothing more is sent."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stream.read()
    return error.value.code()


async def test_revocation_cuts_an_open_stream(tmp_path: Path, logs: Sequence[EventDict]) -> None:
    """A delivery stream that is open when its agency is revoked ends, with a status."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    async with (
        serve(nl_home) as nl,
        serve(gh_home) as gh,
        calling(nl_home, be_home.identity) as channel,
    ):
        stream = await open_stream(channel)
        await asyncio.to_thread(revoke_peer, nl.office, BE)
        nl.node.wake()
        assert await ended(stream) is grpc.StatusCode.PERMISSION_DENIED
        await gh.acknowledged(await gh.send(nl_home))
    cut_off = [(line["peer"], line["code"]) for line in logs if line["event"] == "call-cut-off"]
    assert cut_off == [(BE, "NOT_TRUSTED")]


async def test_new_root_cuts_streams_under_the_old_one(tmp_path: Path) -> None:
    """Trusted again under a new root means that streams under the old one end."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    renewed = found_home(tmp_path / "renewed", BE)
    async with (
        serve(nl_home) as nl,
        serve(gh_home) as gh,
        calling(nl_home, be_home.identity) as channel,
    ):
        stream = await open_stream(channel)
        await asyncio.to_thread(revoke_peer, nl.office, BE)
        await asyncio.to_thread(pin, nl_home, renewed)
        nl.node.wake()
        assert await ended(stream) is grpc.StatusCode.PERMISSION_DENIED
        await try_all(nl_home, renewed.identity, ADMITTED)
        await gh.acknowledged(await gh.send(nl_home))


async def test_trust_added_while_serving(tmp_path: Path, logs: Sequence[EventDict]) -> None:
    """A card pinned while the node serves opens its door without a restart."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    be_home = found_home(tmp_path, BE)
    pin(be_home, nl_home)
    async with serve(nl_home) as nl, serve(gh_home) as gh, serve(be_home) as be:
        await try_all(nl_home, be_home.identity, NEVER_CONNECTED)
        # Pinned by another process, as by `sesn peer add`.
        await asyncio.to_thread(pin, nl_home, be_home)
        await try_all(nl_home, be_home.identity, ADMITTED)
        await nl.acknowledged(await nl.send(gh_home, be_home))
        await be.acknowledged(await be.send(nl_home))
        await gh.acknowledged(await gh.send(nl_home))
    check_homes(nl_home, gh_home)
    assert refusals(logs) == set()


def client_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A TLS client of exactly one version that trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    return context


def greet(home: Home, context: ssl.SSLContext) -> str | None:
    """Connect as HTTP/2 does; return the TLS version if the node answered.

    Raises:
        SSLError, ConnectionError: The handshake failed, or the node hung up. In TLS 1.3 a client
            learns that its certificate was not accepted only when it reads (RFC 8446 section 2).
    """
    with (
        socket.create_connection((HOST, home.port), timeout=TIMEOUT_S) as plain,
        context.wrap_socket(plain) as secured,
    ):
        secured.sendall(_HTTP2_CLIENT)
        if not secured.recv(1):
            raise ConnectionAbortedError("the node hung up")
        return secured.version()


async def test_tls_1_2(tmp_path: Path) -> None:
    """A partner's right certificate over TLS 1.2 fails the handshake, over TLS 1.3 it does not."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    old, new = client_context(ssl.TLSVersion.TLSv1_2), client_context(ssl.TLSVersion.TLSv1_3)
    for context in (old, new):
        load_identity(context, gh_home.identity, tmp_path)

    async def attack() -> None:
        with pytest.raises(HANDSHAKE_FAILED):
            await asyncio.to_thread(greet, nl_home, old)

    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await besieged(attack, nl, gh)
        assert await asyncio.to_thread(greet, nl_home, new) == "TLSv1.3"


def test_tls_1_2_against_the_real_command(tmp_path: Path) -> None:
    """`sesn serve` itself keeps TLS 1.2 out, whatever this test process has set up."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    old, new = client_context(ssl.TLSVersion.TLSv1_2), client_context(ssl.TLSVersion.TLSv1_3)
    for context in (old, new):
        load_identity(context, gh_home.identity, tmp_path)
    with processes(nl_home):
        with pytest.raises(HANDSHAKE_FAILED):
            greet(nl_home, old)
        assert greet(nl_home, new) == "TLSv1.3"


async def test_no_client_certificate(tmp_path: Path) -> None:
    """TLS 1.3 alone is not enough: without a certificate of one's own the node hangs up."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    nameless = client_context(ssl.TLSVersion.TLSv1_3)

    async def attack() -> None:
        with pytest.raises(HANDSHAKE_FAILED):
            await asyncio.to_thread(greet, nl_home, nameless)

    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await besieged(attack, nl, gh)


class OtherContext:
    """What grpc tells of a connection that the handshake should never have let through."""

    def __init__(self, version: bytes, *certificates: bytes) -> None:
        self._auth = {"ssl_tls_version": [version], "x509_pem_cert": list(certificates)}

    def auth_context(self) -> dict[str, list[bytes]]:
        """Properties of the connection."""
        return self._auth


@pytest.mark.parametrize(
    ("version", "certificates", "code"),
    [(b"TLSv1.2", 1, "TLS_VERSION"), (b"TLSv1.3", 0, "NO_CERTIFICATE")],
)
async def test_second_line_of_defence(
    tmp_path: Path, version: bytes, certificates: int, code: str
) -> None:
    """Should grpc ever let such a connection through, the application refuses its calls."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    leaves = [gh_home.identity.leaf_pem] * certificates
    async with serve(nl_home) as nl:
        context = cast("Context", OtherContext(version, *leaves))
        with pytest.raises(VerificationError) as refused:
            await Admission(nl.office).prove(context)
    assert refused.value.code == code
