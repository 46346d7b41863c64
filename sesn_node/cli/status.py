"""`sesn status`: whether the node serves, and how it stands. Needs no passphrase."""

from __future__ import annotations

import typer
from rich.text import Text

from sesn_node.bootstrap import EVIDENCE, HEAD_FILE, RUN_FOLDER, system_clock
from sesn_node.cli.alarm_text import alarms_json, print_alarms
from sesn_node.cli.exits import ExitCode
from sesn_node.cli.ledger import head_json
from sesn_node.cli.ledger_recover import last_answers, missing_json, missing_rows
from sesn_node.cli.link_text import link_words
from sesn_node.cli.options import command_of, load_config, open_store
from sesn_node.cli.peer import peer_json
from sesn_node.cli.runfile import NodeState, serving_node
from sesn_node.cli.show import STATE_STYLES, AsJson, console, facts, many, print_json, say
from sesn_node.cli.trouble import print_trouble, trouble_json
from sesn_node.config import Config
from sesn_node.exchange.alarmviews import alarm_views
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.standing import Standing, standing
from sesn_node.store.headfile import HeadFile

app = typer.Typer(add_completion=False)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Say whether the node serves, and how it stands. Ends with 0 once it serves, else with 8."""
    config = load_config(context)
    node = serving_node(config.home / RUN_FOLDER)
    now_ms = system_clock()
    with open_store(context) as store:
        found = standing(store, now_ms)
        with store.read() as transaction:
            alarms = alarm_views(transaction, config.home / EVIDENCE, command_of(context))
            lost = missing(transaction)
        trouble = inspect(store, HeadFile(config.home / HEAD_FILE))
    answers = last_answers(config.home / RUN_FOLDER) if trouble is not None else ()
    if as_json:
        print_json(
            {
                "ready": node is not None,
                "agency": config.agency.id,
                "home": str(config.home),
                "pid": node.pid if node else None,
                "listen": node.listen if node else None,
                "problem": (node.problem or None) if node else None,
                "alarms": alarms_json(alarms),
                "trouble": trouble_json(trouble),
                "partners_know": [*answers],
                "missing": missing_json(lost),
                "ledger": head_json(found.ledger),
                "deliveries": {state.value: count for state, count in found.counts.items()},
                "received": found.received,
                "peers": [peer_json(peer, now_ms) for peer in found.peers],
            }
        )
    else:
        print_alarms(alarms)
        _print(config, node, found, now_ms, command_of(context), told=trouble is not None)
        for _, text in missing_rows(lost):
            say(f"Recovered: {text}.", "yellow")
        if trouble is not None:
            say()
            print_trouble(trouble)
        for text in answers:
            say(f"Asked, {text}.", "yellow")
    if node is None:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _print(  # noqa: PLR0913 - what there is to show
    config: Config,
    node: NodeState | None,
    found: Standing,
    now_ms: int,
    command: str,
    *,
    told: bool,
) -> None:
    """Show how it stands; `told` if what is wrong with the database is told after this."""
    listing = facts()
    listing.add_row("agency", f"{config.agency.name} ({config.agency.id})")
    listing.add_row("home", str(config.home))
    if node is None:
        listing.add_row("serves", Text(f"no: start it with '{command} serve'", "yellow"))
    else:
        where = node.listen or "nothing: it only dials out"
        listing.add_row("serves", Text(f"yes, process {node.pid}", "green"))
        listing.add_row("listens on", where)
        if node.problem and not told:
            listing.add_row("problem", Text(node.problem, "red"))
    listing.add_row("ledger", many(found.ledger.size, "entry", "entries"))
    listing.add_row("received", many(found.received, "message", "messages"))
    sent = Text(", ").join(
        Text(f"{count:,} {state}", STATE_STYLES[state])
        for state, count in found.counts.items()
        if count
    )
    listing.add_row("sent copies", sent or "none")
    serves = node is not None or config.database_path is None
    for index, peer in enumerate(found.peers):
        words = link_words(peer, now_ms, serves=serves)
        listing.add_row("" if index else "partners", Text(f"{peer.agency}: ") + words)
    if not found.peers:
        listing.add_row("partners", f"none: add their cards with '{command} peer add'")
    console().print(listing)
