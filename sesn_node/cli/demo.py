"""`sesn demo`: three agencies on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.demo.run import run

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    exit_when_done: Annotated[
        bool, typer.Option("--exit", metavar="", help="End when all was shown.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="End with one line of JSON.")
    ] = False,
) -> None:
    """Watch three agencies exchange alerts on this machine.

    Dutch customs, Ghana's environmental agency and Belgian police, each in a process.

    They pin each other's cards and exchange a dozen alerts. Three environmental agencies then have
    waste taken back, in virtual time. The first three stay up for you to try.
    """
    raise typer.Exit(run(exit_when_done=exit_when_done, json_output=as_json))
