"""`sesn alert recall`: withdraw a message of ours."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.options import command_of, home_of, open_desk, wake_node
from sesn_node.cli.show import AsJson, Json, error_console, print_json, say
from sesn_node.domain.checks import check_line
from sesn_node.domain.conversation import MAX_REASON
from sesn_node.domain.ids import MessageId, show_message_id
from sesn_node.domain.people import Right
from sesn_node.exchange.naming import find_message
from sesn_node.exchange.recall import Recalled, planned, recall


def recall_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")
    ],
    reason: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Why. Recipients read it and keep it: do not repeat the content."
        ),
    ],
    erase: Annotated[
        bool, typer.Option("--erase", metavar="", help="Erase our own content as well.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", metavar="", help="Do not ask; recall. It cannot be undone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Withdraw a message of ours: every recipient's node erases it, and says so with a receipt.

    Copies that still wait are not sent any more. Updates of an alert go with it. Again, it tells
    those who could not be told before.
    """
    check_line("reason", reason, MAX_REASON, required=True)
    if not yes:
        require_terminal("add --yes to recall without being asked")
    # Erasing our own is another right than withdrawing it from others.
    right = Right.ERASE if erase else Right.WRITE
    with open_desk(context, right) as desk:
        found = find_message(desk.office.store, message_id)
        with desk.office.store.read() as transaction:
            plan = planned(desk.office, transaction, found)
        if not yes:
            to = sorted({agency for one in plan for agency in one.to_tell})
            told = ", ".join(to) if to else "nobody new"
            error_console().print(f"Recalled from: {told}.", soft_wrap=True)
            confirm("Recall it? This cannot be undone.")
        done = recall(desk.office, found, reason, erase_own=erase)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(_json(done))
        return
    _say(done, found, command_of(context))
    if not serving and done.told:
        say(
            f"No node serves this home: recalls leave once '{command_of(context)} serve' runs.",
            "yellow",
        )


def _json(done: Recalled) -> dict[str, Json]:
    return {
        "messages": [show_message_id(one) for one in done.messages],
        "recalls": [
            {
                "message": show_message_id(one.message_id),
                "message_id": show_message_id(one.recall_id),
                "to": list(one.to),
            }
            for one in done.told
        ],
        "cancelled": [
            {"message": show_message_id(message_id), "agency": agency}
            for message_id, agency in done.cancelled
        ],
        "untold": [{"agency": agency, "code": code} for agency, code in done.untold],
        "erased": done.erased,
    }


def _say(done: Recalled, message_id: MessageId, command: str) -> None:
    shown = show_message_id(message_id)
    to = sorted({agency for one in done.told for agency in one.to})
    if to:
        say(f"Message {shown} is recalled from {', '.join(to)}.", "bold")
    else:
        say(f"Message {shown} is recalled; nobody else has to be told.", "bold")
    for cancelled, agency in done.cancelled:
        say(f"{show_message_id(cancelled)}: is not sent to {agency} any more.")
    for agency, code in done.untold:
        say(f"{agency} is not told ({code}). Recall it again when it is trusted.", "yellow")
    if done.erased:
        say("Our own content is erased, too.")
    say(f"'{command} alert reach {shown}' tells what becomes of it.")
