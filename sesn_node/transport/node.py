"""The running node: its server, what goes on with each partner, and the watch over both.

Start-up: listen, hold the ledger against the head file, greet every partner. Shutdown: refuse
new calls, and let what is under way finish for a few seconds. The store stays open: it belongs to
whoever opened the home.
"""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from sesn_node.errors import SesnError, StorageError
from sesn_node.exchange.evidencefiles import write_missing
from sesn_node.exchange.expire import expire
from sesn_node.exchange.links import no_links
from sesn_node.exchange.receive import Receiver
from sesn_node.telemetry.logs import get_logger
from sesn_node.telemetry.metrics import Metrics
from sesn_node.transport.admission import Admission
from sesn_node.transport.asking import Asking
from sesn_node.transport.gossip import Gossip
from sesn_node.transport.health import Health
from sesn_node.transport.keykeeper import KeyKeeper
from sesn_node.transport.link import dialler
from sesn_node.transport.monitor import Monitor
from sesn_node.transport.pacing import Reception
from sesn_node.transport.partner import Partner
from sesn_node.transport.scrubber import Scrubber
from sesn_node.transport.server import ExchangeService, Server
from sesn_node.transport.stamper import Stamper
from sesn_node.transport.steward import Steward
from sesn_node.transport.tls import server_credentials
from sesn_node.transport.wake import listening
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.timestamps import TimestampPlan
    from sesn_node.store.leases import Leases
    from sesn_node.transport.link import CollectedLink, Dial
    from sesn_node.transport.pump import Pace
    from sesn_node.transport.tls import TlsIdentity
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

# Python's defaults look for reference cycles after every 700 new objects. A batch makes many
# thousand and no cycle among them; docs/performance.md says what looking seldom gives.
_COLLECTOR = (5_000, 20, 50)

# As many as the store has connections: a use case that waits for the disk holds up no other.
_THREADS = 16

Ready: TypeAlias = "Callable[[str, str], None]"
"""Told the address that is served, and why no new messages are taken (empty if they are)."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node runs.

    Args:
        listen: `host:port`, or empty for a node that only dials out; port 0 picks a free one.
        run_folder: Where the wake pipe is made.
        pace: Times of the deliveries.
        grace_s: How long calls under way may take at shutdown.
        metrics: `host:port` of /metrics and /health, or empty for none.
        timestamps: Which time-stamping authorities are asked; None for none.
    """

    listen: str
    run_folder: Path
    pace: Pace
    grace_s: float
    metrics: str = ""
    timestamps: TimestampPlan | None = None


class Node:
    """One agency's node in one process. Belongs to the event loop that runs it."""

    def __init__(
        self,
        office: Office,
        identity: Callable[[], TlsIdentity],
        settings: NodeSettings,
        dial: Dial | None = None,
    ) -> None:
        """Put a node together.

        Args:
            office: Ours.
            identity: The TLS leaf and key to present now.
            settings: How it runs.
            dial: Reaches partners; over gRPC if not given.
        """
        self._office = office
        self._identity = identity
        self._settings = settings
        self._dial = dial or dialler(identity, office.clock, settings.pace.timeout_s)
        self._admission = Admission(office)
        self._reception = Reception(Receiver(office))
        self._keys = KeyKeeper(office)
        self._asking = Asking(office, identity, settings.run_folder, settings.pace.timeout_s)
        self._scrubber = Scrubber(office)
        self._steward = Steward(office)
        self._leases: Leases = office.store.leases()
        self._stamper: Stamper | None = None
        if settings.timestamps is not None:
            self._stamper = Stamper(office, settings.timestamps, self._leases)
        self._gossip = Gossip(office)
        self._partners: dict[AgencyId, tuple[Partner, asyncio.Task[None]]] = {}
        self._service = ExchangeService(
            office,
            self._reception,
            admission=self._admission,
            deliveries=self,
            timeout_s=settings.pace.timeout_s,
        )
        self._server: Server | None = None
        self._version = 0
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._health = Health(office)
        self._monitor: Monitor | None = None
        if settings.metrics:
            office.watch.metrics = Metrics()
            self._monitor = Monitor(office, office.watch.metrics, self._health)

    def stop(self) -> None:
        """Begin an orderly shutdown; `run` returns when it is done. Safe from a signal handler."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """Look at the directory and the outbox now: another process may have changed them."""
        self._woken.set()

    def greeted(self, agency: AgencyId) -> None:
        """A partner presented itself: what waits for it may go now."""
        found = self._partners.get(agency)
        if found is None:
            # Trusted since we last looked.
            self.wake()
        else:
            found[0].peer_is_back()

    async def serve(self, agency: AgencyId, link: CollectedLink) -> None:
        """Send what we hold for a partner over its own `Collect` stream, until it ends.

        Raises:
            SesnError: The stream broke, or nothing is sent to this partner now.
        """
        found = self._partners.get(agency)
        if found is None:
            raise StorageError("this node does not deliver at present")
        await found[0].serve(link)

    def _deliver(self) -> None:
        """Look at the outbox now."""
        for partner, _ in self._partners.values():
            partner.wake()

    async def run(self, ready: Ready) -> None:
        """Serve until `stop` is called.

        Args:
            ready: Called with the address (`host:port`, or empty) and the reason why the node
                takes no new messages (empty if all is well) once it serves, and whenever that
                reason changes.

        Raises:
            ConfigError: The address cannot be listened on.
            StorageError: The store cannot be read.
        """
        gc.set_threshold(*_COLLECTOR)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="use-case"))
        address = await self._listen()
        woken = self._from_a_thread(loop, self.wake)
        with listening(self._settings.run_folder, self.wake), self._office.store.listening(woken):
            watching: asyncio.Task[None] | None = None
            try:
                self._office.sequencer.on_queued(self._from_a_thread(loop, self._deliver))
                self._office.bell.on_ring(woken)
                await self._health.look()
                await self._begin_unlinked()
                watching = await self._watch(partial(self._tell, address, ready))
                _log.info("node-serving", agency=self._office.agency, listen=address)
                while not self._stopping.is_set():
                    self._woken.clear()
                    await self._look_around()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.pace.poll_s):
                            await self._woken.wait()
            finally:
                self._health.stop()
                await self._shut_down()
                await self._end_watch(watching)

    @staticmethod
    def _from_a_thread(
        loop: asyncio.AbstractEventLoop, call: Callable[[], None]
    ) -> Callable[[], None]:
        """Return what another thread calls to have `call` called in the loop."""

        def hand_over() -> None:
            with suppress(RuntimeError):  # The loop has ended: so has all that could be woken.
                loop.call_soon_threadsafe(call)

        return hand_over

    async def _begin_unlinked(self) -> None:
        """Before the first connection, nobody is connected, whatever a killed node has left."""
        if self._health.appends:
            with suppress(SesnError):
                await asyncio.to_thread(no_links, self._office)

    async def _listen(self) -> str:
        if not self._settings.listen:
            return ""
        self._server = Server(self._service, self._admission)
        credentials = server_credentials(self._identity, self._roots)
        port = await self._server.start(self._settings.listen, credentials)
        return f"{self._settings.listen.rpartition(':')[0]}:{port}"

    def _roots(self) -> tuple[bytes, ...]:
        """Asked by grpc's threads at each handshake.

        While the database is away, those that were known last: every call asks it again.
        """
        try:
            directory = self._office.directory()
        except StorageError:
            known = self._office.partners.latest
            if known is None:
                raise
            directory = known
        return tuple(directory.roots(self._office.clock()).values())

    async def _watch(self, changed: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Tell how the node stands, now and whenever that changes.

        Raises:
            ConfigError: The address of the metrics cannot be listened on.
        """
        if self._monitor is not None:
            listen = await self._monitor.start(self._settings.metrics)
            _log.info("metrics-served", listen=listen)
        await changed()
        return asyncio.create_task(
            self._health.run(self._settings.pace.poll_s, changed), name="health"
        )

    async def _end_watch(self, watching: asyncio.Task[None] | None) -> None:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await self._health.ended()
        if self._monitor is not None:
            await self._monitor.stop()

    async def _tell(self, address: str, ready: Ready) -> None:
        """Tell whoever asks whether new messages are taken."""
        problem = self._health.problem
        if self._server is not None:
            await self._server.set_healthy(healthy=not problem)
        try:
            ready(address, problem)
        except StorageError as error:
            # A full or broken disk: all the more reason to go on telling by other ways.
            _log.error("state-not-written", code=error.code, detail=str(error))
        # What goes on with partners depends on it.
        self.wake()

    async def _look_around(self) -> None:
        """Wake the partners, follow the directory, expire what is due."""
        self._deliver()
        try:
            if not self._health.appends:
                # Receipts could not be recorded, so nothing is sent.
                self._keep_partners(set())
                self._version = 0
                self._asking.look()
                return
            self._asking.rest()
            directory = await asyncio.to_thread(self._office.directory)
            if directory.version != self._version:
                self._follow(directory)
                await asyncio.to_thread(write_missing, self._office)
            self._restart_ended(directory)
            self._keys.look(directory)
            self._scrubber.look()
            self._steward.look()
            if self._stamper is not None:
                self._stamper.look()
            while await asyncio.to_thread(expire, self._office):
                pass
        except SesnError as error:
            _log.error("node-store-failed", code=error.code, detail=str(error))

    def _follow(self, directory: Directory) -> None:
        """Begin with new partners; cut off those that are no longer trusted."""
        self._version = directory.version
        trusted = {
            agency for agency, peer in directory.peers.items() if peer.state is PeerState.TRUSTED
        }
        self._admission.cut_off(directory.roots(self._office.clock()))
        self._keep_partners(trusted)
        for agency in trusted - set(self._partners):
            self._start(agency)

    def _keep_partners(self, wanted: set[AgencyId]) -> None:
        """End what goes on with everybody else at once."""
        for agency in set(self._partners) - wanted:
            partner, task = self._partners.pop(agency)
            partner.stop()
            task.cancel()
            _log.info("delivery-stopped", peer=agency)

    def _restart_ended(self, directory: Directory) -> None:
        """Start anew what ended because the partner's card had expired."""
        now_ms = self._office.clock()
        for agency, (_, task) in list(self._partners.items()):
            if task.done() and not directory.peers[agency].card.expired(now_ms):
                self._start(agency)

    def _start(self, agency: AgencyId) -> None:
        partner = Partner(
            self._office,
            agency,
            reception=self._reception,
            dial=self._dial,
            leases=self._leases,
            pushed=partial(self._service.pushes, agency),
            pace=self._settings.pace,
            gossip=self._gossip,
        )
        task = asyncio.create_task(partner.run(), name=f"partner-{agency}")
        self._partners[agency] = (partner, task)

    async def _shut_down(self) -> None:
        grace_s = self._settings.grace_s
        partners = list(self._partners.values())
        for partner, _ in partners:
            partner.stop()
        if self._server is not None:
            self._admission.hang_up()
            await self._server.stop(grace_s)
        tasks = [task for _, task in partners]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._keys.stop()
        await self._asking.stop()
        await self._scrubber.stop()
        await self._steward.stop()
        if self._stamper is not None:
            await self._stamper.stop()
        await asyncio.to_thread(self._leases.close)
        _log.info("node-stopped", agency=self._office.agency)
