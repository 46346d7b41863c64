"""`sesn alert reach`: who got a message of ours, with proof, and what became of it there."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_json import receipt_json
from sesn_node.cli.options import open_desk
from sesn_node.cli.show import STATE_STYLES, AsJson, Json, console, facts, iso, print_json
from sesn_node.domain.conversation import Destruction, DestructionOutcome
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import unix_ms, utc_second
from sesn_node.exchange.naming import find_sent
from sesn_node.exchange.reach import Reach, Reached, Receipt, reach

_STYLES = {
    DestructionOutcome.DESTROYED: "green",
    DestructionOutcome.NEVER_KEPT: "green",
    DestructionOutcome.HELD: "yellow",
}
_WORDS = {
    DestructionOutcome.DESTROYED: "destroyed",
    DestructionOutcome.NEVER_KEPT: "never kept",
    DestructionOutcome.HELD: "held",
}


def reach_(
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show who got a message of ours, with proof, who was sent its recall, and what they did.

    Further agencies are those that a recipient's node says it has passed the message on to.
    """
    with open_desk(context) as desk:
        found = reach(desk.office, find_sent(desk.office.store, message_id))
    if as_json:
        print_json(_json(found))
    else:
        _print(found)


def _print(found: Reach) -> None:
    shown = console()
    about = facts()
    about.add_row(found.kind.replace("_", " "), show_message_id(found.message_id))
    about.add_row("written", f"{utc_second(found.created_ms)} UTC")
    if found.recalled_ms is not None:
        about.add_row("recalled", f"{utc_second(found.recalled_ms)} UTC")
    shown.print(about)
    for one in found.recipients:
        shown.print("", Text(one.agency, "bold"), Padding(_recipient(one), (0, 2)), sep="\n")


def _recipient(one: Reached) -> Table:
    listing = facts()
    copy = one.copy
    state = Text(copy.state.value, STATE_STYLES[copy.state])
    if copy.receipt is not None:
        proof = copy.receipt
        state.append(
            f"; {utc_second(proof.received_ms)} UTC, entry {proof.index} of {proof.origin}", "dim"
        )
    elif copy.code:
        state.append(f"; {copy.code}", "dim")
    listing.add_row("copy", state)
    if one.decision is not None:
        listing.add_row("decision", one.decision.value.lower())
    if one.recall is not None:
        listing.add_row("recall", Text(one.recall.state.value, STATE_STYLES[one.recall.state]))
    for receipt in one.receipts:
        listing.add_row("destruction", _destruction(receipt))
    if one.passed_on:
        listing.add_row("passed on to", ", ".join(one.passed_on))
    return listing


def _destruction(receipt: Receipt) -> Text:
    body = receipt.body
    if body is None:
        return Text(f"cannot be read: {receipt.problem}", "red")
    said = Text(_WORDS[body.outcome], _STYLES[body.outcome])
    said.append(f" {utc_second(unix_ms(body.at))} UTC", "dim")
    if body.backups_expire is not None:
        said.append(f"; in no backup from {utc_second(unix_ms(body.backups_expire))} UTC", "dim")
    if body.hold:
        said.append(f": {body.hold}")
    return said


def _json(found: Reach) -> dict[str, Json]:
    return {
        "message_id": show_message_id(found.message_id),
        "kind": found.kind,
        "created": iso(found.created_ms),
        "recalled": iso(found.recalled_ms),
        "recipients": [_recipient_json(one) for one in found.recipients],
    }


def _recipient_json(one: Reached) -> dict[str, Json]:
    receipt = one.copy.receipt
    return {
        "agency": one.agency,
        "message_id": show_message_id(one.copy.message_id),
        "state": one.copy.state.value,
        "code": one.copy.code,
        "receipt": None if receipt is None else receipt_json(receipt),
        "decision": one.decision.value if one.decision else None,
        "recall": None
        if one.recall is None
        else {
            "message_id": show_message_id(one.recall.message_id),
            "state": one.recall.state.value,
        },
        "destruction": [_receipt_json(receipt) for receipt in one.receipts],
        "passed_on": list(one.passed_on),
    }


def _receipt_json(receipt: Receipt) -> dict[str, Json]:
    body: Destruction | None = receipt.body
    shown: dict[str, Json] = {
        "message_id": show_message_id(receipt.message_id),
        "received": iso(receipt.received_ms),
        "problem": receipt.problem or None,
    }
    if body is not None:
        shown |= {
            "outcome": body.outcome.value,
            "at": iso(unix_ms(body.at)),
            "backups_expire": None
            if body.backups_expire is None
            else iso(unix_ms(body.backups_expire)),
            "hold": body.hold or None,
            "passed_on": list(body.passed_on),
        }
    return shown
