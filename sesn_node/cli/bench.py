"""`sesn bench`: how fast two nodes exchange alerts on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.bench.run import run

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    alerts: Annotated[int, typer.Option(min=1, help="Alerts to measure the rate with.")] = 10_000,
    singles: Annotated[
        int, typer.Option(min=2, help="Single alerts to measure the latency with.")
    ] = 200,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Answer with one line of JSON.")
    ] = False,
) -> None:
    """Measure how fast two nodes exchange alerts here: two processes, loopback, real disk."""
    raise typer.Exit(run(alerts=alerts, singles=singles, json_output=as_json))
