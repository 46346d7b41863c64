"""`sesn alert related`: other messages that name what an alert names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_json import findings_json
from sesn_node.cli.message_text import kind_of, subject_text
from sesn_node.cli.options import open_desk
from sesn_node.cli.show import AsJson, Json, console, iso, print_json, say, short_ids, table
from sesn_node.domain.ids import agency_id, show_message_id
from sesn_node.domain.terms import TermField
from sesn_node.domain.times import utc_minute
from sesn_node.exchange.naming import find_alert
from sesn_node.exchange.related import RelatedView, contradictions, related
from sesn_node.exchange.views import alert_file

_FIELDS = {
    TermField.CONTAINER: "container",
    TermField.BILL: "bill of lading",
    TermField.SEAL: "seal",
    TermField.VOYAGE: "voyage",
    TermField.PARTY: "party",
}


def related_(
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")
    ],
    sender: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="AGENCY", help="Whose alert, when two senders used the same id."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Show at most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List messages that share a container, bill of lading, seal, voyage or party with an alert.

    The most telling first: a container or bill of lading says more than a party.
    """
    whose = None if sender is None else agency_id(sender)
    with open_desk(context) as desk:
        view = alert_file(desk.office, find_alert(desk.office.store, message_id), whose).alert
        found = related(desk.office, view.message_id, view.sender, view.payload, limit)
    doubts = contradictions(view.message_id, view.payload, found) if view.payload else ()
    if as_json:
        print_json(
            {
                "alert": show_message_id(view.message_id),
                "related": [_json(one) for one in found],
                "findings": findings_json(doubts),
            }
        )
    elif found:
        console().print(_text(found))
        for doubt in doubts:
            say(f"{doubt.field} {doubt.observed}: {doubt.reason}", "yellow")
    else:
        say("No other message here names anything that this alert names.")


def _text(found: Sequence[RelatedView]) -> Table:
    listing = table("message", "about", "shares", flexible=("about", "shares"))
    listing.leading = 1
    ids = short_ids([one.message.message_id for one in found])
    for one in found:
        message = one.message
        whose = f"to {', '.join(message.recipients)}" if message.ours else f"from {message.sender}"
        listing.add_row(
            Text(f"{ids[message.message_id]}\n{utc_minute(message.at_ms)}"),
            Text("\n").join([subject_text(message), Text(f"{kind_of(message)} {whose}", "dim")]),
            Text("\n").join(Text(f"{_FIELDS[term.field]} {term.value}") for term in one.shared),
        )
    return listing


def _json(one: RelatedView) -> dict[str, Json]:
    message = one.message
    return {
        "message_id": show_message_id(message.message_id),
        "conversation_id": show_message_id(message.conversation_id),
        "kind": message.kind,
        "direction": "sent" if message.ours else "received",
        "from": message.sender,
        "time": iso(message.at_ms),
        "weight": one.weight,
        "shared": [{"field": term.field.value, "value": term.value} for term in one.shared],
    }
