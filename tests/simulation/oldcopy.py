"""Somebody takes a copy of a database and puts it back later; then the newest one again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.checks import released_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId
    from tests.simulation.disk import Disk
    from tests.simulation.world import World

_LATER_S = (3.0, 12.0)
_STAYS_S = (1.0, 8.0)


def old_database(world: World, agency: AgencyId) -> None:
    """Copy an agency's database now, to be put back later."""
    one = _OldCopy(world, agency)
    world.loop.call_later(world.chance.choice(_LATER_S), one.swap, context=world.context)


class _OldCopy:
    """A copy, and what becomes of it. The head file is never put back: that is what it is for."""

    def __init__(self, world: World, agency: AgencyId) -> None:
        self._world = world
        self._agency = agency
        self._disk = world.disks[agency]
        self._copy = self._disk.copy()
        self._newest = b""
        self._before = 0

    def swap(self) -> None:
        """Stop the node, and put the copy in place of its database."""
        if not self._world.healed and self._agency not in self._world.keep_down:
            self._down("its database is replaced")
            self._soon(self._put_back)

    def _put_back(self) -> None:
        world, disk = self._world, self._disk
        self._newest = disk.copy()
        disk.load(self._copy)
        self._before = _size(disk)
        if self._before >= released_size(disk):
            # Nothing that left is missing from it, so nothing could be noticed.
            disk.load(self._newest)
            self._up()
            return
        world.faults.happened("old database", "machine")
        world.trace(self._agency, "an old database is put back")
        world.old.add(self._agency)
        world.unfinished.append(self.end)
        self._up()
        world.loop.call_later(world.chance.choice(_STAYS_S), self.end, context=world.context)

    def end(self) -> None:
        """Make sure that it was noticed and nothing appended, and put the newest one back."""
        world = self._world
        if self._agency not in world.old:
            return
        if _size(self._disk) != self._before:
            world.fault(f"{self._agency} appended to an old copy of its database")
        if any(not one.problem for one in world.serving(self._agency)):
            world.fault(f"{self._agency} did not notice that its database is an old copy")
        self._down("its newest database is put back")
        self._soon(self._finish)

    def _finish(self) -> None:
        self._disk.load(self._newest)
        self._world.old.discard(self._agency)
        self._up()

    def _down(self, why: str) -> None:
        self._world.keep_down.add(self._agency)
        for process in [one for one in self._world.processes if one.agency == self._agency]:
            process.crash(why)

    def _up(self) -> None:
        self._world.keep_down.discard(self._agency)
        self._world.start(self._agency)

    def _soon(self, step: Callable[[], None]) -> None:
        self._world.loop.call_soon(step, context=self._world.context)


def _size(disk: Disk) -> int:
    size: int = disk.connection.execute("SELECT size FROM ledger_head").fetchone()[0]
    return size
