"""`sesn alert check`: what is doubtful in the numbers and codes of an alert, before it is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sesn_node.cli.alert_file import read_alert
from sesn_node.cli.alert_json import findings_json
from sesn_node.cli.findings_text import findings_text, summary
from sesn_node.cli.show import AsJson, console, print_json, say
from sesn_node.codes.consignment import check_alert, shipped_on
from sesn_node.domain.alert import Alert


def check_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.json", exists=True, dir_okay=False, help="The alert."),
    ],
    as_json: AsJson = False,
) -> None:
    """Check the numbers and codes of an alert, and what does not go together.

    Codes are checked as at the day of the shipment: the first loading that the route tells, or
    today. Doubts do not fail: a wrong number is evidence. Needs no home.
    """
    body, now = read_alert(file).body, datetime.now(UTC)
    found = check_alert(body, now) if isinstance(body, Alert) else ()
    if as_json:
        print_json({"findings": findings_json(found)})
        return
    if not found:
        say("There is no number and no code to check.")
        return
    shipped = shipped_on(body.consignment) if isinstance(body, Alert) and body.consignment else None
    day = f"{shipped}, the day of the shipment" if shipped else f"{now.date()}, today"
    console().print(findings_text(found))
    say()
    say(f"{summary(found)}. Codes are checked as at {day}.", "bold")
