"""The simulation's own machinery: virtual time, strands that take turns, and seeds that repeat."""

from __future__ import annotations

import asyncio
import contextvars
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.simulation.loop import OWNER, Loop, Stuck
from tests.simulation.strands import Condition, Crash, Future, Queue, Strand, Thread, current

if TYPE_CHECKING:
    from collections.abc import Callable


class _Owner:
    """A process that does nothing by itself."""

    def __init__(self) -> None:
        self.alive = True
        self.strands: list[Strand] = []
        self.context = contextvars.copy_context()
        self.context.run(OWNER.set, self)

    def die(self, loop: Loop) -> None:
        """End, wherever its strands wait."""
        self.alive = False
        loop.bury(self)


def _loop(seed: int = 0, *, most_steps: int = 10_000, disorder: bool = False) -> Loop:
    # Of an event loop's methods it has those that are called here.
    return Loop(Random(seed), most_steps=most_steps, disorder=disorder)  # type: ignore[abstract]  # see above


def _run(loop: Loop, owner: _Owner, body: Callable[[], object], within_s: float = 1e6) -> None:
    """Run one strand to its end."""
    strand = loop.spawn(owner, "body", body)
    loop.run_until(lambda: strand.done, within_s=within_s)
    assert strand.done


def test_time_passes_only_when_nothing_can_run() -> None:
    """A day of sleep takes no time, and is seen by everybody as a day."""
    loop = _loop()
    woke: list[float] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woke.append(loop.time())

    for seconds in (86_400.0, 1.0):
        loop.create_task(sleeper(seconds))
    assert not loop.run_until(lambda: False, within_s=10)
    assert (woke, loop.time()) == ([1.0], 10.0)
    loop.run_until(lambda: len(woke) == 2, within_s=86_400)
    assert woke == [1.0, 86_400.0]


def test_a_seed_repeats_its_choices_and_another_makes_others() -> None:
    """The order in which strands run is a function of the seed."""

    def order(seed: int) -> list[int]:
        loop, owner = _loop(seed), _Owner()
        ran: list[int] = []

        def body(number: int) -> None:
            for _ in range(3):
                ran.append(number)
                current().step_aside()

        strands = [loop.spawn(owner, f"{one}", partial(body, one)) for one in range(4)]
        loop.run_until(lambda: all(one.done for one in strands))
        return ran

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(8)}) > 4


def test_callbacks_of_one_process_keep_their_order_unless_disorder_is_asked_for() -> None:
    """What asyncio promises holds within a process; a history may ask for less."""

    def order(seed: int, *, disorder: bool) -> list[int]:
        loop, owner = _loop(seed, disorder=disorder), _Owner()
        ran: list[int] = []
        for number in range(6):
            loop.call_soon(ran.append, number, context=owner.context)
        loop.run_until(lambda: len(ran) == 6)
        return ran

    assert all(order(seed, disorder=False) == list(range(6)) for seed in range(8))
    assert len({tuple(order(seed, disorder=True)) for seed in range(8)}) > 4


def test_a_thread_of_asyncio_is_a_strand_that_waits_for_others() -> None:
    """`asyncio.to_thread` runs on the stand-ins, and what it waits for may come from the loop."""
    loop, owner = _loop(), _Owner()
    queue = Queue()

    async def main() -> object:
        asyncio.get_running_loop().call_later(5, queue.put, "late")
        return await asyncio.to_thread(queue.get)

    task = loop.create_task(main(), context=owner.context.copy())
    loop.run_until(task.done, within_s=10)
    assert (task.result(), loop.time()) == ("late", 5.0)


def test_waiting_as_a_thread_on_the_loop_itself_is_an_error() -> None:
    """Code that would block a node's event loop is caught."""
    loop, owner = _loop(), _Owner()

    async def main() -> object:
        return Queue().get()

    task = loop.create_task(main(), context=owner.context.copy())
    loop.run_until(task.done)
    assert isinstance(task.exception(), AssertionError)


def test_a_worker_thread_serves_who_waits_for_its_results() -> None:
    """Queue, future, condition and thread work together as their models do."""
    loop, owner = _loop(3), _Owner()
    jobs = Queue()
    state = {"done": 0}
    changed = Condition()
    results: list[int] = []

    def work() -> None:
        while (job := jobs.get()) is not None:
            with changed:
                state["done"] += 1
                changed.notify_all()
            job.set_result(state["done"])

    def body() -> None:
        thread = Thread(target=work, name="worker", daemon=True)
        thread.start()
        asked: list[Future[int]] = [Future() for _ in range(3)]
        for job in asked:
            jobs.put(job)
        results.extend(job.result() for job in asked)
        with changed:
            changed.wait_for(lambda: state["done"] == 3)
        jobs.put(None)
        thread.join()

    _run(loop, owner, body)
    assert results == [1, 2, 3]


def test_a_crash_ends_every_strand_where_it_waits() -> None:
    """No strand of a dead process goes on, and none can wait itself back to life."""
    loop, owner = _loop(), _Owner()
    reached: list[str] = []

    def stubborn() -> None:
        try:
            Queue().get()
        except BaseException:  # noqa: BLE001 - as a worker that reports whatever happens
            reached.append("told")
            Queue().get()
        reached.append("never")

    strand = loop.spawn(owner, "stubborn", stubborn)
    never_begun = loop.spawn(owner, "late", lambda: reached.append("never"))
    loop.run_until(lambda: strand.waiting)
    owner.die(loop)
    loop.run_until(lambda: False)
    assert strand.done
    assert never_begun.done or reached == ["never", "told"]
    assert reached[-1] == "told"


def test_a_dead_process_starts_no_thread() -> None:
    """Tasks of a process that crashed get no answer from threads."""
    loop, owner = _loop(), _Owner()

    async def main() -> None:
        await asyncio.sleep(1)
        await asyncio.to_thread(pytest.fail, "it ran")

    task = loop.create_task(main(), context=owner.context.copy())
    owner.die(loop)
    loop.run_until(task.done, within_s=10)
    assert task.cancelled()


def test_a_loop_that_never_rests_is_found_out() -> None:
    """A history without an end fails by the number of its steps."""
    loop = _loop(most_steps=100)

    async def restless() -> None:
        while True:  # noqa: ASYNC110 - the fault that is to be found
            await asyncio.sleep(0)

    loop.create_task(restless())
    with pytest.raises(Stuck):
        loop.run_until(lambda: False, within_s=1)


def test_a_crash_in_a_strand_is_not_reported_as_a_fault() -> None:
    """What a dead process did not handle concerns nobody; anything else is noted."""
    loop, owner = _loop(), _Owner()

    def fail(error: BaseException) -> None:
        raise error

    loop.call_soon(fail, Crash(), context=owner.context)
    loop.call_soon(fail, KeyError("lost"), context=owner.context)
    loop.run_until(lambda: False)
    assert len(loop.faults) == 1
    assert "lost" in loop.faults[0][0]
