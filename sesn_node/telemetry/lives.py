"""Lives of messages: what trace files of one or several nodes say about a message.

The files may be a partner's, so nothing in them is believed: what is not a span is counted and left
out, names and numbers are bounded, and whoever shows them escapes them (`domain.checks.printable`).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from sesn_node.domain.checks import printable
from sesn_node.domain.ids import MessageId, message_id
from sesn_node.errors import ConflictError, MalformedError, StorageError

Fact: TypeAlias = str | int | bool

_LINE_BYTES: Final = 16 << 20
_SPANS: Final = 100_000
_TEXT: Final = 200
_ID_HEX: Final = 32
_FEWEST_DIGITS: Final = 8
_HEX = re.compile(r"[0-9a-f]+")
_LATEST_NS: Final = 253_402_300_799 * 10**9
_PREFIX: Final = "sesn."
_ERROR: Final = 2
"""Status code of a span that failed."""
_MOMENTS: Final = 100


@dataclass(frozen=True, slots=True)
class Told:
    """A span as a file has it.

    Args:
        node: Whose file says so: the agency.
        step: Name of the span.
        span_id: Its id, hex.
        parent: Id of the span that it is part of; empty for the root.
        start_ns: Unix nanoseconds, by that node's clock.
        end_ns: The same.
        facts: Attributes, without the prefix.
        moments: What happened on the way, and when.
        failed: Why it did not do what it should; empty if it did.
        other: Message that it has to do with.
    """

    node: str
    step: str
    span_id: str
    parent: str
    start_ns: int
    end_ns: int
    facts: Mapping[str, Fact]
    moments: tuple[tuple[str, int], ...]
    failed: str
    other: MessageId | None


@dataclass(frozen=True, slots=True)
class TracedLife:
    """All that is told about one message.

    Args:
        message_id: Which.
        steps: Depth and span, parts under the whole, the earlier first.
        unread: Lines that are not readable as spans.
        silent: Files that were asked for, and say nothing about it.
    """

    message_id: MessageId
    steps: tuple[tuple[int, Told], ...]
    unread: int
    silent: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Found:
    """Spans by message, and what could not be read."""

    spans: defaultdict[MessageId, dict[tuple[str, str, int], Told]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    count: int = 0
    unread: int = 0

    def add(self, one: MessageId, told: Told) -> None:
        # The same file may be given twice.
        self.spans[one][told.node, told.span_id, told.start_ns] = told
        self.count += 1


def read_life(paths: Iterable[Path], wanted: str, *, asked: Collection[Path] = ()) -> TracedLife:
    """Gather what files say about one message.

    Args:
        paths: Trace files: OTLP in JSON, one `TracesData` a line.
        wanted: Message id, with or without hyphens, or how it begins: at least 8 digits.
        asked: Those of the files that somebody named; it is told which of them say nothing.

    Raises:
        MalformedError: Not the beginning of a message id; or a file is no trace file.
        ConflictError: Several messages begin so.
        StorageError: A file cannot be read, or no file says anything about the message.
    """
    digits = wanted.replace("-", "").lower()
    if _HEX.fullmatch(digits) is None or not _FEWEST_DIGITS <= len(digits) <= _ID_HEX:
        raise MalformedError(
            f"message id {wanted[:_TEXT]!a}: expected a UUID, or at least its first "
            f"{_FEWEST_DIGITS} digits"
        )
    found = _Found()
    looked_into = list(paths)
    silent = [path for path in looked_into if not _read(path, digits, found) and path in asked]
    if not found.spans:
        where = ", ".join(map(str, looked_into)) or "no file"
        raise StorageError(
            f"no trace of message {wanted} in {where}. Was it traced (traces.one_in), and is the "
            "file that had it still there (traces.files)?",
            code="NO_TRACE",
        )
    if len(found.spans) > 1:
        some = ", ".join(sorted(one.hex() for one in found.spans)[:5])
        raise ConflictError(
            f"{len(found.spans)} messages begin with {wanted}: {some}; give more digits",
            code="AMBIGUOUS",
        )
    ((one, told),) = found.spans.items()
    return TracedLife(one, tuple(_tree(list(told.values()))), found.unread, tuple(silent))


def _read(path: Path, digits: str, found: _Found) -> bool:
    """Read a file; say whether it tells anything about the message.

    Raises:
        MalformedError: Its first line is none of a trace file, and no other was of use.
        StorageError: It cannot be read.
    """
    needle = digits.encode("ascii")
    before, begins, first = found.count, True, True
    try:
        with path.open("rb") as file:
            while line := file.readline(_LINE_BYTES):
                if first:
                    begins, first = _is_traces(line), False
                # Most lines are about other messages, and reading JSON takes long.
                if needle in line.lower():
                    _read_line(line, digits, found)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    if found.count == before and not begins:
        raise MalformedError(f"{path}: this is no trace file, which has OTLP in JSON, line by line")
    return found.count > before


def _is_traces(line: bytes) -> bool:
    try:
        _items(json.loads(line), "resourceSpans")
    except (ValueError, RecursionError):
        return False
    return b"resourceSpans" in line


def _read_line(line: bytes, digits: str, found: _Found) -> None:
    try:
        for one, told in _spans(json.loads(line), digits):
            if found.count >= _SPANS:
                return
            found.add(one, told)
    except (ValueError, KeyError, RecursionError, MalformedError):
        # Cut off when the disk was full, or not a trace file.
        found.unread += 1


def _spans(document: object, digits: str) -> Iterator[tuple[MessageId, Told]]:
    for resource in _items(document, "resourceSpans"):
        attributes = _items(_members(resource).get("resource", {}), "attributes")
        node = str(_values(attributes).get("service.name", ""))
        for scope in _items(resource, "scopeSpans"):
            for span in map(_members, _items(scope, "spans")):
                trace_id = str(span["traceId"]).lower()
                if trace_id.startswith(digits) and (one := _message(trace_id)) is not None:
                    yield one, _told(node, span)


def _told(node: str, span: Mapping[str, object]) -> Told:
    status = _members(span.get("status", {}))
    values = _values(_items(span, "attributes"))
    links = [_message(str(_members(link)["traceId"])) for link in _items(span, "links")]
    return Told(
        node=node,
        step=_text(span["name"]),
        span_id=_text(span["spanId"]),
        parent=_text(span.get("parentSpanId", "")),
        start_ns=_time(span["startTimeUnixNano"]),
        end_ns=_time(span["endTimeUnixNano"]),
        facts={key.removeprefix(_PREFIX): value for key, value in values.items()},
        moments=tuple(
            (_text(event["name"]), _time(event["timeUnixNano"]))
            for event in map(_members, _items(span, "events")[:_MOMENTS])
        ),
        failed=_text(status.get("message", "")) if status.get("code") == _ERROR else "",
        other=next((one for one in links if one is not None), None),
    )


def _message(trace_id: str) -> MessageId | None:
    """Read a trace id as a message id; None if it is somebody else's trace."""
    try:
        return message_id(bytes.fromhex(trace_id))
    except (ValueError, MalformedError):
        return None


def _members(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for all that is no span
    return value


def _items(value: object, key: str) -> list[object]:
    items = _members(value).get(key, [])
    if not isinstance(items, list):
        raise ValueError("not a JSON array")  # noqa: TRY004 - as above
    return items


def _values(attributes: Iterable[object]) -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    for one in map(_members, attributes):
        for kind, value in _members(one["value"]).items():
            if kind == "intValue":
                found[_text(one["key"])] = int(str(value))
            elif kind == "boolValue":
                found[_text(one["key"])] = bool(value)
            elif kind == "stringValue":
                found[_text(one["key"])] = _text(value)
    return found


def _text(value: object) -> str:
    return printable(str(value)[:_TEXT])


def _time(value: object) -> int:
    time_ns = int(str(value))
    if not 0 <= time_ns <= _LATEST_NS:
        raise ValueError("not a time")
    return time_ns


def _tree(spans: Sequence[Told]) -> Iterator[tuple[int, Told]]:
    """Yield spans with their depth. A span whose whole is not told of stands at the top."""
    parts: defaultdict[str, list[Told]] = defaultdict(list)
    known = {one.span_id for one in spans}
    for one in sorted(spans, key=lambda one: (one.start_ns, -one.end_ns)):
        parts[one.parent if one.parent in known else ""].append(one)
    waiting = [(0, one) for one in reversed(parts.pop("", []))]
    while waiting:
        depth, one = waiting.pop()
        yield depth, one
        # Taken out, so that a circle ends.
        below = parts.pop(one.span_id, [])
        waiting.extend((depth + 1, part) for part in reversed(below))
    for circle in parts.values():
        yield from ((0, one) for one in circle)
