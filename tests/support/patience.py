"""Waiting for what other threads and processes do: looking again and again, up to a limit."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 60.0

_GLANCE_S = 0.01


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look again and again until something holds; fail, saying what, if it never does."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(_GLANCE_S)


async def until(condition: Callable[[], object], what: str) -> None:
    """`wait_until`, in a thread, while the event loop goes on."""
    end = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(_GLANCE_S)
