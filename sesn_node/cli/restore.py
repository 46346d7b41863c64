"""`sesn restore`: a backup becomes the database of a home again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from sesn_node import address
from sesn_node import config as settings
from sesn_node.bootstrap import HEAD_FILE, NODE_KEY, RUN_FOLDER, open_keyring
from sesn_node.cli.backup import contents_json, print_contents, reading_backup
from sesn_node.cli.options import home_of, options_of
from sesn_node.cli.passphrase import read_passphrase
from sesn_node.cli.runfile import LOCK_FILE
from sesn_node.cli.show import AsJson, error_console, print_json, say
from sesn_node.cli.trouble import print_steps, print_trouble, trouble_json
from sesn_node.config import Config
from sesn_node.crypto.chunks import ALTERED
from sesn_node.crypto.keyring import WRONG_PASSPHRASE, Keyring
from sesn_node.domain.checks import printable
from sesn_node.domain.ids import ledger_origin, parse_origin
from sesn_node.errors import (
    ConfigError,
    ConflictError,
    MalformedError,
    SesnError,
    StorageError,
    VerificationError,
)
from sesn_node.exchange.backup import OpenBackup, opened, read_facts
from sesn_node.exchange.contents import Contents
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.oldcopy import OldCopy
from sesn_node.exchange.restore import Place, Restored, require_free, restore
from sesn_node.store.engine import Store
from sesn_node.store.files import locked, read_file, replace_file
from sesn_node.store.headfile import HeadFile

app = typer.Typer(add_completion=False)

_MAX_SETTINGS_BYTES: Final = 1 << 20
_OTHER_AGENCY: Final = "OTHER_AGENCY"
_OTHER_KEYS: Final = "OTHER_KEYS"
_SHARED: Final = (
    "Each process that shares this PostgreSQL database has a home and a head file of its own. Run "
    "'sesn status' in every one of them before you start any: if one says that the database is an "
    "old copy, it is one for all of them, whatever the others say."
)


@app.command("restore")
def restore_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The backup.", show_default=False)],
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="Settings for a home without node.toml. Without it: those in the backup.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a backup the database of this home, which has its key files and no database.

    All of it is verified before anything is put in its place. Says what to do next.
    """
    home = home_of(context)
    if not (home / NODE_KEY).exists():
        raise ConfigError(
            f"{home / NODE_KEY} is not there: a backup does not hold keys. Put the folder "
            f"{NODE_KEY.parent}/ of this node there first, from where it is kept"
        )
    with reading_backup(file):
        agency = read_facts(file).agency
    with _alone(home), error_console().status("reading and verifying"):
        given = _given_settings(home, config_file)
        if given is not None:
            given_by = config_file or home / settings.FILE_NAME
            _check_agency(settings.parse(given, given_by, home=home), agency)
        passphrase = read_passphrase(options_of(context).passphrase_fd)
        ring = open_keyring(home, passphrase)
        with _altered(file), opened(file, passphrase) as backup:
            data = backup.dump.settings if given is None else given
            restored, trouble = _restore(home, backup, data, ring)
    if as_json:
        print_json({**contents_json(file, restored.contents), "trouble": trouble_json(trouble)})
        return
    _print(home, file, restored, trouble)


@contextmanager
def _altered(file: Path) -> Iterator[None]:
    """Tell what is wrong with the backup from what is wrong with the home."""
    try:
        yield
    except SesnError as error:
        if error.code not in {ALTERED, WRONG_PASSPHRASE, MalformedError.code}:
            raise
        with reading_backup(file):
            raise


def _restore(
    home: Path, backup: OpenBackup, data: bytes, ring: Keyring
) -> tuple[Restored, OldCopy | None]:
    config = settings.parse(data, home / settings.FILE_NAME)
    _check_agency(config, backup.facts.agency)
    origin = ledger_origin(config.agency.id, config.agency.ledger_epoch)
    # Founded with that one, it may have closed it since, and opened later ones.
    if parse_origin(backup.facts.origin) < parse_origin(origin):
        raise VerificationError(
            f"the backup is of the ledger {printable(backup.facts.origin)}, and node.toml names "
            f"{origin}: look at agency.ledger_epoch",
            code=_OTHER_AGENCY,
        )
    url = config.database_url
    place = Place(url, config.database_path, address.shown(url))
    require_free(place)
    with _settings_in_place(home, data):
        restored = restore(backup, place, partial(_check_keys, ring))
    store = Store(url, create=False)
    try:
        return restored, inspect(store, HeadFile(home / HEAD_FILE))
    finally:
        store.close()


def _check_agency(config: Config, agency: str) -> None:
    if config.agency.id != agency:
        raise VerificationError(
            f"the backup is of {printable(agency)}, and this is the home of {config.agency.id}; "
            "nothing was changed",
            code=_OTHER_AGENCY,
        )


def _check_keys(ring: Keyring, contents: Contents) -> None:
    """Make sure that what the backup holds can be read with the keys of this home."""
    name = contents.storage_key_id
    if ring.find(name) is None:
        raise VerificationError(
            f"{NODE_KEY} of this home does not hold the storage key {name.hex()[:16]} that the "
            "messages in the backup are under: it is the key file of another node, or from after a "
            "rotation. Nothing was changed; put back the key files of the time of the backup",
            code=_OTHER_KEYS,
        )


def _given_settings(home: Path, config_file: Path | None) -> bytes | None:
    """Return what is, or becomes, node.toml; None if it is to come from the backup."""
    path = home / settings.FILE_NAME
    if not path.exists():
        return None if config_file is None else read_file(config_file, limit=_MAX_SETTINGS_BYTES)
    if config_file is not None:
        raise ConfigError(
            f"{path} is there, so --config is not needed; change that file, or move it away"
        )
    return read_file(path, limit=_MAX_SETTINGS_BYTES)


@contextmanager
def _settings_in_place(home: Path, data: bytes) -> Iterator[None]:
    """Write node.toml, unless there is one; take it away again if the body fails."""
    path = home / settings.FILE_NAME
    if path.exists():
        yield
        return
    replace_file(path, data)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep a node from serving this home meanwhile."""
    run_folder = home / RUN_FOLDER
    try:
        run_folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{run_folder} cannot be made: {error.strerror}") from error
    try:
        with locked(run_folder / LOCK_FILE, wait=False):
            yield
    except BlockingIOError as error:
        raise ConflictError(
            f"a process serves {home}, or restores into it: stop it first", code="ALREADY_SERVING"
        ) from error


def _print(home: Path, file: Path, restored: Restored, trouble: OldCopy | None) -> None:
    say(f"{file} is restored, and every check of 'sesn ledger verify' passed.")
    print_contents(restored.contents, restored.place.shown)
    say()
    if restored.place.path is None:
        say(_SHARED, "yellow")
        say()
    if trouble is not None:
        print_trouble(trouble)
        return
    say("Nothing is missing: the head file fits this database.", "green")
    say()
    say("What to do", "bold")
    serve = (
        f"Run 'sesn --home {home} serve'. The node goes on where it stopped: partners are greeted, "
        "and what waits on either side is delivered."
    )
    print_steps((serve, f"Run 'sesn --home {home} doctor'."))
