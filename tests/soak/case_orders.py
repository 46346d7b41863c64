"""Let cases happen in thousands of interleavings, and make sure that all nodes agree in the end.

python -m tests.soak.case_orders --interleavings 3000
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import structlog

from sesn_node.errors import SesnError
from tests.support.casemutants import MUTANTS
from tests.support.caseorders import Told, play
from tests.support.casestages import Stages
from tests.support.homes import Homes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - not for files that others may find, only faster
_CHUNK: Final = 10
_EVERY: Final = 100
_MOST_FAILURES: Final = 5
_UNTIL_COLLECTED: Final = 20


@dataclass(slots=True)
class Totals:
    """What a number of interleavings came to, added up; `failures` by seed."""

    played: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    members: Counter[int] = field(default_factory=Counter)
    superseded: int = 0
    contested: int = 0

    def add(self, other: Totals) -> None:
        """Add other totals."""
        self.played += other.played
        self.failures |= other.failures
        self.counts += other.counts
        self.actions += other.actions
        self.states += other.states
        self.members += other.members
        self.superseded += other.superseded
        self.contested += other.contested


class Player:
    """Plays interleavings on homes of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stages = Stages(Homes(folder / "homes"), folder / "stages")

    def play(self, seed: int, totals: Totals) -> Told:
        """Play the interleaving of a seed, and count it."""
        told = Told()
        totals.played += 1
        try:
            play(self.stages, Random(seed), self._folder / "played", told)
        except (AssertionError, SesnError, LookupError, ValueError) as error:
            totals.failures[seed] = f"{type(error).__name__}: {error}"
            return told
        totals.counts += told.counts
        totals.actions += told.actions
        totals.states[told.state] += 1
        totals.members[told.members] += 1
        totals.superseded += told.superseded
        totals.contested += bool(told.superseded)
        if totals.played % _UNTIL_COLLECTED == 0:
            gc.collect()
        return told


@contextmanager
def player() -> Iterator[Player]:
    """Prepare homes in a folder of its own, in every state."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # What lives for long is not looked through each time.
    gc.disable()
    memory = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        one = Player(Path(folder))
        one.stages.prepare()
        yield one


_kept: list[Player] = []
_open = ExitStack()


def _keep() -> None:
    """Prepare a worker process; it is ended with its homes."""
    _kept.append(_open.enter_context(player()))


def _pool(jobs: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_keep)


def _some(seeds: Sequence[int]) -> Totals:
    totals = Totals()
    for seed in seeds:
        _kept[0].play(seed, totals)
    return totals


def run(
    seeds: range,
    *,
    jobs: int,
    most: int = _MOST_FAILURES,
    minutes: float = float("inf"),
) -> Totals:
    """Play many interleavings in several processes.

    Args:
        seeds: Which.
        jobs: Processes.
        most: Failures after which none is begun.
        minutes: Time after which none is begun.
    """
    began = time.monotonic()
    totals = Totals()
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    with _pool(jobs) as pool:
        for future in as_completed([pool.submit(_some, chunk) for chunk in chunks]):
            totals.add(future.result())
            spent_s = time.monotonic() - began
            if totals.played % _EVERY < _CHUNK:
                _say(f"{totals.played:,} in {spent_s:.0f} s, failed: {[*totals.failures]}")
            if len(totals.failures) >= most or spent_s > minutes * 60:
                pool.shutdown(cancel_futures=True)
                break
    return totals


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def summary(totals: Totals, spent_s: float) -> str:
    """Tell what was played."""
    lines = [
        (
            f"{totals.played:,} interleavings in {spent_s:.0f} s, {len(totals.failures)} failed, "
            f"{totals.actions.total():,} steps, {totals.counts['delivered']:,} batches"
        ),
        (
            f"{totals.contested:,} with steps that others superseded, "
            f"{totals.superseded:,} such steps"
        ),
    ]
    for name, counter in (
        ("steps", totals.actions),
        ("events", totals.counts),
        ("state at the end", totals.states),
        ("members at the end", totals.members),
    ):
        parts = ", ".join(f"{key} {count:,}" for key, count in counter.most_common())
        lines.append(f"{name}: {parts}")
    return "\n".join(lines)


def replay(seed: int, mutant: str | None) -> int:
    """Show every event of one interleaving; 1 if it fails."""
    totals = Totals()
    planted = nullcontext() if mutant is None else MUTANTS[mutant].planted()
    with player() as one, planted:
        told = one.play(seed, totals)
    for line in told.events:
        _say(line)
    _say(f"seed {seed}: {totals.failures.get(seed, f'all agree on {told.state}')}")
    return 1 if totals.failures else 0


def _hunt(name: str, seeds: range) -> Totals:
    """Plant a bug, and play until it is found."""
    totals = Totals()
    with MUTANTS[name].planted():
        for seed in seeds:
            _kept[0].play(seed, totals)
            if totals.failures:
                break
    return totals


def mutants(names: Sequence[str], *, seeds: range, jobs: int) -> int:
    """Plant one bug after the other, and tell how many interleavings it took to find it."""
    missed = 0
    with _pool(jobs) as pool:
        hunts = {pool.submit(_hunt, name, seeds): name for name in names or MUTANTS}
        for future in as_completed(hunts):
            name, totals = hunts[future], future.result()
            if not totals.failures:
                missed += 1
                _say(f"{name}: NOT FOUND in {totals.played:,} interleavings")
                continue
            ((seed, words),) = totals.failures.items()
            _say(f"{name}: found by interleaving {totals.played}, seed {seed}: {words[:160]}")
    return 1 if missed else 0


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--interleavings", type=int, metavar="N", help="how many (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first one's seed (0)")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), metavar="M", help="begin none after M"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="processes (2)")
    parser.add_argument("--replay", type=int, metavar="S", help="show the interleaving of a seed")
    parser.add_argument(
        "--mutants", nargs="*", metavar="NAME", help="plant known bugs: all, or those named"
    )
    parser.add_argument("--mutant", choices=list(MUTANTS), help="replay with this bug planted")
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options.replay, options.mutant)
    if options.mutants is not None:
        seeds = range(options.seed, options.seed + (options.interleavings or 400))
        return mutants(options.mutants, seeds=seeds, jobs=options.jobs)
    began = time.monotonic()
    seeds = range(options.seed, options.seed + (options.interleavings or 1_000))
    totals = run(seeds, jobs=options.jobs, minutes=options.minutes)
    _say(summary(totals, time.monotonic() - began))
    for seed, words in sorted(totals.failures.items()):
        _say(f'FAILED: {words}\n  make case-orders ARGS="--replay {seed}"')
    return 1 if totals.failures else 0


if __name__ == "__main__":
    sys.exit(main())
