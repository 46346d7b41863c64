"""`sesn group`: named recipients."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from sesn_node.cli.options import open_desk
from sesn_node.cli.show import AsJson, Json, console, print_json, say, table
from sesn_node.domain.ids import agency_id
from sesn_node.domain.people import Right
from sesn_node.exchange.groups import MARK, Group, extend_group, group_name, groups, shrink_group

app = typer.Typer(no_args_is_help=True, add_completion=False)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as west-africa.")]


@app.command("add")
def add(
    context: typer.Context,
    name: _Name,
    agencies: Annotated[list[str], typer.Argument(metavar="AGENCY...", help="Who is in it.")],
    as_json: AsJson = False,
) -> None:
    """Put partners into a group; it begins with its first.

    '--to @NAME' then stands for all of them. Nobody else learns that there is a group.
    """
    group_name(name)
    members = [agency_id(one) for one in agencies]
    with open_desk(context, Right.WRITE) as desk:
        found = extend_group(desk.office, name, members)
    _tell(found, as_json=as_json)


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the groups, and who is in each."""
    with open_desk(context) as desk:
        found = groups(desk.office)
    if as_json:
        print_json({"groups": [_json(one) for one in found]})
        return
    if not found:
        say("There is no group; 'sesn group add NAME AGENCY' makes one.")
        return
    listing = table("group", "members", flexible=("members",))
    for one in found:
        listing.add_row(f"{MARK}{one.name}", Text(", ".join(one.members)))
    console().print(listing)


@app.command("remove")
def remove(
    context: typer.Context,
    name: _Name,
    agencies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[AGENCY...]", help="Who leaves it; without any, all of it goes."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take agencies out of a group, or remove it."""
    group_name(name)
    members = [agency_id(one) for one in agencies or ()]
    with open_desk(context, Right.WRITE) as desk:
        left = shrink_group(desk.office, name, members)
    _tell(left, as_json=as_json)


def _tell(found: Group, *, as_json: bool) -> None:
    if as_json:
        print_json(_json(found))
    elif found.members:
        say(f"{MARK}{found.name}: {', '.join(found.members)}")
    else:
        say(f"{MARK}{found.name} is gone.")


def _json(one: Group) -> dict[str, Json]:
    return {"group": one.name, "members": list(one.members)}
