"""`sesn outbox`: where each message stands and why, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.bootstrap import RUN_FOLDER, system_clock
from sesn_node.cli.csv_text import AsCsv, print_csv
from sesn_node.cli.link_text import may_serve
from sesn_node.cli.options import (
    command_of,
    existing_config,
    home_of,
    open_desk,
    open_store,
    wake_node,
)
from sesn_node.cli.outbox_json import (
    COPY_COLUMNS,
    copy_row,
    life_json,
    requeued_json,
    standing_json,
)
from sesn_node.cli.outbox_text import backlog_text, life_text
from sesn_node.cli.runfile import serving_node
from sesn_node.cli.show import AsJson, console, print_json, say
from sesn_node.domain.counting import many
from sesn_node.domain.delivery import ENDED, DeliveryState
from sesn_node.domain.ids import agency_id, show_message_id
from sesn_node.domain.people import Right
from sesn_node.exchange.backlog import OPEN_STATES, Backlog, backlog
from sesn_node.exchange.life import life
from sesn_node.exchange.naming import find_sent, not_a_partner
from sesn_node.exchange.requeue import Requeued, requeue
from sesn_node.exchange.standing import peers

app = typer.Typer(no_args_is_help=True, add_completion=False)

MessageArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="The id, or at least its first 8 digits."),
]


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    to: Annotated[
        str | None, typer.Option(metavar="AGENCY", help="Only copies for this recipient.")
    ] = None,
    state: Annotated[
        list[DeliveryState] | None,
        typer.Option(
            metavar="STATE",
            help=f"Only copies that are {', '.join(DeliveryState)}; repeat it for several.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", metavar="", help="Acknowledged copies too.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")] = 200,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List every copy that is queued, or ended without a receipt: where it stands, and why."""
    agency = None if to is None else agency_id(to)
    states = frozenset(state or (DeliveryState if every else OPEN_STATES))
    config = existing_config(context)
    attempts = config.delivery.attempts
    now_ms = system_clock()
    with open_store(context) as store:
        if agency is not None and agency not in {one.agency for one in peers(store, now_ms)}:
            raise not_a_partner(agency)
        found = backlog(store, now_ms, limit=limit, agency=agency, states=states)
        sent = backlog(store, now_ms, limit=0, states=frozenset(DeliveryState)).total
    if as_json:
        copies = [
            standing_json(copy, recipient, attempts)
            for recipient in found.recipients
            for copy in recipient.copies
        ]
        print_json({"outbox": copies, "total": found.total})
    elif as_csv:
        print_csv(
            COPY_COLUMNS,
            (
                copy_row(copy, recipient, attempts)
                for recipient in found.recipients
                for copy in recipient.copies
            ),
        )
    elif found.recipients:
        console().print(backlog_text(found, attempts, now_ms, serves=may_serve(config)))
        _hints(context, found)
    elif not sent:
        say("The outbox is empty: nothing was sent from here yet.")
    elif states < OPEN_STATES or DeliveryState.ACKNOWLEDGED in states:
        say("No copy stands so.")
    elif agency is None:
        say("The outbox is empty: every message was acknowledged by every recipient.")
    else:
        say(f"Nothing waits for {agency}; --all shows what was delivered.")


@app.command("show")
def show(context: typer.Context, message_id: MessageArgument, as_json: AsJson = False) -> None:
    """Show the whole life of a message that was sent from here, alert or response."""
    config = existing_config(context)
    attempts = config.delivery.attempts
    now_ms = system_clock()
    with open_store(context) as store:
        found = life(store, find_sent(store, message_id), now_ms)
    if as_json:
        print_json(life_json(found, attempts))
    else:
        console().print(life_text(found, attempts, now_ms, serves=may_serve(config)))


@app.command("requeue")
def requeue_(
    context: typer.Context,
    message_id: MessageArgument,
    to: Annotated[
        str | None,
        typer.Option(metavar="AGENCY", help="Only the copy for this recipient."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have copies tried again that were refused, given up or expired; the ledger says so.

    A copy that its recipient could not open is sealed anew, as a message of its own.
    """
    agency = None if to is None else agency_id(to)
    with open_desk(context, Right.OPERATE) as desk:
        found = find_sent(desk.office.store, message_id)
        done = requeue(desk.office, found, agency)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "message_id": show_message_id(found),
                "copies": [requeued_json(one) for one in done],
            }
        )
        return
    for one in done:
        say(_requeued(one, command_of(context)))
    if not serving:
        _nothing_leaves(context)


def _nothing_leaves(context: typer.Context) -> None:
    words = f"No node serves this home: nothing leaves until '{command_of(context)} serve' runs."
    say(words, "yellow")


def _requeued(one: Requeued, command: str) -> str:
    if one.resealed_as is None:
        return (
            f"{one.agency}: queued again." if one.changed else f"{one.agency}: is queued already."
        )
    anew = show_message_id(one.resealed_as)
    if one.changed:
        return f"{one.agency}: sealed anew for its newest card, as message {anew}."
    return f"{one.agency}: was sealed anew before; see '{command} outbox show {anew}'."


def _hints(context: typer.Context, found: Backlog) -> None:
    """Say what holds for the whole list, and what can be done."""
    copies = [copy.copy for one in found.recipients for copy in one.copies]
    states = {copy.state for copy in copies if copy.resealed_as is None}
    if found.total > len(copies):
        say()
        say(f"{len(copies):,} of {many(found.total, 'copy', 'copies')}; --limit shows more.")
    if not states.isdisjoint(ENDED):
        say()
        command = command_of(context)
        say(f"'{command} outbox requeue ID' tries those again that ended; 'show ID' tells more.")
    elsewhere = any(one.delivered_from for one in found.recipients)
    here = serving_node(home_of(context) / RUN_FOLDER) is not None
    if DeliveryState.QUEUED in states and not here and not elsewhere:
        say()
        _nothing_leaves(context)
