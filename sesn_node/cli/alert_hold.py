"""`sesn alert hold`: forbid to erase a message, and allow it again."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.cli.options import home_of, open_desk, wake_node
from sesn_node.cli.show import AsJson, print_json, say
from sesn_node.domain.ids import agency_id, show_message_id
from sesn_node.domain.people import Right
from sesn_node.errors import MalformedError
from sesn_node.exchange.duties import do_duties
from sesn_node.exchange.hold import hold, release
from sesn_node.exchange.naming import find_message
from sesn_node.store.numbers import index_of


def hold_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")
    ],
    reason: Annotated[
        str,
        typer.Option(metavar="TEXT", help="What forbids to erase it; told to whoever recalls it."),
    ] = "",
    released: Annotated[bool, typer.Option("--release", metavar="", help="End the hold.")] = False,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="AGENCY", help="Whose, when two senders used the same id."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a message, sent or received, under a legal hold, or end that.

    Under a hold nothing erases it: no recall, no retention date and no 'sesn alert erase'. What was
    due meanwhile is done when the hold ends.
    """
    if released == bool(reason.strip()):
        raise MalformedError("give either --reason TEXT, to hold it, or --release")
    whose = None if sender is None else agency_id(sender)
    with open_desk(context, Right.ERASE) as desk:
        found = find_message(desk.office.store, message_id)
        if released:
            held = release(desk.office, found, whose)
            # Where no node serves, nobody else would do it.
            do_duties(desk.office)
        else:
            held = hold(desk.office, found, reason, whose)
    wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "held": not released,
                "changed": held.changed,
                "messages": [
                    {
                        "message_id": show_message_id(row.message_id),
                        "from": row.sender,
                        "entry": index_of(row.entry_index),
                        "reason": row.reason,
                    }
                    for row in held.holds
                ],
            }
        )
        return
    for row in held.holds:
        shown = show_message_id(row.message_id)
        if released:
            say(f"Message {shown} is under no legal hold any more.", "bold")
        elif held.changed:
            say(f"Message {shown} is under a legal hold: {row.reason}", "bold")
        else:
            say(f"Message {shown} was under a legal hold before: {row.reason}")
