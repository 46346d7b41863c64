"""Having our checkpoints time-stamped while the node runs, one process at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sesn_node.domain.times import MINUTE_MS, SECOND_MS, utc_second
from sesn_node.errors import SesnError
from sesn_node.exchange.breaker import Breaker
from sesn_node.exchange.timestamps import LEASE, Authority, due, keep, note_failure
from sesn_node.ledger.head import checkpoint_text
from sesn_node.telemetry.logs import get_logger
from sesn_node.transport.authority import ask
from sesn_node.trust.timestamps import new_query, open_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.timestamps import TimestampPlan, Unstamped
    from sesn_node.store.leases import Lease, Leases
    from sesn_node.trust.timestamps import Timestamp

_log = get_logger(__name__)

_LOOK_MS: Final = 10 * SECOND_MS
"""How often it is looked whether it is time, at most."""
_CLOCK_MS: Final = 5 * MINUTE_MS
"""Clocks that differ by more are worth a warning."""
_REST_ROUNDS: Final = 10
"""So many rounds an authority that kept failing comes after the others; then it is tried again."""


class Order:
    """In which order authorities are asked: as configured, those that keep failing last."""

    def __init__(self, authorities: Sequence[Authority]) -> None:
        self._authorities = tuple(authorities)
        self._breakers = {one.url: Breaker() for one in authorities}
        self._rests = dict.fromkeys(self._breakers, 0)

    def round(self) -> list[Authority]:
        """Begin a round, and return whom to ask, one after the other, until one answers."""
        first, last = list[Authority](), list[Authority]()
        for one in self._authorities:
            resting = self._rests[one.url] > 0
            self._rests[one.url] -= resting
            (last if resting else first).append(one)
        return first + last

    def failed(self, authority: Authority) -> None:
        """Count a failure; after several in a row, the others are asked first for a while."""
        breaker = self._breakers[authority.url]
        breaker.failed()
        if breaker.probing and not self._rests[authority.url]:
            self._rests[authority.url] = _REST_ROUNDS

    def succeeded(self, authority: Authority) -> None:
        """Forget its failures."""
        self._breakers[authority.url].succeeded()
        self._rests[authority.url] = 0


class Stamper:
    """Asks for time-stamps at the interval of its plan. Belongs to the event loop.

    Args:
        office: Ours.
        plan: Whom to ask, and how often.
        leases: Of the process; of several that share a database, one asks at a time.
    """

    def __init__(self, office: Office, plan: TimestampPlan, leases: Leases) -> None:
        self._office = office
        self._plan = plan
        self._leases = leases
        self._grace_ms = office.terms.grace_ms or 0
        self._order = Order(plan.authorities)
        self._next_ms = 0
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin in the background, if it is time and nothing is under way."""
        now_ms = self._office.clock()
        waits = now_ms < self._next_ms <= now_ms + _LOOK_MS
        if waits or (self._task is not None and not self._task.done()):
            return
        self._next_ms = now_ms + min(_LOOK_MS, self._plan.interval_ms)
        self._task = asyncio.create_task(self.stamp(), name="timestamps")

    async def stop(self) -> None:
        """End a question that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def stamp(self) -> None:
        """Ask, if it is time, the ledger has grown, and no other process is at it."""
        try:
            lease = await asyncio.to_thread(self._leases.acquire, LEASE)
            if lease is None:
                return
            try:
                # Asked with the lease in hand: another process may just have done it.
                unstamped = await asyncio.to_thread(due, self._office, self._plan)
                if unstamped is not None:
                    await self._round(unstamped)
            finally:
                await _give_back(lease)
        except SesnError as error:
            _log.warning("timestamps-not-kept", code=error.code, detail=str(error))

    async def _round(self, unstamped: Unstamped) -> None:
        """Ask one authority after the other, until one gives a token that verifies."""
        problems: list[str] = []
        for authority in self._order.round():
            try:
                found = await self._ask(authority, unstamped)
            except SesnError as error:
                self._order.failed(authority)
                named = authority.url in str(error)
                problems.append(str(error) if named else f"{authority.url}: {error}")
                _log.warning(
                    "timestamp-authority-failed",
                    authority=authority.url,
                    code=error.code,
                    detail=str(error),
                )
                continue
            self._order.succeeded(authority)
            before = await asyncio.to_thread(
                keep, self._office, self._plan, unstamped, authority, found
            )
            if before is not None and before.failing_ms is not None:
                _log.info("timestamps-again", since=utc_second(before.failing_ms))
            self._tell(unstamped, authority, found[1])
            return
        await self._tell_failure("; ".join(problems))

    async def _ask(self, authority: Authority, unstamped: Unstamped) -> tuple[bytes, Timestamp]:
        query = new_query(checkpoint_text(unstamped.head).encode())
        answer = await ask(authority.url, query.der, self._plan.timeout_s)
        return await asyncio.to_thread(
            open_answer, answer, query, authority.roots, policy=authority.policy
        )

    def _tell(self, unstamped: Unstamped, authority: Authority, said: Timestamp) -> None:
        _log.info(
            "timestamp-kept",
            size=unstamped.head.size,
            authority=authority.url,
            time=utc_second(said.time_ms),
        )
        ahead_ms = self._office.clock() - said.time_ms
        if abs(ahead_ms) > _CLOCK_MS:
            _log.warning(
                "timestamp-clock-differs", authority=authority.url, ahead_s=ahead_ms // SECOND_MS
            )

    async def _tell_failure(self, problems: str) -> None:
        state = await asyncio.to_thread(note_failure, self._office, self._plan, problems)
        since_ms = state.failing_ms or state.asked_ms
        overdue = state.asked_ms > since_ms + self._grace_ms
        say = _log.error if overdue else _log.warning
        say(
            "timestamps-failing",
            since=utc_second(since_ms),
            grace_ends=utc_second(since_ms + self._grace_ms),
            failures=state.failures,
        )


async def _give_back(lease: Lease) -> None:
    with suppress(SesnError):
        await asyncio.to_thread(lease.release)
