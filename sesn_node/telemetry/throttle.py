"""Throttle: how many lines of a kind one partner can make us write.

What a partner does to us for nothing costs it next to nothing, and would fill a disk with what we
say about it. So lines about one partner that are of one kind and come too fast are counted, not
written; the next one that is written says how many.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

BURST: Final = 100
PER_S: Final = 0.2

# Each of these lines stands for something that is written down anyway, and that bounds them.
_WRITTEN_DOWN: Final = frozenset({
    "card-taken", "message-acknowledged", "message-expired", "message-given-up",
    "message-received", "message-refused", "message-sent", "message-set-aside", "message-shared",
})  # fmt: skip
# Nobody in particular: callers who cannot prove who they are, and what libraries say of calls.
_OF_NOBODY: Final = frozenset({"caller-refused", "library", "library-failed"})


@dataclass(slots=True)
class _Kind:
    """Lines of one kind about one partner: how many may be written, as of when, and who was not."""

    tokens: float
    since_s: float
    suppressed: int = 0


class Throttle:
    """A processor of structlog. Any thread may log."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Pass a line, with what was suppressed before it, or drop it."""
        name, peer = str(event.get("event")), str(event.get("peer", ""))
        if name in _WRITTEN_DOWN or not (peer or name in _OF_NOBODY):
            return event
        with self._lock:
            suppressed = self._pass(name, peer)
        if suppressed is None:
            raise structlog.DropEvent
        if suppressed:
            event["suppressed"] = suppressed
        return event

    def _pass(self, name: str, peer: str) -> int | None:
        """Return how many lines were suppressed before this one; None if it is one of them."""
        now_s = self._clock()
        kind = self._kinds.setdefault((name, peer), _Kind(BURST, now_s))
        kind.tokens = min(BURST, kind.tokens + max(0.0, now_s - kind.since_s) * PER_S)
        kind.since_s = now_s
        if kind.tokens < 1:
            kind.suppressed += 1
            return None
        kind.tokens -= 1
        suppressed, kind.suppressed = kind.suppressed, 0
        return suppressed
