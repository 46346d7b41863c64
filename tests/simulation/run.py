"""Running many histories on several cores, each process with homes of its own."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.history import Simulator, without_garbage
from tests.simulation.mutants import MUTANTS
from tests.simulation.setting import simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.simulation.history import Outcome

CORES = os.cpu_count() or 1
_CHUNK = 25
_FEW = 4
_MEMORY = Path("/dev/shm")  # noqa: S108 - not for files that others may find, only faster
_MOST_FAILURES = 5


@dataclass(slots=True)
class Totals:
    """What a number of histories came to, added up.

    `seconds` is virtual time, `spent_s` real.
    """

    histories: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    opportunities: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    seconds: float = 0.0
    messages: int = 0
    spent_s: float = 0.0

    def count(self, outcome: Outcome) -> None:
        """Add a history."""
        self.histories += 1
        if outcome.failure:
            self.failures.append((outcome.seed, outcome.failure))
        self.seen.update(outcome.seen)
        self.opportunities.update(outcome.opportunities)
        self.steps += outcome.steps
        self.seconds += outcome.seconds
        self.messages += outcome.messages

    def add(self, other: Totals) -> None:
        """Add other totals."""
        self.histories += other.histories
        self.failures += other.failures
        self.seen.update(other.seen)
        self.opportunities.update(other.opportunities)
        self.steps += other.steps
        self.seconds += other.seconds
        self.messages += other.messages


@contextmanager
def simulator(*, mutant: str | None = None, tracing: bool = False) -> Iterator[Simulator]:
    """Give a simulator with homes of its own, with everything replaced that it replaces.

    Args:
        mutant: The bug to plant.
        tracing: Whether histories keep their traces.
    """
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        one = Simulator(Path(folder))
        one.prepare()
        one.tracing = tracing
        without_garbage()
        planted = nullcontext() if mutant is None else MUTANTS[mutant].planted()
        with simulated(lambda: one.chance, tracing=tracing), planted:
            yield one


_kept: list[Simulator] = []


def _keep(mutant: str | None) -> None:
    """Prepare a worker process; it is ended with its simulator."""
    context = simulator(mutant=mutant)
    _kept.append(context.__enter__())
    _open.append(context)


_open: list[object] = []


def _some(seeds: Sequence[int]) -> Totals:
    totals = Totals()
    for seed in seeds:
        totals.count(_kept[0].run(seed))
    return totals


def run(
    seeds: Iterable[int],
    *,
    jobs: int,
    mutant: str | None = None,
    stop_at: int = _MOST_FAILURES,
    progress: Callable[[Totals], None] = lambda _: None,
) -> Totals:
    """Run histories on several cores.

    Args:
        seeds: Which.
        jobs: Processes.
        mutant: The bug to plant.
        stop_at: Failures after which no more are begun.
        progress: Told of what came so far, from time to time.
    """
    began = time.monotonic()
    totals = Totals()
    left = list(seeds)
    size = _CHUNK if stop_at > 1 else _FEW
    chunks = [left[at : at + size] for at in range(0, len(left), size)]
    pool = ProcessPoolExecutor(
        min(jobs, len(chunks)) or 1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_keep,
        initargs=(mutant,),
    )
    with pool:
        futures = [pool.submit(_some, chunk) for chunk in chunks]
        for future in as_completed(futures):
            totals.add(future.result())
            totals.spent_s = time.monotonic() - began
            progress(totals)
            if len(totals.failures) >= stop_at:
                pool.shutdown(cancel_futures=True)
                break
    totals.failures.sort()
    totals.spent_s = time.monotonic() - began
    return totals
