"""What a monitoring system asks a node over HTTP: /metrics for Prometheus, /health for anybody."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sesn_node import __version__
from sesn_node.errors import StorageError
from sesn_node.exchange.gauges import disk_gauges, stored_gauges
from sesn_node.telemetry import catalogue
from sesn_node.telemetry.metrics import CONTENT_TYPE, Metrics
from sesn_node.transport.http import Page, PageServer

if TYPE_CHECKING:
    from sesn_node.exchange.gauges import Gauges
    from sesn_node.exchange.office import Office
    from sesn_node.transport.health import Health

_PATIENCE_S: Final = 5.0
_FRESH_S: Final = 1.0
_COSTS: Final = 20
"""What was read from the database is read again when it is older than so many times what reading
it took: however many ask, and however much there is, they take a twentieth of its time at most."""


class Monitor:
    """Answers a monitoring system. Belongs to the event loop.

    Args:
        office: Ours.
        metrics: What this process has counted.
        health: Whether new messages are taken.
    """

    def __init__(self, office: Office, metrics: Metrics, health: Health) -> None:
        self._office = office
        self._metrics = metrics
        self._health = health
        self._pages = PageServer({"/metrics": self._metrics_page, "/health": self._health_page})
        # Of its own: a database that does not answer holds the use cases' threads, and the next
        # reading, but not the answer.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="monitor")
        self._reading: asyncio.Future[Gauges] | None = None
        self._read: Gauges = {}
        self._read_s = float("-inf")
        self._cost_s = 0.0

    async def start(self, address: str) -> str:
        """Listen on `host:port`; returns the address with the port that was taken.

        Raises:
            ConfigError: The address cannot be listened on.
        """
        return await self._pages.start(address)

    async def stop(self) -> None:
        """Stop answering."""
        await self._pages.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _health_page(self) -> Page:
        problem = self._health.problem
        status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
        said = {"status": "NOT_SERVING" if problem else "SERVING", "reason": problem or None}
        return Page(status, "application/json", json.dumps(said).encode() + b"\n")

    async def _metrics_page(self) -> Page:
        loop = asyncio.get_running_loop()
        gauges: Gauges = {
            catalogue.INFO: {(self._office.agency, __version__): 1},
            catalogue.HEALTHY: {(): not self._health.problem},
        }
        try:
            gauges |= await self._stored()
            gauges[catalogue.STORE_READABLE] = {(): 1}
        except (StorageError, TimeoutError):
            gauges[catalogue.STORE_READABLE] = {(): 0}
        if self._health.write_age_s is not None:
            gauges[catalogue.WRITE_AGE] = {(): self._health.write_age_s}
        body = await loop.run_in_executor(self._threads, self._render, gauges)
        return Page(HTTPStatus.OK, CONTENT_TYPE, body)

    def _render(self, gauges: Gauges) -> bytes:
        gauges |= disk_gauges(self._office)
        if self._office.watch.traces is not None:
            counts = self._office.watch.traces.counts()
            gauges[catalogue.SPANS] = {(outcome,): count for outcome, count in counts.items()}
        return self._metrics.render(gauges)

    async def _stored(self) -> Gauges:
        """Return what the database knows, read now or a moment ago.

        Raises:
            StorageError: It cannot be read.
            TimeoutError: It does not answer.
        """
        if time.monotonic() - self._read_s < max(_FRESH_S, _COSTS * self._cost_s):
            return self._read
        if self._reading is None:
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(self._threads, self._read_store)
            self._reading.add_done_callback(self._done)
        async with asyncio.timeout(_PATIENCE_S):
            return await asyncio.shield(self._reading)

    def _read_store(self) -> Gauges:
        started = time.monotonic()
        read = stored_gauges(self._office)
        self._cost_s = time.monotonic() - started
        return read

    def _done(self, reading: asyncio.Future[Gauges]) -> None:
        self._reading = None
        if not reading.cancelled() and reading.exception() is None:
            self._read = reading.result()
            self._read_s = time.monotonic()
