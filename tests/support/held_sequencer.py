"""Holding a sequencer back until enough operations wait, without looking at a clock."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.exchange.sequencer import Sequencer
    from sesn_node.exchange.work import Committed, Work

_PATIENCE_S = 60.0

T = TypeVar("T")


class Gate:
    """Blocks a sequencer with an operation of its own, and counts what is submitted behind it."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._open = threading.Event()
        self._waiting = threading.Semaphore(0)
        self._sequencer = sequencer
        self._submit = sequencer.submit
        entered = threading.Event()

        def hold(_: Work) -> None:
            entered.set()
            self._open.wait(_PATIENCE_S)

        self.held = sequencer.submit(hold)
        # Only once it runs does everything else fall into the next group.
        entered.wait(_PATIENCE_S)
        vars(sequencer)["submit"] = self._counted

    def wait_for(self, count: int) -> None:
        """Wait until so many operations are queued."""
        for _ in range(count):
            assert self._waiting.acquire(timeout=_PATIENCE_S), "an operation never came"

    def open(self) -> None:
        """Let the sequencer go on."""
        vars(self._sequencer).pop("submit", None)
        self._open.set()

    def open_when_waiting(self, count: int) -> None:
        """Let the sequencer go on once so many operations are queued."""
        self.wait_for(count)
        self.open()

    def _counted(
        self, operation: Callable[[Work], T], *, writes: bool = True
    ) -> Future[Committed[T]]:
        future = self._submit(operation, writes=writes)
        self._waiting.release()
        return future


def at_once(
    sequencer: Sequencer,
    calls: Sequence[Callable[[], T]],
    *,
    before: Callable[[], None] | None = None,
) -> list[Future[T]]:
    """Make calls from threads so that the operations that they submit fall into one group.

    Args:
        sequencer: Where they submit, one operation each.
        calls: What to call.
        before: Called when all of them wait and none has run.
    """
    gate = Gate(sequencer)
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        gate.wait_for(len(calls))
        if before is not None:
            before()
        gate.open()
    return futures
