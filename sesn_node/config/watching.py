"""Settings of what a node tells those who look after it: log, metrics, traces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from sesn_node.config.endpoints import check_listen
from sesn_node.settings import Section, Setting


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Section):
    """What the node writes to stderr; never the content of a message."""

    level: Annotated[LogLevel, Setting("Least level that is written.")] = LogLevel.INFO
    format: Annotated[LogFormat, Setting("One JSON object a line, or lines for people.")] = (
        LogFormat.JSON
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics(Section):
    """What a monitoring system may ask the node, over plain HTTP."""

    listen: Annotated[
        str,
        Setting(
            "Address of /metrics (Prometheus) and /health, host:port, such as 127.0.0.1:9464. "
            "There is no access control: keep it on the loopback interface or behind a proxy. "
            "Empty: off.",
            high=262,
            check=check_listen,
        ),
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces(Section):
    """What became of each message, step by step; never its content."""

    file: Annotated[
        str,
        Setting(
            "File that spans are appended to, as OTLP JSON lines; 'sesn trace' reads it. {home} "
            "is the folder of this file; a relative path starts there. Empty: off.",
            high=1_000,
        ),
    ] = ""
    file_mib: Annotated[
        int, Setting("MiB of one file; then it is renamed and a new one begun.", low=1, high=4_096)
    ] = 64
    files: Annotated[int, Setting("Files that are kept, the current one included.", low=1)] = 4
    one_in: Annotated[
        int,
        Setting(
            "Trace one message in so many. Which ones depends on the message id alone, so nodes "
            "with the same value trace the same messages.",
            low=1,
            high=1_000_000,
        ),
    ] = 1
