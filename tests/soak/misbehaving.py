"""What a misbehaving partner costs the others: latency, and the memory of the node that it tries.

    python -m tests.soak.misbehaving --seconds 60 --rate 4

Two honest agencies, each served by `sesn serve`, send each other alerts at a steady rate over
loopback. First nobody disturbs them; then one partner after the other misbehaves towards the first
of them, each an agency of its own, in a process of its own. The first node is the same process
throughout, so memory that one kind leaves behind would show in the lines below it.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sesn_node.bootstrap import RUN_FOLDER, open_home
from sesn_node.config import LogFormat, LogLevel
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId
from sesn_node.exchange.share import Draft, share
from sesn_node.telemetry.logs import configure
from sesn_node.transport.wake import poke
from tests.support.homes import PASSPHRASE
from tests.support.misbehaviour import KINDS
from tests.support.processes import processes
from tests.support.serving import check_homes, found_home, introduce, note, pin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sesn_node.bootstrap import Desk
    from tests.support.processes import Process
    from tests.support.serving import Home

_BAIT = 400
"""Messages that wait for a partner when it begins to misbehave."""
_GLANCE_S = 0.003
_SETTLE_S = 3.0
_MIB = 1 << 20
_PATIENCE_S = 120.0


@dataclass(slots=True)
class Phase:
    """What was measured while somebody misbehaved, or nobody."""

    kind: str
    shared: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    processor_s: float = 0.0
    log_bytes: int = 0
    database_mib: float = 0.0
    entries: int = 0
    did: str = ""

    def line(self) -> str:
        """Write a row of the table."""
        cuts = statistics.quantiles(self.latencies_ms, n=100)
        memory = self.memory_mib
        tail = memory[-max(1, len(memory) // 10) :]
        figures = (
            f"{cuts[49]:.0f}",
            f"{cuts[94]:.0f}",
            f"{cuts[98]:.0f}",
            f"{memory[0]:.0f}",
            f"{max(memory):.0f}",
            f"{statistics.mean(tail):.0f}",
            f"{self.processor_s:.0f}",
            f"{self.log_bytes / 1024:.0f}",
            f"{self.database_mib:.1f}",
            f"{self.entries}",
        )
        return f"| {self.kind} | {' | '.join(figures)} | {self.did} |"


HEADING = (
    "| partner | p50 ms | p95 | p99 | MiB before | most | after | CPU s | log KiB | database MiB "
    "| entries | what it did |\n| --- |" + " --- |" * 11
)


class Sender:
    """An officer who shares an alert at each tick, whatever became of those before."""

    def __init__(self, desk: Desk, to: AgencyId, interval_s: float) -> None:
        self._desk = desk
        self._to = to
        self._interval_s = interval_s
        self._shared: queue.SimpleQueue[tuple[bytes, float, Phase]] = queue.SimpleQueue()
        self.phase = Phase("")

    def share(self, until: threading.Event) -> None:
        """Share at each tick until told to stop. Time counts from the tick."""
        tick = time.monotonic()
        while not until.is_set():
            phase = self.phase
            phase.shared += 1
            message_id = share(self._desk.office, Draft(note(), (self._to,)))
            self._shared.put((message_id, tick, phase))
            poke(self._desk.config.home / RUN_FOLDER)
            tick += self._interval_s
            time.sleep(max(0.0, tick - time.monotonic()))

    def watch(self, until: threading.Event) -> None:
        """Note when receipts come in, until told to stop and none is missing."""
        waiting: dict[bytes, tuple[float, Phase]] = {}
        while waiting or not until.is_set():
            with suppress(queue.Empty):
                while True:
                    message_id, tick, phase = self._shared.get_nowait()
                    waiting[message_id] = tick, phase
            now = time.monotonic()
            for message_id in self._acknowledged(list(waiting)):
                tick, phase = waiting.pop(message_id)
                phase.latencies_ms.append((now - tick) * 1000)
            oldest = min((tick for tick, _ in waiting.values()), default=now)
            assert now - oldest < _PATIENCE_S, "an alert was not acknowledged"
            time.sleep(_GLANCE_S)

    def _acknowledged(self, waiting: list[bytes]) -> list[bytes]:
        if not waiting:
            return []
        with self._desk.office.store.read() as transaction:
            states = transaction.outbox.states(self._to, waiting)
        return [one for one in waiting if states[one] is DeliveryState.ACKNOWLEDGED]


@contextmanager
def misbehaving(kind: str, home: Home, victim: Home) -> Iterator[Phase]:
    """Let a partner misbehave in a process of its own until the block ends."""
    phase = Phase(kind)
    where = (str(home.path), str(home.port), victim.agency, str(victim.port))
    command = [sys.executable, "-m", "tests.soak.attackers", kind, *where]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        try:
            yield phase
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                said, _ = running.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
    did: dict[str, int] = json.loads(said or b"{}")
    phase.did = ", ".join(f"{number:,} {what}" for what, number in did.items())


@dataclass(frozen=True, slots=True)
class Soak:
    """Two honest nodes at work.

    Args:
        victim: The node that is measured.
        desk: Its home, opened as an officer opens it.
        senders: Who sends.
        seconds: How long each phase takes.
    """

    victim: Process
    desk: Desk
    senders: Sequence[Sender]
    seconds: float

    def measure(self, phase: Phase) -> None:
        """Gather figures for a while."""
        state = self.victim.state()
        assert state is not None, "the node ended"
        for sender in self.senders:
            sender.phase = phase
        processor_s, database, entries = self._standing(state.pid)
        log = len(self.victim.log())
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            phase.memory_mib.append(_memory_mib(state.pid))
            time.sleep(0.5)
        now = self._standing(state.pid)
        phase.processor_s = now[0] - processor_s
        phase.database_mib = (now[1] - database) / _MIB
        phase.entries = now[2] - entries
        phase.log_bytes = len(self.victim.log()) - log
        for sender in self.senders:
            sender.phase = Phase("")
        while len(phase.latencies_ms) < phase.shared:
            time.sleep(_GLANCE_S)

    def _standing(self, pid: int) -> tuple[float, int, int]:
        with self.desk.office.store.read() as transaction:
            size = transaction.ledger.require_head().size
        home = self.desk.config.home
        return _processor_s(pid), sum(one.stat().st_size for one in home.glob("node.db*")), size


def _memory_mib(pid: int) -> float:
    resident = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE") / _MIB


def _processor_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def soak(folder: Path, kinds: Sequence[str], seconds: float, rate: float) -> None:
    """Measure, and print a row for each phase.

    Args:
        folder: For the homes.
        kinds: Who misbehaves, one after the other.
        seconds: Length of each phase.
        rate: Alerts a second of each of the two.
    """
    nl, gh = found_home(folder, AgencyId("nl.customs")), found_home(folder, AgencyId("gh.epa"))
    introduce(nl, gh)
    bad = {kind: found_home(folder, AgencyId(f"be.{kind.replace('_', '-')}")) for kind in kinds}
    pin(nl, *bad.values())
    for home in bad.values():
        pin(home, nl)
    stop = threading.Event()
    with ExitStack() as open_:
        desks = [open_.enter_context(open_home(home.path, PASSPHRASE)) for home in (nl, gh)]
        victim, _ = open_.enter_context(processes(nl, gh))
        senders = [
            Sender(desk, other.agency, 1 / rate)
            for desk, other in zip(desks, (gh, nl), strict=True)
        ]
        scene = Soak(victim, desks[0], senders, seconds)
        works = [work for one in senders for work in (one.share, one.watch)]
        threads = [threading.Thread(target=one, args=(stop,)) for one in works]
        for thread in threads:
            thread.start()
        try:
            time.sleep(_SETTLE_S)
            _say(f"load: {os.getloadavg()}\n\n{HEADING}")
            _measured(scene, Phase("nobody"))
            for kind, home in bad.items():
                for _ in range(_BAIT):
                    share(desks[0].office, Draft(note(), (home.agency,)))
                poke(nl.path / RUN_FOLDER)
                with misbehaving(kind, home, nl) as phase:
                    time.sleep(_SETTLE_S)
                    scene.measure(phase)
                _say(phase.line())
                time.sleep(_SETTLE_S)
            _measured(scene, Phase("nobody"))
            _say(f"\nload: {os.getloadavg()}")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    check_homes(nl, gh)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _measured(scene: Soak, phase: Phase) -> None:
    scene.measure(phase)
    _say(phase.line())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each phase")
    parser.add_argument("--rate", type=float, default=4.0, help="alerts a second, each way")
    parser.add_argument("--folder", type=Path, help="keep homes and logs here")
    parser.add_argument("kinds", nargs="*", help=f"who misbehaves: {', '.join(KINDS)}")
    given = parser.parse_args()
    unknown = set(given.kinds) - set(KINDS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    configure(LogLevel.WARNING, LogFormat.CONSOLE)
    with ExitStack() as open_:
        folder = given.folder or open_.enter_context(tempfile.TemporaryDirectory("-sesn-soak"))
        soak(Path(folder), given.kinds or KINDS, given.seconds, given.rate)


if __name__ == "__main__":
    main()
