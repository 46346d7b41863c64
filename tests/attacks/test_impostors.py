"""Whom a node talks to when it dials: the agency that it wants, over TLS 1.3, or nobody.

The impostor listens where the partner should, and is refused by grpc's core during the handshake:
the node notes that the partner cannot be reached, and sends nothing.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.delivery import DeliveryState
from tests.support.calls import TIMEOUT_S
from tests.support.homes import BE, GH, NL
from tests.support.intruders import expired, forged, load_identity
from tests.support.patience import until
from tests.support.serving import HOST, check_homes, found_home, founded, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from sesn_node.transport.tls import TlsIdentity
    from tests.support.serving import Home, Serving


async def assert_not_reached(nl: Serving, gh_home: Home, message: MessageId) -> None:
    """Wait for failed attempts, and see that the message is still queued."""

    def failures() -> int:
        with nl.office.store.read() as transaction:
            return transaction.peers.link(gh_home.agency).failures

    await until(lambda: failures() > 1, "attempts to reach gh.epa fail")
    assert nl.states(message) == {DeliveryState.QUEUED}


def _partner(_folder: Path, _gh: Home, be: Home) -> TlsIdentity:
    return be.identity


def _stranger(folder: Path, _gh: Home, _be: Home) -> TlsIdentity:
    return found_home(folder / "elsewhere", GH).identity


def _partners_ca(_folder: Path, _gh: Home, be: Home) -> TlsIdentity:
    return forged(be, GH)


def _other_name(_folder: Path, gh: Home, _be: Home) -> TlsIdentity:
    return forged(gh, BE)


def _expired(_folder: Path, gh: Home, _be: Home) -> TlsIdentity:
    return expired(gh)


@pytest.mark.parametrize(
    "presented",
    [_partner, _stranger, _partners_ca, _other_name, _expired],
    ids=lambda one: one.__name__,
)
async def test_server_with_a_certificate_of_somebody_else(
    tmp_path: Path, presented: Callable[[Path, Home, Home], TlsIdentity]
) -> None:
    """A server that does not prove to be the agency gets nothing; others are served meanwhile."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    wrong = presented(tmp_path, gh_home, be_home)
    async with (
        serve(nl_home) as nl,
        serve(gh_home, identity=wrong) as impostor,
        serve(be_home) as be,
    ):
        message = await nl.send(gh_home)
        await nl.acknowledged(await nl.send(be_home))
        await be.acknowledged(await be.send(nl_home))
        await assert_not_reached(nl, gh_home, message)
        assert impostor.received() == []
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await nl.acknowledged(message)
        assert gh.received() == [message]
    check_homes(nl_home, gh_home, be_home)


@contextmanager
def old_server(home: Home, folder: Path) -> Iterator[None]:
    """Listen where a home's node would, with its own certificate, over TLS 1.2 at most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    load_identity(context, home.identity, folder)
    over = threading.Event()
    with socket.create_server((HOST, home.port)) as listener:
        listener.settimeout(TIMEOUT_S)

        def answer() -> None:
            while not over.is_set():
                connection, _ = listener.accept()
                try:
                    with context.wrap_socket(connection, server_side=True):
                        raise AssertionError("a node spoke TLS 1.2")
                except OSError:
                    connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            over.set()
            socket.create_connection((HOST, home.port), timeout=TIMEOUT_S).close()
            thread.join()


async def test_server_of_tls_1_2(tmp_path: Path) -> None:
    """The right agency over TLS 1.2 gets nothing."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    async with serve(nl_home) as nl, serve(be_home) as be:
        with old_server(gh_home, tmp_path):
            message = await nl.send(gh_home)
            await nl.acknowledged(await nl.send(be_home))
            await be.acknowledged(await be.send(nl_home))
            await assert_not_reached(nl, gh_home, message)
        async with serve(gh_home) as gh:
            await nl.acknowledged(message)
            assert gh.received() == [message]
    check_homes(nl_home, gh_home, be_home)
