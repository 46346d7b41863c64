"""The running node: its server, one delivery per partner, and the watch over both.

Start-up: listen, hold the ledger against the head file, greet every partner. Shutdown: refuse
new calls, and let what is under way finish for a few seconds. The store stays open: it belongs to
whoever opened the home.
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sesn_node.errors import SesnError, StorageError
from sesn_node.exchange.expire import expire
from sesn_node.exchange.receive import Receiver
from sesn_node.telemetry import get_logger
from sesn_node.transport.admission import Admission
from sesn_node.transport.delivery import Delivery, Pace
from sesn_node.transport.server import ExchangeService, Server
from sesn_node.transport.tls import server_credentials
from sesn_node.transport.wake import listening
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.transport.tls import TlsIdentity
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

# Python's defaults look for reference cycles after every 700 new objects. A batch makes many
# thousand and no cycle among them; docs/performance.md says what looking seldom gives.
_COLLECTOR = (5_000, 20, 50)

Ready: TypeAlias = "Callable[[str, str], None]"
"""Told the address that is served, and why the node does not append (empty if it does)."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node runs.

    Args:
        listen: `host:port`, or empty for a node that only dials out; port 0 picks a free one.
        run_folder: Where the wake pipe is made.
        pace: Times of the deliveries.
        grace_s: How long calls under way may take at shutdown.
    """

    listen: str
    run_folder: Path
    pace: Pace
    grace_s: float


class Node:
    """One agency's node in one process. Belongs to the event loop that runs it."""

    def __init__(
        self, office: Office, identity: Callable[[], TlsIdentity], settings: NodeSettings
    ) -> None:
        self._office = office
        self._identity = identity
        self._settings = settings
        self._admission = Admission(office)
        self._deliveries: dict[AgencyId, tuple[Delivery, asyncio.Task[None]]] = {}
        self._server: Server | None = None
        self._version = 0
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._problem = ""

    def stop(self) -> None:
        """Begin an orderly shutdown; `run` returns when it is done. Safe from a signal handler."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """Look at the directory and the outbox now: another process may have changed them."""
        self._woken.set()

    def _deliver(self) -> None:
        """Look at the outbox now."""
        for delivery, _ in self._deliveries.values():
            delivery.wake()

    async def run(self, ready: Ready) -> None:
        """Serve until `stop` is called.

        Args:
            ready: Called with the address (`host:port`, or empty) and the reason why the node
                does not append (empty if all is well) once it serves, and whenever that reason
                changes.

        Raises:
            ConfigError: The address cannot be listened on.
            StorageError: The store cannot be read.
        """
        gc.set_threshold(*_COLLECTOR)
        address = await self._listen()
        with listening(self._settings.run_folder, self.wake):
            try:
                self._office.sequencer.on_queued(self._queued_here(asyncio.get_running_loop()))
                await self._check_ledger(address, ready, first=True)
                _log.info("node-serving", agency=self._office.agency, listen=address)
                while not self._stopping.is_set():
                    self._woken.clear()
                    await self._look_around(address, ready)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.pace.poll_s):
                            await self._woken.wait()
            finally:
                await self._shut_down()

    def _queued_here(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Return what the sequencer calls when this process itself has queued messages."""

        def call() -> None:
            with suppress(RuntimeError):  # The loop has ended: so have the deliveries.
                loop.call_soon_threadsafe(self._deliver)

        return call

    async def _listen(self) -> str:
        if not self._settings.listen:
            return ""
        service = ExchangeService(
            self._office, Receiver(self._office), self._admission, self._greeted
        )
        self._server = Server(service, self._admission)
        credentials = server_credentials(self._identity, self._roots)
        port = await self._server.start(self._settings.listen, credentials)
        return f"{self._settings.listen.rpartition(':')[0]}:{port}"

    def _roots(self) -> tuple[bytes, ...]:
        """Asked by grpc's threads at each handshake."""
        return tuple(self._office.directory().roots(self._office.clock()).values())

    def _greeted(self, agency: AgencyId) -> None:
        found = self._deliveries.get(agency)
        if found is None:
            # Trusted since we last looked.
            self.wake()
        else:
            found[0].peer_is_back()

    async def _check_ledger(self, address: str, ready: Ready, *, first: bool = False) -> bool:
        """Hold the database against the head file; report a change. True if we may append."""
        problem = ""
        try:
            await asyncio.to_thread(self._office.sequencer.check)
        except StorageError as error:
            problem = str(error)
        if first or problem != self._problem:
            self._problem = problem
            if problem:
                _log.error("ledger-not-writable", detail=problem)
            if self._server is not None:
                await self._server.set_healthy(healthy=not problem)
            ready(address, problem)
        return not problem

    async def _look_around(self, address: str, ready: Ready) -> None:
        """Wake the deliveries, follow the directory, expire what is due."""
        self._deliver()
        try:
            if not await self._check_ledger(address, ready):
                # Receipts could not be recorded, so nothing is sent.
                self._keep_deliveries(set())
                self._version = 0
                return
            directory = await asyncio.to_thread(self._office.directory)
            if directory.version != self._version:
                self._follow(directory)
            self._restart_ended(directory)
            while await asyncio.to_thread(expire, self._office):
                pass
        except SesnError as error:
            _log.error("node-store-failed", code=error.code, detail=str(error))

    def _follow(self, directory: Directory) -> None:
        """Start deliveries to new partners; cut off those that are no longer trusted."""
        self._version = directory.version
        trusted = {
            agency for agency, peer in directory.peers.items() if peer.state is PeerState.TRUSTED
        }
        self._admission.cut_off(directory.roots(self._office.clock()))
        self._keep_deliveries(trusted)
        for agency in trusted - set(self._deliveries):
            if directory.peers[agency].card.card.endpoints:
                self._start(agency)

    def _keep_deliveries(self, wanted: set[AgencyId]) -> None:
        """End the deliveries to everybody else at once."""
        for agency in set(self._deliveries) - wanted:
            delivery, task = self._deliveries.pop(agency)
            delivery.stop()
            task.cancel()
            _log.info("delivery-stopped", peer=agency)

    def _restart_ended(self, directory: Directory) -> None:
        """Start a delivery anew that ended because its partner's card had expired."""
        now_ms = self._office.clock()
        for agency, (_, task) in list(self._deliveries.items()):
            if task.done() and not directory.peers[agency].card.expired(now_ms):
                self._start(agency)

    def _start(self, agency: AgencyId) -> None:
        delivery = Delivery(self._office, self._identity, agency, self._settings.pace)
        task = asyncio.create_task(delivery.run(), name=f"delivery-{agency}")
        self._deliveries[agency] = (delivery, task)

    async def _shut_down(self) -> None:
        grace_s = self._settings.grace_s
        deliveries = list(self._deliveries.values())
        for delivery, _ in deliveries:
            delivery.stop()
        if self._server is not None:
            self._admission.hang_up()
            await self._server.stop(grace_s)
        tasks = [task for _, task in deliveries]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        _log.info("node-stopped", agency=self._office.agency)
