"""A process of a node: opened on its disk, serving or running a command, until it ends or dies."""

from __future__ import annotations

import contextvars
from contextlib import suppress
from typing import TYPE_CHECKING

from sesn_node import bootstrap
from sesn_node.errors import SesnError
from tests.simulation.faults import CRASHES, Fault
from tests.simulation.homes import PASSPHRASE
from tests.simulation.loop import OWNER
from tests.simulation.strands import Crash, current, in_strand

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sesn_node.bootstrap import Desk
    from sesn_node.config import Config
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.transport.node import Node
    from tests.simulation.disk import Disk
    from tests.simulation.strands import Strand
    from tests.simulation.world import World

_LATER_S = (0.0, 0.01, 0.5, 5.0)
_SLOW_S = (0.01, 1.0, 10.0, 45.0)


class Process:
    """One process of an agency.

    Args:
        world: The history it lives in.
        agency: Whose.
        name: For traces.
        config: Its settings.
    """

    def __init__(self, world: World, agency: AgencyId, name: str, config: Config) -> None:
        self.world = world
        self.agency = agency
        self.name = name
        self.config = config
        self.disk: Disk = world.disks[agency]
        self.alive = True
        self.strands: list[Strand] = []
        self.tasks: list[asyncio.Task[object]] = []
        self.context = contextvars.copy_context()
        self.context.run(OWNER.set, self)
        self.serves = False
        self.serving = False
        self.problem = ""
        self.node: Node | None = None
        self._opening: AbstractContextManager[Desk] | None = None
        self._desk: Desk | None = None
        self._purposes: list[str] = []

    def __str__(self) -> str:
        return self.name

    # Life.

    @property
    def office(self) -> Office:
        """Its office, once opened; who asks after the end has ended with it."""
        if self._desk is None:
            raise Crash
        return self._desk.office

    @property
    def opened(self) -> bool:
        """Whether the home is open."""
        return self._desk is not None and self.alive

    def run(self, what: str, body: Callable[[], None]) -> Strand:
        """Open the home and run `body` in a thread; the process ends with it."""

        def main() -> None:
            try:
                self._open()
                body()
            except SesnError as error:
                self.world.trace(self.name, f"{what} failed: {error.code} {error}")
            self._close()
            self.alive = False
            self.world.ended(self)

        return self.world.loop.spawn(self, what, main)

    def serve(self) -> None:
        """Open the home and serve it, until stopped or dead."""

        def main() -> None:
            try:
                self._open()
            except SesnError as error:
                self.world.trace(self.name, f"does not start: {error.code} {error}")
                self.alive = False
                self.world.ended(self)
                return
            self.world.loop.call_soon(begin, context=self.context)

        def begin() -> None:
            assert self._desk is not None
            if self.alive:
                self.node = self._desk.node()
                task = self.world.loop.create_task(
                    self.node.run(self._ready), name=f"{self.name}", context=self.context.copy()
                )
                task.add_done_callback(self._ended, context=self.context)

        self.world.trace(self.name, "starts")
        self.world.loop.spawn(self, "start", main)

    def stop(self) -> None:
        """Begin an orderly shutdown."""
        if self.node is not None and self.alive:
            self.world.trace(self.name, "is stopped")
            self.node.stop()
        else:
            self.crash("stopped before it served")

    def crash(self, why: str) -> None:
        """End at once, in the middle of whatever it does."""
        if not self.alive:
            return
        self.alive = False
        self.world.trace(self.name, f"CRASH: {why}")
        self.world.look()
        self.world.network.process_ended(self)
        self.world.loop.bury(self)
        for task in list(self.tasks):
            task.cancel()
        self.world.loop.call_soon(self._bury, context=self.world.context)

    def _bury(self) -> None:
        """Clear away what Python holds of a dead process."""
        opening, self._opening, self._desk = self._opening, None, None
        if opening is not None:
            with suppress(Crash):
                opening.__exit__(Crash, Crash(), None)
        self.world.ended(self)

    def _open(self) -> None:
        home = self.world.templates[self.agency].home
        opening = bootstrap.open_home(home, PASSPHRASE, clock=self.now_ms)
        self._desk = opening.__enter__()
        self._opening = opening

    def _close(self) -> None:
        opening, self._opening, self._desk = self._opening, None, None
        if opening is not None:
            opening.__exit__(None, None, None)

    def _ready(self, address: str, problem: str) -> None:
        self.serving = True
        self.problem = problem
        self.world.trace(self.name, f"serves {address or 'nobody, but dials'} {problem}")

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The node's main task has ended: in order, or with an error."""
        if not self.alive:
            return
        if task.cancelled() or (error := task.exception()) is None:
            self.world.loop.spawn(self, "end", self._finish)
            return
        if not isinstance(error, Crash):
            self.world.fault(f"{self.name} ended: {error!r}", error)

    def _finish(self) -> None:
        self._close()
        self.alive = False
        self.world.network.process_ended(self)
        self.world.ended(self)

    def adopt(self, task: asyncio.Task[object]) -> None:
        """Keep a task that runs in this process."""
        self.tasks.append(task)
        task.add_done_callback(self.tasks.remove, context=self.world.context)
        if not self.alive:
            task.cancel()

    def old_copy(self, error: Exception) -> None:
        """Its sequencer has found that the database is an old copy."""
        self.world.trace(self.name, "notices an old copy")
        if self.agency not in self.world.old:
            self.world.fault(f"{self.name} takes its database for an old copy: {error}", error)

    # What its disk and its network ask.

    def now_ms(self) -> int:
        """Read its clock."""
        return self.world.now_ms() + self.world.skews[self.agency]

    def pause(self, operation: str) -> None:
        """Let other threads overtake this one, or keep it waiting."""
        if not self.alive:
            raise Crash
        if not in_strand():
            return
        world = self.world
        strand = current()
        if world.faults.strikes(Fault.SLOW, operation):
            delay = world.chance.choice(_SLOW_S)
            world.trace(self.name, f"{operation} takes {delay} s")
            self.sleep(delay)
        elif world.chance.random() < world.overtaking:
            strand.step_aside()

    def sleep(self, seconds: float) -> None:
        """Let the running thread wait."""
        strand = current()
        self.world.loop.call_later(seconds, strand.wake, context=self.context)
        strand.wait()

    def later(self, call: Callable[[], None]) -> None:
        """Do something at some time."""
        delay = self.world.chance.choice(_LATER_S)
        self.world.loop.call_later(delay, call, context=self.world.context)

    def strike(self, kind: Fault, operation: str) -> bool:
        """End here, or tell whether the fault happens."""
        if not self.alive:
            raise Crash
        if not self.world.faults.strikes(kind, operation):
            return False
        self.world.trace(self.name, f"{kind.value}: {operation}")
        if kind in CRASHES:
            self.crash(f"{kind.value} {operation}")
            raise Crash
        return True

    def operation(self) -> str:
        """Name what the transaction at hand is for: the weightiest of its group."""
        purposes, self._purposes = self._purposes, []
        for name in ("receive", "settle", "share", "peers", "aside", "expire"):
            if name in purposes:
                return name
        return purposes[-1] if purposes else "write"

    def purpose(self, operation: object) -> None:
        """Note an operation of the transaction at hand."""
        inner = getattr(operation, "func", operation)
        self._purposes.append(getattr(inner, "__module__", "?").rpartition(".")[2])
