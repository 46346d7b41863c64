"""The benchmark, small: two real processes, and figures that add up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sesn_node.bench.run import PAYLOAD_BYTES, draft
from sesn_node.wire.payloads import encode_payload

# It founds its own homes, on SQLite.
pytestmark = pytest.mark.engine("sqlite")


def test_payload_has_the_size_that_the_figures_name() -> None:
    """What is measured are payloads of exactly 1,024 bytes."""
    assert len(encode_payload(draft().payload)) == PAYLOAD_BYTES == 1024


def test_bench_measures_two_processes() -> None:
    """`sesn bench --json` ends with one line of figures."""
    command = [sys.executable, "-m", "sesn_node", "bench", "--alerts", "60", "--singles", "5"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    assert (figures["alerts"], figures["payload_bytes"]) == (60, PAYLOAD_BYTES)
    assert figures["per_second"] > 0
    assert 0 < figures["latency_ms_median"] <= figures["latency_ms_p95"]
