"""Log lines: their shape, and that neither secrets nor content reach them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog

from sesn_node.config import LogFormat, LogLevel
from sesn_node.errors import MalformedError
from sesn_node.telemetry.logs import REDACTED, configure, get_logger

WHISPER = "forty drums of mercury"


@dataclass(frozen=True)
class Letter:
    """Something whose repr tells what it says."""

    said: str


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Log as JSON into memory, and put logging back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure(LogLevel.INFO, LogFormat.JSON, stream)
    yield stream
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def _one(lines: io.StringIO) -> dict[str, object]:
    line: dict[str, object] = json.loads(lines.getvalue())
    return line


def test_line_has_time_level_component_and_fields(lines: io.StringIO) -> None:
    """A line is one JSON object with an ISO time in UTC and the bound fields."""
    log = get_logger("sesn_node.exchange").bind(message_id="0198c0de-0000-7000-8000-000000000000")
    log.info("message-received", peer="de.police", size=3, urgent=True, after=None)
    line = _one(lines)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "message-received",
        "level": "info",
        "component": "sesn_node.exchange",
        "message_id": "0198c0de-0000-7000-8000-000000000000",
        "peer": "de.police",
        "size": 3,
        "urgent": True,
        "after": None,
    }


def test_lower_levels_are_not_written(lines: io.StringIO) -> None:
    """What is below the level costs nothing and shows nothing."""
    get_logger("test").debug("detail")
    assert lines.getvalue() == ""


@pytest.mark.parametrize(
    "key",
    ["payload", "narrative", "alert_subject", "Passphrase", "private_key", "goods-description"],
)
def test_content_and_secrets_are_blocked_by_name(lines: io.StringIO, key: str) -> None:
    """A field whose name speaks of content or secrets shows nothing, at any depth."""
    get_logger("test").info("event", **{key: WHISPER}, nested=[{"deeper": {key: WHISPER}}])
    line = _one(lines)
    assert line[key] == REDACTED
    assert WHISPER not in lines.getvalue()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (WHISPER.encode(), "<22 bytes>"),
        (bytearray(3), "<3 bytes>"),
        (Letter(WHISPER), "<Letter>"),
        ([Letter(WHISPER)], ["<Letter>"]),
        (MalformedError(WHISPER, code="TOO_LARGE"), "MalformedError TOO_LARGE"),
        ({"a": {"b": {"c": {"d": WHISPER}}}}, {"a": {"b": {"c": "<dict>"}}}),
        ("x" * 4_001, "x" * 4_000 + "..."),
    ],
)
def test_values_show_no_more_than_they_should(
    lines: io.StringIO, value: object, shown: object
) -> None:
    """Bytes show their length, unknown objects their type, errors their code."""
    get_logger("test").info("event", value=value)
    assert _one(lines)["value"] == shown
    assert WHISPER not in lines.getvalue()


def test_exceptions_show_type_and_place_but_no_message(lines: io.StringIO) -> None:
    """A traceback tells where it failed; messages may quote what somebody wrote."""
    try:
        try:
            raise ValueError(WHISPER)
        except ValueError as error:
            raise MalformedError(WHISPER) from error
    except MalformedError:
        get_logger("test").exception("failed")
    chain = _one(lines)["failure"]
    assert isinstance(chain, list)
    assert [one["type"] for one in chain] == ["MalformedError MALFORMED", "ValueError"]
    assert "test_exceptions_show" in chain[0]["frames"][0]
    assert WHISPER not in lines.getvalue()


def test_libraries_pass_the_same_rules(lines: io.StringIO) -> None:
    """Warnings of libraries are lines too; their exceptions show no message."""
    library = logging.getLogger("grpc")
    library.info("chatter")
    assert lines.getvalue() == ""
    library.warning("low on %s", "memory")
    assert _one(lines)["said"] == "low on memory"
    try:
        raise ValueError(WHISPER)
    except ValueError as error:
        library.exception("Unexpected %r", error)
    assert WHISPER not in lines.getvalue()
    assert "library-failed" in lines.getvalue()


def test_console_lines_are_for_people(lines: io.StringIO) -> None:
    """The console style writes no JSON, no colours to a file, and keeps the rules."""
    stream = io.StringIO()
    configure(LogLevel.DEBUG, LogFormat.CONSOLE, stream)
    get_logger("test").debug("opened", peer="de.police", payload=WHISPER)
    assert "peer=de.police" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert WHISPER not in stream.getvalue()
    assert lines.getvalue() == ""


@pytest.mark.parametrize("style", LogFormat)
def test_words_of_others_cannot_steer_a_terminal(style: LogFormat) -> None:
    """Controls and what reorders a line are dropped, in lines for programs and for people."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure(LogLevel.INFO, style, stream)
    try:
        get_logger("test").info("link-down", detail="no\x1b[2J\x9b\u202e\nlink-up", peers=["\x1b"])
    finally:
        structlog.reset_defaults()
        root.handlers, root.level = handlers, level
    line = stream.getvalue()
    assert "no[2Jlink-up" in line
    assert line.rstrip("\n").isprintable()
