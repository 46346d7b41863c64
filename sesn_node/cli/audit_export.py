"""`sesn audit export`: our ledger and what it refers to in one file, for an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.audit.account import Selection
from sesn_node.cli.moments import parse_moment
from sesn_node.cli.options import open_desk
from sesn_node.cli.progress import progress_bar
from sesn_node.cli.show import AsJson, Json, console, facts, print_json, say
from sesn_node.domain.counting import many
from sesn_node.domain.ids import MessageId
from sesn_node.domain.people import Right
from sesn_node.errors import MalformedError
from sesn_node.exchange.auditexport import ExportedBundle, export_bundle
from sesn_node.exchange.naming import find_message
from sesn_node.ledger.encoding import encode_base64
from sesn_node.store.engine import Store


def export(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The bundle: NAME.sesnaudit.", show_default=False)],
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Only what was recorded from then on: 2026-11-01, UTC."
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="TIME", help="Only what was recorded before: 2026-11-01T12:00Z."
        ),
    ] = None,
    conversation: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only the conversation that this message began."),
    ] = None,
    message: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this message; repeat it for several."),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", metavar="", help="No entries, and no messages that are not named."),
    ] = False,
    disclose: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="Show what this message says. Our ledger records it. Repeat it."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace a file that is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write an audit bundle. The node may serve.

    Without --disclose, no message's content is in it. It shows that nothing was removed, added or
    changed, whatever is selected: the hashes of all entries are in it. That it was made, and what
    it discloses, is recorded in our ledger.
    """
    with open_desk(context, Right.EXPORT) as desk:
        store = desk.office.store
        selection = Selection(
            from_ms=None if since is None else parse_moment("--from", since),
            to_ms=None if before is None else parse_moment("--to", before),
            conversation=None if conversation is None else find_message(store, conversation),
            messages=_ids(store, message),
            disclosed=_ids(store, disclose),
            blind=blind,
        )
        if None not in {selection.from_ms, selection.to_ms} and _is_empty(selection):
            raise MalformedError("--to: nothing was recorded before --from and after it")
        with progress_bar("reading") as told:
            done = export_bundle(desk.office, file, selection, force=force, progress=told)
    if as_json:
        print_json(exported_json(done, file))
    else:
        tell_exported(done, file, blind=blind)


def _ids(store: Store, texts: list[str] | None) -> tuple[MessageId, ...]:
    return tuple(sorted({find_message(store, text) for text in texts or []}))


def _is_empty(selection: Selection) -> bool:
    return (selection.from_ms or 0) >= (selection.to_ms or 0)


def tell_exported(done: ExportedBundle, file: Path, *, blind: bool) -> None:
    """Say what a bundle holds, and what it does not."""
    say(f"{file} is written, read back, and recorded as entry {done.recorded_at:,} of our ledger.")
    listing = facts()
    listing.add_row("origin", done.head.origin)
    listing.add_row("size", many(done.head.size, "entry", "entries"))
    listing.add_row("root", encode_base64(done.head.root))
    listing.add_row(
        "holds",
        ", ".join(
            (
                many(done.entries, "entry", "entries"),
                many(done.messages, "message", "messages"),
                many(done.case_steps, "step of a case", "steps of cases"),
                many(done.checkpoints, "checkpoint", "checkpoints"),
                many(done.timestamps, "time-stamp", "time-stamps"),
                many(done.cards, "card", "cards"),
            )
        ),
    )
    listing.add_row("length", many(done.file_bytes, "byte"))
    listing.add_row("SHA-256", done.sha256.hex())
    console().print(listing)
    if blind:
        say("The entries are not in it: hashes only.", "dim")
    if done.disclosed:
        say(f"It shows what {many(done.disclosed, 'message says', 'messages say')}.", "yellow")
    else:
        say("What messages say is not in it.", "dim")


def exported_json(done: ExportedBundle, file: Path) -> dict[str, Json]:
    """Tell programs what a bundle holds."""
    return {
        "file": str(file),
        "sha256": done.sha256.hex(),
        "bytes": done.file_bytes,
        "origin": done.head.origin,
        "size": done.head.size,
        "root": encode_base64(done.head.root),
        "recorded_at": done.recorded_at,
        "entries": done.entries,
        "messages": done.messages,
        "case_steps": done.case_steps,
        "disclosed": done.disclosed,
        "checkpoints": done.checkpoints,
        "timestamps": done.timestamps,
        "cards": done.cards,
    }
