"""A bell: what a use case rings when the running node has to look around at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bell:
    """Rung from any thread. Where no node runs, nobody hears it."""

    __slots__ = ("_call",)

    def __init__(self) -> None:
        self._call: Callable[[], None] | None = None

    def on_ring(self, call: Callable[[], None]) -> None:
        """Say what to call; it must return at once and not raise."""
        self._call = call

    def ring(self) -> None:
        """Call it, if there is anything to call."""
        if self._call is not None:
            self._call()
