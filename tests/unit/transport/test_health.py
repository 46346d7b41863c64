"""Health: what counts as a proof that the node can write, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sesn_node.exchange.share import Draft, share
from sesn_node.store.disk import MIB, Disk
from sesn_node.transport import health as module
from sesn_node.transport.health import Health
from tests.support.faults import WriteFault
from tests.support.homes import GH, NL
from tests.support.network import alert
from tests.support.watching import Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.office import Office
    from tests.support.network import Member, Network


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


def _beats(office: Office) -> int:
    with office.store.read() as transaction:
        return transaction.pulse.beats()


@pytest.fixture
def member(connect: Callable[..., Network]) -> Member:
    """An agency with a partner."""
    return connect(NL, GH).members[NL]


async def test_a_node_is_not_healthy_before_it_has_looked(member: Member) -> None:
    """Nothing is claimed before the first write; that write is the pulse."""
    health = Health(member.office)
    assert health.problem == "the node is starting"
    assert not health.appends
    await health.look()
    assert (health.problem, health.appends) == ("", True)
    assert _beats(member.office) == 1


async def test_pulse_beats_only_when_nobody_writes(member: Member) -> None:
    """A write of a moment ago is proof enough; a busy node has no pulse at all."""
    seconds = Seconds()
    health = Health(member.office, seconds)
    await health.look()
    seconds.now += 4
    await health.look()
    assert _beats(member.office) == 1
    seconds.now += 1
    await health.look()
    assert _beats(member.office) == 2
    for _ in range(5):
        seconds.now += 4
        share(member.office, Draft(alert(), (GH,)))
        await health.look()
    assert _beats(member.office) == 2
    assert health.write_age_s == 0


async def test_write_that_fails_is_told_and_tried_again(member: Member) -> None:
    """From the failure on each look writes, so recovery shows at the next one."""
    health = Health(member.office)
    await health.look()
    member.faults.plan_write(1, WriteFault.COMMIT_FAILED)
    await health.look()
    assert health.problem == "injected: commit failed"
    assert not health.appends
    await health.look()
    assert (health.problem, health.appends) == ("", True)
    assert _beats(member.office) == 2


async def test_database_that_does_not_answer_is_told(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging transaction shows after a while, holds up nothing, and is waited for."""
    monkeypatch.setattr(module, "_PATIENCE_S", 0.02)
    health = Health(member.office)
    done = threading.Event()
    hanging = member.office.sequencer.submit(lambda _: done.wait())
    for _ in range(2):
        await health.look()
        assert "the database has not answered" in health.problem
    done.set()
    hanging.result()
    while health.problem:
        await health.look()
    assert health.appends
    assert _beats(member.office) == 1


async def test_disk_is_told_beside_the_database(member: Member) -> None:
    """Below the floor nothing new is taken, while the ledger can still be appended to."""
    space = Space(10 * MIB)
    disk = Disk({"home": Path("/srv")}, 64 * MIB, statvfs=space.statvfs)
    health = Health(replace(member.office, disk=disk))
    await health.look()
    assert "10 MiB left" in health.problem
    assert health.appends
    space.free_bytes = 64 * MIB
    await health.look()
    assert health.problem == ""


async def test_node_that_stops_looking_is_not_healthy(member: Member) -> None:
    """An old look proves nothing, whatever it saw."""
    seconds = Seconds()
    health = Health(member.office, seconds)
    await health.look()
    seconds.now += 31
    assert health.problem == "the node has stopped looking after itself"
    await health.look()
    assert health.problem == ""
    health.stop()
    assert health.problem == "the node is shutting down"


async def test_every_change_is_told_once(member: Member) -> None:
    """Whoever asked hears of bad news and of good news, and not of no news."""
    health = Health(member.office)
    await health.look()
    heard: list[str] = []

    async def changed() -> None:
        heard.append(health.problem)
        if len(heard) == 2:
            # What no fault of ours is ends the watch.
            raise asyncio.CancelledError

    member.faults.plan_write(2, WriteFault.COMMIT_FAILED)
    with pytest.raises(asyncio.CancelledError):
        await health.run(0, changed)
    assert heard == ["injected: commit failed", ""]
