"""Doing what this node has to do by itself about what it received."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sesn_node.domain.times import SECOND_MS
from sesn_node.errors import SesnError
from sesn_node.exchange.caseduties import do_case_duties
from sesn_node.exchange.duties import do_duties
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office

_log = get_logger(__name__)

_PAUSE_MS = 10 * SECOND_MS


class Steward:
    """Obeys recalls and retention dates, and looks after cases. Belongs to the event loop.

    It looks when the node starts, when a recall or a step of a case has come in, and whenever the
    node looks around.
    What was erased is taken out of the files, which keeps writers waiting: a partner that recalls
    one message after another makes it do so once in ten seconds.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._next_ms = 0
        self._last_ms = 0
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin in the background, unless something is under way or was done just now."""
        now_ms = self._office.clock()
        waits = self._last_ms <= now_ms < self._next_ms
        if waits or (self._task is not None and not self._task.done()):
            return
        self._task = asyncio.create_task(self._do(now_ms), name="duties")

    async def stop(self) -> None:
        """Return when nothing is under way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _do(self, now_ms: int) -> None:
        try:
            done = await asyncio.to_thread(do_duties, self._office)
            await asyncio.to_thread(do_case_duties, self._office)
        except SesnError as error:
            _log.warning("duties-not-done", code=error.code, detail=str(error))
            return
        if done.expired or done.obeyed or done.failed:
            # A clock that is set back must not make it wait for long.
            self._last_ms, self._next_ms = now_ms, now_ms + _PAUSE_MS
