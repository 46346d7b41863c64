"""Two agencies in two processes: the receiver serves in a child, the sender in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sesn_node.bootstrap import Desk, open_home
from sesn_node.config import Agency, Config, Log, LogLevel, Node
from sesn_node.domain.cards import Role
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import PeerUnavailable
from sesn_node.exchange.peers import add_peer
from sesn_node.founding import found
from sesn_node.trust.card import TrustedCard

RECEIVER = AgencyId("gh.epa")
_SENDER = AgencyId("nl.customs")
_START_SECONDS = 20.0


class RunningNode:
    """The sender's node on an event loop of its own thread, as `sesn serve` runs it."""

    def __init__(self, desk: Desk) -> None:
        self._node = desk.node()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)
        self._thread.start()
        self._ready.wait(_START_SECONDS)

    def stop(self) -> None:
        """Shut the node down in order."""
        self._loop.call_soon_threadsafe(self._node.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._node.run(lambda *_: self._ready.set()))
        self._loop.close()


@contextmanager
def running_pair() -> Iterator[Desk]:
    """Found two agencies, let them pin each other's cards, and start both nodes.

    Raises:
        PeerUnavailable: The receiver's process did not start.
    """
    passphrase = os.urandom(16).hex()
    with tempfile.TemporaryDirectory(prefix="sesn-bench-") as folder:
        sender_home, receiver_home = Path(folder) / "sender", Path(folder) / "receiver"
        sender = _found(sender_home, _SENDER, "NL", Role.CUSTOMS, passphrase)
        receiver = _found(receiver_home, RECEIVER, "GH", Role.ENVIRONMENT, passphrase)
        with open_home(receiver_home, passphrase.encode()) as desk:
            add_peer(desk.office, sender.sealed, fingerprint=sender.fingerprint)
        with (
            _serving(receiver_home, passphrase),
            open_home(sender_home, passphrase.encode()) as desk,
        ):
            add_peer(desk.office, receiver.sealed, fingerprint=receiver.fingerprint)
            node = RunningNode(desk)
            try:
                _await_link(desk)
                yield desk
            finally:
                node.stop()


def _found(home: Path, agency: AgencyId, country: str, role: Role, passphrase: str) -> TrustedCard:
    address = f"127.0.0.1:{_free_port()}"
    config = Config(
        home=home,
        agency=Agency(id=agency, name=agency, country=country, role=role),
        node=Node(listen=address, advertise=(address,)),
        log=Log(level=LogLevel.WARNING),
    )
    return found(config, passphrase.encode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _serving(home: Path, passphrase: str) -> Iterator[None]:
    command = [sys.executable, "-m", "sesn_node", "--home", str(home), "serve"]
    environment = {**os.environ, "SESN_PASSPHRASE": passphrase}
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603 - ourselves
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_START_SECONDS)


def _await_link(desk: Desk) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with desk.office.store.read() as transaction:
            if transaction.peers.link(RECEIVER).connected_ms is not None:
                return
        time.sleep(0.01)
    raise PeerUnavailable("the receiver did not come up; is the loopback interface there?")
