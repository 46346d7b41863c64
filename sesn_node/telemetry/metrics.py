"""Metrics: what the catalogue names, counted and rendered for Prometheus.

The registry belongs to one node: two nodes in one process do not mix their numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from sesn_node.telemetry.catalogue import CATALOGUE, Kind, Metric

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Of what `Metrics.render` returns."""

Readings: TypeAlias = Mapping[Metric, Mapping[tuple[str, ...], float]]
"""Values that were read: of each metric, by the values of its labels, in order."""


class Metrics:
    """The metrics of one node. Any thread may count."""

    def __init__(self) -> None:
        # Else each counter gets a twin that tells when it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
        self._registry = CollectorRegistry()
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        for metric in CATALOGUE:
            if not metric.read:
                self._make(metric)
        self._read = _Read()
        self._registry.register(self._read)
        ProcessCollector(registry=self._registry)
        self._rendering = threading.Lock()

    def count(self, metric: Metric, *labels: str, by: int = 1) -> None:
        """Count up."""
        counter = self._counters[metric]
        (counter.labels(*labels) if labels else counter).inc(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Put a value into a histogram."""
        histogram = self._histograms[metric]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def render(self, readings: Readings) -> bytes:
        """Write all metrics in Prometheus' text format, with what was read just now."""
        with self._rendering:
            self._read.readings = readings
            return generate_latest(self._registry)

    def _make(self, metric: Metric) -> None:
        if metric.kind is Kind.COUNTER:
            self._counters[metric] = Counter(
                metric.full_name, metric.doc, metric.labels, registry=self._registry
            )
        else:
            self._histograms[metric] = Histogram(
                metric.full_name,
                metric.doc,
                metric.labels,
                buckets=metric.buckets,
                registry=self._registry,
            )


class _Read(Collector):
    """Hands what was read to the registry."""

    def __init__(self) -> None:
        self.readings: Readings = {}

    def collect(self) -> Iterator[Family]:
        """Yield what was read, in the order of the catalogue."""
        for metric in CATALOGUE:
            if metric.read and metric in self.readings:
                build = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
                family = build(metric.full_name, metric.doc, labels=metric.labels)
                for labels, value in self.readings[metric].items():
                    family.add_metric(labels, value)
                yield family
