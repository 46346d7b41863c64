"""`sesn ledger recover --new-epoch`: closing a ledger whose end is lost, and opening the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.options import command_of, home_of, open_rooted, wake_node
from sesn_node.cli.show import Json, console, error_console, facts, print_json, say
from sesn_node.cli.trouble import print_steps
from sesn_node.config import LogFormat, LogLevel
from sesn_node.domain.counting import many
from sesn_node.founding import reopen_ledger
from sesn_node.ledger.encoding import encode_base64
from sesn_node.telemetry.logs import configure

if TYPE_CHECKING:
    import typer

    from sesn_node.exchange.inquiry import Inquiry
    from sesn_node.exchange.reopen import Reopened


def new_epoch(
    context: typer.Context, *, unanswered: bool, timeout_s: float, yes: bool, as_json: bool
) -> None:
    """Ask the partners, close the ledger and open the next one; needs the root key."""
    # Only this command, and the node, pay for the import of grpc.
    from sesn_node.transport.asking import ask_partners  # noqa: PLC0415 - see above
    from sesn_node.transport.tls import TlsIdentity  # noqa: PLC0415 - see above

    if not yes:
        require_terminal("add --yes to close the ledger for good")
    # A command tells its result itself.
    configure(LogLevel.ERROR, LogFormat.CONSOLE)
    with open_rooted(context) as (desk, root):
        with error_console().status("asking partners"):
            inquiry = asyncio.run(ask_partners(desk.office, TlsIdentity(*desk.tls()), timeout_s))
        if not as_json:
            for sentence in inquiry.sentences():
                say(sentence)
        if not yes:
            confirm(
                f"Close {inquiry.head.origin} for good? A newer copy of the database, or an "
                "export, is better: 'sesn ledger recover --tiles DIR' loses nothing"
            )
        done = reopen_ledger(desk, inquiry, root, unanswered=unanswered)
    serves = wake_node(home_of(context))
    if as_json:
        print_json(_json(done, inquiry, serves=serves))
    else:
        _print(done, command_of(context), serves=serves)


def _print(done: Reopened, command: str, *, serves: bool) -> None:
    end = done.end
    say(f"{done.old.origin} is closed, and {done.head.origin} is open.", "green")
    listing = facts()
    listing.add_row(
        "closed at", f"{many(end.head.size, 'entry', 'entries')}, shown by: {end.shown_by}"
    )
    listing.add_row("root", encode_base64(end.head.root))
    if done.lost:
        listing.add_row("lost", f"{many(done.lost, 'entry', 'entries')}, known by that root alone")
    listing.add_row("our card", f"sequence {done.card.card.sequence:,}")
    console().print(listing)
    say()
    say("What to do", "bold")
    start = "Stop the node that serves, and start it again" if serves else f"Run '{command} serve'"
    steps = [
        (
            f"{start}: partners take the new card by themselves, if they have cosigned no more "
            "than that."
        ),
        (
            f"Back up: '{command} backup FILE', and keys/node.key, which has new keys. Older "
            "backups are of no use any more."
        ),
    ]
    if done.asked:
        steps.append(
            f"Wait: {', '.join(done.asked)} will be asked to deliver again what was lost. "
            f"'{command} status' tells who has not answered yet."
        )
    print_steps(tuple(steps))


def _json(done: Reopened, inquiry: Inquiry, *, serves: bool) -> dict[str, Json]:
    end = done.end
    return {
        "closed": {
            "origin": done.old.origin,
            "size": end.head.size,
            "root": encode_base64(end.head.root),
            "held": done.old.size,
            "shown_by": end.shown_by,
        },
        "origin": done.head.origin,
        "size": done.head.size,
        "card": {"sequence": done.card.card.sequence, "sha256": done.card.sha256.hex()},
        "asked": [*done.asked],
        "serves": serves,
        "answers": [
            {"agency": one.agency, "says": one.word.value, "size": one.size}
            for one in inquiry.answers
        ],
    }
