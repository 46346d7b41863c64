"""Trace files: what is written, that they stay small, and that nothing they meet does harm."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sesn_node import __version__
from sesn_node.domain.ids import new_message_id
from sesn_node.telemetry import traces as module
from sesn_node.telemetry.spans import Mark, SpanName, delivery_span, root_span
from sesn_node.telemetry.tracefile import TraceFile
from sesn_node.telemetry.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.telemetry.spans import Attribute

MESSAGE = new_message_id(1_763_879_900_000, bytes(range(10)))
OTHER = new_message_id(1_763_879_900_001, bytes(range(10)))

# Another process of the same home.
_APPENDING = """
import sys
from pathlib import Path
from sesn_node.telemetry.tracefile import TraceFile
file = TraceFile(Path(sys.argv[1]), 2_000, 3)
for number in range(200):
    file.append(b'{"who": "%s", "number": %d}\\n' % (sys.argv[2].encode(), number))
"""


def _add(
    traces: Traces,
    *,
    failed: str = "",
    parent: int | None = None,
    attributes: dict[str, Attribute] | None = None,
    other: bytes | None = None,
) -> None:
    traces.add(
        MESSAGE,
        SpanName.DELIVERY,
        start_ns=1_000,
        end_ns=2_000,
        span_id=delivery_span(MESSAGE, "gh.epa"),
        parent=parent,
        attributes=attributes or {},
        marks=[Mark("answered", 1_500)],
        failed=failed,
        other=other,
    )


def _lines(path: Path) -> list[dict[str, list[dict[str, object]]]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@dataclass(frozen=True)
class Node:
    """Traces of a node, and their file."""

    traces: Traces
    path: Path


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that traces everything."""
    path = tmp_path / "traces.jsonl"
    traces = Traces("nl.customs", TraceFile(path, 1 << 20, 2), 1)
    yield Node(traces, path)
    traces.close()


def test_span_is_written_as_otlp(node: Node) -> None:
    """A span has the names, ids, kinds and types that OTLP's JSON encoding asks for."""
    _add(
        node.traces,
        parent=root_span(MESSAGE),
        attributes={"sesn.peer": "gh.epa", "sesn.entry": 7, "sesn.again": True},
        other=OTHER,
    )
    node.traces.close()
    (line,) = _lines(node.path)
    assert line == {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": "service.namespace", "value": {"stringValue": "sesn"}},
                        {"key": "service.name", "value": {"stringValue": "nl.customs"}},
                        {"key": "service.version", "value": {"stringValue": __version__}},
                    ]
                },
                "scopeSpans": [
                    {
                        "scope": {"name": "sesn_node", "version": __version__},
                        "spans": [
                            {
                                "traceId": MESSAGE.hex(),
                                "spanId": f"{delivery_span(MESSAGE, 'gh.epa'):016x}",
                                "parentSpanId": f"{root_span(MESSAGE):016x}",
                                "name": "delivery",
                                "kind": 1,
                                "startTimeUnixNano": "1000",
                                "endTimeUnixNano": "2000",
                                "attributes": [
                                    {"key": "sesn.peer", "value": {"stringValue": "gh.epa"}},
                                    {"key": "sesn.entry", "value": {"intValue": "7"}},
                                    {"key": "sesn.again", "value": {"boolValue": True}},
                                ],
                                "status": {"code": 1},
                                "events": [{"timeUnixNano": "1500", "name": "answered"}],
                                "links": [
                                    {
                                        "traceId": OTHER.hex(),
                                        "spanId": f"{root_span(OTHER):016x}",
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
        ]
    }


def test_failure_is_a_status(node: Node) -> None:
    """What did not do what it should has status 2 and says why in one word."""
    _add(node.traces, failed="EXPIRED")
    node.traces.close()
    assert b'"status":{"code":2,"message":"EXPIRED"}' in node.path.read_bytes()


def test_file_is_private(node: Node) -> None:
    """Who wrote to whom is nobody else's business."""
    _add(node.traces)
    node.traces.close()
    assert node.path.stat().st_mode & 0o777 == 0o600


def test_one_in_many_is_traced(tmp_path: Path) -> None:
    """A message that is not chosen is not followed."""
    traces = Traces("nl.customs", TraceFile(tmp_path / "t", 1 << 20, 2), 1_000_000)
    number = int.from_bytes(MESSAGE[-7:], "big")
    kept = MESSAGE[:-7] + (number - number % 1_000_000).to_bytes(7, "big")
    dropped = MESSAGE[:-7] + (number - number % 1_000_000 + 1).to_bytes(7, "big")
    assert traces.follows(kept)
    assert not traces.follows(dropped)
    traces.close()


def test_too_many_spans_are_dropped_and_counted(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is slower than the messages, spans are lost, and memory stays bounded."""
    monkeypatch.setattr(module, "_QUEUED", 3)
    for _ in range(5):
        _add(node.traces)
    node.traces.close()
    assert node.traces.counts() == {"written": 3, "dropped": 2}


def test_file_that_cannot_be_written_costs_spans_only(node: Node) -> None:
    """A folder in place of the file is counted, and when it is gone, writing goes on."""
    node.path.mkdir()
    _add(node.traces)
    node.traces.flush()
    assert node.traces.counts() == {"written": 0, "dropped": 1}
    node.path.rmdir()
    _add(node.traces)
    node.traces.flush()
    assert node.traces.counts() == {"written": 1, "dropped": 1}


def test_files_stay_bounded(tmp_path: Path) -> None:
    """A full file is renamed, the oldest goes, and nothing is lost before that."""
    file = TraceFile(tmp_path / "traces.jsonl", 100, 3)
    for number in range(10):
        file.append(b"%039d\n" % number)
    newest, *older = file.existing()
    assert newest.name == "traces.jsonl"
    assert [path.name for path in older] == ["traces.jsonl.1", "traces.jsonl.2"]
    kept = b"".join(path.read_bytes() for path in reversed(file.existing()))
    assert [int(line) for line in kept.splitlines()] == [4, 5, 6, 7, 8, 9]
    assert all(path.stat().st_size <= 100 for path in file.existing())


def test_single_file_begins_anew(tmp_path: Path) -> None:
    """With one file, the full one goes."""
    file = TraceFile(tmp_path / "traces.jsonl", 100, 1)
    for number in range(3):
        file.append(b"%059d\n" % number)
    assert [int(line) for line in file.path.read_bytes().splitlines()] == [2]
    assert file.existing() == (file.path,)


def test_line_longer_than_a_file_is_kept_whole(tmp_path: Path) -> None:
    """A line is never cut: a file with one long line is longer than asked."""
    file = TraceFile(tmp_path / "traces.jsonl", 10, 2)
    file.append(b"x" * 50 + b"\n")
    file.append(b"y\n")
    assert file.path.read_bytes() == b"y\n"


def test_line_after_a_torn_one_stands_alone(tmp_path: Path) -> None:
    """What a crash or a full disk cut off spoils no line after it."""
    file = TraceFile(tmp_path / "traces.jsonl", 1_000, 2)
    file.path.write_bytes(b'{"torn": ')
    file.append(b"{}\n")
    assert file.path.read_bytes().splitlines() == [b'{"torn": ', b"{}"]


def test_processes_of_a_home_share_the_file(tmp_path: Path) -> None:
    """Lines of two processes that write and rename at once are all whole."""
    path = tmp_path / "traces.jsonl"
    running = [
        subprocess.Popen([sys.executable, "-c", _APPENDING, str(path), who]) for who in ("a", "b")
    ]
    assert [process.wait() for process in running] == [0, 0]
    files = TraceFile(path, 2_000, 3).existing()
    assert len(files) == 3
    found = [json.loads(line) for one in files for line in one.read_bytes().splitlines()]
    for who in ("a", "b"):
        numbers = sorted(line["number"] for line in found if line["who"] == who)
        assert numbers == sorted(set(numbers))
