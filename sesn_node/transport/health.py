"""Health: whether this node can take messages now, by what it has just tried.

It can if the database took a write a moment ago, the head file holds the newest checkpoint, and
the disk has room. Each look tries the first two: what others write counts, and when nobody writes,
the node writes its pulse.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from sesn_node.errors import StorageError
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sesn_node.exchange.office import Office

_log = get_logger(__name__)

_PULSE_S: Final = 5.0
"""A write that is older proves nothing."""
_PATIENCE_S: Final = 10.0
"""A database that takes longer is not there; SQLite waits as long for another writer."""
_NOT_LOOKED_S: Final = 30.0
_STARTING: Final = "the node is starting"


class Health:
    """Looks after one node. Belongs to its event loop.

    `appends` tells whether the last look could append to the ledger: if not, receipts could not be
    recorded, so nothing is sent. It stays true while only the disk is short of room.
    """

    def __init__(self, office: Office, now_s: Callable[[], float] = time.monotonic) -> None:
        self._office = office
        self._now_s = now_s
        self._look: asyncio.Future[None] | None = None
        self._looked_s = now_s()
        self._wrote_s: float | None = None
        self._size = 0
        self._ledger = _STARTING
        self._disk = ""
        self._stopping = False
        self.appends = False

    @property
    def problem(self) -> str:
        """Why no new messages are taken; empty if they are."""
        if self._stopping:
            return "the node is shutting down"
        if self._now_s() - self._looked_s > _NOT_LOOKED_S:
            return "the node has stopped looking after itself"
        return self._ledger or self._disk

    @property
    def write_age_s(self) -> float | None:
        """Seconds since a write was committed; None if none was."""
        return None if self._wrote_s is None else self._now_s() - self._wrote_s

    def stop(self) -> None:
        """Say from now on that the node is shutting down."""
        self._stopping = True

    async def ended(self) -> None:
        """Wait for a look that is under way, but not for ever."""
        if self._look is not None:
            await asyncio.wait({self._look}, timeout=_PATIENCE_S)

    async def run(self, poll_s: float, changed: Callable[[], Awaitable[None]]) -> None:
        """Look again and again, until cancelled; tell of every change."""
        while True:
            before = self.problem
            try:
                await self.look()
                if self.problem != before:
                    await changed()
            except Exception:  # noqa: BLE001 - a fault of ours must not end the watch
                _log.exception("health-fault")
            await asyncio.sleep(poll_s)

    async def look(self) -> None:
        """Look once: at the ledger, which may take its time, and at the disk."""
        # One that does not end is asked about again: another would only wait behind it.
        look = self._look = self._look or asyncio.ensure_future(asyncio.to_thread(self._try))
        await asyncio.wait({look}, timeout=_PATIENCE_S)
        if not look.done():
            self._note(f"the database has not answered for {_PATIENCE_S:.0f} s")
        else:
            self._look = None
            self._judge(look)
        self._note_disk(await asyncio.to_thread(self._office.disk.problem))
        self._looked_s = self._now_s()

    def _judge(self, look: asyncio.Future[None]) -> None:
        try:
            look.result()
        except StorageError as error:
            self.appends = False
            self._note(str(error))
        else:
            self.appends = True
            self._note("")

    def _try(self) -> None:
        """Append nothing to the ledger, and write the pulse if nobody has written of late.

        Raises:
            StorageError: It cannot be done.
        """
        sequencer = self._office.sequencer
        age_s = self.write_age_s
        if self._ledger or age_s is None or age_s >= _PULSE_S:
            sequencer.pulse()
            self._wrote_s = self._now_s()
        else:
            sequencer.check()
        if sequencer.known_size != self._size:
            self._size = sequencer.known_size
            self._wrote_s = self._now_s()

    def _note(self, problem: str) -> None:
        before, self._ledger = self._ledger, problem
        if problem and problem != before:
            _log.error("ledger-not-writable", detail=problem)
        elif before and not problem and before != _STARTING:
            _log.info("ledger-writable")

    def _note_disk(self, problem: str) -> None:
        before, self._disk = self._disk, problem
        if problem and not before:
            _log.error("disk-low", detail=problem)
        elif before and not problem:
            _log.info("disk-has-room")
