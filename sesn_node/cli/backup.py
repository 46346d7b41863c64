"""`sesn backup`: all of the database in one encrypted file, while the node serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sesn_node.bootstrap import HEAD_FILE, open_keyring, system_clock
from sesn_node.cli.ledger import head_json
from sesn_node.cli.options import command_of, home_of, load_config, open_store, options_of
from sesn_node.cli.passphrase import read_passphrase
from sesn_node.cli.show import (
    AsJson,
    Json,
    console,
    error_console,
    facts,
    iso,
    print_json,
    say,
)
from sesn_node.cli.trouble import trouble_json
from sesn_node.config import FILE_NAME
from sesn_node.crypto.chunks import ALTERED
from sesn_node.domain.checks import printable
from sesn_node.domain.counting import many
from sesn_node.domain.ids import Origin
from sesn_node.domain.times import utc_second
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.exchange.backup import back_up, verify_backup
from sesn_node.exchange.contents import Contents
from sesn_node.exchange.guard import inspect
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.head import TreeHead
from sesn_node.store.files import naming, read_file
from sesn_node.store.headfile import HeadFile

app = typer.Typer(add_completion=False)

_MAX_SETTINGS_BYTES = 1 << 20


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The backup.", show_default=False)],
    verify: Annotated[
        bool,
        typer.Option("--verify", metavar="", help="Write nothing: verify a backup that is there."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace a file that is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write all of the database into one encrypted file, and verify it. The node may serve.

    The passphrase is that of the key files. They are not in the backup, nor is the head file.
    """
    if verify:
        passphrase = read_passphrase(options_of(context).passphrase_fd)
        with error_console().status("verifying"), reading_backup(file):
            contents = verify_backup(file, passphrase)
        if as_json:
            print_json(contents_json(file, contents))
        else:
            say(f"{file} is whole: every byte is authentic, and the ledger in it verifies.")
            print_contents(contents)
        return
    config = load_config(context)
    home = home_of(context)
    with open_store(context) as store:
        passphrase = read_passphrase(options_of(context).passphrase_fd)
        # A backup under a passphrase with a typing error could never be opened.
        open_keyring(home, passphrase)
        settings = read_file(config.home / FILE_NAME, limit=_MAX_SETTINGS_BYTES)
        with error_console().status("writing, and reading back"):
            contents = back_up(
                store, settings, file, passphrase, now_ms=system_clock(), force=force
            )
        trouble = inspect(store, HeadFile(home / HEAD_FILE))
    if as_json:
        print_json({**contents_json(file, contents), "trouble": trouble_json(trouble)})
        return
    say(f"{file} is written, read back and verified.")
    print_contents(contents)
    say("Not in it: keys/, which belong to another place, and ledger.head.", "dim")
    if trouble is not None:
        say(f"Mind: {trouble.what} '{command_of(context)} status' says what to do.", "yellow")


@contextmanager
def reading_backup(file: Path) -> Iterator[None]:
    """Let what is found wrong with a backup name the file, and say what to do.

    Raises:
        SesnError: As the body, in those words.
    """
    try:
        with naming(file):
            yield
    except MalformedError as error:
        detail = error.message.removeprefix(f"{file}: ")
        raise MalformedError(
            f"{file}: this is no backup, or it was cut off or altered ({detail}); use another one",
            code=error.code,
        ) from error
    except VerificationError as error:
        if error.code != ALTERED:
            raise
        detail = error.message.removeprefix(f"{file}: ")
        raise VerificationError(
            f"{file} was cut off or altered ({detail}); use another backup", code=ALTERED
        ) from error


def print_contents(contents: Contents, database: str = "") -> None:
    """Show what a verified backup holds, and where it went."""
    found = contents.facts
    listing = facts()
    listing.add_row("agency", f"{contents.own.card.name} ({found.agency})")
    listing.add_row("made", f"{utc_second(found.time_s * 1000)} UTC")
    listing.add_row(
        "ledger", f"{many(found.size, 'entry', 'entries')}; witnessed {found.witnessed:,}"
    )
    listing.add_row("root", encode_base64(found.root))
    listing.add_row("holds", f"{contents.rows:,} rows and node.toml")
    listing.add_row("length", many(contents.file_bytes, "byte"))
    if database:
        listing.add_row("database", database)
    console().print(listing)


def contents_json(file: Path, contents: Contents) -> dict[str, Json]:
    """Show the same to a program."""
    found = contents.facts
    return {
        "file": str(file),
        "verified": True,
        "agency": found.agency,
        "made": iso(found.time_s * 1000),
        "ledger": head_json(TreeHead(Origin(found.origin), found.size, found.root)),
        "witnessed": found.witnessed,
        "schema": printable(found.schema),
        "rows": contents.rows,
        "bytes": contents.file_bytes,
    }
