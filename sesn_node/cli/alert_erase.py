"""`sesn alert erase` and `sesn alert erased`: take away what a message says; list what was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_json import erased_json
from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.options import open_desk, open_store
from sesn_node.cli.show import (
    AsJson,
    Json,
    console,
    error_console,
    print_json,
    say,
    short_ids,
    table,
)
from sesn_node.domain.checks import check_line
from sesn_node.domain.conversation import MAX_REASON
from sesn_node.domain.counting import many
from sesn_node.domain.ids import MessageId, agency_id, show_message_id
from sesn_node.domain.people import Right
from sesn_node.domain.times import utc_minute, utc_second
from sesn_node.exchange.erase import Erasable, Erased, Target, erasable, erase
from sesn_node.exchange.naming import find_message
from sesn_node.store.erasures import ErasureRow
from sesn_node.store.numbers import index_of

_ELSEWHERE = "Backups and copies that were made before still hold it; see docs/operations.md."


def erase_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")
    ],
    reason: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Why; kept in the database, and not in the ledger."),
    ],
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="AGENCY", help="Whose, when two senders used the same id."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", metavar="", help="Do not ask; erase. It cannot be undone.")
    ] = False,
    compact: Annotated[
        bool,
        typer.Option(
            "--compact",
            metavar="",
            help="Write the database anew, however large it is; nothing else is written meanwhile.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase what a message says, sent or received. What proves that it was there stays.

    Copies of it that still wait are not sent any more. Recipients keep what they have.
    """
    check_line("reason", reason, MAX_REASON, required=True)
    whose = None if sender is None else agency_id(sender)
    if not yes:
        require_terminal("add --yes to erase without being asked")
    with open_desk(context, Right.ERASE) as desk:
        found = find_message(desk.office.store, message_id)
        if not yes:
            planned = erasable(desk.office, found, whose)
            _tell(planned)
            if any(one.erased is None for one in planned.targets):
                confirm("Erase it? This cannot be undone.")
        done = erase(desk.office, found, reason, sender=whose, compact=compact)
    if as_json:
        print_json(_json(done))
    else:
        _say(done)


def erased_(context: typer.Context, as_json: AsJson = False) -> None:
    """List all messages whose content was erased, when and why. Needs no passphrase."""
    with open_store(context) as store, store.read() as transaction:
        rows = transaction.erasures.every()
    if as_json:
        print_json({"erased": [erased_json(row) for row in rows]})
    elif rows:
        console().print(_list(rows))
    else:
        say("Nothing was erased yet.")


def _tell(planned: Erasable) -> None:
    """Show what is about to go, on stderr; not what it says."""
    lines = [Text("What is erased", "bold"), Padding(_targets(planned.targets), (0, 2))]
    queued = sorted({agency for one in planned.targets for agency in one.queued})
    if queued:
        lines.append(Text(f"It still waits for {', '.join(queued)}, and will not be sent."))
    if planned.others:
        lines += [
            Text("What stays of the conversation", "bold"),
            Padding(_targets(planned.others), (0, 2)),
        ]
    for line in lines:
        error_console().print(line)


def _targets(targets: Sequence[Target]) -> Table:
    listing = Table.grid(padding=(0, 2))
    for one in targets:
        before = one.erased
        listing.add_row(
            show_message_id(one.message_id),
            Text(one.kind.replace("_", " ")),
            Text("sent from here" if one.ours else f"from {one.sender}"),
            Text("" if before is None else f"erased {utc_minute(before.erased_ms)}", "dim"),
        )
    return listing


def _say(done: Erased) -> None:
    for row in done.messages:
        shown = show_message_id(MessageId(row.message_id))
        if row.message_id in done.fresh:
            say(f"{shown}: erased; entry {index_of(row.entry_index)} of our ledger says so.")
        else:
            when = utc_second(row.erased_ms)
            say(f"{shown}: was erased before, at {when} UTC: {row.reason}")
    for message_id, agency in done.ended:
        say(f"{show_message_id(message_id)}: is not sent to {agency} any more.")
    if done.others:
        say()
        count = many(len(done.others), "other message", "other messages")
        say(f"{count} of the conversation still can be read:", "yellow")
        console().print(Padding(_targets(done.others), (0, 2)))
    say()
    if done.scrubbed.done:
        say("The files of the database hold no byte of it any more.")
    else:
        say("Not all of its bytes are gone yet; a serving node goes on with that.", "yellow")
    for one in done.scrubbed.remains:
        say(f"{one[0].upper()}{one[1:]}.")
    say(_ELSEWHERE)


def _json(done: Erased) -> dict[str, Json]:
    return {
        "erased": [
            {**erased_json(row), "changed": row.message_id in done.fresh} for row in done.messages
        ],
        "not_sent": [
            {"message_id": show_message_id(message_id), "agency": agency}
            for message_id, agency in done.ended
        ],
        "still_readable": [
            {"message_id": show_message_id(one.message_id), "from": one.sender, "kind": one.kind}
            for one in done.others
        ],
        "bytes_gone": done.scrubbed.done,
        "remains": list(done.scrubbed.remains),
    }


def _list(rows: Sequence[ErasureRow]) -> Table:
    listing = table("message", "from", "erased (UTC)", "entry", "reason", flexible=("reason",))
    ids = short_ids([row.message_id for row in rows])
    for row in rows:
        left = "" if row.scrubbed_ms is not None else " (bytes may be left)"
        listing.add_row(
            ids[row.message_id],
            Text(row.sender),
            utc_minute(row.erased_ms),
            f"{index_of(row.entry_index):,}",
            Text(row.reason).append(left, "yellow"),
        )
    return listing
