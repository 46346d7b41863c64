"""One history from its seed: a time of faults, the end of them, and what must hold then."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Urgency
from sesn_node.exchange.share import Draft, share
from tests.simulation import actions, checks
from tests.simulation.disk import Disk
from tests.simulation.faults import Fault
from tests.simulation.homes import BE, GH, NL, Templates
from tests.simulation.world import Broken, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.simulation.process import Process

_START_S = 20.0
_FAULTS_S = 25.0
_HEALING_S = 900.0
"""Longer than the longest back-offs, timeouts and polls in a row."""
_SLICE_S = 1.0
_MOST_CANCELS = 5
_RUNS_UNTIL_COLLECTED = 10
_QUIET_S = 40.0
_AT_ONCE_S = 9.0
"""Between nodes that are linked, a message waits for no poll."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a history came to.

    Args:
        seed: Which one.
        failure: Why it failed; empty if it passed.
        seen: Faults and deeds, by operation.
        opportunities: How often each operation could have been struck.
        steps: How many steps were taken.
        seconds: How much virtual time passed.
        messages: How many messages were shared.
        events: The trace, if it was asked for.
    """

    seed: int
    failure: str
    seen: Counter[tuple[str, str]]
    opportunities: Counter[str]
    steps: int
    seconds: float
    messages: int
    events: tuple[str, ...] = field(repr=False)


class Simulator:
    """Runs histories, one after the other, on the same disks."""

    def __init__(self, folder: Path) -> None:
        self._templates = Templates(folder)
        self._disks = {agency: Disk() for agency in (NL, GH, BE)}
        self.chance = Random(0)
        self.tracing = False
        self._ran = 0
        self.problems: list[BaseException] = []

    def prepare(self) -> None:
        """Found the homes; not to be done within `simulated`."""
        self._templates.prepare()

    def run(self, seed: int) -> Outcome:
        """Run the history of a seed, within `simulated`."""
        self._collect()
        world = World(seed, self._templates, self._disks, tracing=self.tracing)
        self.chance = world.chance
        failure = ""
        try:
            _live(world)
        except Exception as error:  # noqa: BLE001 - also what breaks a check is a failure
            failure = f"{type(error).__name__}: {error}"
        finally:
            self._end(world)
        if world.problems:
            # What a node did first is more telling than what came of it.
            failure = "; ".join(str(one) for one in world.problems[:3])
            self.problems = world.problems
        return Outcome(
            seed=seed,
            failure=failure,
            seen=world.faults.seen,
            opportunities=world.faults.opportunities,
            steps=world.loop.steps,
            seconds=world.loop.time(),
            messages=sum(map(len, world.promised.values())),
            events=tuple(world.events),
        )

    def _collect(self) -> None:
        """Collect garbage between histories, and never within one.

        What is closed by a collection would depend on what other histories left behind.
        """
        gc.disable()
        self._ran += 1
        if self._ran % _RUNS_UNTIL_COLLECTED == 0:
            gc.collect()

    @staticmethod
    def _end(world: World) -> None:
        """End every process, so that nothing of this history reaches into the next."""
        world.faults.active = False
        world.keep_down.update(world.agencies)
        for process in list(world.processes):
            process.crash("the history ends")
        world.loop.drain()
        for _ in range(_MOST_CANCELS):
            left = [task for process in world.everybody for task in process.tasks]
            for task in left:
                task.cancel()
            world.loop.drain()


def _live(world: World) -> None:
    world.glance = checks.check_released
    for agency in world.agencies:
        world.start(agency)
    world.loop.run_until(lambda: checks.serving(world), within_s=_START_S)
    world.faults.active = True
    actions.plan(world, _FAULTS_S * 0.7)
    _pass_time(world, _FAULTS_S)
    _heal(world)
    _wait(world, "all nodes serve", lambda: checks.serving(world))
    _wait(world, "all messages come to an end", lambda: checks.settled(world))
    _wait(world, "all recalls are obeyed", lambda: checks.obeyed(world))
    _wait(world, "all answers come to an end", lambda: checks.settled(world))
    # Longer than any back-off: whatever can be dialled is.
    _pass_time(world, _QUIET_S)
    last = _one_more_each(world)
    stalled = any(kind == Fault.SLOW for kind, _ in world.faults.seen)
    within_s = _HEALING_S if stalled else _AT_ONCE_S
    _wait(world, "the last messages arrive", lambda: checks.settled(world), within_s)
    checks.check_invariants(world)
    checks.check_ends(world)
    checks.check_erased(world)
    checks.check_recalled(world)
    checks.check_witnessed(world, last)


def _pass_time(world: World, seconds: float) -> None:
    end = world.loop.time() + seconds
    while world.loop.time() < end and not world.problems:
        world.loop.run_until(lambda: False, within_s=min(_SLICE_S, end - world.loop.time()))
        checks.check_released(world)
    _raise_first(world)


def _heal(world: World) -> None:
    """End all faults: clocks agree, everybody serves, and everybody trusts everybody."""
    world.trace("world", "--- the faults end ---")
    world.faults.active = False
    world.healed = True
    _wait(world, "operators have done what they began", lambda: _idle(world))
    for finish in world.unfinished:
        finish()
    _pass_time(world, 0.1)
    world.skews = dict.fromkeys(world.skews, 0)
    _catch_up(world)
    world.network.heal()
    world.keep_down.clear()
    for agency in world.agencies:
        world.start(agency)
    for agency in world.agencies:
        if checks.promises_too_much(world, agency):
            actions.reissue_card(world, agency)
    if "revoked" in world.excuses:
        _wait(world, "all nodes serve", lambda: checks.serving(world))
        for agency in world.agencies:
            for other in world.others(agency):
                actions.trust(world, agency, other)
        _wait(world, "everybody trusts everybody", lambda: checks.all_trusted(world))


def _idle(world: World) -> bool:
    return all(strand.done for strand in world.operators)


def _catch_up(world: World) -> None:
    """Let the time come that anything was dated for by a clock that ran ahead."""
    world.jumped_ms += max(0, checks.newest_date(world) - world.now_ms())


def _one_more_each(world: World) -> dict[AgencyId, MessageId]:
    """Let each agency share a last message with all others."""
    last: dict[AgencyId, MessageId] = {}

    def body(process: Process) -> None:
        to = tuple(world.others(process.agency))
        draft = Draft(actions.written(Urgency.ROUTINE), to)
        last[process.agency] = share(process.office, draft)

    for agency in world.agencies:
        actions.command(world, agency, "last share", body)
    _wait(world, "the last messages are shared", lambda: len(last) == len(world.agencies))
    return last


def _wait(
    world: World, what: str, condition: Callable[[], bool], within_s: float = _HEALING_S
) -> None:
    end = world.loop.time() + within_s
    while not condition():
        _raise_first(world)
        if world.loop.time() >= end:
            raise Broken(f"within {within_s:.0f} s it did not happen that {what}")
        world.loop.run_until(lambda: False, within_s=_SLICE_S)
        if not any(world.skews.values()):
            # A thread that was slow may have dated something only now.
            _catch_up(world)
    _raise_first(world)


def _raise_first(world: World) -> None:
    for words, error in world.loop.faults:
        world.fault(words, error)
    world.loop.faults.clear()
    if world.problems:
        raise world.problems[0]


def without_garbage() -> None:
    """Collect now, and keep what is there out of later collections."""
    gc.collect()
    gc.freeze()
