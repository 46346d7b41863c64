"""The pump over a link without a network, and the breaker that it reports to."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Answer, WitnessAnswer
from sesn_node.domain.delivery import NO_ANSWER
from sesn_node.errors import PeerUnavailable, StorageError, VerificationError
from sesn_node.exchange.breaker import THRESHOLD, Breaker, Circuit, circuit
from sesn_node.exchange.intake import MOST_NEW_PROOFS
from sesn_node.ledger.witness import Status
from sesn_node.transport import pump as pumping
from sesn_node.transport.pump import Pace, Pump
from tests.support.homes import GH, NL
from tests.support.links import DirectLink, Pair
from tests.support.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sesn_node.domain.batches import Batch
    from sesn_node.store.leases import Lease, Leases
    from tests.support.network import Network

_QUICK = Pace(poll_s=0.01, timeout_s=5)
_SELDOM = Pace(poll_s=60, timeout_s=5)


class Rig(Pair):
    """nl.customs sends to gh.epa."""

    def __init__(self, net: Network) -> None:
        super().__init__(net)
        self.leases: Leases = self.office.store.leases()
        self.breaker = Breaker()
        intake = net[GH].receiver.open(NL)
        self.link = DirectLink(intake.receive)

    def pump(self, pace: Pace = _QUICK) -> Pump:
        """Make the pump."""
        shown = self.office.directory().own.sha256
        return Pump(
            self.office, GH, leases=self.leases, breaker=self.breaker, pace=pace, shown=shown
        )

    @asynccontextmanager
    async def running(self, pace: Pace = _QUICK) -> AsyncIterator[Pump]:
        """Run a pump until the block ends; its errors are the block's."""
        pump = self.pump(pace)
        task = asyncio.create_task(pump.run(self.link))
        try:
            yield pump
        finally:
            pump.stop()
            await task

    def fail(self, times: int = THRESHOLD) -> None:
        """Let attempts have failed before."""
        for _ in range(times):
            self.breaker.failed()


@pytest.fixture
def rig(connect: Callable[..., Network]) -> Rig:
    """Two agencies that trust each other, and a link."""
    return Rig(connect(NL, GH))


def unanswered(_: Batch) -> Answer:
    """Be a partner that does not answer."""
    raise PeerUnavailable("no answer")


def test_breaker() -> None:
    """Three failures in a row open the circuit; a success closes it."""
    breaker = Breaker()
    before = [(breaker.failed(), breaker.probing) for _ in range(THRESHOLD - 1)]
    assert before == [(1, False), (2, False)]
    assert (breaker.failed(), breaker.probing) == (THRESHOLD, True)
    assert circuit(breaker.failures) is Circuit.OPEN
    breaker.succeeded()
    assert (breaker.failures, breaker.probing) == (0, False)
    assert circuit(THRESHOLD - 1) is Circuit.CLOSED


async def test_all_that_is_due_goes_at_once(rig: Rig) -> None:
    """One batch carries what is due; our word on the answer follows it by itself."""
    messages = [rig.net.share(NL, GH) for _ in range(5)]
    async with rig.running(_SELDOM):
        await rig.acknowledged(*messages)
        await until(lambda: len(rig.link.batches) == 2, "our word as a witness goes")
    assert rig.link.sizes == [5, 0]
    assert rig.link.batches[1].witness.status == Status.COSIGNED


async def test_woken_pump_looks_again(rig: Rig) -> None:
    """What is shared while the pump rests goes when it is woken."""
    async with rig.running(_SELDOM) as pump:
        for _ in range(2):
            message = rig.net.share(NL, GH)
            pump.wake()
            await rig.acknowledged(message)


async def test_probe_carries_one_message(rig: Rig) -> None:
    """With the circuit open a single message goes; the answer closes it, and the rest follows."""
    messages = [rig.net.share(NL, GH) for _ in range(4)]
    rig.fail()
    async with rig.running(_SELDOM):
        await rig.acknowledged(*messages)
    assert [size for size in rig.link.sizes if size] == [1, 3]
    assert rig.breaker.failures == 0


async def test_probe_that_gets_no_answer(rig: Rig) -> None:
    """Its message is put off, and no other."""
    first, second = rig.net.share(NL, GH), rig.net.share(NL, GH)
    rig.fail()
    rig.link = DirectLink(unanswered)
    with pytest.raises(PeerUnavailable):
        await rig.pump().run(rig.link)
    assert rig.link.sizes == [1]
    assert rig.net[NL].copies(first)[GH].code == NO_ANSWER
    assert rig.net[NL].copies(second)[GH].code is None
    # Whoever runs the pump counts the failures.
    assert rig.breaker.failures == THRESHOLD


async def test_batch_that_gets_no_answer(rig: Rig) -> None:
    """With the circuit closed no message is to blame."""
    messages = [rig.net.share(NL, GH) for _ in range(2)]
    rig.link = DirectLink(unanswered)
    with pytest.raises(PeerUnavailable):
        await rig.pump().run(rig.link)
    assert {rig.net[NL].copies(one)[GH].code for one in messages} == {None}


async def test_fault_of_ours_is_no_fault_of_a_message(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that fails while an answer is settled puts no message off."""

    def broken(*_: object) -> object:
        raise StorageError("disk I/O error")

    message = rig.net.share(NL, GH)
    rig.fail()
    monkeypatch.setattr(pumping, "settle", broken)
    with pytest.raises(StorageError):
        await rig.pump().run(rig.link)
    assert rig.net[NL].copies(message)[GH].code is None


async def test_partner_that_always_wants_another_proof(rig: Rig) -> None:
    """It gets so many, and its answers close no circuit."""

    def again(batch: Batch) -> Answer:
        witness = WitnessAnswer(int(Status.OTHER_OLD_SIZE), 1)
        full = intake.receive(batch)
        return Answer(batch.sequence, witness, b"", full.outcomes)

    intake = rig.net[GH].receiver.open(NL)
    rig.link = DirectLink(again)
    rig.net.share(NL, GH)
    rig.fail(2)
    with pytest.raises(VerificationError):
        await rig.pump().run(rig.link)
    assert len(rig.link.batches) == MOST_NEW_PROOFS + 1
    assert rig.breaker.failures == 2
    rig.net.checking = False


async def test_link_that_stands_idle(rig: Rig) -> None:
    """It closes the circuit, once it has stood for a while."""
    rig.fail()
    async with rig.running():
        await until(lambda: rig.breaker.failures == 0, "the circuit closes")


async def test_link_that_is_woken_is_not_idle(rig: Rig) -> None:
    """Being woken is no success of the link."""
    rig.fail()
    async with rig.running(_SELDOM) as pump:
        for _ in range(20):
            pump.wake()
            await asyncio.sleep(0.01)
    assert rig.breaker.failures == THRESHOLD


async def test_link_that_is_lost_while_idle(rig: Rig) -> None:
    """Whoever runs the pump hears of it."""
    task = asyncio.create_task(rig.pump(_SELDOM).run(rig.link))
    rig.link.lost.set()
    with pytest.raises(PeerUnavailable):
        await task


async def test_lease_that_somebody_else_holds(rig: Rig) -> None:
    """Nothing is sent before the lease is ours; at the end it is given back."""
    message = rig.net.share(NL, GH)
    held = rig.leases.acquire(GH)
    assert held is not None
    async with rig.running() as pump:
        for _ in range(5):
            pump.wake()
            await asyncio.sleep(0.01)
        assert rig.link.batches == []
        held.release()
        await rig.acknowledged(message)
    again = rig.leases.acquire(GH)
    assert again is not None


async def test_stop_waits_for_the_answer(rig: Rig) -> None:
    """A pump that is stopped settles the batch that is under way."""
    arrived, goes_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(batch: Batch) -> Answer:
        loop.call_soon_threadsafe(arrived.set)
        asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result()
        return intake.receive(batch)

    intake = rig.net[GH].receiver.open(NL)
    rig.link = DirectLink(slow)
    message = rig.net.share(NL, GH)
    pump = rig.pump()
    task = asyncio.create_task(pump.run(rig.link))
    await arrived.wait()
    pump.stop()
    goes_on.set()
    with suppress(PeerUnavailable):
        await task
    await rig.acknowledged(message)
    assert rig.link.sizes == [1]


class SlowLeases:
    """Leases that are taken, and given back, only when the test says so."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self.asked = threading.Event()
        self.answered = threading.Event()

    def acquire(self, agency: str) -> Lease | None:
        """Take a lease when it may be taken."""
        self.asked.set()
        assert self.answered.wait(60)
        return self._leases.acquire(agency)

    def close(self) -> None:
        """Give everything back."""
        self._leases.close()


def _free(leases: Leases) -> bool:
    """Whether a lease can be taken; it is not kept."""
    lease = leases.acquire(GH)
    if lease is not None:
        lease.release()
    return lease is not None


async def test_cancelled_while_the_lease_is_taken(rig: Rig) -> None:
    """A lease that is taken when nobody waits for it any more is given back."""
    leases, rig.leases = rig.leases, SlowLeases(rig.leases)
    task = asyncio.create_task(rig.pump().run(rig.link))
    await until(rig.leases.asked.is_set, "the lease is asked for")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rig.leases.answered.set()
    await until(partial(_free, leases), "the lease can be taken")


async def test_cancelled_while_all_threads_are_at_work(rig: Rig) -> None:
    """The lease is given back as soon as a thread is free for it."""
    task = asyncio.create_task(rig.pump(_SELDOM).run(rig.link))
    await rig.acknowledged(rig.net.share(NL, GH))
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    busy = threading.Event()
    waiting = asyncio.create_task(asyncio.to_thread(busy.wait, 60))
    await asyncio.sleep(0)
    # Once while it rests, and once while it waits for the lease to be given back.
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert not _free(rig.leases)
    busy.set()
    assert await waiting
    await until(partial(_free, rig.leases), "the lease can be taken")
