"""Threads that take turns: a strand runs until it waits, and a seeded scheduler says who is next.

What a node runs in threads (use cases, the sequencer) runs here as it is, on the stand-ins for
`threading`, `queue` and `Future` at the end of this module. One strand runs at a time and none is
interrupted between two waits, so a history is a function of its seed. Where real threads could be
interrupted and it matters (before and after transactions, around the head file), the stand-ins for
store and head file call `pause`.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent import futures
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

T = TypeVar("T")


class Crash(BaseException):
    """The process that runs this has ended; nothing it does from here on reaches anything."""


class Owner(Protocol):
    """Whose strand it is."""

    alive: bool
    """Whether the process still runs; if not, its strands end with `Crash` where they wait."""
    strands: list[Strand]
    """Its strands that have not ended."""
    context: Context
    """What its code finds in context variables."""


class Scheduler(Protocol):
    """Who decides which strand is next."""

    stack: greenlet
    """Where it runs itself."""

    def ready(self, strand: Strand) -> None:
        """Let a strand go on at some time from now on."""


class Strand:
    """A function with a stack of its own. `switch` is for schedulers only."""

    __slots__ = ("_begun", "_greenlet", "done", "name", "on_done", "owner", "scheduler", "waiting")

    def __init__(
        self, scheduler: Scheduler, owner: Owner, name: str, run: Callable[[], object]
    ) -> None:
        self.scheduler = scheduler
        self.owner = owner
        self.name = name
        self.done = False
        self.waiting = False
        self._begun = False
        self.on_done: list[Callable[[], None]] = []
        # Whoever starts it: where it waits, the scheduler goes on.
        self._greenlet = _Thread(run, scheduler.stack)
        self._greenlet.strand = self
        self._greenlet.gr_context = owner.context.copy()
        owner.strands.append(self)
        scheduler.ready(self)

    def switch(self) -> None:
        """Run it until it waits or ends; called from the scheduler's own stack."""
        self._begun = True
        self.waiting = False
        try:
            self._greenlet.switch()
        except Crash:
            pass
        finally:
            self._leave()

    def kill(self) -> None:
        """End it where it waits, its process having ended; called from the scheduler's stack."""
        if not self._begun:
            # It never began, and shall not.
            self._finish()
            return
        for _ in range(_MOST_WAITS_IN_DEATH):
            if self.done:
                return
            try:
                self._greenlet.throw(Crash())
            except Crash:
                pass
            finally:
                self._leave()
        raise AssertionError(f"{self.name} does not end with its process")

    def _leave(self) -> None:
        if self._greenlet.dead:
            self._finish()

    def _finish(self) -> None:
        if self.done:
            return
        self.done = True
        if self in self.owner.strands:
            self.owner.strands.remove(self)
        for call in self.on_done:
            call()

    def wake(self) -> None:
        """Let it go on; it looks for itself whether what it waits for has come."""
        if self.waiting and not self.done:
            self.waiting = False
            self.scheduler.ready(self)

    def wait(self) -> None:
        """Let others run until `wake`; called by the strand itself.

        Raises:
            Crash: The process has ended.
        """
        self.waiting = True
        self._switch_out()

    def step_aside(self) -> None:
        """Let others run, and go on when it is this strand's turn.

        Raises:
            Crash: The process has ended.
        """
        self.scheduler.ready(self)
        self._switch_out()

    def _switch_out(self) -> None:
        if self.owner.alive:
            parent = self._greenlet.parent
            assert parent is not None
            parent.switch()
        if not self.owner.alive:
            raise Crash


_MOST_WAITS_IN_DEATH = 100


class _Thread(greenlet):
    """A greenlet that knows its strand."""

    strand: Strand


def current() -> Strand:
    """Return the strand that is running.

    Raises:
        AssertionError: It is the event loop, which must never wait as a thread does.
    """
    running = getcurrent()
    assert isinstance(running, _Thread), "the event loop itself would block here"
    return running.strand


def in_strand() -> bool:
    """Tell whether a strand is running, and not the event loop."""
    return isinstance(getcurrent(), _Thread)


# Stand-ins for what the sequencer waits with.


class Queue:
    """Stands in for `queue.SimpleQueue`."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: list[Strand] = []

    def put(self, item: object) -> None:
        """Add an item, and wake who waits for one."""
        self._items.append(item)
        waiting, self._waiting = self._waiting, []
        for strand in waiting:
            strand.wake()

    def get(self) -> Any:  # noqa: ANN401 - as in the library
        """Take the oldest item; wait for one."""
        while not self._items:
            strand = current()
            self._waiting.append(strand)
            strand.wait()
        return self._items.popleft()

    def empty(self) -> bool:
        """Tell whether there is no item."""
        return not self._items


class Condition:
    """Stands in for `threading.Condition`. Strands are not interrupted, so its lock is free."""

    def __init__(self) -> None:
        self._waiting: list[Strand] = []

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        return None

    def wait_for(self, predicate: Callable[[], bool]) -> bool:
        """Wait until the predicate holds."""
        while not predicate():
            strand = current()
            self._waiting.append(strand)
            strand.wait()
        return True

    def notify_all(self) -> None:
        """Let all who wait look again."""
        waiting, self._waiting = self._waiting, []
        for strand in waiting:
            strand.wake()


class Future(futures.Future[T]):
    """Stands in for `concurrent.futures.Future`."""

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result as a strand does; a timeout does not come to pass."""
        if not self.done():
            strand = current()
            self.add_done_callback(lambda _: strand.wake())
            while not self.done():
                strand.wait()
        return super().result(timeout)


class Thread:
    """Stands in for `threading.Thread`; belongs to the process of whoever makes it."""

    def __init__(
        self, target: Callable[[], object], name: str = "thread", *, daemon: bool = False
    ) -> None:
        self._target = target
        self._name = name
        self._strand: Strand | None = None
        assert daemon, "a process ends whatever its threads do"

    def start(self) -> None:
        """Make the strand; it runs when it is its turn."""
        maker = current()
        self._strand = Strand(maker.scheduler, maker.owner, self._name, self._target)

    def join(self) -> None:
        """Wait until it has ended."""
        strand = self._strand
        assert strand is not None
        if not strand.done:
            waiting = current()
            strand.on_done.append(waiting.wake)
            while not strand.done:
                waiting.wait()


THREADING = SimpleNamespace(Thread=Thread, Condition=Condition, Lock=threading.Lock)
QUEUE = SimpleNamespace(SimpleQueue=Queue)
