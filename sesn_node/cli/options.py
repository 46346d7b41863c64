"""What stands before every noun, and opening the home that it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sesn_node.errors import ConfigError

if TYPE_CHECKING:
    from sesn_node.bootstrap import Desk
    from sesn_node.config import Config


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the noun.

    Args:
        home: Folder of the node, if given.
        passphrase_fd: File descriptor to read the passphrase from, if given.
    """

    home: Path | None = None
    passphrase_fd: int | None = None


def options_of(context: typer.Context) -> Options:
    """Return the options that were given before the noun."""
    found = context.find_object(Options)
    return Options() if found is None else found


def home_of(context: typer.Context) -> Path:
    """Return the home, absolute.

    Raises:
        ConfigError: None was given.
    """
    home = options_of(context).home
    if home is None:
        raise ConfigError(
            "no home was given: write 'sesn --home DIR ...', or set SESN_HOME", code="NO_HOME"
        )
    return home.absolute()


def load_config(context: typer.Context) -> Config:
    """Read the settings of the home.

    Raises:
        ConfigError: No home was given, or its settings are unusable.
    """
    from sesn_node import config  # noqa: PLC0415 - `init` and `card show` work without a home

    return config.load(home_of(context) / config.FILE_NAME)


@contextmanager
def open_desk(context: typer.Context) -> Iterator[Desk]:
    """Open the home: settings first, so that nobody types a passphrase for a home with none.

    Raises:
        ConfigError: No home, unusable settings, or no passphrase.
        VerificationError: Wrong passphrase.
        StorageError: The database or a key file cannot be read.
    """
    from sesn_node.bootstrap import open_home  # noqa: PLC0415 - as above
    from sesn_node.cli.passphrase import read_passphrase  # noqa: PLC0415 - as above

    home = load_config(context).home
    with open_home(home, read_passphrase(options_of(context).passphrase_fd)) as desk:
        yield desk


def wake_node(home: Path) -> None:
    """Tell a serving node that something was committed; without one nothing happens."""
    from sesn_node.bootstrap import RUN_FOLDER  # noqa: PLC0415 - as above
    from sesn_node.transport.wake import poke  # noqa: PLC0415 - as above

    poke(home / RUN_FOLDER)
