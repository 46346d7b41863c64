"""`sesn status`: whether the node serves, and how it stands. Needs no passphrase."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from sesn_node.bootstrap import (
    EVIDENCE,
    HEAD_FILE,
    RUN_FOLDER,
    system_clock,
    timestamp_grace_ms,
)
from sesn_node.cli.alarm_text import alarms_json, print_alarms
from sesn_node.cli.exits import ExitCode
from sesn_node.cli.ledger import head_json
from sesn_node.cli.ledger_recover import last_answers, missing_json, missing_rows
from sesn_node.cli.ledger_timestamps import standing_json
from sesn_node.cli.link_text import link_words, may_serve
from sesn_node.cli.options import command_of, load_config, open_store
from sesn_node.cli.peer import peer_json
from sesn_node.cli.runfile import NodeState, serving_node
from sesn_node.cli.show import STATE_STYLES, AsJson, console, facts, iso, print_json, say
from sesn_node.cli.trouble import print_trouble, trouble_json
from sesn_node.config import Config
from sesn_node.domain.counting import many
from sesn_node.domain.times import utc_second
from sesn_node.exchange.alarmviews import alarm_views
from sesn_node.exchange.closedviews import closed_ledgers
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.standing import ENDS_DAYS, WATCH_DAYS, Standing, standing
from sesn_node.exchange.timestampviews import timestamp_standing
from sesn_node.store.headfile import HeadFile

app = typer.Typer(add_completion=False)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Say whether the node serves, and how it stands. Ends with 0 once it serves, else with 8."""
    config = load_config(context)
    node = serving_node(config.home / RUN_FOLDER)
    now_ms = system_clock()
    grace_ms = timestamp_grace_ms(config)
    stamps = None
    with open_store(context) as store:
        found = standing(store, now_ms, config.cases.warn_days)
        with store.read() as transaction:
            if grace_ms is not None:
                stamps = timestamp_standing(transaction, grace_ms, now_ms)
            alarms = alarm_views(transaction, config.home / EVIDENCE, command_of(context))
            lost = missing(transaction)
            closed = closed_ledgers(transaction)
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
                "closed": [
                    {"origin": one.origin, "size": one.size, "held": one.held}
                    for one in closed.ledgers
                ],
                "to_ask": [*closed.to_ask],
                "timestamps": None if stamps is None else standing_json(stamps),
                "ledger": head_json(found.ledger),
                "deliveries": {state.value: count for state, count in found.counts.items()},
                "received": found.received,
                "requests_unanswered": found.unanswered,
                "erased_soon": {
                    "messages": found.ends_soon,
                    "first": iso(found.first_end_ms),
                    "days": ENDS_DAYS,
                },
                "legal_holds": found.holds,
                "cases": {
                    "open": found.cases.open,
                    "due_soon": found.cases.due_soon,
                    "overdue": found.cases.overdue,
                    "awaiting_us": found.cases.awaiting_us,
                },
                "watched": {
                    "entries": found.watch_entries,
                    "matches": found.watch_matches,
                    "days": WATCH_DAYS,
                },
                "peers": [
                    peer_json(peer, now_ms, serves=may_serve(config)) for peer in found.peers
                ],
            }
        )
    else:
        print_alarms(alarms)
        _print(config, node, found, now_ms, command_of(context), told=trouble is not None)
        if stamps is not None:
            style = "red" if stamps.overdue else "yellow" if stamps.failing_ms else ""
            say(f"Time-stamps: {stamps.text}.", style)
        for _, text in missing_rows(lost):
            say(f"Recovered: {text}.", "yellow")
        for one in closed.ledgers:
            say(f"Before this ledger, {one.text}.", "dim")
        if closed.to_ask:
            say(f"To be asked for what is lost: {', '.join(closed.to_ask)}.", "yellow")
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
    if found.first_end_ms is not None:
        ends = many(found.ends_soon, "message", "messages")
        first = f"the first at {utc_second(found.first_end_ms)} UTC"
        listing.add_row("erased soon", f"{ends} within {ENDS_DAYS} days, {first}")
    if found.holds:
        listing.add_row("legal holds", many(found.holds, "message", "messages"))
    _add_attention(listing, found, command)
    sent = Text(", ").join(
        Text(f"{count:,} {state}", STATE_STYLES[state])
        for state, count in found.counts.items()
        if count
    )
    listing.add_row("sent copies", sent or "none")
    serves = may_serve(config)
    for index, peer in enumerate(found.peers):
        words = link_words(peer, now_ms, serves=serves)
        listing.add_row("" if index else "partners", Text(f"{peer.agency}: ") + words)
    if not found.peers:
        listing.add_row("partners", f"none: add their cards with '{command} peer add'")
    console().print(listing)


def _add_attention(listing: Table, found: Standing, command: str) -> None:
    """Add what officers should look at: requests, and what they watch for."""
    if found.unanswered:
        asked = f"{many(found.unanswered, 'request')} that nobody here has answered"
        listing.add_row("requests", Text(f"{asked}: '{command} request list'", "yellow"))
    if found.cases.open:
        style = "red" if found.cases.overdue else "yellow" if found.cases.awaiting_us else ""
        listing.add_row("cases", Text(f"{found.cases.text}: '{command} case due'", style))
    if found.watch_entries:
        matches = many(found.watch_matches, "message")
        said = f"{many(found.watch_entries, 'term')}; {matches} of {WATCH_DAYS} days name one"
        listing.add_row("watched for", Text(said, "bold magenta" if found.watch_matches else ""))
