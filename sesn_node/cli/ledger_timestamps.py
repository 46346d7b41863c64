"""`sesn ledger timestamps`: somebody else's clock over our ledger. Needs no passphrase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.bootstrap import system_clock, timestamp_grace_ms
from sesn_node.cli.options import load_config, open_store
from sesn_node.cli.show import AsJson, Json, console, iso, print_json, say, table
from sesn_node.domain.counting import many
from sesn_node.domain.times import utc_second
from sesn_node.exchange.timestampfiles import save_tokens
from sesn_node.exchange.timestampviews import TimestampStanding, timestamp_standing
from sesn_node.store.timestamps import TokenRow


def timestamps(
    context: typer.Context,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write each token and its checkpoint as files for openssl."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, help="Show so many tokens at most, the newest.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """Show which of our checkpoints have a time-stamp (RFC 3161), by whom, and how asking goes.

    docs/auditing.md says how a stranger verifies what --save writes. The node may serve.
    """
    config = load_config(context)
    grace_ms = timestamp_grace_ms(config)
    with open_store(context) as store, store.read() as transaction:
        found = timestamp_standing(transaction, grace_ms or 0, system_clock())
        rows = list(transaction.timestamps.latest(limit))
        saved = None if save is None else save_tokens(transaction, save)
    if as_json:
        print_json(
            {
                "asking": grace_ms is not None,
                **standing_json(found),
                "tokens": [_row_json(row) for row in rows],
                "saved": saved,
            }
        )
        return
    if rows:
        _print(rows)
        say()
    if grace_ms is None:
        say("No authority is asked: [timestamps] in node.toml names none.", "dim")
    say(f"{found.text[0].upper()}{found.text[1:]}.", "red" if found.overdue else "")
    if found.asking is not None and found.asking.error is not None:
        say(f"Last error: {found.asking.error}", "yellow")
    if saved is not None:
        say(f"{save} holds {many(saved, 'token')}, each beside the checkpoint that it is over.")


def _print(rows: list[TokenRow]) -> None:
    listing = table("ledger", "entries", "existed at (UTC)", "by", flexible=("by",))
    for row in rows:
        listing.add_row(row.origin, f"{row.size:,}", utc_second(row.time_ms), row.authority)
    listing.columns[1].justify = "right"
    console().print(listing)


def _row_json(row: TokenRow) -> dict[str, Json]:
    return {
        "origin": row.origin,
        "size": row.size,
        "root": row.root.hex(),
        "authority": row.authority,
        "time": iso(row.time_ms),
        "stored": iso(row.stored_ms),
        "bytes": len(row.token),
    }


def standing_json(found: TimestampStanding) -> dict[str, Json]:
    """Show to a program how time-stamps stand."""
    asking = found.asking
    return {
        "overdue": found.overdue,
        "failing_since": iso(found.failing_ms),
        "grace_ends": iso(found.grace_ends_ms),
        "failures": asking.failures if asking else 0,
        "error": asking.error if asking else None,
        "newest_size": found.newest.size if found.newest else None,
        "newest_time": iso(found.newest.time_ms) if found.newest else None,
    }
