"""The settings of one node: `node.toml` in its home folder.

A settings object is valid by construction. Settings may lower a limit of the protocol, never
raise it. Each module here has some of the sections; this one has all of them, and the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sesn_node import address
from sesn_node.config.backups import Backups
from sesn_node.config.cases import Cases, Regime
from sesn_node.config.identity import Agency, Contact, Node
from sesn_node.config.people import People, Sign
from sesn_node.config.timestamps import Authority, Timestamps
from sesn_node.config.watching import Log, LogFormat, LogLevel, Metrics, Traces
from sesn_node.config.work import Database, Delivery, Limits
from sesn_node.errors import ConfigError
from sesn_node.settings import Section, name, read, write

__all__ = [
    "FILE_NAME",
    "SECTIONS",
    "Agency",
    "Authority",
    "Backups",
    "Cases",
    "Config",
    "Contact",
    "Database",
    "Delivery",
    "Limits",
    "Log",
    "LogFormat",
    "LogLevel",
    "Metrics",
    "Node",
    "People",
    "Regime",
    "Sign",
    "Timestamps",
    "Traces",
    "load",
    "parse",
    "render",
]

FILE_NAME = "node.toml"
"""Name of the settings file in a node's home folder."""


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
    people: People = field(default_factory=People)
    cases: Cases = field(default_factory=Cases)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    traces: Traces = field(default_factory=Traces)
    timestamps: Timestamps = field(default_factory=Timestamps)
    backups: Backups = field(default_factory=Backups)

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
        return self._path(self.traces.file) if self.traces.file else None

    def roots_path(self, authority: Authority) -> Path:
        """The file of roots of a time-stamping authority, with the home filled in."""
        return self._path(authority.roots)

    def _path(self, text: str) -> Path:
        return self.home / text.replace("{home}", str(self.home))


SECTIONS: tuple[type[Section], ...] = (
    Agency,
    Node,
    Contact,
    Database,
    Limits,
    Delivery,
    People,
    Cases,
    Log,
    Metrics,
    Traces,
    Timestamps,
    Backups,
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
    # A section that is listed is read: no type can say that each has its field.
    build: Callable[..., Config] = Config
    return build(home=home, **{name(section): read(section, document) for section in SECTIONS})
