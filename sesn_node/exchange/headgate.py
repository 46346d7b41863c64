"""The head gate: a checkpoint leaves this node only once the head file covers it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sesn_node.store.ledger import HeadRow

_NOTHING: Final = (-1, -1, -1)
"""Less than any ledger, even an empty one."""


def extent(head: HeadRow) -> tuple[int, int, int]:
    """How far a database has come: which ledger of ours, its size, what was witnessed.

    From one commit to the next none of them shrinks, but for the size of a ledger that is new.
    """
    return head.ledger, head.size, head.witnessed


class HeadGate:
    """Knows what the head file holds and what is being written to it; for all threads."""

    __slots__ = ("_changed", "_released", "_writing")

    def __init__(self) -> None:
        # Guards the other two.
        self._changed = threading.Condition()
        self._released = _NOTHING
        self._writing = _NOTHING

    def writes(self, head: HeadRow) -> None:
        """Note that a head is about to be written to the file; `written` must follow."""
        with self._changed:
            self._writing = extent(head)

    def written(self, head: HeadRow | None) -> None:
        """Let out what the head that is in the file now covers; None if it could not be written."""
        with self._changed:
            self._writing = _NOTHING
            if head is not None:
                self._released = max(self._released, extent(head))
            self._changed.notify_all()

    def wait(self, head: HeadRow) -> bool:
        """Wait until the file covers a head, or nobody is about to write that; say if it does."""
        wanted = extent(head)
        with self._changed:
            self._changed.wait_for(lambda: self._released >= wanted or self._writing < wanted)
            return self._released >= wanted
