"""The three nodes: homes in a temporary folder, each served by a process of its own.

This process acts for the officers of all three: like a command, it opens the same store and keys
as the serving node, and wakes it.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sesn_node.bootstrap import RUN_FOLDER, open_home, operator_key_path, system_clock
from sesn_node.config import Agency, Config, Contact, Node, People
from sesn_node.crypto.keyring import Keyring, encrypt_keyring
from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.times import DAY_MS
from sesn_node.errors import ConfigError, PeerUnavailable
from sesn_node.exchange.operators import add_operator, unlock
from sesn_node.founding import found
from sesn_node.store.files import replace_file
from sesn_node.transport.wake import poke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sesn_node.bootstrap import Desk
    from sesn_node.demo.cast import Member
    from sesn_node.domain.ids import AgencyId
    from sesn_node.domain.people import OperatorId, Role
    from sesn_node.exchange.office import Office
    from sesn_node.trust.card import TrustedCard

HOST: Final = "127.0.0.1"
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the order to end, and a terminal that is closed."""
_PATIENCE_S: Final = 30.0
_GLANCE_S: Final = 0.02
# Below the range from which kernels choose ports for outgoing connections.
_PORTS: Final = range(20_000, 32_000)
# Chance of the system, not a secret: two demonstrations at once should not meet.
_UNTRIED: Final = random.SystemRandom().sample(_PORTS, len(_PORTS))
_HIRED_MS: Final = DAY_MS
_PASSPHRASE_BYTES: Final = 16


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until something holds.

    Raises:
        PeerUnavailable: It never did; the message says what.
    """
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise PeerUnavailable(f"{what}: that did not happen within {_PATIENCE_S:.0f} s")
        time.sleep(_GLANCE_S)


class Station:
    """One agency: its home, its process, and its officers' desk."""

    def __init__(self, member: Member, folder: Path, passphrase: str) -> None:
        self.member = member
        self.home = folder / member.agency
        self.port = free_port()
        self.log = folder / f"{member.agency}.log"
        self._passphrase = passphrase
        self._process: subprocess.Popen[bytes] | None = None
        self._opened = ExitStack()
        self._desk: Desk | None = None
        self._card: TrustedCard | None = None

    @property
    def agency(self) -> AgencyId:
        """Id of the agency."""
        return self.member.agency

    @property
    def address(self) -> str:
        """Where its node listens."""
        return f"{HOST}:{self.port}"

    @property
    def card(self) -> TrustedCard:
        """Its card.

        Raises:
            ConfigError: It is not founded yet.
        """
        if self._card is None:
            raise ConfigError(f"{self.agency} has no card yet: found it first")
        return self._card

    @property
    def office(self) -> Office:
        """Its use cases; the home is opened at the first need."""
        if self._desk is None:
            home = open_home(self.home, self._passphrase.encode())
            self._desk = self._opened.enter_context(home)
        return self._desk.office

    @property
    def pid(self) -> int | None:
        """The process that serves it."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether that process is alive."""
        return self._process is not None and self._process.poll() is None

    def found(self) -> None:
        """Make keys, card, database and ledger."""
        member = self.member
        config = Config(
            home=self.home,
            agency=Agency(
                id=member.agency, name=member.name, country=member.country, role=member.role
            ),
            node=Node(listen=self.address, advertise=(self.address,)),
            contact=Contact(focal_point="Duty desk (demonstration)", languages=("en",)),
            people=People(four_eyes=member.four_eyes),
        )
        self._card = found(config, self._passphrase.encode())

    def hire(self, name: OperatorId, role: Role) -> Office:
        """Add an operator, under a passphrase that is not told; return the office as theirs."""
        office, now_ms = self.office, system_clock()
        key = generate(
            KeyKind.OPERATOR,
            created_ms=now_ms,
            not_before_ms=now_ms,
            not_after_ms=now_ms + _HIRED_MS,
        )
        path = operator_key_path(self.home, name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        secret = random_bytes(_PASSPHRASE_BYTES).hex().encode()
        replace_file(path, encrypt_keyring(Keyring((key,)), secret))
        add_operator(office, name, role, key)
        return replace(office, actor=unlock(office, name, key))

    def start(self) -> None:
        """Start the node's process; `wait_serving` waits for it."""
        command = [sys.executable, "-m", "sesn_node", "--home", str(self.home), "serve"]
        environment = {**os.environ, "SESN_PASSPHRASE": self._passphrase}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very program, and no shell
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C at the terminal is for the demonstration, which ends its children.
                start_new_session=True,
            )

    def wait_serving(self) -> None:
        """Wait until the node serves.

        Raises:
            PeerUnavailable: It ended, or takes too long.
        """
        wait_until(self._serves, f"the node of {self.agency} serves")

    def _serves(self) -> bool:
        if not self.running:
            raise PeerUnavailable(
                f"the node of {self.agency} ended by itself: {self._last_words()}"
            )
        return self.wake()

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def wake(self) -> bool:
        """Tell the node that something was committed; False if none listens."""
        return poke(self.home / RUN_FOLDER)

    def lose_power(self) -> None:
        """End the process without warning: kill -9."""
        self._end(signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """Begin an orderly shutdown."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End the process in order, or else by force, and close the desk."""
        self._end(signal.SIGTERM)
        self._desk = None
        self._opened.close()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def network(
    members: Sequence[Member], folder: Path, passphrase: str
) -> Iterator[dict[AgencyId, Station]]:
    """Hand out a station for each agency; nothing is founded or started yet.

    However the block ends, no process is left behind, a second Ctrl-C included.
    """
    stations = {member.agency: Station(member, folder, passphrase) for member in members}
    try:
        yield stations
    finally:
        with undisturbed():
            for station in stations.values():
                station.ask_to_stop()
            for station in stations.values():
                station.close()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nothing but a kill -9 interrupt the block."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port() -> int:
    """Find a port that nobody listens on, and that was not found before.

    Raises:
        PeerUnavailable: There is none.
    """
    while _UNTRIED:
        port = _UNTRIED.pop()
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise PeerUnavailable(f"no port of {HOST} between {_PORTS.start} and {_PORTS.stop} is free")
