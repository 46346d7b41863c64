"""`sesn alert update`: say what we know better by now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.cli.alert_file import read_alert
from sesn_node.cli.alert_json import copies_json
from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.body_text import body_text
from sesn_node.cli.options import command_of, home_of, open_desk, wake_node
from sesn_node.cli.show import AsJson, error_console, print_json, say
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.people import Right
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.naming import find_alert
from sesn_node.exchange.update import update


def update_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="Our alert: the id, or at least its first 8 digits.")
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.json", exists=True, dir_okay=False, help="The alert as it stands now."
        ),
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="What is new.")] = "",
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask; send.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send an alert of ours anew, whole, to everybody who was sent the first.

    Everybody keeps both, and sees the newest with what has changed.
    """
    payload = read_alert(file)
    if not yes:
        require_terminal("add --yes to send without being asked")
        error_console().print(body_text(payload))
        confirm("Send it to all who were sent the first?")
    with open_desk(context, Right.WRITE) as desk:
        store = desk.office.store
        done = update(desk.office, find_alert(store, message_id), payload, reason)
        copies = [copies_of(store, one.message_id) for one in done.queued]
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "updates": [
                    {
                        "message_id": show_message_id(one.message_id),
                        "alert": show_message_id(one.alert),
                        "recipients": copies_json(some),
                    }
                    for one, some in zip(done.queued, copies, strict=True)
                ],
                "left_out": list(done.left_out),
            }
        )
        return
    for one in done.queued:
        say(
            f"Update {show_message_id(one.message_id)} is sealed and recorded, for "
            f"{', '.join(one.to)}.",
            "bold",
        )
    for agency in done.left_out:
        say(f"{agency} is not told: it is not trusted now.", "yellow")
    if not serving:
        words = f"No node serves this home: it leaves once '{command_of(context)} serve' runs."
        say(words, "yellow")
