"""`sesn ledger export`: our ledger as static files that anybody can verify. Needs no passphrase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.cli.options import load_config, open_store
from sesn_node.cli.progress import progress_bar
from sesn_node.cli.show import AsJson, Json, console, facts, print_json, say
from sesn_node.domain.counting import many, word_for
from sesn_node.exchange.export import Exported, export_tiles, verify_export
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.head import TreeHead
from sesn_node.store.headfile import HeadFile


def export(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    tiles: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder; made, or continued if it is there.")
    ],
    epoch: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which of our ledgers: a closed one; else the open one."),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", metavar="", help="Leave the entries out: hashes only."),
    ] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            metavar="",
            help="Do not compare what an earlier export wrote; look at what comes after it.",
        ),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", metavar="", help="Write nothing: hash all of an export again."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write our ledger as static files (C2SP tlog-tiles) that anybody can verify.

    The node may serve. Files that are there are compared and never rewritten; only the checkpoint
    is replaced, last. docs/auditing.md says how a stranger verifies them.
    """
    config = load_config(context)
    head_file = HeadFile(config.home / HEAD_FILE)
    with open_store(context) as store:
        if verify:
            with progress_bar("verifying") as told:
                head = verify_export(
                    store, head_file, tiles, epoch=epoch, blind=blind, progress=told
                )
            _tell_verified(head, tiles, blind=blind, as_json=as_json)
            return
        with progress_bar("exporting") as told:
            done = export_tiles(
                store, head_file, tiles, epoch=epoch, blind=blind, quick=quick, progress=told
            )
    if as_json:
        print_json(_exported_json(done, tiles))
        return
    say(f"{tiles} holds our ledger up to entry {done.head.size - 1:,}.")
    listing = facts()
    listing.add_row("origin", done.head.origin)
    size = many(done.head.size, "entry", "entries")
    before = word_for(done.before, "was", "were")
    listing.add_row("size", f"{size}; {done.before:,} {before} there before")
    listing.add_row("root", encode_base64(done.head.root))
    listing.add_row("files", f"{done.written:,} written, {done.compared:,} compared")
    console().print(listing)
    if blind:
        say("The entries are not in it: hashes only.", "dim")


def _tell_verified(head: TreeHead, tiles: Path, *, blind: bool, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(tiles), "verified": True, "blind": blind, **_head_json(head)})
        return
    what = "tile" if blind else "entry and tile"
    say(f"{tiles} is whole: every {what} hashes to the root that we signed at {head.size:,}.")


def _exported_json(done: Exported, tiles: Path) -> dict[str, Json]:
    return {
        "folder": str(tiles),
        **_head_json(done.head),
        "size_before": done.before,
        "written": done.written,
        "compared": done.compared,
        "blind": done.blind,
    }


def _head_json(head: TreeHead) -> dict[str, Json]:
    return {"origin": head.origin, "size": head.size, "root": encode_base64(head.root)}
