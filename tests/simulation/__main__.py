"""`make simulate`: run histories, on all cores; replay one; or show that planted bugs are found."""

from __future__ import annotations

import argparse
import os
import sys

from tests.simulation import report, run

_HASHING = "PYTHONHASHSEED"


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for; 0 if all is well."""
    if os.environ.get(_HASHING) != "0":
        # The order of sets of text depends on it, and with that the course of a history.
        command = [sys.executable, "-m", "tests.simulation", *arguments]
        os.execve(sys.executable, command, {**os.environ, _HASHING: "0"})  # noqa: S606 - ourselves
    chosen = _parser().parse_args(arguments)
    if chosen.replay is not None:
        return report.replay(chosen.replay, chosen.mutant)
    if chosen.mutants is not None:
        return report.mutants(chosen.mutants, most=chosen.histories or 2_000, jobs=chosen.jobs)
    seeds = range(chosen.seed, chosen.seed + (chosen.histories or 1_000))
    return report.histories(seeds, jobs=chosen.jobs, table=chosen.table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--histories", type=int, metavar="N", help="how many (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first one's seed (0)")
    parser.add_argument(
        "--jobs", type=int, default=run.CORES, metavar="J", help=f"processes ({run.CORES})"
    )
    parser.add_argument("--replay", type=int, metavar="S", help="show the history of a seed")
    parser.add_argument(
        "--mutants", nargs="*", metavar="NAME", help="plant known bugs: all, or those named"
    )
    parser.add_argument(
        "--table", action="store_true", help="fault, operation and count as lines with tabs"
    )
    parser.add_argument("--mutant", metavar="NAME", help="replay with this bug planted")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
