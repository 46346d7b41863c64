"""Pacing: whoever asks for more than its share waits for itself, and for nobody else.

A refusal would cost us little less than an answer, and could be asked for again at once. So what
comes too fast waits, where it holds nothing but its place.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.errors import PolicyError
from sesn_node.wire.batches import decode_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.batches import Answer
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.intake import Intake
    from sesn_node.exchange.receive import Receiver

TOO_MANY: Final = "TOO_MANY_CALLS"
"""Code of a call that waited too long, or that came while too many others waited."""

_MOST_WAITING = 512
"""Calls of one agency that wait at once."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one agency may have of something, in units of it.

    Args:
        burst: How much at once.
        per_s: How much a second in the long run.
        longest_s: How long anything may wait for it.
    """

    burst: float
    per_s: float
    longest_s: float


CALLS: Final = Share(burst=100, per_s=20, longest_s=5)
"""Calls of any kind. A node of a partner makes three for each time that it dials."""
COLLECTING: Final = Share(burst=20, per_s=1, longest_s=30)
"""Streams on which a partner collects: each is a commit, and a batch read from the database."""
IDLE_WORK: Final = Share(burst=3, per_s=0.1, longest_s=60)
"""Seconds of processor time spent on batches that brought nothing new: refused, or received
before."""
_CARRYING_S: Final = 0.001
_CARRYING_BYTE_S: Final = 0.002 / 2**20
"""What a batch costs before it is looked at, and each byte of it."""


class Pacing:
    """Paces what agencies take of one thing, each by itself. Belongs to the event loop."""

    def __init__(self, share: Share) -> None:
        self._share = share
        # When an agency will have made up for what it took; virtual scheduling, as in the
        # generic cell rate algorithm (ITU-T I.371).
        self._free_s: defaultdict[AgencyId | None, float] = defaultdict(lambda: -math.inf)
        self._waiting: Counter[AgencyId | None] = Counter()

    def take(self, agency: AgencyId | None, amount: float) -> float:
        """Take something now, and return for how many seconds to wait for it."""
        share = self._share
        now_s = asyncio.get_running_loop().time()
        begins_s = max(self._free_s[agency], now_s - share.burst / share.per_s)
        self._free_s[agency] = begins_s + amount / share.per_s
        return max(0.0, self._free_s[agency] - now_s)

    async def wait(self, agency: AgencyId | None, amount: float = 1) -> None:
        """Take something, and wait until it is the agency's.

        Args:
            agency: Who takes it; None for all that could not prove who they are.
            amount: How much.

        Raises:
            PolicyError: It would wait too long, or too many wait already (`TOO_MANY_CALLS`).
        """
        if self._waiting[agency] >= _MOST_WAITING:
            raise _too_many()
        wait_s = self.take(agency, amount)
        if not wait_s:
            return
        longest_s = self._share.longest_s
        self._waiting[agency] += 1
        try:
            await asyncio.sleep(min(wait_s, longest_s))
        finally:
            self._waiting[agency] -= 1
            if wait_s > longest_s:
                # It gets nothing, so it has taken nothing.
                self._free_s[agency] -= amount / self._share.per_s
        if wait_s > longest_s:
            raise _too_many()


class Reception:
    """Receives batches of partners, one of an agency at a time, whichever way they come.

    Whoever floods us waits for itself; and whoever sends what brings nothing new waits for longer
    than it kept us at work, once that adds up.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._locks: defaultdict[AgencyId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._pacing = Pacing(IDLE_WORK)

    def open(self, agency: AgencyId) -> Intake:
        """Begin to receive on a new stream of a partner."""
        return self._receiver.open(agency)

    async def ready(self, agency: AgencyId) -> None:
        """Wait until an agency's next batch may be received; before each batch of a stream.

        Raises:
            PolicyError: It has sent too much that brought nothing (`TOO_MANY_CALLS`).
        """
        await self._pacing.wait(agency, 0)

    async def receive(self, agency: AgencyId, intake: Intake, batch: bytes) -> Answer:
        """Read and receive a batch, in a thread: others are served meanwhile.

        A thread cannot be cancelled. If nobody waits for it any more, the agency's next batch does,
        and pays for it.

        Args:
            agency: Whose.
            intake: End of the stream that it came on.
            batch: The batch, as it came.

        Raises:
            SesnError: As `Intake.receive`, or it cannot be read; the stream ends.
        """
        await self._locks[agency].acquire()
        # In no variable: an error would hold what holds the error.
        return await asyncio.shield(self._begin(agency, intake, batch))

    def _begin(self, agency: AgencyId, intake: Intake, batch: bytes) -> asyncio.Future[Answer]:
        """Start on a batch; the agency's lock is given back when that is done."""
        carrying_s = _CARRYING_S + len(batch) * _CARRYING_BYTE_S
        work = _Work()
        intake.useful = False

        def done(receiving: asyncio.Future[Answer]) -> None:
            self._locks[agency].release()
            if not intake.useful:
                self._pacing.take(agency, work.took_s + carrying_s)
            if not receiving.cancelled():
                # Known to whoever waits; if nobody does, to nobody.
                receiving.exception()

        receive = partial(_read_and_receive, intake, batch)
        receiving = asyncio.ensure_future(asyncio.to_thread(work.do, receive))
        receiving.add_done_callback(done)
        return receiving


class _Work:
    """What a batch costs this node: processor time. That our disk is slow is nobody's fault."""

    def __init__(self) -> None:
        self.took_s = 0.0

    def do(self, receive: Callable[[], Answer]) -> Answer:
        """Do it, in the thread that is measured."""
        began_s = time.thread_time()
        try:
            return receive()
        finally:
            self.took_s = time.thread_time() - began_s


def _read_and_receive(intake: Intake, batch: bytes) -> Answer:
    return intake.receive(decode_batch(batch))


def _too_many() -> PolicyError:
    return PolicyError("too many calls at once; come back later", code=TOO_MANY)
