"""Pacing: what an agency takes, how long it waits, and that it waits for itself alone."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Batch
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.transport import pacing
from sesn_node.transport.pacing import TOO_MANY, Pacing, Reception, Share
from sesn_node.wire.batches import batch_to_pb, decode_batch
from tests.support.homes import GH, NL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network


class Clock:
    """The time of an event loop, seconds."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def time(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What pacing takes for the time."""
    made = Clock()
    monkeypatch.setattr("sesn_node.transport.pacing.asyncio.get_running_loop", lambda: made)
    return made


def test_burst_then_rate(clock: Clock) -> None:
    """So much at once costs no wait, even just after the machine was started; then one by one."""
    paced = Pacing(Share(burst=3, per_s=2, longest_s=10))
    assert [paced.take(NL, 1) for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    assert paced.take(GH, 1) == 0
    clock.now_s = 1.0
    assert paced.take(NL, 1) == 0.5
    clock.now_s = 1_000.0
    assert [paced.take(NL, 1) for _ in range(4)] == [0, 0, 0, 0.5]


def test_amounts(clock: Clock) -> None:
    """What is taken may be more than what is left: the next one waits for it."""
    paced = Pacing(Share(burst=1, per_s=0.5, longest_s=10))
    assert paced.take(NL, 4) == 6
    assert paced.take(NL, 0) == 6
    clock.now_s = 6.0
    assert paced.take(NL, 0) == 0


async def test_too_long(clock: Clock) -> None:
    """What would wait too long is refused, and has taken nothing."""
    paced = Pacing(Share(burst=1, per_s=0.1, longest_s=0))
    await paced.wait(NL)
    for _ in range(3):
        with pytest.raises(PolicyError) as refused:
            await paced.wait(NL)
        assert refused.value.code == TOO_MANY
    await paced.wait(GH)
    clock.now_s = 10.0
    await paced.wait(NL)


async def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many wait; one more is refused at once, and those of others are not."""
    monkeypatch.setattr(pacing, "_MOST_WAITING", 2)
    paced = Pacing(Share(burst=1, per_s=0.001, longest_s=1_000))
    await paced.wait(NL)
    waiting = [asyncio.create_task(paced.wait(NL)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(PolicyError):
        await paced.wait(NL)
    await paced.wait(GH)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    # Whoever hung up no longer waits.
    again = asyncio.create_task(paced.wait(NL))
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


async def test_work_for_nothing_is_paced(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches that bring nothing are counted by the time that they take; others are not."""
    monkeypatch.setattr(pacing, "IDLE_WORK", Share(burst=0.0015, per_s=1e-6, longest_s=0))
    net = connect(NL, GH)
    reception = Reception(net[GH].receiver)
    intake = reception.open(NL)
    net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    answer = await reception.receive(NL, intake, encoded(wire.prepare().batch))
    assert len(answer.outcomes) == 1
    await reception.ready(NL)
    for number in (2, 3):
        await reception.receive(NL, intake, encoded(Batch(number)))
    with pytest.raises(PolicyError):
        await reception.ready(NL)
    await reception.ready(GH)


async def test_batch_that_cannot_be_read_counts(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does what ends its stream."""
    monkeypatch.setattr(pacing, "IDLE_WORK", Share(burst=0.0001, per_s=1e-6, longest_s=0))
    net = connect(NL, GH)
    reception = Reception(net[GH].receiver)
    with pytest.raises(MalformedError):
        await reception.receive(NL, reception.open(NL), b"\xff")
    with pytest.raises(PolicyError):
        await reception.ready(NL)


async def test_waiting_is_not_charged(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That our disk is slow costs the sender nothing: processor time counts."""
    monkeypatch.setattr(pacing, "IDLE_WORK", Share(burst=0.1, per_s=1e-6, longest_s=0))
    net = connect(NL, GH)
    reception = Reception(net[GH].receiver)

    def slow(data: bytes) -> Batch:
        time.sleep(0.2)
        return decode_batch(data)

    monkeypatch.setattr(pacing, "decode_batch", slow)
    await reception.receive(NL, reception.open(NL), encoded(Batch(1)))
    await reception.ready(NL)


async def test_bytes_are_charged(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was carried here for nothing costs its sender, though it is refused at a glance."""
    monkeypatch.setattr(pacing, "IDLE_WORK", Share(burst=0.01, per_s=1e-6, longest_s=0))
    reception = Reception(connect(NL, GH)[GH].receiver)
    for agency, size in ((NL, 6 << 20), (GH, 6)):
        with pytest.raises(MalformedError):
            await reception.receive(agency, reception.open(agency), b"\xff" * size)
    await reception.ready(GH)
    with pytest.raises(PolicyError):
        await reception.ready(NL)


async def test_batch_that_nobody_waits_for(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread goes on: the next batch waits until that ends, and it is charged."""
    monkeypatch.setattr(pacing, "IDLE_WORK", Share(burst=0.0001, per_s=1e-6, longest_s=0))
    reception = Reception(connect(NL, GH)[GH].receiver)
    begun, go_on = threading.Event(), threading.Event()
    read: list[bytes] = []

    def slow(data: bytes) -> Batch:
        read.append(data)
        begun.set()
        go_on.wait()
        raise MalformedError("no batch")

    monkeypatch.setattr(pacing, "decode_batch", slow)
    first = asyncio.ensure_future(reception.receive(NL, reception.open(NL), b"first"))
    await asyncio.to_thread(begun.wait)
    first.cancel()
    second = asyncio.ensure_future(reception.receive(NL, reception.open(NL), b"second"))
    await asyncio.wait({first, second}, timeout=0.05)
    assert first.cancelled()
    assert read == [b"first"]
    await reception.ready(NL)
    second.cancel()
    go_on.set()
    third = reception.receive(NL, reception.open(NL), b"third")
    with pytest.raises(MalformedError):
        await third
    assert read == [b"first", b"third"]
    with pytest.raises(PolicyError):
        await reception.ready(NL)


def encoded(batch: Batch) -> bytes:
    """Write a batch."""
    return batch_to_pb(batch).SerializeToString()
