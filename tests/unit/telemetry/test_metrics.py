"""Metrics: the catalogue, the registry and the documentation say the same; nothing is unbounded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sesn_node.domain.ids import new_message_id
from sesn_node.telemetry.catalogue import CATALOGUE, Kind, Metric
from sesn_node.telemetry.metrics import CONTENT_TYPE, Metrics
from sesn_node.telemetry.watch import Arrival, Carried, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPERATIONS = Path(__file__).resolve().parents[3] / "docs/operations.md"
_ROW = re.compile(r"^\| `(?P<name>sesn_\w+)` \| (?P<rest>.*) \|$", re.MULTILINE)
_LABELS = {"peer", "code", "status", "state", "direction", "volume", "what", "agency", "version"}
MESSAGE = new_message_id(1_763_879_900_000, bytes(range(10)))


def _readings() -> Mapping[Metric, Mapping[tuple[str, ...], float]]:
    return {one: {("x",) * len(one.labels): 1.0} for one in CATALOGUE if one.read}


def _values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    text = metrics.render({}).decode()
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.fixture
def watch() -> Watch:
    """A watch with metrics alone."""
    made = Watch("nl.customs")
    made.metrics = Metrics()
    return made


def test_registry_has_the_catalogue_and_nothing_else() -> None:
    """Every metric of the catalogue is served with its type and meaning, besides the process's."""
    found = {
        one.name: (one.type, one.documentation)
        for one in text_string_to_metric_families(Metrics().render(_readings()).decode())
        if not one.name.startswith("process_")
    }
    assert found == {
        one.full_name.removesuffix("_total"): (one.kind.value, one.doc) for one in CATALOGUE
    }


def test_documentation_has_the_catalogue() -> None:
    """The table in docs/operations.md is the catalogue, row by row."""
    rows = [
        (match["name"], match["rest"])
        for match in _ROW.finditer(_OPERATIONS.read_text(encoding="utf-8"))
    ]
    assert rows == [
        (
            one.full_name,
            f"{one.kind.value} | {', '.join(f'`{label}`' for label in one.labels)} | "
            f"{'read' if one.read else 'counted'} | {one.doc}".replace("|  |", "| |"),
        )
        for one in CATALOGUE
    ]


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda one: one.name)
def test_names_follow_the_rules(metric: Metric) -> None:
    """Counters end in _total and nothing else does; times are seconds, sizes bytes; few labels."""
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not re.search(r"_(ms|milliseconds|minutes|mib|kb)(_|$)", metric.name)
    assert set(metric.labels) <= _LABELS | {"outcome"}
    assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.doc.endswith(".")


def test_nodes_in_one_process_do_not_mix(watch: Watch) -> None:
    """Each registry is one node's own."""
    watch.link_up("gh.epa")
    assert _values(Metrics()).get(("sesn_links_up_total", "gh.epa")) is None


def test_format_is_what_prometheus_reads() -> None:
    """The content type is that of the text format, and the counters have no twins."""
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")
    assert b"_created" not in Metrics().render(_readings())


def test_sending_is_counted(watch: Watch) -> None:
    """A batch counts its messages at once, and what became of them when it is settled."""
    carried = [Carried(new_message_id(number, bytes(10)), 1, number) for number in range(1, 5)]
    sending = watch.sending("gh.epa", 1, carried)
    sending.answered(200)
    taken, refused, put_off = (one.message_id for one in carried[:3])
    sending.settled({taken}, {refused: ("BAD_SEAL", True), put_off: ("BUSY", False)})
    assert watch.metrics is not None
    found = _values(watch.metrics)
    assert found["sesn_messages_sent_total", "gh.epa"] == 4
    assert found["sesn_messages_acknowledged_total", "gh.epa"] == 1
    assert found["sesn_acknowledged_after_seconds_count", "gh.epa"] == 1
    assert found["sesn_messages_refused_total", "BAD_SEAL", "gh.epa"] == 1
    assert found["sesn_messages_refused_total", "BUSY", "gh.epa"] == 1
    assert found["sesn_batches_total", "sent"] == 1
    assert found["sesn_batch_messages_sum", "sent"] == 4
    assert found["sesn_checkpoints_witnessed_total", "gh.epa", "200"] == 1


def test_batch_without_messages_is_none(watch: Watch) -> None:
    """A batch that only shows a card or a cosignature is not counted."""
    sending = watch.sending("gh.epa", 1, [])
    sending.answered(0)
    sending.settled(set(), {})
    assert watch.metrics is not None
    assert not any("gh.epa" in name for name in _values(watch.metrics))


def test_receiving_is_counted(watch: Watch) -> None:
    """New, known and refused messages are told apart; a batch refused as a whole counts each."""
    receiving = watch.receiving("gh.epa", 1, 4)
    receiving.done(
        [
            Arrival(MESSAGE, 7),
            Arrival(MESSAGE, 7, again=True),
            Arrival(MESSAGE, code="EXPIRED"),
            Arrival(None, code="MALFORMED"),
        ]
    )
    watch.receiving("gh.epa", 2, 3).refused("BUSY")
    assert watch.metrics is not None
    found = _values(watch.metrics)
    assert found["sesn_messages_received_total", "gh.epa"] == 1
    assert found["sesn_messages_received_again_total", "gh.epa"] == 1
    assert found["sesn_messages_refused_here_total", "EXPIRED", "gh.epa"] == 1
    assert found["sesn_messages_refused_here_total", "MALFORMED", "gh.epa"] == 1
    assert found["sesn_messages_refused_here_total", "BUSY", "gh.epa"] == 3
    assert found["sesn_batches_total", "received"] == 2
    assert found["sesn_batch_messages_sum", "received"] == 7


def test_everything_else_is_counted(watch: Watch) -> None:
    """What is told by a single call ends up under its name and labels."""
    watch.undelivered([(MESSAGE, "gh.epa"), (MESSAGE, "be.police")], "EXPIRED")
    watch.grouped(3, 0.01)
    watch.group_failed("STORAGE")
    watch.judged("gh.epa", 409)
    watch.link_failed("gh.epa", "PEER_UNAVAILABLE")
    watch.caller_refused("LEAF_EXPIRED")
    assert watch.metrics is not None
    found = _values(watch.metrics)
    assert found["sesn_messages_undelivered_total", "EXPIRED", "be.police"] == 1
    assert found["sesn_commit_operations_sum",] == 3
    assert found["sesn_commit_seconds_count",] == 1
    assert found["sesn_commits_failed_total", "STORAGE"] == 1
    assert found["sesn_checkpoints_judged_total", "gh.epa", "409"] == 1
    assert found["sesn_link_failures_total", "PEER_UNAVAILABLE", "gh.epa"] == 1
    assert found["sesn_callers_refused_total", "LEAF_EXPIRED"] == 1


def test_clock_that_was_set_back_breaks_no_histogram(watch: Watch) -> None:
    """A receipt that seems to come before its message counts as one that came at once."""
    future = new_message_id(2**47, bytes(10))
    watch.sending("gh.epa", 1, [Carried(future, 1, 1)]).settled({future}, {})
    assert watch.metrics is not None
    assert _values(watch.metrics)["sesn_acknowledged_after_seconds_sum", "gh.epa"] == 0


def test_watch_that_nobody_asked_for_does_nothing() -> None:
    """Without metrics and traces every call passes."""
    watch = Watch()
    sending = watch.sending("gh.epa", 1, [Carried(MESSAGE, 1, 1)])
    sending.answered(200)
    sending.settled({MESSAGE}, {})
    sending.failed("PEER_UNAVAILABLE")
    receiving = watch.receiving("gh.epa", 1, 1)
    receiving.mark("examined")
    receiving.done([Arrival(MESSAGE, 1)])
    receiving.refused("BUSY")
    watch.undelivered([(MESSAGE, "gh.epa")], "EXPIRED")
    watch.close()
    assert (watch.metrics, watch.traces) == (None, None)
