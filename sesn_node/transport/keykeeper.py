"""Looking after the node's own keys while it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sesn_node.domain.times import DAY_MS, HOUR_MS, MINUTE_MS
from sesn_node.errors import SesnError
from sesn_node.exchange.keycare import tend_keys
from sesn_node.exchange.keyviews import view_keys
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)


class KeyKeeper:
    """Destroys keys whose time is over, and tells which end soon. Belongs to the event loop.

    It looks when the node starts, when our card or storage key changes, and each hour.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._seen: tuple[bytes, bytes] | None = None
        self._next_ms = 0
        self._next_warning_ms = 0
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def look(self, directory: Directory) -> None:
        """Begin in the background, if it is time and nothing is under way."""
        if self._task is not None and not self._task.done():
            return
        state = directory.own.sha256, directory.storage_key_id
        now_ms = self._office.clock()
        if self._stopping or (state == self._seen and now_ms < self._next_ms):
            return
        if self._seen not in {None, state}:
            _log.info("keys-changed", card=directory.own.card.sequence)
        self._seen, self._next_ms = state, now_ms + HOUR_MS
        self._task = asyncio.create_task(self._tend(now_ms), name="keys")

    async def stop(self) -> None:
        """Leave what is left for the next start; returns when nothing is under way."""
        self._stopping = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tend(self, now_ms: int) -> None:
        try:
            await asyncio.to_thread(tend_keys, self._office, lambda: self._stopping)
            if now_ms >= self._next_warning_ms:
                self._next_warning_ms = now_ms + DAY_MS
                view = await asyncio.to_thread(view_keys, self._office)
                for prompt in view.prompts:
                    _log.warning("key-ends", detail=prompt)
        except SesnError as error:
            self._next_ms = now_ms + MINUTE_MS
            _log.warning("keys-not-tended", code=error.code, detail=str(error))
