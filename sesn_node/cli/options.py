"""What stands before every noun, and opening the home that it names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer

from sesn_node.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from sesn_node.bootstrap import Desk
    from sesn_node.config import Config
    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.people import Right
    from sesn_node.store.engine import Store


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the noun.

    Args:
        home: Folder of the node, if given.
        passphrase_fd: File descriptor to read the passphrase from, if given.
        acting: Operator at the keyboard, if given.
    """

    home: Path | None = None
    passphrase_fd: int | None = None
    acting: str | None = None


def lead_with_operator(arguments: Sequence[str]) -> list[str]:
    """Put `--as OPERATOR` in front, so that it may stand anywhere before a lone `--`."""
    found = list(arguments)
    end = found.index("--") if "--" in found else len(found)
    for place in range(end):
        if found[place].startswith("--as="):
            return [found.pop(place), *found]
        if found[place] == "--as":
            taken = found[place : place + 2]
            del found[place : place + 2]
            return [*taken, *found]
    return found


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


def command_of(context: typer.Context) -> str:
    """Say how a command for this home begins, as whoever typed this one would type it."""
    home = options_of(context).home
    if home is None or os.environ.get("SESN_HOME") == str(home):
        return "sesn"
    return f"sesn --home {quote(str(home))}"


def load_config(context: typer.Context) -> Config:
    """Read the settings of the home.

    Raises:
        ConfigError: No home was given, or its settings are unusable.
    """
    from sesn_node import config  # noqa: PLC0415 - `init` and `card show` work without a home

    return config.load(home_of(context) / config.FILE_NAME)


@contextmanager
def open_desk(context: typer.Context, right: Right | None = None) -> Iterator[Desk]:
    """Open the home: settings first, so that nobody types a passphrase for a home with none.

    Args:
        context: The command.
        right: What whoever uses the command must be allowed to do; None: it only reads.

    Raises:
        ConfigError: No home, unusable settings, or no passphrase.
        VerificationError: Wrong passphrase.
        PolicyError: The operator at the keyboard may not do this, or nobody said who that is.
        StorageError: The database or a key file cannot be read.
    """
    from sesn_node.bootstrap import open_home  # noqa: PLC0415 - as above
    from sesn_node.cli.acting import acting_desk, keeping_drafts  # noqa: PLC0415 - as above
    from sesn_node.cli.passphrase import read_passphrase  # noqa: PLC0415 - as above
    from sesn_node.config import LogFormat, LogLevel  # noqa: PLC0415 - as above
    from sesn_node.telemetry.logs import configure  # noqa: PLC0415 - as above

    config = existing_config(context)
    # A command tells its result itself; `serve` asks for more.
    configure(LogLevel.ERROR, LogFormat.CONSOLE)
    options = options_of(context)
    with open_home(config.home, read_passphrase(options.passphrase_fd)) as desk:
        if right is None:
            yield desk
            return
        acting = acting_desk(desk, options.acting, right)
        with keeping_drafts(context, acting):
            yield acting


@contextmanager
def open_rooted(context: typer.Context) -> Iterator[tuple[Desk, Signer]]:
    """Open the home and its root key, for whoever may look after the node.

    Raises:
        ConfigError: As `open_desk`; or the root key is not there.
        VerificationError: Wrong passphrase.
        PolicyError: As `open_desk`.
        StorageError: The database or a key file cannot be read.
    """
    from sesn_node.cli.acting import acting_desk  # noqa: PLC0415 - as above
    from sesn_node.cli.passphrase import read_passphrase  # noqa: PLC0415 - as above
    from sesn_node.domain.people import Right  # noqa: PLC0415 - as above
    from sesn_node.founding import open_with_root  # noqa: PLC0415 - as above

    home, options = existing_config(context).home, options_of(context)
    with open_with_root(home, read_passphrase(options.passphrase_fd)) as (desk, root):
        yield acting_desk(desk, options.acting, Right.OPERATE), root


@contextmanager
def open_store(context: typer.Context) -> Iterator[Store]:
    """Open the database alone, for what needs no key and so no passphrase.

    Raises:
        ConfigError: No home, or unusable settings.
        StorageError: The database cannot be opened.
    """
    from sesn_node.store.engine import Store  # noqa: PLC0415 - as above

    store = Store(existing_config(context).database_url, create=False)
    try:
        yield store
    finally:
        store.close()


def wake_node(home: Path) -> bool:
    """Tell a serving node that something was committed; say whether one serves."""
    from sesn_node.bootstrap import RUN_FOLDER  # noqa: PLC0415 - as above
    from sesn_node.transport.wake import poke  # noqa: PLC0415 - as above

    return poke(home / RUN_FOLDER)


def existing_config(context: typer.Context) -> Config:
    """Read the settings of a home that has a database: SQLite would make an empty one.

    Raises:
        ConfigError: No home, or unusable settings.
        StorageError: The database is not there.
    """
    found = load_config(context)
    path = found.database_path
    if path is not None and not path.exists():
        raise StorageError(
            f"the database {path} is not there; check database.url in "
            f"{found.home / 'node.toml'}, or put the newest database back"
        )
    return found
