"""The settings of one node: `node.toml` in its home folder.

A settings object is valid by construction. Settings may lower a limit of the protocol, never
raise it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from sesn_node import address
from sesn_node.domain import cards
from sesn_node.domain.checks import check_agency, check_pattern
from sesn_node.domain.ids import MAX_EPOCH, AgencyId
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES, MAX_RECIPIENTS
from sesn_node.errors import ConfigError, MalformedError
from sesn_node.settings import Section, Setting, name, read, write

FILE_NAME = "node.toml"
"""Name of the settings file in a node's home folder."""

_PORTS = 65_536
_COUNTRY = re.compile(r"[A-Z]{2}|int")
_HOST_PORT = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):(?P<port>\d{1,5})",
    re.ASCII,
)


def _check_name(key: str, text: str) -> None:
    if not text.strip():
        raise MalformedError(f"{key}: must not be empty")


def _check_country(key: str, text: str) -> None:
    check_pattern(key, text, _COUNTRY, "two capitals such as NL (ISO 3166-1), or int")


def _check_endpoint(key: str, text: str, lowest_port: int = 1) -> None:
    match = _HOST_PORT.fullmatch(text)
    if match is None or not lowest_port <= int(match["port"]) < _PORTS:
        raise MalformedError(f"{key}: expected host:port such as sesn.example:7443, got {text!a}")


def _check_listen(key: str, text: str) -> None:
    if text:
        _check_endpoint(key, text, lowest_port=0)


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
class Agency(Section):
    """Who runs this node; goes into its card."""

    id: Annotated[
        AgencyId,
        Setting("Id of the agency: country code or int, then dotted labels.", check=check_agency),
    ]
    name: Annotated[str, Setting("Official name, as partners know it.", check=_check_name)]
    country: Annotated[
        str,
        Setting(
            "Country that the id begins with, in capitals (ISO 3166-1 alpha-2), or int for an "
            "international body.",
            check=_check_country,
        ),
    ]
    role: Annotated[cards.Role, Setting("What kind of authority the agency is.")]
    ledger_epoch: Annotated[
        int,
        Setting(
            "Number of this node's ledger. Stays as it was founded; an agency that founds its "
            "node anew takes a higher one, since partners remember the old ledger.",
            low=1,
            high=MAX_EPOCH,
        ),
    ] = 1

    def verify(self) -> None:
        """Check that id and country agree, as on the card."""
        if self.id.split(".", 1)[0] != self.country.lower():
            raise MalformedError(f"country: {self.country} does not fit the agency id {self.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Section):
    """Where this node is on the network."""

    listen: Annotated[
        str,
        Setting(
            "Address that partners' nodes connect to, host:port; port 0 takes a free one. "
            "Empty: this node only dials out.",
            high=262,
            check=_check_listen,
        ),
    ] = ""
    advertise: Annotated[
        tuple[str, ...],
        Setting(
            "The same service as partners reach it from outside, host:port; goes into the card.",
            high=cards.MAX_ENDPOINTS,
            check=_check_endpoint,
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Section):
    """How partners reach a person; goes into the card."""

    focal_point: Annotated[str, Setting("Desk or function that answers.")] = ""
    email: Annotated[str, Setting("E-mail address of the focal point.", high=254)] = ""
    phone: Annotated[str, Setting("Telephone number with country code.", high=40)] = ""
    duty_hours: Annotated[str, Setting("When somebody answers, with the time zone.")] = ""
    languages: Annotated[
        tuple[str, ...],
        Setting("Languages spoken there (ISO 639-1, such as en).", high=cards.MAX_LANGUAGES),
    ] = ()

    def verify(self) -> None:
        """Check that a card takes these fields."""
        self.on_card()

    def on_card(self) -> cards.Contact:
        """Give the contact as the card has it."""
        return cards.Contact(
            focal_point=self.focal_point,
            email=self.email,
            phone=self.phone,
            duty_hours=self.duty_hours,
            languages=self.languages,
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Database(Section):
    """Where the node keeps messages and its ledger."""

    url: Annotated[
        str,
        Setting(
            "SQLite file, or postgresql://USER@HOST/DATABASE as libpq reads it, for several "
            "processes of one agency. {home} is the folder of this file; a relative path starts "
            "there. A password is better kept in a password file (?passfile=PATH).",
            high=1_000,
            check=address.check,
        ),
    ] = "sqlite:///{home}/node.db"

    def __repr__(self) -> str:
        return f"Database(url={address.shown(self.url)!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Section):
    """What the node sends and accepts; the highest values are the protocol's own."""

    payload_bytes: Annotated[
        int,
        Setting(
            "Bytes of the content of one message.",
            low=cards.MIN_PAYLOAD_BYTES,
            high=MAX_PAYLOAD_BYTES,
        ),
    ] = MAX_PAYLOAD_BYTES
    batch_envelopes: Annotated[
        int, Setting("Messages in one batch.", low=1, high=cards.MAX_BATCH_ENVELOPES)
    ] = cards.MAX_BATCH_ENVELOPES
    batch_bytes: Annotated[
        int,
        Setting(
            f"Bytes of one batch; at least {cards.BATCH_ROOM_BYTES} more than payload_bytes, so "
            "that the largest message fits.",
            low=cards.MIN_PAYLOAD_BYTES + cards.BATCH_ROOM_BYTES,
            high=cards.MAX_BATCH_BYTES,
        ),
    ] = cards.MAX_BATCH_BYTES
    recipients: Annotated[
        int, Setting("Recipients of one message.", low=1, high=MAX_RECIPIENTS)
    ] = MAX_RECIPIENTS
    clock_skew_seconds: Annotated[
        int, Setting("Seconds that a partner's clock may be ahead of ours.", low=0, high=600)
    ] = 600
    expiry_days: Annotated[
        int,
        Setting("Days after which an undelivered message of ours is given up.", low=1, high=366),
    ] = 30
    disk_floor_mib: Annotated[
        int,
        Setting(
            "MiB that stay free where the home and the SQLite file are. With less room the node "
            "takes no new messages, from partners or from here, until there is room again. 0: do "
            "not look.",
            high=1 << 24,
        ),
    ] = 256

    def verify(self) -> None:
        """Check that a card takes these limits."""
        self.on_card()

    def on_card(self) -> cards.Limits:
        """Give the limits that partners need to know, as the card has them."""
        return cards.Limits(
            payload_bytes=self.payload_bytes,
            batch_envelopes=self.batch_envelopes,
            batch_bytes=self.batch_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Section):
    """How the node sends; times in milliseconds."""

    backoff_initial_ms: Annotated[
        int, Setting("Longest wait after a first failure; doubles each time.", low=1, high=60_000)
    ] = 500
    backoff_cap_ms: Annotated[
        int, Setting("Longest wait between two attempts.", low=1, high=3_600_000)
    ] = 60_000
    attempts: Annotated[
        int,
        Setting(
            "How often a partner's node may put off a copy of a message, or fail to answer it, "
            "before the copy is given up as a dead letter; 'sesn outbox requeue' tries it again. "
            "At the longest wait of 60 s a copy is tried every 30 s on average, so 20000 attempts "
            "are a week: a partner that is busy over a long weekend loses no message. A partner "
            "that cannot be reached, or has not trusted our card yet, costs no attempts.",
            low=1,
            high=1_000_000,
        ),
    ] = 20_000
    poll_ms: Annotated[
        int, Setting("How often the outbox is looked at when nothing wakes it.", low=1, high=60_000)
    ] = 1_000
    request_timeout_ms: Annotated[
        int, Setting("How long a partner may take to answer.", low=100, high=600_000)
    ] = 30_000
    collect_after_ms: Annotated[
        int,
        Setting(
            "How long a partner that we have dialled may leave us alone before we collect from it "
            "what it holds for us. At once if this node advertises no address.",
            low=0,
            high=600_000,
        ),
    ] = 10_000
    shutdown_grace_ms: Annotated[
        int, Setting("How long open exchanges may still run at shutdown.", low=0, high=600_000)
    ] = 5_000

    def verify(self) -> None:
        """Check that the waits grow."""
        if self.backoff_cap_ms < self.backoff_initial_ms:
            raise MalformedError(
                f"backoff_cap_ms: expected at least backoff_initial_ms, {self.backoff_initial_ms}, "
                f"got {self.backoff_cap_ms}"
            )


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
            check=_check_listen,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a node: its home, an absolute path, and the sections of the file."""

    home: Path
    agency: Agency
    node: Node = field(default_factory=Node)
    contact: Contact = field(default_factory=Contact)
    database: Database = field(default_factory=Database)
    limits: Limits = field(default_factory=Limits)
    delivery: Delivery = field(default_factory=Delivery)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    traces: Traces = field(default_factory=Traces)

    @property
    def database_path(self) -> Path | None:
        """The SQLite file, with the home filled in; None if the database is a PostgreSQL."""
        return address.sqlite_path(self.database.url, self.home)

    @property
    def database_url(self) -> str:
        """The address of the database, with the home filled in. It may hold a password."""
        return address.resolved(self.database.url, self.home)

    @property
    def traces_path(self) -> Path | None:
        """The trace file, with the home filled in; None if traces are off."""
        if not self.traces.file:
            return None
        return self.home / self.traces.file.replace("{home}", str(self.home))


SECTIONS: tuple[type[Section], ...] = (
    Agency,
    Node,
    Contact,
    Database,
    Limits,
    Delivery,
    Log,
    Metrics,
    Traces,
)
"""The sections of the file, in order."""


def load(path: Path) -> Config:
    """Read the settings of the node whose home is the folder of `path`.

    Raises:
        ConfigError: The file cannot be read, is no TOML, or holds an unknown section or key, a
            wrong type or a value out of bounds. The message names file, section and key.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); `sesn init` makes a node's home"
        raise ConfigError(f"{path}: {problem}") from error
    return parse(data, path)


def parse(data: bytes, path: Path, *, home: Path | None = None) -> Config:
    """Read settings that are not in their place yet.

    Args:
        data: The file.
        path: Where it is from, for messages.
        home: Home of the node; the folder of `path` if not given.

    Raises:
        ConfigError: As `load`.
    """
    try:
        return _parse(tomllib.loads(data.decode()), (home or path.parent).absolute())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: expected TOML in UTF-8: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}") from error


def render(config: Config) -> str:
    """Write `node.toml`, each key under its meaning and bounds; `load` gives `config` back."""
    lines = ["# Settings of one SESN node. A key that is left out takes its default."]
    for section in SECTIONS:
        lines += ["", *write(getattr(config, name(section)))]
    return "\n".join([*lines, ""])


def _parse(document: dict[str, object], home: Path) -> Config:
    """Turn a TOML document into settings."""
    names = [name(section) for section in SECTIONS]
    for key in document:
        if key not in names:
            raise ConfigError(f"{key}: unknown section; there are {', '.join(names)}")
    return Config(
        home=home,
        agency=read(Agency, document),
        node=read(Node, document),
        contact=read(Contact, document),
        database=read(Database, document),
        limits=read(Limits, document),
        delivery=read(Delivery, document),
        log=read(Log, document),
        metrics=read(Metrics, document),
        traces=read(Traces, document),
    )
