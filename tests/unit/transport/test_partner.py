"""One partner without a network: collecting, dialling, backing off, and being greeted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Batch
from sesn_node.errors import MalformedError, PeerUnavailable
from sesn_node.exchange.peers import revoke_peer
from sesn_node.transport import partner as partners
from sesn_node.transport.collector import Collector
from sesn_node.transport.pacing import Reception
from sesn_node.transport.partner import Partner
from sesn_node.transport.pump import Pace
from tests.support.homes import GH, NL
from tests.support.links import DirectConnection, DirectInlet, DirectLink, Switchboard
from tests.support.serving import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Network

_NEVER_MS = 3_600_000


class Rig:
    """What nl.customs does about gh.epa."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.office = net[NL].office
        self.reception = Reception(net[NL].receiver)
        self.board = Switchboard()
        self.pushed = False

    def reachable(self, inlet: Callable[[], DirectInlet] = DirectInlet) -> DirectConnection:
        """Let gh.epa be reached from now on."""
        link = DirectLink(self.net[GH].receiver.open(NL).receive)
        self.board.connection = DirectConnection(self.net[GH].card.sealed, link, inlet)
        return self.board.connection

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Partner]:
        """Run until the block ends."""
        one = Partner(
            self.office,
            GH,
            reception=self.reception,
            dial=self.board.dial,
            leases=self.office.store.leases(),
            pushed=lambda: self.pushed,
            pace=Pace(poll_s=0.01, timeout_s=5, collect_after_s=0),
        )
        task = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            one.stop()
            await task

    def acknowledged(self, message_id: MessageId) -> bool:
        """Say whether a message was acknowledged."""
        return self.net[NL].states(message_id) == {GH: "acknowledged"}


@pytest.fixture
def rig(connect: Callable[..., Network]) -> Rig:
    """Two agencies that trust each other."""
    return Rig(connect(NL, GH))


def batch(rig: Rig, sequence: int = 1) -> Batch:
    """Make a batch of gh.epa for nl.customs."""
    rig.net.share(GH, NL)
    wire = rig.net.wire(GH, NL)
    wire.connect()
    made = wire.prepare().batch
    assert made.sequence == sequence
    return made


# Collecting.


async def test_collector_answers_every_batch(rig: Rig) -> None:
    """What comes is received and answered; then the stream's end is the collector's."""
    inlet = DirectInlet([batch(rig), Batch(2)], ends=True)
    collector = Collector(GH, rig.reception.open(GH), rig.reception)
    with pytest.raises(PeerUnavailable):
        await collector.run(inlet)
    assert [len(one.outcomes) for one in inlet.answers] == [1, 0]
    assert collector.useful


async def test_collector_that_is_stopped(rig: Rig) -> None:
    """It ends between two batches."""
    collector = Collector(GH, rig.reception.open(GH), rig.reception)
    task = asyncio.create_task(collector.run(DirectInlet()))
    await asyncio.sleep(0)
    collector.stop()
    await task
    assert not collector.useful


async def test_collecting_that_fails_is_tried_again(rig: Rig) -> None:
    """Over the same connection, while messages go on being delivered over it."""

    def broken() -> DirectInlet:
        raise MalformedError("no batch")

    connection = rig.reachable(broken)
    async with rig.running() as partner:
        await until(lambda: connection.collected > 2, "collecting is tried again")
        message = rig.net.share(NL, GH)
        partner.wake()
        await until(lambda: rig.acknowledged(message), "the message is acknowledged")
    assert rig.board.dialled == 1


async def test_no_collecting_from_a_partner_that_delivers(rig: Rig) -> None:
    """It begins when the partner's own delivery stream is gone."""
    rig.pushed = True
    connection = rig.reachable()
    async with rig.running() as partner:
        message = rig.net.share(NL, GH)
        partner.wake()
        await until(lambda: rig.acknowledged(message), "the message is acknowledged")
        assert connection.collected == 0
        rig.pushed = False
        await until(lambda: connection.collected == 1, "collecting begins")


# Dialling.


async def test_greeting_ends_the_wait(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partner that could not be reached is dialled again at once when it greets."""
    monkeypatch.setattr(partners, "backoff_ms", lambda *_: _NEVER_MS)
    message = rig.net.share(NL, GH)
    async with rig.running() as partner:
        await until(lambda: rig.board.dialled == 1, "it is dialled")
        rig.reachable()
        partner.wake()
        await asyncio.sleep(0.05)
        # New messages do not end a wait.
        assert rig.board.dialled == 1
        partner.peer_is_back()
        await until(lambda: rig.acknowledged(message), "the message is acknowledged")
    assert rig.board.dialled == 2


async def test_failures_are_noted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator sees how often it failed in a row, and why; reached, nothing of it is left."""
    monkeypatch.setattr(partners, "backoff_ms", lambda *_: 1)

    def noted() -> tuple[int, str | None]:
        with rig.office.store.read() as transaction:
            link = transaction.peers.link(GH)
        return link.failures, link.error

    async with rig.running():
        await until(lambda: noted()[0] > 2, "failures are noted")
        assert noted()[1] == "nobody answers"
        rig.reachable()
        await until(lambda: noted()[0] == 0, "it is reached")


async def test_partner_that_is_revoked(rig: Rig) -> None:
    """What goes on with it ends by itself."""
    revoke_peer(rig.office, GH)
    async with rig.running():
        pass
    assert rig.board.dialled == 0


async def test_partner_whom_nobody_can_dial(rig: Rig) -> None:
    """A partner without an endpoint is not dialled; it comes by itself."""
    rig.net[GH].issue(endpoints=())
    wire = rig.net.wire(GH, NL)
    wire.connect()
    async with rig.running() as partner:
        for _ in range(5):
            partner.wake()
            await asyncio.sleep(0.01)
    assert rig.board.dialled == 0
