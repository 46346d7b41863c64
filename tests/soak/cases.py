"""Play many histories of return-to-origin cases, and check each in many orders of arrival.

python -m tests.soak.cases --histories 5000
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from random import Random

from sesn_node.domain.case_history import Standing
from tests.support.case_histories import STARTS, played, some_turns
from tests.support.check_histories import check_history, check_seen


def play(number: int, most: int) -> Counter[Standing]:
    """Play and check one history; `AssertionError` if something does not hold of it."""
    chance = Random(number)
    world = played(chance.randrange(len(STARTS)), some_turns(chance, most))
    whole = check_history(world, chance)
    check_seen(whole)
    return Counter(whole.standing.values())


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--steps", type=int, default=30, help="how many are taken at most")
    options = parser.parse_args()
    failed = 0
    total: Counter[Standing] = Counter()
    for number in range(options.first, options.first + options.histories):
        try:
            total += play(number, options.steps)
        except AssertionError as error:
            failed += 1
            sys.stdout.write(f"{number}: {error!r}\n")
    steps = ", ".join(f"{count:,} {standing}" for standing, count in sorted(total.items()))
    sys.stdout.write(f"{options.histories:,} histories, {failed} failed; steps: {steps}\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
