"""`sesn bench`: durable, acknowledged alerts per second, and the latency of a single one."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache

from sesn_node.bench.pair import RECEIVER, running_pair
from sesn_node.config import LogFormat, LogLevel
from sesn_node.domain.alert import Alert, RequestedAction, Urgency
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import MessageId
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.exchange.office import Office
from sesn_node.exchange.share import Draft, recording, seal_draft, share
from sesn_node.exchange.work import Committed
from sesn_node.telemetry.logs import configure
from sesn_node.wire.payloads import encode_payload

PAYLOAD_BYTES = 1024
_DESKS = 2
"""Threads that seal and share."""
_OUTSTANDING = 128
"""Alerts of one desk that wait for their commit."""
_WARM_UP = 300
_POLL_SECONDS = 0.0005
_BACKLOG_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Args:
        alerts: How many were sent for the rate.
        payload_bytes: Size of each.
        per_second: Durable, acknowledged alerts per second: from the first `share` until the
            last receipt is committed.
        latency_ms_median: From `share` of a single alert until its receipt is committed.
        latency_ms_p95: The same, 95th percentile.
    """

    alerts: int
    payload_bytes: int
    per_second: float
    latency_ms_median: float
    latency_ms_p95: float


def run(*, alerts: int = 10_000, singles: int = 200, json_output: bool = False) -> int:
    """Measure two warm nodes in two processes over loopback TLS; print the figures."""
    configure(LogLevel.WARNING, LogFormat.CONSOLE)
    with running_pair() as desk:
        _rate(desk.office, _WARM_UP)
        latencies = [_latency(desk.office) * 1000 for _ in range(singles)]
        per_second = _rate(desk.office, alerts)
    figures = Figures(
        alerts=alerts,
        payload_bytes=PAYLOAD_BYTES,
        per_second=round(per_second, 1),
        latency_ms_median=round(statistics.median(latencies), 2),
        latency_ms_p95=round(statistics.quantiles(latencies, n=20)[-1], 2),
    )
    if json_output:
        sys.stdout.write(json.dumps(asdict(figures)) + "\n")
    else:
        sys.stdout.write(
            f"{figures.per_second:,.0f} alerts/s of {figures.payload_bytes} bytes, durable and "
            f"acknowledged ({alerts:,} alerts, two processes)\n"
            f"{figures.latency_ms_median:.1f} ms median, {figures.latency_ms_p95:.1f} ms at the "
            f"95th percentile, for a single alert ({singles} of them)\n"
        )
    return 0


def _rate(office: Office, alerts: int) -> float:
    """Share as fast as the node takes it, and wait for the last receipt."""
    started = time.perf_counter()
    with ThreadPoolExecutor(_DESKS) as desks:
        list(desks.map(lambda count: _share_all(office, count), [alerts // _DESKS] * _DESKS))
    while True:
        with office.store.read() as transaction:
            if not transaction.figures.backlog(office.clock()):
                return alerts / (time.perf_counter() - started)
        time.sleep(_BACKLOG_POLL_SECONDS)


def _share_all(office: Office, count: int) -> None:
    """Seal alerts one by one; wait for the oldest commit when too many are outstanding."""
    directory = office.directory()
    outstanding: deque[Future[Committed[MessageId]]] = deque()
    for _ in range(count):
        operation = recording(seal_draft(office, draft(), directory))
        outstanding.append(office.sequencer.submit(operation, writes=False))
        if len(outstanding) == _OUTSTANDING:
            outstanding.popleft().result()
    for commit in outstanding:
        commit.result()


def _latency(office: Office) -> float:
    """Share one alert and wait for the commit of its receipt."""
    # SHARED and ACKNOWLEDGED: asking the database before would slow down what is measured.
    final_size = office.sequencer.known_size + 2
    started = time.perf_counter()
    message_id = share(office, draft())
    while office.sequencer.known_size < final_size or not _acknowledged(office, message_id):
        time.sleep(_POLL_SECONDS)
    return time.perf_counter() - started


def _acknowledged(office: Office, message_id: MessageId) -> bool:
    with office.store.read() as transaction:
        states = transaction.outbox.states(RECEIVER, [message_id])
    return states[message_id] is DeliveryState.ACKNOWLEDGED


def draft() -> Draft:
    """Return a draft whose payload has exactly 1,024 bytes."""
    bare = len(encode_payload(_payload("x")))
    # One more byte for the length prefix of a text over 127 bytes.
    return Draft(_payload("x" * (PAYLOAD_BYTES - bare - 1)), (RECEIVER,))


@cache
def _payload(narrative: str) -> Payload:
    alert = Alert(
        subject="Used batteries declared as plastic scrap",
        urgency=Urgency.URGENT,
        requested_action=RequestedAction.INSPECT,
        respond_by=None,
        narrative=narrative,
        consignment=None,
    )
    return Payload(Markings(Tlp.AMBER), alert)
