"""One partner without a network: collecting, dialling, backing off, and being greeted."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Batch
from sesn_node.errors import MalformedError, PeerUnavailable
from sesn_node.exchange.links import link_ended, link_opened, no_links
from sesn_node.exchange.peers import revoke_peer
from sesn_node.exchange.rotate import Rotatable
from sesn_node.transport import partner as partners
from sesn_node.transport.collector import Collector
from sesn_node.transport.pacing import Reception
from sesn_node.transport.partner import Partner
from sesn_node.transport.pump import Pace
from tests.support.homes import GH, NL
from tests.support.links import DirectConnection, DirectInlet, DirectLink, Pair, Switchboard
from tests.support.patience import until, wait_until
from tests.support.rotations import bring_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sesn_node.domain.batches import Answer
    from sesn_node.store.peers import LinkRow
    from tests.support.network import Network

_NEVER_MS = 3_600_000
_MOMENT_S = 0.02
_LEAST_S = 5
"""How long a partner that was reached is left alone at least, once it has failed."""


class Rig(Pair):
    """What nl.customs does about gh.epa."""

    def __init__(self, net: Network) -> None:
        super().__init__(net)
        self.reception = Reception(net[NL].receiver)
        self.board = Switchboard()
        self.pushed = False

    def reachable(self, inlet: Callable[[], DirectInlet] = DirectInlet) -> DirectConnection:
        """Let gh.epa be reached from now on."""
        link = DirectLink(self.net[GH].receiver.open(NL).receive)
        self.board.connection = DirectConnection(self.net[GH].card.sealed, link, inlet)
        return self.board.connection

    def noted(self) -> tuple[int, str | None]:
        """Say how often gh.epa failed in a row, and why, as an operator sees it."""
        link = self.link()
        return link.failures, link.error

    def link(self) -> LinkRow:
        """Say how the link to gh.epa stands."""
        with self.office.store.read() as transaction:
            return transaction.peers.link(GH)

    def has_failed(self, times: int) -> bool:
        """Say whether gh.epa failed so often in a row."""
        return self.noted()[0] == times

    def has_dialled(self, times: int) -> bool:
        """Say whether gh.epa was dialled so often."""
        return self.board.dialled == times

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


class StoppedTime:
    """The event loop's time, which stands still unless it is moved."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        self.passed_s = 0.0
        patch.setattr(loop, "time", lambda: start_s + self.passed_s)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for what happens though no time passes."""
        await asyncio.to_thread(wait_until, condition, what)

    async def pass_until(self, condition: Callable[[], object]) -> None:
        """Let second after second pass, with a moment to work in each."""
        while not condition():
            assert self.passed_s * 1000 < _NEVER_MS
            self.passed_s += 1
            await asyncio.to_thread(time.sleep, _MOMENT_S)


def unanswered(_: Batch) -> Answer:
    """Be a partner that does not answer."""
    raise PeerUnavailable("no answer")


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
        await rig.acknowledged(message)
    assert rig.board.dialled == 1


async def test_no_collecting_from_a_partner_that_delivers(rig: Rig) -> None:
    """It begins when the partner's own delivery stream is gone."""
    rig.pushed = True
    connection = rig.reachable()
    async with rig.running() as partner:
        message = rig.net.share(NL, GH)
        partner.wake()
        await rig.acknowledged(message)
        assert connection.collected == 0
        rig.pushed = False
        await until(lambda: connection.collected == 1, "collecting begins")


async def test_nobody_is_greeted_with_a_card_that_is_not_durable(rig: Rig) -> None:
    """A new card waits for the head file, and so does the greeting that shows it."""
    rig.reachable()
    rig.net.faults.broken_head_files.add(NL)
    bring_in(rig.net[NL], Rotatable.SEAL)
    async with rig.running():
        await until(lambda: rig.has_failed(1), "it could not be greeted")
        assert rig.has_dialled(0)
    rig.net.faults.broken_head_files.clear()


# When a connection begins and ends.


async def test_begin_and_end_of_a_connection_are_noted(rig: Rig) -> None:
    """An operator sees that it is connected, and later since when it is not."""
    rig.reachable()
    async with rig.running():
        await until(lambda: rig.link().connected_ms, "it is connected")
        assert rig.link().ended_ms is None
        rig.net.pass_time(1000)
    link = rig.link()
    assert link.connected_ms is not None
    assert link.ended_ms == rig.office.clock() > link.connected_ms


async def test_end_of_collecting_is_noted(rig: Rig) -> None:
    """So it is for a partner that nobody can dial: it has left when its last connection ends."""
    link = DirectLink(rig.net[GH].receiver.open(NL).receive)
    async with rig.running() as one:
        streams = [asyncio.create_task(one.serve(link)) for _ in range(2)]  # type: ignore[arg-type]
        await until(lambda: one._connections == len(streams), "it collects")  # noqa: SLF001 - no other sign
        streams[0].cancel()
        await asyncio.gather(streams[0], return_exceptions=True)
        assert rig.link().ended_ms is None
        streams[1].cancel()
        await asyncio.gather(streams[1], return_exceptions=True)
        assert rig.link().ended_ms is not None


async def test_end_of_a_connection_that_a_later_one_has_replaced(rig: Rig) -> None:
    """It is noted for the newest alone: the partner may have gone over to another process."""
    opened_ms = link_opened(rig.office, GH)
    rig.net.pass_time(1)
    later_ms = link_opened(rig.office, GH)
    link_ended(rig.office, GH, opened_ms)
    assert rig.link().ended_ms is None
    link_ended(rig.office, GH, later_ms)
    assert rig.link().ended_ms == later_ms


async def test_connections_of_a_node_that_was_killed(rig: Rig) -> None:
    """The next one begins with none; what ended before stays as it was."""
    no_links(rig.office)
    assert rig.link().ended_ms is None
    link_opened(rig.office, GH)
    rig.net.pass_time(1)
    for _ in range(2):
        no_links(rig.office)
        assert rig.link().ended_ms == rig.link().connected_ms + 1  # type: ignore[operator]
        rig.net.pass_time(1)


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
        await rig.acknowledged(message)
    assert rig.board.dialled == 2


async def test_greetings_of_a_partner_that_fails_when_it_is_reached(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end the wait, but not at once: two such nodes would keep each other dialling."""
    monkeypatch.setattr(partners, "backoff_ms", lambda *_: _NEVER_MS)
    rig.board.connection = DirectConnection(rig.net[GH].card.sealed, DirectLink(unanswered))
    rig.net.share(NL, GH)
    with monkeypatch.context() as patch:
        stopped = StoppedTime(patch)
        async with rig.running() as partner:
            for times in (1, 2):
                await stopped.until(partial(rig.has_failed, times), "it fails")
                partner.peer_is_back()
                await stopped.pass_until(partial(rig.has_dialled, times + 1))
                assert stopped.passed_s >= times * _LEAST_S


async def test_failures_are_noted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator sees how often it failed in a row, and why; reached, nothing of it is left."""
    monkeypatch.setattr(partners, "backoff_ms", lambda *_: 1)

    async with rig.running():
        await until(lambda: rig.noted()[0] > 2, "failures are noted")
        assert rig.noted()[1] == "nobody answers"
        rig.reachable()
        await until(lambda: rig.noted()[0] == 0, "it is reached")


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
