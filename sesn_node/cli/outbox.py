"""`sesn outbox`: what has not been acknowledged, where it stands, and why. Needs no passphrase."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from sesn_node.bootstrap import system_clock
from sesn_node.cli.options import open_store
from sesn_node.cli.show import (
    STATE_STYLES,
    AsJson,
    Json,
    console,
    iso,
    print_json,
    say,
    short_ids,
    table,
    until,
)
from sesn_node.domain.ids import show_message_id
from sesn_node.exchange.standing import PendingView, pending
from sesn_node.store.outbox import DeliveryState

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _outbox() -> None:
    # With a single command typer would leave its name out.
    ...


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List every copy that is queued, or ended without a receipt, with the reason."""
    now_ms = system_clock()
    with open_store(context) as store:
        found = pending(store, limit)
    if as_json:
        print_json({"outbox": [_json(one) for one in found]})
    elif not found:
        say("The outbox is empty: every message was acknowledged by every recipient.")
    else:
        _print(found, now_ms)


def _print(found: tuple[PendingView, ...], now_ms: int) -> None:
    listing = table("message", "to", "state", "tries", "next try", "why", flexible=("why",))
    ids = short_ids([one.copy.message_id for one in found])
    for one in found:
        copy = one.copy
        queued = copy.state is DeliveryState.QUEUED
        listing.add_row(
            ids[copy.message_id],
            copy.agency,
            Text(copy.state, STATE_STYLES[copy.state]),
            str(copy.attempts),
            until(_next_attempt_ms(one), now_ms) if queued else "-",
            _why(one),
        )
    console().print(listing)
    for agency, error in sorted(_unreached(found).items()):
        say()
        say(f"{agency} is not reached. {error}", "yellow")


def _why(one: PendingView) -> str:
    """Tell why a copy is where it is."""
    copy = one.copy
    if copy.code:
        return f"{copy.code}: {copy.detail}" if copy.detail else copy.code
    if copy.state is not DeliveryState.QUEUED:
        return "-"
    return f"{copy.agency} is not reached" if one.link.error else "waits for its turn"


def _unreached(found: tuple[PendingView, ...]) -> dict[str, str]:
    """Tell of each partner that copies wait for why its node is not reached."""
    return {
        one.copy.agency: one.link.error
        for one in found
        if one.link.error and one.copy.state is DeliveryState.QUEUED
    }


def _next_attempt_ms(one: PendingView) -> int:
    return max(one.copy.next_attempt_ms, one.link.next_attempt_ms)


def _json(one: PendingView) -> dict[str, Json]:
    copy = one.copy
    queued = copy.state is DeliveryState.QUEUED
    return {
        "message_id": show_message_id(copy.message_id),
        "agency": copy.agency,
        "state": copy.state.value,
        "attempts": copy.attempts,
        "code": copy.code,
        "detail": copy.detail,
        "link_failures": one.link.failures,
        "link_error": one.link.error,
        "next_attempt": iso(_next_attempt_ms(one) or None) if queued else None,
        "created": iso(one.created_ms),
        "expires": iso(one.expires_ms),
        "settled": iso(copy.settled_ms),
    }
