"""`sesn ledger recover` and `confirm`: going on after the newest state was lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Final

import typer

from sesn_node.bootstrap import HEAD_FILE, system_clock
from sesn_node.cli.ledger_reopen import new_epoch
from sesn_node.cli.options import command_of, home_of, load_config, open_desk, open_store, wake_node
from sesn_node.cli.progress import progress_bar
from sesn_node.cli.show import AsJson, Json, console, error_console, facts, print_json, say
from sesn_node.cli.trouble import print_steps
from sesn_node.domain.counting import many, word_for
from sesn_node.domain.people import Right
from sesn_node.errors import ConfigError, SesnError
from sesn_node.exchange.inquiry import ANSWERS, Inquiry
from sesn_node.exchange.inquiry import confirm as confirm_head
from sesn_node.exchange.recover import Recovered, recover_tiles
from sesn_node.exchange.recovered import Missing, missing
from sesn_node.ledger.encoding import encode_base64
from sesn_node.store.files import read_file
from sesn_node.store.headfile import HeadFile
from sesn_node.store.numbers import index_of

_LIMIT: Final = 1 << 20


def recover(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    tiles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Our own export, newer than the database.")
    ] = None,
    reopen: Annotated[
        bool,
        typer.Option(
            "--new-epoch",
            metavar="",
            help="There is no export: close the ledger and open the next. Needs keys/root.key.",
        ),
    ] = False,
    unanswered: Annotated[
        bool,
        typer.Option(
            "--unanswered",
            metavar="",
            help="With --new-epoch: answer for the partners that do not.",
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            max=600,
            help="With --new-epoch: how long a partner may take.",
        ),
    ] = 10.0,
    yes: Annotated[
        bool, typer.Option("--yes", metavar="", help="With --new-epoch: do not ask.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring back the entries that an old copy of the database lacks, from our own tile export.

    All of it is verified and written, or nothing is. Messages are not in an export: partners
    deliver again what they sent; of what we sent, the evidence is kept.

    Without an export, --new-epoch closes the ledger where the newest checkpoint ends that partners
    or the head file show, and opens the next one, under the same root.
    """
    if (tiles is not None) == reopen:
        raise ConfigError("name either --tiles DIR, or --new-epoch if there is no export")
    if tiles is None:
        new_epoch(context, unanswered=unanswered, timeout_s=timeout, yes=yes, as_json=as_json)
        return
    config = load_config(context)
    head_file = HeadFile(config.home / HEAD_FILE)
    with open_store(context) as store:
        with progress_bar("recovering") as told:
            done = recover_tiles(store, head_file, tiles, now_ms=system_clock(), progress=told)
        with store.read() as transaction:
            lost = missing(transaction)
    wake_node(home_of(context))
    if as_json:
        print_json(_recovered_json(done, lost))
        return
    _print_recovered(done, lost, command_of(context))


def _print_recovered(done: Recovered, lost: Missing, command: str) -> None:
    came = done.head.size - done.before
    say(f"{many(came, 'entry', 'entries')} came back, verified and as they were signed.")
    listing = facts()
    listing.add_row("origin", done.head.origin)
    size = many(done.head.size, "entry", "entries")
    before = word_for(done.before, "was", "were")
    listing.add_row("size", f"{size}; {done.before:,} {before} there before")
    listing.add_row("root", encode_base64(done.head.root))
    for row in missing_rows(lost):
        listing.add_row(*row)
    for agency, state in sorted(done.replayed.peers.items()):
        listing.add_row("partner", f"{agency} is {state.value} again")
    for agency in sorted(done.replayed.unknown):
        listing.add_row("partner", f"{agency} was trusted since: add its card again")
    if done.replayed.erased:
        listing.add_row("erased", f"{many(done.replayed.erased, 'message', 'messages')} again")
    if done.witnessed:
        listing.add_row("forgotten", "what was cosigned of partners' ledgers since this copy")
    console().print(listing)
    say()
    say("What to do", "bold")
    steps = [f"Run '{command} ledger verify', then '{command} serve': the node goes on from here."]
    if not done.confirmed:
        steps = [f"The head file is missing: run '{command} ledger confirm' first.", *steps]
    if lost.lost:
        who = ", ".join(sorted(lost.lost))
        steps.append(f"Wait for what {who} delivers again: '{command} status' counts what is left.")
    print_steps(tuple(steps))


def missing_rows(lost: Missing) -> list[tuple[str, str]]:
    """Say what recovered entries refer to, and is not here; nothing if all is."""
    found = [
        (lost.sent, "message that we sent", "messages that we sent"),
        (lost.received, "message that we received", "messages that we received"),
        (lost.receipts, "receipt", "receipts"),
    ]
    return [
        ("missing", f"{many(count, one, several)}: content missing, evidence kept")
        for count, one, several in found
        if count
    ]


def missing_json(lost: Missing) -> Json:
    """Say the same to a program; null if nothing was ever recovered."""
    if not lost.ranges:
        return None
    return {
        "recovered": [
            {"start": index_of(one.start), "end": index_of(one.end)} for one in lost.ranges
        ],
        "sent": lost.sent,
        "received": lost.received,
        "receipts": lost.receipts,
    }


def _recovered_json(done: Recovered, lost: Missing) -> dict[str, Json]:
    return {
        "origin": done.head.origin,
        "size": done.head.size,
        "size_before": done.before,
        "root": encode_base64(done.head.root),
        "head_file_written": done.confirmed,
        "erased": done.replayed.erased,
        "peers": {agency: state.value for agency, state in done.replayed.peers.items()},
        "peers_unknown": [*sorted(done.replayed.unknown)],
        "missing": missing_json(lost),
    }


def last_answers(run_folder: Path) -> tuple[str, ...]:
    """Return what partners answered last, in sentences; empty if they were not asked."""
    path = run_folder / ANSWERS
    try:
        said = json.loads(read_file(path, limit=_LIMIT)) if path.exists() else []
    except (SesnError, ValueError, RecursionError):
        return ()
    return tuple(one for one in said if isinstance(one, str)) if isinstance(said, list) else ()


def confirm(
    context: typer.Context,
    unanswered: Annotated[
        bool,
        typer.Option(
            "--unanswered",
            metavar="",
            help="Answer for the partners that do not: nothing newer was ever committed.",
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.1, max=600, help="How long a partner may take."),
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Go on from this database, if no partner knows more: without a head file, or after a failover.

    Asks every partner for the last checkpoint of ours that it cosigned. One that knows more than
    this database is never overruled.
    """
    # Only this command, and the node, pay for the import of grpc.
    from sesn_node.transport.asking import ask_partners  # noqa: PLC0415 - see above
    from sesn_node.transport.tls import TlsIdentity  # noqa: PLC0415 - see above

    with open_desk(context, Right.OPERATE) as desk:
        office = desk.office
        with error_console().status("asking partners"):
            inquiry = asyncio.run(ask_partners(office, TlsIdentity(*desk.tls()), timeout))
        if not as_json:
            for sentence in inquiry.sentences():
                say(sentence)
        confirm_head(office.store, office.sequencer.head_file, inquiry, unanswered=unanswered)
    wake_node(home_of(context))
    if as_json:
        print_json(_inquiry_json(inquiry))
    else:
        say(f"The node goes on from entry {inquiry.head.size:,}.", "green")


def _inquiry_json(inquiry: Inquiry) -> dict[str, Json]:
    return {
        "size": inquiry.head.size,
        "answers": [
            {"agency": one.agency, "says": one.word.value, "size": one.size}
            for one in inquiry.answers
        ],
    }
