"""What `make simulate` prints."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import run, simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.simulation.run import Totals

_SHOWN = 5
_EVERY = 500
_REPLAY = 'make simulate ARGS="--replay {seed}{mutant}"'


def say(text: str = "") -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def histories(seeds: Iterable[int], *, jobs: int, table: bool = False) -> int:
    """Run histories and say what they came to; 1 if one failed."""
    totals = run(seeds, jobs=jobs, progress=_progress)
    rate = totals.histories / totals.spent_s
    say(
        f"{totals.histories:,} histories in {totals.spent_s:.1f} s: {rate:.1f}/s, "
        f"{rate / jobs:.1f}/s per process"
    )
    say(
        f"{totals.messages:,} messages, {totals.steps:,} steps, "
        f"{totals.seconds / 3600:,.1f} hours of virtual time"
    )
    say()
    say(_table(totals) if table else coverage(totals))
    for seed, words in totals.failures[:_SHOWN]:
        say()
        say(f"FAILED: seed {seed}: {words}")
        say(f"  {_REPLAY.format(seed=seed, mutant='')}")
    say()
    say(f"{totals.histories - len(totals.failures):,} passed, {len(totals.failures)} failed")
    return 1 if totals.failures else 0


def _progress(totals: Totals) -> None:
    """Say on stderr that it goes on, each minute or so."""
    if totals.histories % _EVERY == 0:
        sys.stderr.write(
            f"{totals.histories:,} histories in {totals.spent_s:.0f} s, "
            f"failed: {[seed for seed, _ in totals.failures] or 'none'}\n"
        )
        sys.stderr.flush()


def coverage(totals: Totals) -> str:
    """Tell how often each fault met each operation."""
    by_kind: dict[str, Counter[str]] = {}
    for (kind, operation), count in totals.seen.items():
        by_kind.setdefault(kind, Counter())[operation] += count
    lines = []
    for kind in sorted(by_kind):
        parts = ", ".join(f"{name} {count:,}" for name, count in sorted(by_kind[kind].items()))
        lines.append(f"{kind:<15} {by_kind[kind].total():>7,}  {parts}")
    return "\n".join(lines)


def _table(totals: Totals) -> str:
    """The same for programs."""
    rows = sorted(totals.seen.items())
    return "\n".join(f"{kind}\t{operation}\t{count}" for (kind, operation), count in rows)


def replay(seed: int, mutant: str | None) -> int:
    """Show every step of a history; 1 if it fails."""
    with simulator(mutant=mutant, tracing=True) as one:
        outcome = one.run(seed)
    for line in outcome.events:
        say(line)
    say()
    say(f"seed {seed}: {outcome.failure or 'passed'}")
    say(
        f"{outcome.messages} messages, {outcome.steps} steps, {outcome.seconds:.0f} s of virtual "
        "time"
    )
    return 1 if outcome.failure else 0


def mutants(names: Sequence[str], *, most: int, jobs: int) -> int:
    """Plant one bug after the other and say how many histories it took to find it.

    Args:
        names: Which; all of them if empty.
        most: How many histories to try.
        jobs: Processes.

    Returns:
        1 if one was not found.
    """
    missed = 0
    for name in names or MUTANTS:
        totals = run(range(most), jobs=jobs, mutant=name, stop_at=1)
        say(f"{name}: {MUTANTS[name].words}")
        if not totals.failures:
            missed += 1
            say(f"  NOT FOUND in {totals.histories:,} histories")
            continue
        seed, words = totals.failures[0]
        say(f"  found by history {seed + 1:,}: {words[:200]}")
        say(f"  {_REPLAY.format(seed=seed, mutant=f' --mutant {name}')}")
    say()
    say(f"{len(names or MUTANTS) - missed} found, {missed} not found")
    return 1 if missed else 0
