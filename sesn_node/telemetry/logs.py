"""What a node tells its operators while it runs: structured lines on stderr.

Events are constant words, such as `message-received`; facts are fields. `message_id`, hyphenated
UUID text, follows one message across nodes. Content never reaches a log: a processor passes plain
values under harmless names only, and of an exception its type, code and place, since a message
may quote what somebody wrote.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO, TypeAlias, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from sesn_node.config import LogFormat, LogLevel
from sesn_node.domain.checks import printable
from sesn_node.errors import SesnError
from sesn_node.telemetry.throttle import Throttle

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
"""What a line may hold: the types of JSON."""

REDACTED = "<redacted>"

# What is found of an old copy takes some 500; partners' words are cut where they come in.
_TEXT_CHARACTERS = 4_000
_ITEMS = 20
_DEPTH = 3
_FRAMES = 8
_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}
_WORD = re.compile(r"[A-Za-z]+")
# A field is blocked if one word of its name is here: secrets, and what a message says.
_SECRET_WORDS = frozenset({
    "passphrase", "password", "plaintext", "private", "salt", "secret", "seed", "token",
})  # fmt: skip
_CONTENT_WORDS = frozenset({
    "alert", "body", "cargo", "consignment", "container", "containers", "content", "declared",
    "description", "goods", "markings", "narrative", "parties", "party", "payload", "quantity",
    "reason", "response", "subject", "suspected", "text", "vessel",
})  # fmt: skip
_BLOCKED_WORDS = _SECRET_WORDS | _CONTENT_WORDS


def configure(level: LogLevel, style: LogFormat, stream: TextIO | None = None) -> None:
    """Set up logging for this process; call it once, before anything is logged.

    Lines of libraries that use the standard `logging` module, from warnings upward, pass through
    the same redaction.

    Args:
        level: Least level that is written.
        style: JSON, one object a line, or lines for people.
        stream: Where to; stderr if not given.
    """
    target = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[
            Throttle(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            _renderer(style, target),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge(logging.WARNING)]
    root.setLevel(logging.WARNING)


def get_logger(name: str) -> FilteringBoundLogger:
    """Give a logger whose lines carry `name` as `component`.

    It takes its set-up from `configure` at its first line, so a module may keep one.
    """
    return cast("FilteringBoundLogger", structlog.get_logger(component=name))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Pass plain values under harmless names; block or shorten everything else."""
    failure = event.pop("exc_info", None)
    first = [key for key in ("timestamp", "level", "event") if key in event]
    keys = first + [key for key in event if key not in first]
    line: EventDict = {key: _field(key, event[key], 0) for key in keys}
    if failure:
        # Not "exception": under that name the console renderer wants a formatted traceback.
        line["failure"] = _exception(failure)
    return line


def _field(key: str, value: object, depth: int) -> Plain:
    if value is not None and not _BLOCKED_WORDS.isdisjoint(_WORD.findall(key.lower())):
        return REDACTED
    return _plain(value, depth)


def _plain(value: object, depth: int) -> Plain:
    """Turn a value into JSON types; objects of unknown types show no more than their type."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | Path):
        # A log is read on terminals, and may quote a partner.
        text = printable(str(value))
        return text if len(text) <= _TEXT_CHARACTERS else text[:_TEXT_CHARACTERS] + "..."
    if isinstance(value, Mapping) and depth < _DEPTH:
        return {str(key): _field(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _DEPTH:
        return [_plain(item, depth + 1) for item in list(value)[:_ITEMS]]
    return _opaque(value)


def _opaque(value: object) -> str:
    """Tell that there was a value, not what it was."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return _error(value)
    return f"<{type(value).__name__}>"


def _error(error: BaseException) -> str:
    """Name an exception without its message."""
    code = f" {error.code}" if isinstance(error, SesnError) else ""
    return f"{type(error).__name__}{code}"


def _exception(failure: object) -> Plain:
    """Tell type, code and place of an exception, and of what caused it, but no message."""
    if failure is True:
        failure = sys.exception()
    elif isinstance(failure, tuple):
        failure = failure[1]
    chain: list[Plain] = []
    while isinstance(failure, BaseException) and len(chain) < _ITEMS:
        frames = traceback.extract_tb(failure.__traceback__)[-_FRAMES:]
        places: list[Plain] = [f"{one.filename}:{one.lineno} {one.name}" for one in frames]
        chain.append({"type": _error(failure), "frames": places})
        failure = failure.__cause__ or failure.__context__
    return chain


def _renderer(style: LogFormat, stream: TextIO) -> Processor:
    if style is LogFormat.JSON:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=stream.isatty())


class _Bridge(logging.Handler):
    """Hands lines of libraries to structlog, so that one set of rules holds."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line of a library; with an exception, none of its words, which may quote it."""
        logger = get_logger(record.name)
        say = logger.error if record.levelno >= logging.ERROR else logger.warning
        if record.exc_info:
            say("library-failed", exc_info=record.exc_info)
        else:
            say("library", said=record.getMessage())
