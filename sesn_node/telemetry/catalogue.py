"""Every metric of a node: its name, type, labels and meaning.

Names follow Prometheus: a prefix, a base unit, `_total` for counters. Labels hold ids of partners
and constant words only, so that their number is bounded; never a message id, never content.
docs/operations.md has the same list, and a test holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "sesn_"

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3_600.0, 21_600.0, 86_400.0)
_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Kind(StrEnum):
    """Type of a metric, as Prometheus calls it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Args:
        name: Without the prefix.
        kind: Type.
        doc: What it counts or tells; one sentence.
        labels: Names of its labels.
        buckets: Upper bounds, of a histogram.
        read: Whether it is read from the database at each scrape, and not counted by this process.
    """

    name: str
    kind: Kind
    doc: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    read: bool = False

    @property
    def full_name(self) -> str:
        """The name that Prometheus sees."""
        return PREFIX + self.name


def _counter(name: str, doc: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, doc, labels)


def _histogram(name: str, buckets: tuple[float, ...], doc: str, *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, doc, labels, buckets)


def _gauge(name: str, doc: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, doc, labels, read=True)


# Counted by this process, since it started.
SENT: Final = _counter("messages_sent_total", "Copies put on the wire; each try counts.", "peer")
ACKNOWLEDGED: Final = _counter(
    "messages_acknowledged_total", "Receipts that were verified and stored.", "peer"
)
REFUSED: Final = _counter(
    "messages_refused_total", "Copies that a partner refused, for now or for good.", "peer", "code"
)
UNDELIVERED: Final = _counter(
    "messages_undelivered_total", "Copies that this process gave up.", "peer", "code"
)
ERASED: Final = _counter(
    "content_erased_total", "Messages whose content this process erased by itself.", "code"
)
RECALLS: Final = _counter(
    "recalls_answered_total", "Recalls of a partner that were obeyed or held.", "peer", "outcome"
)
RECEIVED: Final = _counter("messages_received_total", "Messages that were stored.", "peer")
RECEIVED_AGAIN: Final = _counter(
    "messages_received_again_total",
    "Messages that were held already, and got their first receipt again.",
    "peer",
)
WATCHED: Final = _counter(
    "messages_watched_total", "Messages that were stored and name what officers watch for.", "peer"
)
REFUSED_HERE: Final = _counter(
    "messages_refused_here_total", "Messages of a partner that this node refused.", "peer", "code"
)
ACKNOWLEDGED_AFTER: Final = _histogram(
    "acknowledged_after_seconds", _SLOW, "From sharing a message until its receipt.", "peer"
)
BATCHES: Final = _counter("batches_total", "Batches with messages, sent or received.", "direction")
BATCH_MESSAGES: Final = _histogram("batch_messages", _SIZES, "Messages in one batch.", "direction")
BATCH_SECONDS: Final = _histogram(
    "batch_seconds",
    _FAST,
    "Sent: from writing a batch until its answer is settled. Received: from its arrival until "
    "its answer is ready.",
    "direction",
)
GROUP_OPERATIONS: Final = _histogram(
    "commit_operations", _SIZES, "Operations that were committed together."
)
GROUP_SECONDS: Final = _histogram(
    "commit_seconds", _FAST, "One transaction of the ledger, the sync of the disk included."
)
GROUPS_FAILED: Final = _counter(
    "commits_failed_total", "Transactions of the ledger that failed.", "code"
)
LINKS_UP: Final = _counter("links_up_total", "Connections over which cards were swapped.", "peer")
LINK_FAILURES: Final = _counter(
    "link_failures_total", "Connections that failed, or could not be made.", "peer", "code"
)
JUDGED: Final = _counter(
    "checkpoints_judged_total",
    "Checkpoints of a partner that we judged, by our answer as a witness (C2SP tlog-witness).",
    "peer",
    "status",
)
WITNESSED: Final = _counter(
    "checkpoints_witnessed_total",
    "Checkpoints of ours that a partner judged, by its answer as a witness.",
    "peer",
    "status",
)
COMPARED: Final = _counter(
    "checkpoints_compared_total",
    "Checkpoints of third ledgers that a partner showed, by what comparing them came to.",
    "peer",
    "outcome",
)
CALLERS_REFUSED: Final = _counter(
    "callers_refused_total", "Callers that did not prove to be a trusted partner.", "code"
)

# Read when somebody asks.
INFO: Final = _gauge("node_info", "Always 1.", "agency", "version")
HEALTHY: Final = _gauge("healthy", "1 if new messages can be taken, as /health says; else 0.")
STORE_READABLE: Final = _gauge(
    "store_readable", "1 if the database could be read for this answer; else 0."
)
WRITE_AGE: Final = _gauge("last_write_age_seconds", "Since this process last committed a write.")
SHARED: Final = Metric(
    "messages_shared_total",
    Kind.COUNTER,
    "Messages that this agency has shared, by any of its processes.",
    read=True,
)
OUTBOX: Final = _gauge(
    "outbox_copies", "Copies that are not acknowledged, by state.", "peer", "state"
)
OLDEST: Final = _gauge(
    "outbox_oldest_age_seconds", "Age of the oldest message that is queued.", "peer"
)
LEDGER: Final = _gauge("ledger_entries", "Size of our ledger.")
UNWITNESSED: Final = _gauge(
    "ledger_unwitnessed_entries", "Entries of our ledger that a partner has not cosigned.", "peer"
)
ALARMS: Final = _gauge(
    "ledger_alarms", "Alarms about a partner's ledgers that nobody has settled.", "peer", "what"
)
QUARANTINED: Final = _gauge(
    "peer_quarantined", "1 for a partner that is cut off since its ledger forked.", "peer"
)
STAMPED: Final = _gauge(
    "timestamp_newest_seconds", "Time in the newest token over our ledger; Unix time."
)
UNSTAMPED: Final = _gauge(
    "timestamp_failing_seconds", "Since no time-stamping authority has answered; 0 while one does."
)
GRACE: Final = _gauge(
    "timestamp_grace_exceeded", "1 if none has answered for longer than the grace period; else 0."
)
CIRCUIT_OPEN: Final = _gauge(
    "circuit_open", "1 while a partner keeps failing, and gets one message at a time.", "peer"
)
FAILURES: Final = _gauge("link_failures_in_a_row", "Failed attempts since the last link.", "peer")
CASES: Final = _gauge("cases_open", "Open return-to-origin cases, by state.", "state")
CASES_DUE_SOON: Final = _gauge(
    "cases_due_soon", "Open cases that are due within `cases.warn_days` days."
)
CASES_OVERDUE: Final = _gauge("cases_overdue", "Open cases whose due date has passed.")
CASES_AWAITING: Final = _gauge("cases_awaiting_us", "Open cases that wait for a step of ours.")
EXPIRY: Final = _gauge(
    "expiry_timestamp_seconds", "When a key, certificate or card of ours ends; Unix time.", "what"
)
PEER_EXPIRY: Final = _gauge(
    "peer_card_expiry_timestamp_seconds", "When a partner's card ends; Unix time.", "peer"
)
DISK_FREE: Final = _gauge("disk_free_bytes", "Free space of a file system.", "volume")
DISK_FLOOR: Final = _gauge(
    "disk_floor_bytes", "Below this much free space no new messages are taken; 0: not looked at."
)
SPANS: Final = Metric(
    "trace_spans_total",
    Kind.COUNTER,
    "Spans that this process wrote, or dropped since they could not be written.",
    ("outcome",),
    read=True,
)
HEAD_AGE: Final = _gauge("head_file_age_seconds", "Since ledger.head was last written.")

CATALOGUE: Final = (
    SHARED,
    SENT,
    ACKNOWLEDGED,
    REFUSED,
    UNDELIVERED,
    ERASED,
    RECALLS,
    RECEIVED,
    RECEIVED_AGAIN,
    WATCHED,
    REFUSED_HERE,
    ACKNOWLEDGED_AFTER,
    BATCHES,
    BATCH_MESSAGES,
    BATCH_SECONDS,
    OUTBOX,
    OLDEST,
    LINKS_UP,
    LINK_FAILURES,
    FAILURES,
    CIRCUIT_OPEN,
    JUDGED,
    WITNESSED,
    UNWITNESSED,
    COMPARED,
    ALARMS,
    QUARANTINED,
    LEDGER,
    CASES,
    CASES_DUE_SOON,
    CASES_OVERDUE,
    CASES_AWAITING,
    STAMPED,
    UNSTAMPED,
    GRACE,
    GROUP_OPERATIONS,
    GROUP_SECONDS,
    GROUPS_FAILED,
    CALLERS_REFUSED,
    HEALTHY,
    STORE_READABLE,
    WRITE_AGE,
    DISK_FREE,
    DISK_FLOOR,
    HEAD_AGE,
    EXPIRY,
    PEER_EXPIRY,
    SPANS,
    INFO,
)
"""All of them, in the order of the documentation."""
