"""What grpc's core is told to serve with, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
import pytest

from sesn_node.transport import tls
from sesn_node.transport.tls import TlsIdentity, server_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    Fetcher = Callable[[], object]


class Server:
    """Leaf, key and roots of a server, and what grpc's core asks at each handshake."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.identity = TlsIdentity(b"leaf", b"key")
        self.roots: tuple[bytes, ...] = (b"one",)
        self.waited: list[float] = []
        self._fetchers: list[Fetcher] = []
        monkeypatch.setattr(tls, "certificate_pem", bytes)
        monkeypatch.setattr("sesn_node.transport.tls.time.sleep", self.waited.append)
        monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", self._keep)
        server_credentials(lambda: self.identity, lambda: self.roots)

    def _keep(self, _first: object, fetcher: Fetcher, **_options: object) -> None:
        self._fetchers.append(fetcher)

    def handshake(self) -> object:
        """Ask as the core does; None if it is to go on as before."""
        return self._fetchers[0]()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that serves with one leaf and trusts one root."""
    return Server(monkeypatch)


def test_nothing_has_changed(server: Server) -> None:
    """The core is given nothing anew: it would free what another handshake is using."""
    assert [server.handshake() for _ in range(3)] == [None] * 3
    assert server.waited == []


def _new_partner(server: Server) -> None:
    server.roots = (b"one", b"two")


def _no_partner(server: Server) -> None:
    server.roots = ()


def _new_leaf(server: Server) -> None:
    server.identity = replace(server.identity, leaf_pem=b"later")


@pytest.mark.parametrize("change", [_new_partner, _no_partner, _new_leaf])
def test_something_has_changed(server: Server, change: Callable[[Server], None]) -> None:
    """The next handshake is told, after a while, and those after it are not."""
    change(server)
    assert server.handshake() is not None
    assert len(server.waited) == 1
    assert server.handshake() is None
    assert len(server.waited) == 1
