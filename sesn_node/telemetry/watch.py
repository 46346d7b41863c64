"""Watching: what the use cases tell about messages becomes metrics and spans.

Both are off unless somebody asked for them; then telling costs a comparison or two. Nothing here
raises, and nothing here knows what a message says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sesn_node.telemetry import catalogue
from sesn_node.telemetry.spans import (
    Attribute,
    SpanName,
    Timeline,
    delivery_span,
    root_span,
    written_ns,
)

if TYPE_CHECKING:
    from sesn_node.telemetry.metrics import Metrics
    from sesn_node.telemetry.traces import Traces

_SENT: Final = "sent"
_RECEIVED: Final = "received"
_ACKNOWLEDGED: Final = "acknowledged"
_NS: Final = 1e9


class Carried(NamedTuple):
    """A message in a batch that leaves: which time it is tried, and its entry of our ledger."""

    message_id: bytes
    attempt: int
    entry: int


class Arrival(NamedTuple):
    """What became of one message of a batch that came in.

    Args:
        message_id: None if it could not be read.
        entry: Our entry for it, if it is stored.
        again: Whether it was held already.
        code: Why it is refused; empty if it is not.
        watched: It names something that officers watch for.
    """

    message_id: bytes | None
    entry: int | None = None
    again: bool = False
    code: str = ""
    watched: bool = False


class Watch:
    """What watches one agency's process.

    Args:
        agency: Whose process it is.
        traces: Where spans go; None if nobody asked for them.

    `metrics` is None but in a serving node that was asked for them.
    """

    __slots__ = ("agency", "metrics", "traces")

    def __init__(self, agency: str = "", traces: Traces | None = None) -> None:
        self.agency = agency
        self.metrics: Metrics | None = None
        self.traces = traces

    def close(self) -> None:
        """Write what waits to be written."""
        if self.traces is not None:
            self.traces.close()

    def shared(
        self, message_id: bytes, recipients: int, timeline: Timeline, answers: bytes | None
    ) -> None:
        """A message is recorded; `answers` is the message that it answers."""
        if self.traces is None:
            return
        end_ns = timeline.now_ns()
        if self.traces.follows(message_id):
            self.traces.add(
                message_id,
                SpanName.SHARE,
                start_ns=timeline.start_ns,
                end_ns=end_ns,
                span_id=root_span(message_id),
                attributes={"sesn.recipients": recipients},
                marks=timeline.marks,
                other=answers,
            )
        if answers is not None and self.traces.follows(answers):
            self.traces.add(
                answers,
                SpanName.RESPOND,
                start_ns=timeline.start_ns,
                end_ns=end_ns,
                parent=delivery_span(answers, self.agency),
                other=message_id,
            )

    def sending(self, peer: str, sequence: int, carried: Sequence[Carried]) -> Sending:
        """A batch with messages is about to leave."""
        if self.metrics is not None and carried:
            self.metrics.count(catalogue.SENT, peer, by=len(carried))
        return Sending(self, peer, sequence, carried)

    def receiving(self, peer: str, sequence: int, messages: int) -> Receiving:
        """A batch with messages has arrived."""
        return Receiving(self, peer, sequence, messages)

    def undelivered(self, copies: Iterable[tuple[bytes, str]], code: str) -> None:
        """Copies, by message id and agency, were given up."""
        for message_id, agency in copies:
            if self.metrics is not None:
                self.metrics.count(catalogue.UNDELIVERED, agency, code)
            if self.traces is not None and self.traces.follows(message_id):
                self.delivered(message_id, agency, Timeline().start_ns, {}, failed=code)

    def erased(self, code: str, messages: int) -> None:
        """The node erased the content of messages by itself."""
        if self.metrics is not None and messages:
            self.metrics.count(catalogue.ERASED, code, by=messages)

    def recall_answered(self, peer: str, outcome: str) -> None:
        """A partner was told what became of a message that it recalled."""
        if self.metrics is not None:
            self.metrics.count(catalogue.RECALLS, peer, outcome)

    def delivered(
        self,
        message_id: bytes,
        peer: str,
        end_ns: int,
        attributes: Mapping[str, Attribute],
        *,
        failed: str = "",
    ) -> None:
        """A copy of a message that is traced was settled or given up."""
        if self.traces is None:
            return
        outcome = failed or _ACKNOWLEDGED
        self.traces.add(
            message_id,
            SpanName.DELIVERY,
            start_ns=written_ns(message_id),
            end_ns=max(end_ns, written_ns(message_id)),
            span_id=delivery_span(message_id, peer),
            parent=root_span(message_id),
            attributes={"sesn.peer": peer, "sesn.outcome": outcome, **attributes},
            failed=failed,
        )

    def grouped(self, operations: int, seconds: float) -> None:
        """A group of operations was committed."""
        if self.metrics is not None:
            self.metrics.observe(catalogue.GROUP_OPERATIONS, operations)
            self.metrics.observe(catalogue.GROUP_SECONDS, seconds)

    def group_failed(self, code: str) -> None:
        """The transaction of a group failed."""
        self._count(catalogue.GROUPS_FAILED, code)

    def judged(self, peer: str, status: int) -> None:
        """We judged a partner's checkpoint, as a witness."""
        self._count(catalogue.JUDGED, peer, str(status))

    def link_up(self, peer: str) -> None:
        """A partner is connected."""
        self._count(catalogue.LINKS_UP, peer)

    def link_failed(self, peer: str, code: str) -> None:
        """A connection failed, or could not be made."""
        self._count(catalogue.LINK_FAILURES, peer, code)

    def compared(self, peer: str, outcome: str) -> None:
        """What a partner saw of a third ledger was held against what we keep of it."""
        self._count(catalogue.COMPARED, peer, outcome)

    def caller_refused(self, code: str) -> None:
        """Somebody called who did not prove to be a trusted partner."""
        self._count(catalogue.CALLERS_REFUSED, code)

    def _count(self, metric: catalogue.Metric, *labels: str) -> None:
        if self.metrics is not None:
            self.metrics.count(metric, *labels)


class Sending:
    """A batch on its way to a partner, until its answer is settled."""

    __slots__ = ("_carried", "_peer", "_sequence", "_timeline", "_watch")

    def __init__(self, watch: Watch, peer: str, sequence: int, carried: Sequence[Carried]) -> None:
        self._watch = watch
        self._peer = peer
        self._sequence = sequence
        self._carried = carried
        self._timeline = Timeline()

    def answered(self, status: int) -> None:
        """The answer is here; `status` is what the partner says as a witness of our ledger."""
        self._timeline.mark("answered")
        if self._watch.metrics is not None and self._carried:
            self._watch.metrics.count(catalogue.WITNESSED, self._peer, str(status))

    def settled(
        self, acknowledged: Collection[bytes], refused: Mapping[bytes, tuple[str, bool]]
    ) -> None:
        """The answer is settled.

        Args:
            acknowledged: Messages whose receipt is new.
            refused: Messages that were refused: code, and whether for good.
        """
        end_ns = self._timeline.mark("settled")
        self._measure(end_ns, acknowledged, refused)
        for one in self._traced():
            code, permanent = refused.get(one.message_id, ("", False))
            fresh = one.message_id in acknowledged
            outcome = code or (_ACKNOWLEDGED if fresh else "acknowledged before")
            self._attempt(one, end_ns, outcome, failed=code)
            if fresh or permanent:
                tries: dict[str, Attribute] = {"sesn.attempts": one.attempt}
                self._watch.delivered(one.message_id, self._peer, end_ns, tries, failed=code)

    def failed(self, code: str) -> None:
        """No answer came, or one that proves nothing, or that asks for another proof."""
        end_ns = self._timeline.now_ns()
        for one in self._traced():
            self._attempt(one, end_ns, code, failed=code)

    def _measure(
        self,
        end_ns: int,
        acknowledged: Collection[bytes],
        refused: Mapping[bytes, tuple[str, bool]],
    ) -> None:
        metrics = self._watch.metrics
        if metrics is None or not self._carried:
            return
        metrics.count(catalogue.BATCHES, _SENT)
        metrics.observe(catalogue.BATCH_MESSAGES, len(self._carried), _SENT)
        metrics.observe(catalogue.BATCH_SECONDS, self._timeline.seconds, _SENT)
        if acknowledged:
            metrics.count(catalogue.ACKNOWLEDGED, self._peer, by=len(acknowledged))
        for message_id in acknowledged:
            seconds = max(0.0, (end_ns - written_ns(message_id)) / _NS)
            metrics.observe(catalogue.ACKNOWLEDGED_AFTER, seconds, self._peer)
        for code, count in Counter(code for code, _ in refused.values()).items():
            metrics.count(catalogue.REFUSED, self._peer, code, by=count)

    def _traced(self) -> list[Carried]:
        traces = self._watch.traces
        if traces is None:
            return []
        return [one for one in self._carried if traces.follows(one.message_id)]

    def _attempt(self, one: Carried, end_ns: int, outcome: str, *, failed: str) -> None:
        if self._watch.traces is None:
            return
        self._watch.traces.add(
            one.message_id,
            SpanName.ATTEMPT,
            start_ns=self._timeline.start_ns,
            end_ns=end_ns,
            parent=delivery_span(one.message_id, self._peer),
            attributes={
                "sesn.peer": self._peer,
                "sesn.attempt": one.attempt,
                "sesn.outcome": outcome,
                "sesn.entry": one.entry,
                "sesn.batch.sequence": self._sequence,
                "sesn.batch.messages": len(self._carried),
            },
            marks=self._timeline.marks,
            failed=failed,
        )


class Receiving:
    """A batch of a partner, until its answer is ready."""

    __slots__ = ("_messages", "_peer", "_sequence", "_timeline", "_watch")

    def __init__(self, watch: Watch, peer: str, sequence: int, messages: int) -> None:
        self._watch = watch
        self._peer = peer
        self._sequence = sequence
        self._messages = messages
        self._timeline = Timeline()

    def mark(self, name: str) -> None:
        """Note a moment."""
        self._timeline.mark(name)

    def refused(self, code: str) -> None:
        """The batch was refused as a whole; nobody knows which messages it had."""
        if self._watch.metrics is not None:
            self._measure(self._watch.metrics, [Arrival(None, code=code)] * self._messages)

    def done(self, arrivals: Sequence[Arrival]) -> None:
        """The answer is ready."""
        if self._watch.metrics is not None:
            self._measure(self._watch.metrics, arrivals)
        traces = self._watch.traces
        if traces is None:
            return
        end_ns = self._timeline.now_ns()
        for one in arrivals:
            if one.message_id is not None and traces.follows(one.message_id):
                self._trace(traces, one, one.message_id, end_ns)

    def _measure(self, metrics: Metrics, arrivals: Sequence[Arrival]) -> None:
        metrics.count(catalogue.BATCHES, _RECEIVED)
        metrics.observe(catalogue.BATCH_MESSAGES, self._messages, _RECEIVED)
        metrics.observe(catalogue.BATCH_SECONDS, self._timeline.seconds, _RECEIVED)
        kept = sum(1 for one in arrivals if not one.code and not one.again)
        again = sum(1 for one in arrivals if not one.code and one.again)
        if kept:
            metrics.count(catalogue.RECEIVED, self._peer, by=kept)
        if again:
            metrics.count(catalogue.RECEIVED_AGAIN, self._peer, by=again)
        watched = sum(1 for one in arrivals if one.watched)
        if watched:
            metrics.count(catalogue.WATCHED, self._peer, by=watched)
        for code, count in Counter(one.code for one in arrivals if one.code).items():
            metrics.count(catalogue.REFUSED_HERE, self._peer, code, by=count)

    def _trace(self, traces: Traces, one: Arrival, message_id: bytes, end_ns: int) -> None:
        attributes: dict[str, Attribute] = {
            "sesn.peer": self._peer,
            "sesn.outcome": one.code or ("received before" if one.again else "received"),
            "sesn.batch.sequence": self._sequence,
            "sesn.batch.messages": self._messages,
        }
        if one.entry is not None:
            attributes["sesn.entry"] = one.entry
        traces.add(
            message_id,
            SpanName.RECEIVE,
            start_ns=self._timeline.start_ns,
            end_ns=end_ns,
            parent=delivery_span(message_id, self._watch.agency),
            attributes=attributes,
            marks=self._timeline.marks,
            failed=one.code,
        )
