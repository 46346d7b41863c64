"""Updates of an alert, and how long it may be kept, for people and for programs."""

from __future__ import annotations

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.body_text import body_text
from sesn_node.cli.show import Json, iso
from sesn_node.domain.changes import Change
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import utc_second
from sesn_node.exchange.versions import VersionView
from sesn_node.exchange.views import AlertView
from sesn_node.wire.payloads import payload_to_json


def updates_part(view: AlertView) -> list[RenderableType]:
    """Show what changed with each update, the last first; nothing if there was none."""
    if not view.updates:
        return []
    parts: list[RenderableType] = ["", Text("Updates", "bold")]
    parts += [Padding(_update(one), (0, 2)) for one in reversed(view.updates)]
    if any(one.payload for one in view.updates):
        parts.append(Padding(Text("'--history' shows each version as it was sent.", "dim"), (0, 2)))
    return parts


def history_part(view: AlertView) -> list[RenderableType]:
    """Show every version that came before the one that stands, the last first."""
    payloads = [
        (view.message_id, view.created_ms, view.payload),
        *((one.message_id, one.created_ms, one.payload) for one in view.updates),
    ]
    shown = [one for one in payloads if one[2] is not None]
    parts: list[RenderableType] = []
    for message_id, created_ms, payload in reversed(shown[:-1]):
        if payload is not None:
            title = f"As written {utc_second(created_ms)} UTC, {show_message_id(message_id)}"
            parts += ["", Text(title, "bold"), Padding(body_text(payload), (0, 2))]
    return parts


def keeping_rows(view: AlertView, listing: Table) -> None:
    """Say how long an alert may be kept, what forbids to erase it, and whether it was recalled."""
    if view.retain_ms is not None:
        listing.add_row("kept until", f"{utc_second(view.retain_ms)} UTC, then erased")
    if view.hold is not None:
        since = utc_second(view.hold.placed_ms)
        said = f"since {since} UTC: {view.hold.reason}; it is not erased meanwhile"
        listing.add_row("legal hold", Text(said, "yellow"))
    if view.recalled_ms is not None:
        shown = show_message_id(view.message_id)
        said = f"{utc_second(view.recalled_ms)} UTC; 'sesn alert reach {shown}' tells what became"
        listing.add_row("recalled", Text(f"{said} of it", "yellow"))


def updates_json(view: AlertView, *, history: bool) -> dict[str, Json]:
    """Show updates, how long it may be kept, and with `history` what each version said."""
    hold = view.hold
    return {
        "updates": [_update_json(one, history=history) for one in view.updates],
        "retain_until": iso(view.retain_ms),
        "legal_hold": None
        if hold is None
        else {"since": iso(hold.placed_ms), "reason": hold.reason},
    }


def _update(one: VersionView) -> Table:
    listing = Table.grid(padding=(0, 2))
    listing.add_row(
        Text(f"{utc_second(one.created_ms)} UTC"), Text(show_message_id(one.message_id))
    )
    if one.problem:
        listing.add_row("", Text(f"cannot be read: {one.problem}", "red"))
    if one.reason:
        listing.add_row("", Text(one.reason))
    for change in one.changes:
        listing.add_row("", _change(change))
    return listing


def _change(change: Change) -> Text:
    before, after = change.before or "nothing", change.after or "nothing"
    return Text.assemble((f"{change.field}: ", "dim"), before, (" -> ", "dim"), after)


def _update_json(one: VersionView, *, history: bool) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "message_id": show_message_id(one.message_id),
        "time": iso(one.at_ms),
        "created": iso(one.created_ms),
        "reason": one.reason,
        "problem": one.problem or None,
        "changes": [
            {"field": change.field, "before": change.before, "after": change.after}
            for change in one.changes
        ],
    }
    if history:
        shown["payload"] = payload_to_json(one.payload) if one.payload else None
    return shown
