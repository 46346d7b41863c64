"""One trusted partner: dial, greet, deliver and collect; wait, and try again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.errors import (
    PeerUnavailable,
    PolicyError,
    SesnError,
    StorageError,
    VerificationError,
)
from sesn_node.exchange.backoff import backoff_ms
from sesn_node.exchange.breaker import Breaker, circuit
from sesn_node.exchange.cardgate import shown_card
from sesn_node.exchange.links import link_ended, link_failed, link_opened
from sesn_node.exchange.peers import take_shown_card
from sesn_node.exchange.redeliver import lost_from, note_asked, to_ask
from sesn_node.telemetry.logs import get_logger
from sesn_node.transport.collector import Collector
from sesn_node.transport.pump import Pump
from sesn_node.trust.directory import NOT_TRUSTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.store.leases import Leases
    from sesn_node.transport.gossip import Gossip
    from sesn_node.transport.link import CollectedLink, Connection, Dial, Link
    from sesn_node.transport.pacing import Reception
    from sesn_node.transport.pump import Pace
    from sesn_node.trust.card import TrustedCard

_log = get_logger(__name__)

_LEAST_S = 5.0
"""How long a back-off lasts at least, once it has come so far, whatever the partner says."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What is told of an error.

    Not the error: while it is held, so is all that it came through, an answer of 6 MiB perhaps.
    """

    code: str
    detail: str
    misbehaved: bool

    @classmethod
    def of(cls, error: SesnError) -> _Failure:
        """Tell of an error."""
        return cls(error.code, str(error), isinstance(error, VerificationError | PolicyError))


class Partner:
    """All that goes on with one partner in this process. Belongs to the event loop.

    `run` dials while the partner's card names an endpoint. Over one connection our batches go out
    (`Deliver`), and the partner's come in (`Collect`) unless it dials us itself. `serve` sends our
    batches over the partner's own `Collect`.

    Args:
        office: Ours.
        agency: The partner.
        reception: Takes what is collected.
        dial: Reaches the partner.
        leases: Where delivery leases are asked for.
        pushed: Whether the partner has a delivery stream to this process now.
        pace: Times.
        gossip: Compares third ledgers over our connection; None to compare none.
    """

    def __init__(  # noqa: PLR0913 - what a partner's traffic needs
        self,
        office: Office,
        agency: AgencyId,
        *,
        reception: Reception,
        dial: Dial,
        leases: Leases,
        pushed: Callable[[], bool],
        pace: Pace,
        gossip: Gossip | None = None,
    ) -> None:
        self._office = office
        self._agency = agency
        self._reception = reception
        self._dial = dial
        self._leases = leases
        self._pushed = pushed
        self._pace = pace
        self._gossip = gossip
        self._dialled = Breaker()
        self._collected = Breaker()
        self._running: set[Pump | Collector] = set()
        self._greeted = False
        self._serving = 0
        self._connections = 0
        self._opened_ms = 0
        self._wake = asyncio.Event()
        self._back = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Look at the outbox now; a back-off goes on."""
        self._wake.set()
        for one in self._running:
            if isinstance(one, Pump):
                one.wake()

    def peer_is_back(self) -> None:
        """The partner reached us: end the back-off and try now."""
        self._back.set()
        self.wake()

    def stop(self) -> None:
        """Finish what is under way, then end."""
        self._stopping.set()
        self._back.set()
        self._wake.set()
        for one in self._running:
            one.stop()

    async def run(self) -> None:
        """Dial until stopped. Ends by itself only when the partner is no longer trusted."""
        while not self._stopping.is_set():
            try:
                await self._connect()
            except SesnError as error:
                if isinstance(error, PolicyError) and error.code == NOT_TRUSTED:
                    _log.info("delivery-ended", peer=self._agency, code=error.code)
                    return
                failure = _Failure.of(error)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the deliveries
                _log.exception("delivery-fault", peer=self._agency)
                failure = _Failure.of(
                    PeerUnavailable(f"fault in this node: {type(error).__name__}")
                )
            else:
                continue
            await self._failed(failure)

    async def serve(self, link: CollectedLink) -> None:
        """Send our batches over a `Collect` stream of the partner until it ends.

        Raises:
            SesnError: As `Pump.run`.
        """
        async with self._open():
            try:
                await self._pump(link, self._collected, b"")
            except SesnError:
                self._collected.failed()
                raise

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        """While the partner collects, it is reached, whether we can dial it or not."""
        async with self._connected(self._agency):
            self._serving += 1
            try:
                yield
            finally:
                self._serving -= 1
                _log.info("collecting-ended", peer=self._agency)

    @asynccontextmanager
    async def _connected(self, dialled_by: AgencyId) -> AsyncIterator[None]:
        """Note when a connection begins, and when the last one ends."""
        office = self._office
        self._opened_ms = await asyncio.to_thread(link_opened, office, self._agency)
        office.watch.link_up(self._agency)
        _log.info("link-up", peer=self._agency, dialled_by=dialled_by)
        self._connections += 1
        try:
            yield
        finally:
            self._connections -= 1
            if not self._connections:
                with suppress(SesnError):
                    await asyncio.to_thread(link_ended, office, self._agency, self._opened_ms)

    async def _connect(self) -> None:
        office = self._office
        directory = await asyncio.to_thread(office.directory)
        partner = directory.trusted(self._agency, office.clock()).card
        if not partner.card.endpoints:
            self._wake.clear()
            await self._wake.wait()
            return
        self._greeted = False
        own = await asyncio.to_thread(shown_card, office)
        async with self._dial(own, partner) as connection:
            self._greeted = True
            await asyncio.to_thread(take_shown_card, office, self._agency, connection.card)
            self._back.clear()
            await self._ask_again(connection)
            async with self._connected(office.agency), self._gossiping(connection):
                await _together(
                    self._pump(connection.deliver(), self._dialled, own.sha256),
                    self._collect(connection, own),
                )

    async def _ask_again(self, connection: Connection) -> None:
        """Ask for what an old copy of our database has lost, and our ledger names."""
        lost = await asyncio.to_thread(lost_from, self._office, self._agency)
        try:
            if lost:
                count = await connection.deliver_again(lost)
                _log.info("lost-messages-asked", peer=self._agency, lost=len(lost), coming=count)
            for origin, first in await asyncio.to_thread(to_ask, self._office, self._agency):
                await self._ask_from(connection, origin, first)
        except (PeerUnavailable, StorageError) as error:
            _log.warning("lost-messages-not-asked", peer=self._agency, detail=str(error))

    async def _ask_from(self, connection: Connection, origin: str, first: int) -> None:
        """Ask for what a closed ledger of ours has lost, from an entry on."""
        while first:
            count, following = await connection.deliver_from(origin, first)
            if 0 < following <= first:
                raise PeerUnavailable(f"it answers {following} to a question from {first}")
            await asyncio.to_thread(note_asked, self._office, self._agency, origin, following)
            _log.info("lost-messages-asked", peer=self._agency, origin=origin, coming=count)
            first = following

    @asynccontextmanager
    async def _gossiping(self, connection: Connection) -> AsyncIterator[None]:
        """Compare third ledgers with the partner while the connection stands."""
        if self._gossip is None:
            yield
            return
        talking = asyncio.ensure_future(self._gossip.run(self._agency, connection))
        try:
            yield
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def _pump(self, link: Link, breaker: Breaker, shown: bytes) -> None:
        pump = Pump(
            self._office,
            self._agency,
            leases=self._leases,
            breaker=breaker,
            pace=self._pace,
            shown=shown,
        )
        with self._during(pump):
            await pump.run(link)

    async def _collect(self, connection: Connection, own: TrustedCard) -> None:
        """Collect over the connection, unless the partner delivers by itself.

        A partner that cannot be collected from can be delivered to all the same.
        """
        failures = 0
        wait_s = 0.0 if not own.card.endpoints else self._pace.collect_after_s
        while True:
            await _until(self._stopping, wait_s)
            while self._pushed() and not self._stopping.is_set():
                await _until(self._stopping, max(wait_s, self._pace.poll_s))
            if self._stopping.is_set():
                return
            collector = Collector(self._agency, self._reception.open(self._agency), self._reception)
            try:
                with self._during(collector):
                    _log.info("collecting", peer=self._agency)
                    await collector.run(connection.collect())
            except SesnError as error:
                failure = _Failure.of(error)
            else:
                continue
            failures = 1 if collector.useful else failures + 1
            wait_ms = backoff_ms(self._office.terms, failures)
            wait_s = wait_ms / 1000
            report = _log.warning if failure.misbehaved else _log.info
            report(
                "collecting-failed",
                peer=self._agency,
                code=failure.code,
                detail=failure.detail,
                wait_ms=wait_ms,
            )

    @contextmanager
    def _during(self, one: Pump | Collector) -> Iterator[None]:
        """Keep what runs where `wake` and `stop` find it."""
        if self._stopping.is_set():
            one.stop()
        self._running.add(one)
        try:
            yield
        finally:
            self._running.discard(one)

    async def _failed(self, failure: _Failure) -> None:
        failures = self._dialled.failed()
        self._office.watch.link_failed(self._agency, failure.code)
        wait_ms = backoff_ms(self._office.terms, failures)
        # The first failure of a series and proofs of misbehaviour are news; the rest is not.
        report = _log.debug if failures > 1 else _log.info
        if failure.misbehaved:
            report = _log.warning
        report(
            "link-down",
            peer=self._agency,
            code=failure.code,
            detail=failure.detail,
            failures=failures,
            circuit=circuit(failures).value,
            wait_ms=wait_ms,
        )
        if not self._serving:
            with suppress(SesnError):
                await asyncio.to_thread(
                    link_failed, self._office, self._agency, failures, wait_ms, failure.detail
                )
        wait_s = wait_ms / 1000
        if self._greeted:
            # It could be reached, so its greeting is no news. Two nodes that cannot work together
            # would end each other's back-off again and again.
            await _until(self._stopping, min(wait_s, _LEAST_S))
            wait_s -= min(wait_s, _LEAST_S)
        await _until(self._back, wait_s)
        self._back.clear()


async def _until(event: asyncio.Event, wait_s: float) -> None:
    """Wait for an event, but not for longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await event.wait()


async def _together(*works: Coroutine[object, object, None]) -> None:
    """Run all until they end, or one of them raises; then end the others and raise it."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
