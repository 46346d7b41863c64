"""`sesn watch`: what to look out for in what partners send."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from sesn_node.cli.options import open_desk
from sesn_node.cli.show import AsJson, Json, console, iso, print_json, say, table
from sesn_node.domain.people import Right
from sesn_node.domain.times import utc_minute
from sesn_node.domain.watching import Watched, WatchKind
from sesn_node.errors import MalformedError
from sesn_node.exchange.watchlist import WatchEntry, entries, unwatch, watch

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    container: Annotated[str | None, typer.Option(metavar="NUMBER", help="A container.")] = None,
    owner: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="All containers whose number begins so, as MSCU."),
    ] = None,
    vessel: Annotated[
        str | None, typer.Option(metavar="IMO|NAME", help="A ship, by its number or name.")
    ] = None,
    party: Annotated[str | None, typer.Option(metavar="NAME", help="A party.")] = None,
    route: Annotated[
        str | None,
        typer.Option(metavar="PORT:PORT", help="A call at one port and later at another."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Mark everything that names this, in what arrives from now on and in what came before.

    The list is ours alone, and encrypted. Case, spaces and separators do not matter.
    """
    watched = _watched(
        {
            WatchKind.CONTAINER: container,
            WatchKind.OWNER: owner,
            WatchKind.VESSEL: vessel,
            WatchKind.PARTY: party,
            WatchKind.ROUTE: route,
        }
    )
    with open_desk(context, Right.WRITE) as desk:
        fresh = watch(desk.office, watched)
    if as_json:
        print_json({"watched": watched.words, "added": fresh})
    else:
        words = "is watched for now" if fresh else "was watched for already"
        say(f"{watched.words} {words}; 'sesn alert list' marks alerts that name it.")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List what is watched for."""
    with open_desk(context) as desk:
        found = entries(desk.office)
    if as_json:
        print_json({"watched": [_json(one) for one in found]})
        return
    if not found:
        say("Nothing is watched for; 'sesn watch add' begins.")
        return
    listing = table("number", "watched for", "since (UTC)", flexible=("watched for",))
    for one in found:
        style = "" if one.readable else "red"
        listing.add_row(one.entry_id, Text(one.words, style), utc_minute(one.added_ms))
    console().print(listing)


@app.command("remove")
def remove(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As 'sesn watch list' shows it.")],
    as_json: AsJson = False,
) -> None:
    """Watch for something no longer; its marks go with it."""
    with open_desk(context, Right.WRITE) as desk:
        gone = unwatch(desk.office, number)
    if as_json:
        print_json({"removed": _json(gone)})
    else:
        say(f"{gone.words} is not watched for any more.")


def _watched(given: dict[WatchKind, str | None]) -> Watched:
    """Read the one option that was given.

    Raises:
        MalformedError: None or several, or nothing to look for.
    """
    named = [(kind, text) for kind, text in given.items() if text is not None]
    if len(named) != 1:
        options = ", ".join(f"--{kind}" for kind in given)
        raise MalformedError(f"watch: name one thing, with one of {options}")
    ((kind, text),) = named
    if kind is not WatchKind.ROUTE:
        return Watched(kind, text)
    first, colon, last = text.partition(":")
    if not colon:
        raise MalformedError("route: expected two ports, such as NLRTM:GHTEM")
    return Watched(kind, first, last)


def _json(one: WatchEntry) -> dict[str, Json]:
    return {
        "number": one.entry_id,
        "watched": one.words,
        "since": iso(one.added_ms),
        "readable": one.readable,
    }
