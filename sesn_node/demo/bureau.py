"""Nodes that serve inside the demonstration's own process, under its virtual time.

They are homes and nodes like any other: they listen, dial and prove who they are by TLS. What
differs is whose clock they ask, which is why they are not processes of their own: no command line
of a node can shift its time.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from sesn_node.bootstrap import open_home
from sesn_node.config import Agency, Config, Contact, Node
from sesn_node.crypto.kdf import KdfParams
from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.demo.network import HOST, free_port, undisturbed, wait_until
from sesn_node.domain.people import OperatorId, Role, operator_id
from sesn_node.domain.times import DAY_MS
from sesn_node.errors import PeerUnavailable
from sesn_node.exchange.approval import approve, propose
from sesn_node.exchange.endorsing import ApprovalNeeded
from sesn_node.exchange.operators import add_operator, unlock
from sesn_node.exchange.peers import add_peer
from sesn_node.exchange.share import share
from sesn_node.founding import found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from sesn_node.bootstrap import Desk
    from sesn_node.demo.cast import Member
    from sesn_node.demo.virtual_time import VirtualTime
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.operators import Actor
    from sesn_node.exchange.share import Draft
    from sesn_node.transport.node import Node as ServingNode

_OFFICER: Final = operator_id("f1")
_SUPERVISOR: Final = operator_id("h1")
_HIRED_MS: Final = 366 * DAY_MS
_STOP_S: Final = 30.0
_LOOK_EVERY: Final = 8
"""Glances of whoever waits, for one of the nodes."""
# The passphrase is 128 bits of chance: no number of tries finds it, however cheap each is.
_CHEAP: Final = KdfParams(64, 1, 1)


class Bureau:
    """One authority: its home, opened, its node, and two people who work there.

    Args:
        member: Who it is.
        folder: Where its home goes.
        passphrase: Of its key files; it must not be one that can be guessed.
        clock: What its node and its people take for the time.
        opened: Closes the home.
    """

    def __init__(
        self,
        member: Member,
        folder: Path,
        passphrase: str,
        clock: VirtualTime,
        opened: ExitStack,
    ) -> None:
        self.agency: AgencyId = member.agency
        self.home = folder / f"{member.agency}.virtual"
        address = f"{HOST}:{free_port()}"
        config = Config(
            home=self.home,
            agency=Agency(
                id=member.agency, name=member.name, country=member.country, role=member.role
            ),
            node=Node(listen=address, advertise=(address,)),
            contact=Contact(focal_point="Duty desk (demonstration)", languages=("en",)),
        )
        secret = passphrase.encode()
        self.card = found(config, secret, kdf=_CHEAP, clock=clock)
        self.desk: Desk = opened.enter_context(open_home(self.home, secret, clock=clock))
        self._people = (
            self._hire(_OFFICER, Role.OFFICER),
            self._hire(_SUPERVISOR, Role.SUPERVISOR),
        )

    @property
    def office(self) -> Office:
        """Its use cases."""
        return self.desk.office

    def trust(self, other: Bureau) -> None:
        """Pin the card of another, whose fingerprint was compared."""
        add_peer(self.office, other.card.sealed, fingerprint=other.card.fingerprint)

    def send(self, write: Callable[[Office], Draft]) -> tuple[MessageId, bool]:
        """Let an officer write a message and send it; if that takes two people, the second too.

        Returns:
            The message id, and whether a second person approved it.

        Raises:
            SesnError: As `share`.
        """
        officer, supervisor = (replace(self.office, actor=one) for one in self._people)
        try:
            return share(officer, write(officer)), False
        except ApprovalNeeded as needed:
            proposal = propose(officer, needed.draft)
        return approve(supervisor, proposal.draft_id), True

    def _hire(self, name: OperatorId, role: Role) -> Actor:
        """Add an operator, whose key is never written down: it ends with the demonstration."""
        now_ms = self.office.clock()
        key = generate(
            KeyKind.OPERATOR,
            created_ms=now_ms,
            not_before_ms=now_ms,
            not_after_ms=now_ms + _HIRED_MS,
        )
        add_operator(self.office, name, role, key)
        return unlock(self.office, name, key)


class Served:
    """Nodes at work in a thread of their own."""

    def __init__(self, nodes: Sequence[ServingNode]) -> None:
        self._nodes = nodes
        self._ready: set[int] = set()
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="virtual-nodes")
        self._running = self._executor.submit(lambda: asyncio.run(self._serve()))

    def wait_until(
        self, condition: Callable[[], bool], what: str, *, by_themselves: bool = False
    ) -> None:
        """Wait until something holds.

        Args:
            condition: That.
            what: The same in words.
            by_themselves: Whether nodes do it when they look around: let them, again and again,
                since a node that is at something puts off looking.

        Raises:
            PeerUnavailable: It never did, or a node ended; the message says what.
        """
        glances = count()

        def holds() -> bool:
            if self._running.done():
                raise PeerUnavailable(f"{what}: a node ended by itself") from (
                    self._running.exception()
                )
            if by_themselves and next(glances) % _LOOK_EVERY == 0:
                self._look_around()
            return condition()

        wait_until(holds, what)

    def wait_ready(self) -> None:
        """Wait until all of them serve.

        Raises:
            PeerUnavailable: As `wait_until`.
        """
        self.wait_until(lambda: len(self._ready) == len(self._nodes), "the nodes serve")

    def stop(self) -> None:
        """Shut them down in order."""
        loop = self._loop.result()
        if not self._running.done():
            for node in self._nodes:
                loop.call_soon_threadsafe(node.stop)
        self._running.exception(_STOP_S)
        self._executor.shutdown()

    def _look_around(self) -> None:
        loop = self._loop.result()
        for node in self._nodes:
            loop.call_soon_threadsafe(node.wake)

    async def _serve(self) -> None:
        self._loop.set_result(asyncio.get_running_loop())
        async with asyncio.TaskGroup() as group:
            for number, node in enumerate(self._nodes):
                group.create_task(node.run(partial(self._note_ready, number)))

    def _note_ready(self, number: int, _listen: str, _problem: str) -> None:
        self._ready.add(number)


@contextmanager
def served(bureaus: Sequence[Bureau]) -> Iterator[Served]:
    """Serve homes until the block ends, however it does.

    Raises:
        PeerUnavailable: They do not begin to serve.
    """
    running = Served([one.desk.node() for one in bureaus])
    try:
        running.wait_ready()
        yield running
    finally:
        with undisturbed():
            running.stop()
