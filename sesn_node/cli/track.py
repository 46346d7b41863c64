"""`sesn track`: where a container or a ship was, by what all partners have told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_json import findings_json
from sesn_node.cli.body_text import BASIS, CONFIDENCE
from sesn_node.cli.message_text import message_json
from sesn_node.cli.options import open_desk
from sesn_node.cli.show import AsJson, Json, console, error_console, iso, print_json, say, table
from sesn_node.domain.counting import many
from sesn_node.domain.findings import Result
from sesn_node.domain.identifiers import check_container, check_imo
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.terms import Sought
from sesn_node.domain.times import minute_of, unix_ms
from sesn_node.domain.tracking import Doubt, Stop, Trouble
from sesn_node.exchange.viewing import shown_of, viewed
from sesn_node.exchange.whereabouts import Whereabouts, whereabouts

app = typer.Typer(add_completion=False)

_STYLES = {Doubt.JUMP: "bold red", Doubt.PLAN: "yellow", Doubt.GAP: "yellow"}
_WORDS = {
    Doubt.JUMP: "impossible jump",
    Doubt.PLAN: "plan not kept",
    Doubt.GAP: "gap",
}


@app.command()
def track(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="CONTAINER|IMO", help="A container number, or a ship's IMO number."),
    ],
    as_json: AsJson = False,
) -> None:
    """Show where a container or a ship was, by alerts, sightings and steps of cases.

    Who said so, how it is known, and what does not fit: jumps that nothing can make, and gaps.
    Our ledger records that the messages were shown.
    """
    sought = sought_of(what)
    with open_desk(context) as desk:
        found, unrecorded = viewed(
            desk.office,
            lambda: whereabouts(desk.office, sought),
            lambda one: shown_of(one.messages),
        )
    doubts = sought.doubts()
    if as_json:
        print_json(
            {
                **_json(found),
                "findings": findings_json(doubts),
                "view_recorded": unrecorded is None,
            }
        )
        return
    for doubt in doubts:
        error_console().print(Text(f"{doubt.field} {doubt.observed}: {doubt.reason}", "yellow"))
    if found.messages:
        console().print(_text(found))
    else:
        say("No message here names it.")


def sought_of(text: str) -> Sought:
    """Tell a ship's number from a container's.

    Raises:
        MalformedError: Nothing to look for.
    """
    is_ship = check_imo(text).result is not Result.FAIL
    if is_ship and check_container(text).result is Result.FAIL:
        return Sought(vessel=text)
    return Sought(container=text)


def _text(found: Whereabouts) -> Group:
    line = found.track
    sources = {stop.source for stop in (*line.stops, *line.undated)}
    parts: list[RenderableType] = [
        Text(
            f"{many(len(line.stops) + len(line.undated), 'stop')} by "
            f"{many(len(sources), 'agency', 'agencies')}, from "
            f"{many(len(found.messages), 'message')}",
            "bold",
        )
    ]
    if line.stops or line.undated:
        parts.append(Padding(_stops(found), (1, 0, 0, 0)))
    if line.troubles:
        parts += ["", Text("What does not fit", "bold")]
        parts += [Padding(_trouble(one), (0, 2)) for one in line.troubles]
    for words in _notes(found):
        parts += ["", Text(words, "dim")]
    return Group(*parts)


def _notes(found: Whereabouts) -> list[str]:
    notes = []
    if found.track.unplaced:
        names = ", ".join(found.track.unplaced)
        notes.append(f"Not judged, since no position is known here: {names}.")
    closed = sum(1 for one in found.messages if one.payload is None)
    if closed:
        notes.append(f"{many(closed, 'message')} cannot be read.")
    if found.left_out:
        notes.append("Older messages are left out.")
    return notes


def _stops(found: Whereabouts) -> Table:
    listing = table("when (UTC)", "where", "what", "who says so", "how", flexible=("how",))
    odd = {id(one.after): _STYLES[one.doubt] for one in found.track.troubles}
    for stop in (*found.track.stops, *found.track.undated):
        style = "dim" if stop.outdated else odd.get(id(stop), "")
        listing.add_row(
            Text(minute_of(stop.at) if stop.at else "not told", style),
            Text(_where(stop), style),
            Text(stop.what.value.lower(), style),
            Text(stop.source + (f", through {', '.join(stop.via)}" if stop.via else "")),
            _how(stop),
        )
    return listing


def _how(stop: Stop) -> Text:
    parts = []
    if stop.basis is not None and stop.confidence is not None:
        parts.append(Text.assemble(f"{BASIS[stop.basis]}, ", CONFIDENCE[stop.confidence]))
    else:
        parts.append(Text("told in an alert" if stop.case_id is None else "told in a case"))
    if stop.planned:
        parts.append(Text("expected when it was written", "dim"))
    if stop.outdated:
        parts.append(Text("said otherwise since", "dim"))
    if stop.text:
        parts.append(Text(stop.text))
    return Text("; ").join(parts)


def _trouble(one: Trouble) -> Text:
    before, after = one.before, one.after
    return Text.assemble(
        (_WORDS[one.doubt], _STYLES[one.doubt]),
        f": {_where(before)} ({before.source}, {_when(before.at)}), then "
        f"{_where(after)} ({after.source}, {_when(after.at)}): {one.reason}",
    )


def _where(stop: Stop) -> str:
    return stop.port or stop.place or "not told"


def _when(at: datetime | None) -> str:
    return minute_of(at) if at else "not told"


def _json(found: Whereabouts) -> dict[str, Json]:
    line = found.track
    return {
        "stops": [_stop_json(one) for one in (*line.stops, *line.undated)],
        "troubles": [
            {
                "doubt": one.doubt.value,
                "before": _stop_json(one.before),
                "after": _stop_json(one.after),
                "reason": one.reason,
            }
            for one in line.troubles
        ],
        "not_judged": list(line.unplaced),
        "messages": [message_json(one) for one in found.messages],
        "left_out": found.left_out,
    }


def _stop_json(stop: Stop) -> dict[str, Json]:
    return {
        "time": iso(unix_ms(stop.at)) if stop.at else None,
        "place": stop.place,
        "port": stop.port or None,
        "what": stop.what.value,
        "source": stop.source,
        "via": list(stop.via),
        "message_id": show_message_id(stop.message_id),
        "case_id": None if stop.case_id is None else show_message_id(stop.case_id),
        "basis": stop.basis.value if stop.basis else None,
        "confidence": stop.confidence.value if stop.confidence else None,
        "planned": stop.planned,
        "outdated": stop.outdated,
        "text": stop.text,
    }
