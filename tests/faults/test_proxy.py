"""The proxy does to connections what its settings say, and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import Iterator

# No database is concerned.
pytestmark = pytest.mark.engine("sqlite")

_PATIENCE_S = 20.0
_SHORT_S = 0.3


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy in front of a server that sends back what it gets."""
    with _echo() as port, proxied(lambda: ("127.0.0.1", port)) as one:
        yield one


@contextmanager
def _echo() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _accept(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_send_back, args=(connection,), daemon=True).start()


def _send_back(connection: socket.socket) -> None:
    with suppress(OSError), connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)


def _dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=_PATIENCE_S)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = connection.recv(1 << 16)
        if not data:
            break
        received += data
    return received


def _hangs_up(proxy: Proxy) -> bool:
    """Dial, and tell whether the connection ends at once; a reset may even beat the handshake."""
    try:
        with _dial(proxy) as connection:
            return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_proxy_without_faults_carries_every_byte_both_ways(proxy: Proxy) -> None:
    """What goes in comes out, of any size, and the end of it, too."""
    sent = bytes(range(256)) * 4096
    with _dial(proxy) as connection:
        threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
        assert _receive(connection, len(sent)) == sent
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert proxy.forward.passed == proxy.backward.passed == len(sent)


def test_delay_holds_bytes_back_one_way(proxy: Proxy) -> None:
    """Bytes arrive, but not before their time."""
    proxy.forward.delay_s = _SHORT_S
    with _dial(proxy) as connection:
        began = time.monotonic()
        connection.sendall(b"late")
        assert _receive(connection, 4) == b"late"
        assert time.monotonic() - began >= _SHORT_S


def test_jitter_keeps_the_order_of_bytes(proxy: Proxy) -> None:
    """Chunks of one connection do not overtake each other, however long each waits."""
    proxy.forward.jitter_s = 0.02
    with _dial(proxy) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(20):
            connection.sendall(bytes([number]))
        assert _receive(connection, 20) == bytes(range(20))


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_black_hole_takes_everything_and_tells_nobody(proxy: Proxy, way: str) -> None:
    """Nothing comes through, no error either; what is under way arrives when it ends."""
    with _dial(proxy) as connection:
        connection.sendall(b"before")
        assert _receive(connection, 6) == b"before"
        getattr(proxy, way).black_hole = True
        connection.sendall(b"swallowed")
        connection.settimeout(_SHORT_S)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.heal()
        connection.settimeout(_PATIENCE_S)
        assert _receive(connection, 9) == b"swallowed"


def test_no_end_gets_through_a_black_hole(proxy: Proxy) -> None:
    """An end that closes is not heard of by the other."""
    proxy.forward.black_hole = True
    with _dial(proxy) as connection:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_SHORT_S)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_cut_resets_both_ends(proxy: Proxy) -> None:
    """A connection that is cut ends with a reset, and the next one works."""
    with _dial(proxy) as connection:
        connection.sendall(b"one")
        assert _receive(connection, 3) == b"one"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with _dial(proxy) as connection:
        connection.sendall(b"two")
        assert _receive(connection, 3) == b"two"
    assert proxy.cuts == 1


def test_an_orderly_cut_is_a_fin(proxy: Proxy) -> None:
    """An orderly cut looks like the other end closing."""
    proxy.settings.orderly = True
    with _dial(proxy) as connection:
        connection.sendall(b"one")
        assert _receive(connection, 3) == b"one"
        proxy.cut()
        assert connection.recv(1) == b""


def test_a_cut_after_so_many_bytes_lets_no_more_through(proxy: Proxy) -> None:
    """The connection ends at exactly the byte that was asked for."""
    proxy.backward.cut_after = 10
    proxy.settings.orderly = True
    with _dial(proxy) as connection:
        connection.sendall(bytes(range(20)))
        assert _receive(connection, 20) == bytes(range(10))


def test_regular_cuts_go_on_until_healed(proxy: Proxy) -> None:
    """Every connection is cut at the interval, and none once the faults have ended."""
    proxy.settings.cut_every_s = 0.05
    for _ in range(2):
        assert _hangs_up(proxy)
    proxy.heal()
    with _dial(proxy) as connection:
        connection.sendall(b"stays")
        assert _receive(connection, 5) == b"stays"


def test_a_throttle_bounds_the_rate(proxy: Proxy) -> None:
    """So many bytes take so long, and all of them arrive."""
    proxy.backward.bytes_per_s = 20_000
    with _dial(proxy) as connection:
        began = time.monotonic()
        connection.sendall(bytes(10_000))
        assert len(_receive(connection, 10_000)) == 10_000
        # The first twentieth goes at once.
        assert time.monotonic() - began >= 0.4


def test_a_later_connection_overtakes_an_earlier_one(proxy: Proxy) -> None:
    """With reordering, the first connection's bytes wait for those of the second."""
    proxy.settings.reorder = True
    proxy.settings.reorder_s = _PATIENCE_S
    with _dial(proxy) as first, _dial(proxy) as second:
        first.sendall(b"first")
        first.settimeout(_SHORT_S)
        with pytest.raises(TimeoutError):
            first.recv(1)
        # The last connection has nobody to wait for but the bound.
        proxy.settings.reorder_s = 0.0
        second.sendall(b"second")
        assert _receive(second, 6) == b"second"
        first.settimeout(_PATIENCE_S)
        assert _receive(first, 5) == b"first"


def test_a_refusing_proxy_closes_new_connections_and_keeps_old_ones(proxy: Proxy) -> None:
    """New dials fail while it refuses; what is open goes on."""
    with _dial(proxy) as old:
        old.sendall(b"open")
        assert _receive(old, 4) == b"open"
        proxy.settings.refusing = True
        assert _hangs_up(proxy)
        old.sendall(b"still")
        assert _receive(old, 5) == b"still"


def test_nobody_behind_the_proxy_is_a_refusal() -> None:
    """A listener that is not there looks like one that hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with proxied(lambda: ("127.0.0.1", port)) as proxy:
        assert _hangs_up(proxy)
        assert proxy.open == 0
