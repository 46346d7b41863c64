"""Traces: spans go to a file, by a thread of its own, off the way of messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from sesn_node import __version__
from sesn_node.telemetry import otlp
from sesn_node.telemetry.logs import get_logger
from sesn_node.telemetry.spans import Attribute, Mark, SpanName, chosen, root_span
from sesn_node.telemetry.tracefile import TraceFile

_log = get_logger(__name__)

_QUEUED: Final = 16_384
"""Spans that wait for the disk; one takes about 1.5 KiB of memory. More are dropped."""
_AT_ONCE: Final = 512
_DELAY_MS: Final = 1_000

_NONE: Final[Mapping[str, Attribute]] = {}
_OK: Final = Status(StatusCode.OK)
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_KINDS: Final = {SpanName.ATTEMPT: SpanKind.CLIENT, SpanName.RECEIVE: SpanKind.SERVER}
_SCOPE: Final = "sesn_node"


class Traces:
    """Takes the spans of one agency's process. Any thread may add.

    Args:
        agency: Whose spans they are.
        file: Where they go.
        one_in: Trace one message in so many.
    """

    def __init__(self, agency: str, file: TraceFile, one_in: int) -> None:
        self._one_in = one_in
        self._ids = RandomIdGenerator()
        self._resource = Resource(
            {
                "service.namespace": "sesn",
                # What viewers tell nodes apart by.
                "service.name": agency,
                "service.version": __version__,
            }
        )
        self._lock = threading.Lock()
        self._waiting = 0
        self._dropped = 0
        self._exporter = _FileExporter(file, self._exported)
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=_QUEUED,
            schedule_delay_millis=_DELAY_MS,
            max_export_batch_size=_AT_ONCE,
            meter_provider=NoOpMeterProvider(),
        )

    def follows(self, message_id: bytes) -> bool:
        """Tell whether a message is traced."""
        return self._one_in == 1 or chosen(message_id, self._one_in)

    def add(  # noqa: PLR0913 - the parts of a span
        self,
        message_id: bytes,
        step: SpanName,
        *,
        start_ns: int,
        end_ns: int,
        span_id: int | None = None,
        parent: int | None = None,
        attributes: Mapping[str, Attribute] = _NONE,
        marks: Sequence[Mark] = (),
        failed: str = "",
        other: bytes | None = None,
    ) -> None:
        """Take a span of a message that is traced; it is dropped if too many wait already.

        Args:
            message_id: The trace.
            step: Its name.
            start_ns: When it began, Unix nanoseconds.
            end_ns: When it ended.
            span_id: Its id; a random one if None.
            parent: Id of the span that it is part of; None for the root.
            attributes: Facts; never content. Their names begin with `sesn.`.
            marks: Moments on its way.
            failed: Why it did not do what it should; empty if it did.
            other: Message that it has to do with; the span links to its root.
        """
        with self._lock:
            if self._waiting >= _QUEUED:
                self._dropped += 1
                return
            self._waiting += 1
        trace_id = int.from_bytes(message_id, "big")
        if span_id is None:
            span_id = self._ids.generate_span_id()
        self._processor.on_end(
            ReadableSpan(
                step.value,
                _context(trace_id, span_id),
                None if parent is None else _context(trace_id, parent),
                self._resource,
                attributes,
                [Event(mark.name, timestamp=mark.time_ns) for mark in marks],
                () if other is None else (_link(other),),
                _KINDS.get(step, SpanKind.INTERNAL),
                status=Status(StatusCode.ERROR, failed) if failed else _OK,
                start_time=start_ns,
                end_time=end_ns,
            )
        )

    def counts(self) -> dict[str, int]:
        """Count the spans that were written, and those that were dropped."""
        with self._lock:
            lost = self._dropped + self._exporter.lost
        return {"written": self._exporter.written, "dropped": lost}

    def flush(self) -> None:
        """Write what waits."""
        self._processor.force_flush()

    def close(self) -> None:
        """Write what waits, and stop."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the library has no types here

    def _exported(self, count: int) -> None:
        with self._lock:
            self._waiting -= count


def _link(message_id: bytes) -> Link:
    trace_id = int.from_bytes(message_id, "big")
    return Link(SpanContext(trace_id, root_span(message_id), is_remote=True))


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)


class _FileExporter(SpanExporter):
    """Writes batches of spans to a trace file. Called by one thread at a time."""

    def __init__(self, file: TraceFile, exported: Callable[[int], None]) -> None:
        self.written = 0
        self.lost = 0
        self._file = file
        self._exported = exported
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append a line; a failure costs these spans and is logged once."""
        try:
            self._file.append(otlp.line(spans, _SCOPE, __version__))
        except OSError as error:
            self.lost += len(spans)
            if not self._failing:
                self._failing = True
                _log.warning("traces-not-written", detail=str(error))
            return SpanExportResult.FAILURE
        finally:
            self._exported(len(spans))
        self._failing = False
        self.written += len(spans)
        return SpanExportResult.SUCCESS
