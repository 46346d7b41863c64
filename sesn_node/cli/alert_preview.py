"""`sesn alert preview`: who will see an alert, and what each may do with it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_file import read_alert
from sesn_node.cli.alert_json import findings_json
from sesn_node.cli.findings_text import findings_part
from sesn_node.cli.handling_text import allowed_json, allowed_text, marks_text
from sesn_node.cli.options import open_desk
from sesn_node.cli.recipients import cards_of
from sesn_node.cli.show import AsJson, Json, console, print_json, say
from sesn_node.codes.consignment import check_alert
from sesn_node.domain.alert import Alert
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import instant
from sesn_node.exchange.groups import resolve
from sesn_node.exchange.preview import Preview, Reader, preview
from sesn_node.wire.payloads import payload_to_json


def preview_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.json", exists=True, dir_okay=False, help="The alert."),
    ],
    to: Annotated[
        list[str], typer.Option(metavar="AGENCY|@GROUP", help="A recipient; repeat it for several.")
    ],
    as_json: AsJson = False,
) -> None:
    """Tell who will see an alert, and what each may do with it. Nothing is sent or written.

    Of all marks, the strictest counts.
    """
    payload = read_alert(file)
    with open_desk(context) as desk:
        recipients = resolve(desk.office, to)
        cards_of(desk, recipients)
        found = preview(desk.office, payload, recipients)
        now = instant(desk.office.clock())
    if as_json:
        print_json(_json(payload, found, now))
        return
    say("Who will see it", "bold")
    console().print(Padding(_readers(found), (0, 2)))
    say()
    line = Text.assemble(("What they may do with it", "bold"), "  ", marks_text(payload.markings))
    console().print(line)
    console().print(Padding(allowed_text(found.allowed), (0, 2)))
    if found.ended:
        say()
        say("The date until which it may be kept has passed: no node would keep it.", "yellow")
    if isinstance(payload.body, Alert):
        for part in findings_part(payload.body, now, whole=False):
            console().print(part)


def _readers(found: Preview) -> Table:
    listing = Table.grid(padding=(0, 2))
    for one in found.readers:
        card = one.card.card
        listing.add_row(
            Text(card.agency), Text(card.name), f"{card.country}, {card.role.value}", _onward(one)
        )
    return listing


def _onward(one: Reader) -> Text:
    if not one.onward:
        return Text("passes it on to none of our other partners by itself", "dim")
    return Text(f"may pass it on to {', '.join(one.onward)}")


def _json(payload: Payload, found: Preview, now: datetime) -> dict[str, Json]:
    body = payload.body
    return {
        "recipients": [
            {
                "agency": one.card.agency,
                "name": one.card.card.name,
                "country": one.card.card.country,
                "role": one.card.card.role.value,
                "may_pass_on_to": list(one.onward),
            }
            for one in found.readers
        ],
        "markings": payload_to_json(payload)["markings"],
        "may": allowed_json(found.allowed),
        "ended": found.ended,
        "findings": findings_json(check_alert(body, now)) if isinstance(body, Alert) else [],
    }
