"""Lives: one tree from several nodes' files, and files that nobody should believe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import new_message_id
from sesn_node.errors import ConflictError, MalformedError, StorageError
from sesn_node.telemetry.lives import read_life

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sesn_node.telemetry.lives import TracedLife

MESSAGE = new_message_id(1_763_879_900_000, bytes(range(10)))
TWIN = new_message_id(1_763_879_900_000, bytes(10))


def _span(name: str, span_id: str, parent: str = "", **more: object) -> dict[str, object]:
    span = {
        "traceId": MESSAGE.hex(),
        "spanId": span_id * 16,
        "name": name,
        "startTimeUnixNano": "1000",
        "endTimeUnixNano": "2000",
        **more,
    }
    return {**span, "parentSpanId": parent * 16} if parent else span


def _line(node: str, *spans: object) -> str:
    attributes = [{"key": "service.name", "value": {"stringValue": node}}]
    resource = {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]}
    return json.dumps({"resourceSpans": [resource]}) + "\n"


def _read(folder: Path, *lines: str) -> TracedLife:
    path = folder / "traces.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return read_life([path], MESSAGE.hex())


def _shape(life: TracedLife) -> Sequence[tuple[int, str, str]]:
    return [(depth, told.node, told.step) for depth, told in life.steps]


def test_files_of_two_nodes_make_one_tree(tmp_path: Path) -> None:
    """Spans of both sides stand under the delivery, the earlier first."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text(
        _line(
            "nl.customs",
            _span("attempt", "3", "2", startTimeUnixNano="1100"),
            _span("delivery", "2", "1"),
            _span("share", "1"),
        )
    )
    theirs.write_text(_line("gh.epa", _span("receive", "4", "2", startTimeUnixNano="1200")))
    life = read_life([theirs, ours, ours], MESSAGE.hex())
    assert life.message_id == MESSAGE
    assert _shape(life) == [
        (0, "nl.customs", "share"),
        (1, "nl.customs", "delivery"),
        (2, "nl.customs", "attempt"),
        (2, "gh.epa", "receive"),
    ]


def test_part_of_a_file_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    """A span whose whole is in no file stands at the top."""
    assert _shape(_read(tmp_path, _line("gh.epa", _span("receive", "4", "2")))) == [
        (0, "gh.epa", "receive")
    ]


def test_facts_and_moments_are_read(tmp_path: Path) -> None:
    """Attributes lose their prefix; events, status and links are there."""
    span = _span(
        "attempt",
        "3",
        attributes=[
            {"key": "sesn.peer", "value": {"stringValue": "gh.epa"}},
            {"key": "sesn.entry", "value": {"intValue": "7"}},
            {"key": "sesn.again", "value": {"boolValue": True}},
            {"key": "sesn.odd", "value": {"arrayValue": {}}},
        ],
        events=[{"name": "answered", "timeUnixNano": "1500"}],
        status={"code": 2, "message": "BUSY"},
        links=[{"traceId": TWIN.hex(), "spanId": "1" * 16}],
    )
    ((_, told),) = _read(tmp_path, _line("nl.customs", span)).steps
    assert told.facts == {"peer": "gh.epa", "entry": 7, "again": True}
    assert told.moments == (("answered", 1500),)
    assert told.failed == "BUSY"
    assert told.other == TWIN


@pytest.mark.parametrize(
    "bad",
    [
        '{"resourceSpans": ' + '"' + MESSAGE.hex() + '"}',
        '["' + MESSAGE.hex() + '"]',
        '{"' + MESSAGE.hex(),
        "[" * 100_000 + MESSAGE.hex(),
        _line("x", {"traceId": MESSAGE.hex()}),
        _line("x", "span " + MESSAGE.hex()),
        _line("x", _span("share", "1", startTimeUnixNano="soon")),
        _line("x", _span("share", "1", startTimeUnixNano="-1")),
        _line("x", _span("share", "1", endTimeUnixNano="9" * 30)),
        _line("x", _span("share", "1", endTimeUnixNano="9" * 5_000)),
        _line("x", _span("share", "1", attributes=[{"key": "a", "value": {"intValue": "b"}}])),
        _line("x", _span("share", "1", attributes={"a": "b"})),
        _line("x", _span("share", "1", events=[1])),
        _line("x", _span("share", "1", links=[{}])),
    ],
)
def test_what_is_no_span_is_counted_and_left_out(tmp_path: Path, bad: str) -> None:
    """A torn or hostile line costs itself; the rest is told."""
    life = _read(tmp_path, bad.rstrip("\n") + "\n", _line("nl.customs", _span("share", "f")))
    assert ("nl.customs", "share") in [(told.node, told.step) for _, told in life.steps]
    assert life.unread == 1


def test_bytes_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    """A line that is not UTF-8 is one that could not be read."""
    path = tmp_path / "traces.jsonl"
    path.write_bytes(
        b'{"\xff": "' + MESSAGE.hex().encode() + b'"}\n' + _line("x", _span("share", "1")).encode()
    )
    assert read_life([path], MESSAGE.hex()).unread == 1


def test_words_of_a_file_cannot_steer_a_terminal(tmp_path: Path) -> None:
    """Controls are dropped from every text, and long ones are cut."""
    hostile = "\x1b[2J\u202e" + "x" * 1_000
    span = _span(
        hostile,
        "1",
        attributes=[{"key": hostile, "value": {"stringValue": hostile}}],
        events=[{"name": hostile, "timeUnixNano": "1"}],
        status={"code": 2, "message": hostile},
    )
    ((_, told),) = _read(tmp_path, _line(hostile, span)).steps
    for text in (told.node, told.step, told.failed, *told.facts, *told.facts.values()):
        assert str(text).isprintable()
        assert len(str(text)) <= 200


def test_spans_in_a_circle_end(tmp_path: Path) -> None:
    """Spans that are each other's parts are all shown once."""
    life = _read(
        tmp_path, _line("x", _span("a", "1", "2"), _span("b", "2", "1"), _span("c", "3", "3"))
    )
    assert sorted(told.step for _, told in life.steps) == ["a", "b", "c"]


def test_other_traces_are_none_of_ours(tmp_path: Path) -> None:
    """A trace id that is no message id, such as another program's, is passed over."""
    other = _span("GET /", "9", traceId="ab" * 16)
    path = tmp_path / "traces.jsonl"
    path.write_text(_line("shop", other))
    with pytest.raises(StorageError, match="no trace") as caught:
        read_life([path], "ab" * 8)
    assert caught.value.code == "NO_TRACE"


@pytest.mark.parametrize("wanted", ["", "0198c0d", "xyz" * 4, "0" * 33, "../../../etc"])
def test_what_begins_no_message_id_is_refused(wanted: str) -> None:
    """Nothing is searched for what cannot be an id."""
    with pytest.raises(MalformedError, match="first 8 digits"):
        read_life([], wanted)


def test_beginning_of_an_id_is_enough(tmp_path: Path) -> None:
    """Eight digits do, with hyphens and in capitals too, unless two messages begin so."""
    path = tmp_path / "traces.jsonl"
    path.write_text(_line("x", _span("share", "1")))
    assert read_life([path], MESSAGE.hex()[:8].upper()).message_id == MESSAGE
    path.write_text(
        _line("x", _span("share", "1")) + _line("x", _span("share", "2", traceId=TWIN.hex()))
    )
    with pytest.raises(ConflictError, match="more digits") as caught:
        read_life([path], MESSAGE.hex()[:8])
    assert caught.value.code == "AMBIGUOUS"


def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A mistyped name is told, with the reason."""
    with pytest.raises(StorageError, match="No such file"):
        read_life([tmp_path / "missing"], MESSAGE.hex())
