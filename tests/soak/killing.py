"""Two processes of one agency are killed in turn, and their database is stopped, under traffic.

    python -m tests.soak.killing --kills 100 --restarts 10

The agency's processes share one PostgreSQL; a partner, on SQLite, talks with whichever answers.
Officers of both share alerts all the time. At the end every message has arrived exactly once, has
its receipt, and every invariant holds in both databases. Prints figures as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sesn_node.bootstrap import HEAD_FILE, open_home
from sesn_node.config import Delivery, LogFormat, LogLevel
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.errors import StorageError
from sesn_node.store.headfile import HeadFile
from sesn_node.telemetry.logs import configure
from tests.support.engines import PostgresEngine
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.officers import Officer, at_work
from tests.support.patience import wait_until
from tests.support.postgres import server
from tests.support.processes import Process
from tests.support.serving import check_homes, found_home, introduce
from tests.support.twins import found_twins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.office import Office
    from tests.support.postgres import Server
    from tests.support.serving import Home

SEED: Final = 20_261_123
_DELIVERY: Final = Delivery(backoff_initial_ms=50, backoff_cap_ms=1_000, request_timeout_ms=5_000)
_CALM_S: Final = (0.3, 2.5)
_AWAY_S: Final = (0.2, 2.0)


@dataclass(slots=True)
class Figures:
    """What happened. Times are seconds.

    Args:
        recovery_kill: From each kill until a message shared after it was acknowledged, each way.
        recovery_restart: The same, from the moment that the database let in again.
    """

    kills: int = 0
    restarts: int = 0
    elapsed: float = 0.0
    sent_by_twins: int = 0
    sent_by_partner: int = 0
    uncertain: int = 0
    uncertain_persisted: int = 0
    recovery_kill: list[float] = field(default_factory=list)
    recovery_restart: list[float] = field(default_factory=list)

    def told(self) -> dict[str, object]:
        """Sum up the times."""
        found: dict[str, object] = asdict(self)
        for name in ("recovery_kill", "recovery_restart"):
            times = sorted(getattr(self, name))
            found[name] = times and {
                "median": round(statistics.median(times), 2),
                "p95": round(times[int(0.95 * (len(times) - 1))], 2),
                "max": round(times[-1], 2),
            }
        found["elapsed"] = round(self.elapsed, 1)
        return found


class _Ordeal:
    """The processes, the officers, and what is done to them."""

    def __init__(
        self, twins: Sequence[Process], officers: Sequence[Officer], seed: int, database: Server
    ) -> None:
        self._twins = twins
        self._officers = officers
        self._chance = random.Random(seed)
        self._database = database
        self.figures = Figures()

    def kill(self) -> None:
        """Kill one of the twins, wait until traffic flows both ways again, and start it anew."""
        victim = self._chance.choice(self._twins)
        self._calm()
        positions = self._positions()
        start = time.monotonic()
        victim.kill()
        # Half of the time it is back before the other has noticed.
        at_once = self._chance.random() < 0.5
        if at_once:
            victim.start()
        self.figures.recovery_kill.append(self._heard_again(positions, start))
        if not at_once:
            victim.start()
        victim.await_serving()
        self.figures.kills += 1

    def restart_database(self) -> None:
        """Stop the database as a crash does, start it after a while, and wait for traffic."""
        self._calm()
        self._database.stop(at_once=True)
        time.sleep(self._chance.uniform(*_AWAY_S))
        self._database.start()
        start = time.monotonic()
        self.figures.recovery_restart.append(self._heard_again(self._positions(), start))
        self.figures.restarts += 1

    def _calm(self) -> None:
        time.sleep(self._chance.uniform(*_CALM_S))

    def _positions(self) -> list[int]:
        return [len(officer.shared) for officer in self._officers]

    def _heard_again(self, positions: Sequence[int], start: float) -> float:
        for officer, position in zip(self._officers, positions, strict=True):
            wait_until(partial(_is_heard, officer, position), f"{officer.to} acknowledges again")
        return time.monotonic() - start


def _is_heard(officer: Officer, position: int) -> bool:
    """Whether a message after that many has been shared and acknowledged."""
    try:
        newer = officer.shared[position:]
        with officer.office.store.read() as transaction:
            states = transaction.outbox.states(officer.to, newer[:100])
    except StorageError:
        return False
    return DeliveryState.ACKNOWLEDGED in states.values()


def run(folder: Path, *, kills: int, restarts: int, seed: int = SEED) -> Figures:
    """Kill, stop and start; check everything at the end.

    Args:
        folder: For homes; the database server has a folder of its own.
        kills: How often one of the two processes is killed (kill -9).
        restarts: How often the database is stopped and started, after the kills.
        seed: Decides who is killed and when.

    Raises:
        AssertionError: A message was lost or doubled, or an invariant does not hold.
    """
    with server() as database, ExitStack() as stack:
        twins = found_twins(folder, NL, PostgresEngine(database), _DELIVERY)
        partner = found_home(folder, GH, _DELIVERY)
        introduce(twins[0], partner)
        processes = [Process(home) for home in (*twins, partner)]
        for process in processes:
            stack.callback(process.kill)
            process.start()
        for process in processes:
            process.await_serving()
        offices = [
            stack.enter_context(open_home(home.path, PASSPHRASE)).office
            for home in (twins[0], partner)
        ]
        officers = [
            Officer(office, to, database_breaks=True)
            for office, to in zip(offices, (GH, NL), strict=True)
        ]
        ordeal = _Ordeal(processes[:2], officers, seed, database)
        start = time.monotonic()
        with at_work(*officers):
            for _ in range(kills):
                ordeal.kill()
            for _ in range(restarts):
                ordeal.restart_database()
        for officer in officers:
            wait_until(officer.is_done, "every message has its receipt")
        figures = ordeal.figures
        figures.elapsed = time.monotonic() - start
        for process in processes:
            process.stop()
        figures.uncertain = sum(officer.uncertain for officer in officers)
        figures.sent_by_twins = _settled_once(officers[0], offices[1])
        figures.sent_by_partner = _settled_once(officers[1], offices[0])
        known = sum(len(officer.shared) for officer in officers)
        figures.uncertain_persisted = figures.sent_by_twins + figures.sent_by_partner - known
        stack.pop_all().close()
        _check(twins, partner)
    return figures


def _check(twins: Sequence[Home], partner: Home) -> None:
    """Check every invariant, as each of the twins has it."""
    ahead = max(twins, key=_held)
    # What has left was first held by the head file of the process that let it go.
    check_homes(ahead, partner)
    for twin in twins:
        if twin is not ahead:
            with open_home(twin.path, PASSPHRASE) as desk:
                desk.office.sequencer.check()
            check_homes(twin, partner)


def _held(twin: Home) -> tuple[int, int]:
    held = HeadFile(twin.path / HEAD_FILE).read()
    assert held is not None
    return held.size, held.witnessed


def _settled_once(officer: Officer, receiver: Office) -> int:
    """Check that every message of an officer arrived once, and has one receipt; count them."""
    with officer.office.store.read() as sent, receiver.store.read() as received:
        arrived = Counter(row.message_id for row in received.inbox.every())
        copies = Counter(copy.message_id for copy in sent.copies.every())
        assert arrived == copies, "what arrived is not what was sent"
        assert max(arrived.values()) == 1, "a message arrived twice"
        assert set(officer.shared) <= set(arrived), "a message was lost"
        unknown = len(arrived) - len(officer.shared)
        assert unknown <= officer.uncertain, "a message was shared that nobody asked for"
        for message_id in arrived:
            ours = [row.kind for row in sent.ledger.entries_of(message_id)]
            theirs = [row.kind for row in received.ledger.entries_of(message_id)]
            assert ours == [EntryKind.SHARED.value, EntryKind.ACKNOWLEDGED.value], ours
            assert theirs == [EntryKind.RECEIVED.value], theirs
    return len(arrived)


def main() -> None:
    """Run as long as asked for, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    configure(LogLevel.ERROR, LogFormat.CONSOLE)
    with tempfile.TemporaryDirectory(prefix="sesn-soak-") as folder:
        figures = run(
            Path(folder), kills=options.kills, restarts=options.restarts, seed=options.seed
        )
    json.dump(figures.told(), sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
