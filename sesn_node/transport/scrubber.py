"""Looking after the bytes of erased content while the node runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sesn_node.domain.times import MINUTE_MS
from sesn_node.errors import SesnError
from sesn_node.exchange.scrub import scrub_what_is_left
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office

_log = get_logger(__name__)

_EVERY_MS = 10 * MINUTE_MS


class Scrubber:
    """Takes out of the files what an erasure could not reach. Belongs to the event loop.

    It looks when the node starts, and every ten minutes.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._next_ms = 0
        self._told: tuple[str, ...] = ()
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin in the background, if it is time and nothing is under way."""
        now_ms = self._office.clock()
        if now_ms < self._next_ms or (self._task is not None and not self._task.done()):
            return
        self._next_ms = now_ms + _EVERY_MS
        self._task = asyncio.create_task(self._scrub(), name="scrubber")

    async def stop(self) -> None:
        """Return when nothing is under way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _scrub(self) -> None:
        try:
            found = await asyncio.to_thread(scrub_what_is_left, self._office)
        except SesnError as error:
            _log.warning("erased-bytes-remain", detail=f"{error.code}: {error}")
            return
        if found is None:
            return
        if found.done:
            _log.info("erased-bytes-gone")
        elif found.remains != self._told:
            # The same words again tell nobody anything.
            _log.warning("erased-bytes-remain", detail="; ".join(found.remains))
        self._told = found.remains
