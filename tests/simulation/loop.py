"""An event loop without sockets: virtual time, and chance in place of the operating system.

Time stands still while anything can run, then jumps to the next timer. What runs next is drawn
from the seed: among processes, as their speeds are unrelated; among the strands of a process, as
threads are. The callbacks of one process keep their order, since asyncio promises it, unless a
history asks for `disorder`: correct code of ours does not lean on that promise.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from tests.simulation.strands import Crash, Strand, in_strand

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from contextvars import Context
    from random import Random

    from tests.simulation.strands import Owner

OWNER: ContextVar[Owner] = ContextVar("OWNER")
"""The process that the running code belongs to."""


_DRAIN_STEPS = 20_000


class Stuck(AssertionError):
    """Nothing came to an end within the bounds: a deadlock, or a loop that never rests."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on where in memory it is."""

    number = 0

    def __hash__(self) -> int:
        return self.number


# Of the many methods of an event loop it has those that nodes and asyncio itself call.
class Loop(asyncio.AbstractEventLoop):
    """Runs the asyncio tasks and the strands of all processes of a history.

    Args:
        chance: Where every choice is drawn from.
        most_steps: Steps after which a history is held to be stuck.
        disorder: Whether callbacks of one process may run in any order.
    """

    def __init__(self, chance: Random, *, most_steps: int, disorder: bool = False) -> None:
        self.chance = chance
        self._most_steps = most_steps
        self._disorder = disorder
        self.steps = 0
        self._now = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self._timer_number = 0
        # One line per process for its callbacks, and one for each strand.
        self._lines: dict[Owner | None, deque[asyncio.Handle]] = {}
        self._strands: list[Strand] = []
        self._made = 0
        self._dead: list[Owner] = []
        self.stack = getcurrent()
        self.faults: list[tuple[str, BaseException | None]] = []

    # What a history calls.

    def run_until(self, done: Callable[[], bool], *, within_s: float = 0.0) -> bool:
        """Run until a condition holds, at most for some seconds of virtual time.

        Returns:
            Whether it holds. Without more to do it is not waited for.

        Raises:
            Stuck: Too many steps.
        """
        end = self._now + within_s
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=self._close_later)
        asyncio._set_running_loop(self)  # noqa: SLF001 - what every event loop does
        try:
            while not done():
                if not self._anything_ready():
                    when = self._next_timer()
                    if when is None or when > end:
                        self._now = max(self._now, end)
                        return done()
                    self._now = max(self._now, when)
                    self._take_due()
                self._step()
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - same
            sys.set_asyncgen_hooks(*hooks)
        return True

    def _close_later(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Close an asynchronous generator that nobody holds any more, as asyncio does."""
        self.call_soon(self.create_task, generator.aclose())

    def ready(self, strand: Strand) -> None:
        """Let a strand go on."""
        self._strands.append(strand)

    def spawn(self, owner: Owner, name: str, run: Callable[[], object]) -> Strand:
        """Start a thread of a process."""
        return Strand(self, owner, name, run)

    def drain(self) -> None:
        """Run what is left when all processes are dead, and forget all timers."""
        self._most_steps = self.steps + _DRAIN_STEPS
        self._timers.clear()
        self.run_until(lambda: False)
        self._timers.clear()

    def bury(self, owner: Owner) -> None:
        """End all strands of a process that has died, before anything else runs."""
        self._dead.append(owner)
        if not in_strand():
            self._end_strands()

    def _end_strands(self) -> None:
        while self._dead:
            owner = self._dead.pop()
            for strand in list(owner.strands):
                strand.kill()

    # The choice.

    def _anything_ready(self) -> bool:
        return bool(self._strands) or bool(self._lines)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self._most_steps:
            raise Stuck(f"no end after {self._most_steps} steps, at {self._now:.3f} s")
        lines = len(self._lines)
        at = self.chance.randrange(lines + len(self._strands))
        if at >= lines:
            strand = self._strands.pop(at - lines)
            if not strand.done:
                try:
                    strand.switch()
                except Exception as error:  # noqa: BLE001 - as a thread's traceback on stderr
                    self.call_exception_handler({"message": strand.name, "exception": error})
                self._end_strands()
            return
        owner = next(key for number, key in enumerate(self._lines) if number == at)
        line = self._lines[owner]
        if self._disorder and len(line) > 1:
            line.rotate(-self.chance.randrange(len(line)))
        handle = line.popleft()
        if not line:
            del self._lines[owner]
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - what every event loop does

    def _next_timer(self) -> float | None:
        while self._timers and self._timers[0].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0].when() if self._timers else None

    def _take_due(self) -> None:
        while (when := self._next_timer()) is not None and when <= self._now:
            self._enqueue(heapq.heappop(self._timers))

    def _enqueue(self, handle: asyncio.Handle) -> None:
        owner = handle._context.get(OWNER, None)  # type: ignore[attr-defined]  # noqa: SLF001 - where the handle runs
        self._lines.setdefault(owner, deque()).append(handle)

    # What asyncio calls.

    def time(self) -> float:
        """Seconds since the history began."""
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback at some time from now on."""
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback some seconds from now."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback at a moment of virtual time."""
        # A timer that is due runs among the rest.
        when = max(when, self._now)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, handle)
        if when <= self._now:
            self._take_due()
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # generators are no coroutines any more
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        """Make a task of this loop."""
        task = _Task(coro, loop=self, name=name, context=context)
        self._made += 1
        task.number = self._made
        owner = OWNER.get(None) if context is None else context.get(OWNER, None)
        register = getattr(owner, "adopt", None)
        if register is not None:
            register(task)
        return task

    def run_in_executor(
        self, executor: object, func: Callable[..., object], *args: object
    ) -> asyncio.Future[Any]:
        """Run a function as a strand of the process that asks for it."""
        assert executor is None
        owner = OWNER.get()
        future: asyncio.Future[Any] = self.create_future()

        def run() -> None:
            try:
                value = func(*args)
            except Crash:
                future.cancel()
                raise
            except BaseException as error:  # noqa: BLE001 - whoever awaits it must learn of it
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(value)

        if owner.alive:
            Strand(self, owner, "thread", run)
        else:
            future.cancel()
        return future

    def set_default_executor(self, executor: object) -> None:
        """Threads are strands, whoever wants them."""

    def get_debug(self) -> bool:
        """Debugging of asyncio is off."""
        return False

    def is_running(self) -> bool:
        """Tell that it runs: whoever asks is run by it."""
        return True

    def is_closed(self) -> bool:
        """Tell that it is open."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Note what nobody handled."""
        error = context.get("exception")
        if isinstance(error, Crash):
            return
        words = f"{context.get('message')}: {error!r}"
        self.faults.append((words, error))

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """As `call_exception_handler`."""
        self.call_exception_handler(context)
