"""`sesn keys`: our keys, how long they last, and new ones in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from sesn_node.cli.options import home_of, open_desk, open_rooted, wake_node
from sesn_node.cli.show import AsJson, Json, console, iso, print_json, say, table
from sesn_node.crypto.keys import KeyKind, KeyRecord
from sesn_node.domain.people import Right
from sesn_node.domain.times import utc_minute, utc_second
from sesn_node.exchange.keycare import Tended, destroy_due, tend_keys
from sesn_node.exchange.keyviews import KeyState, KeysView, KeyView, view_keys
from sesn_node.exchange.rotate import Rotatable, Rotated, prepare
from sesn_node.founding import rotate_keys

if TYPE_CHECKING:
    from sesn_node.bootstrap import Desk
    from sesn_node.crypto.signers import Signer

app = typer.Typer(no_args_is_help=True, add_completion=False)

_STYLES: Final = {
    KeyState.IN_USE: "green",
    KeyState.NOT_YET: "dim",
    KeyState.RETIRING: "dim",
    KeyState.EXPIRED: "red",
    KeyState.MISSING: "bold red",
}


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List every key: what it is for, how it stands, until when, and what to do soon."""
    with open_desk(context) as desk:
        found = view_keys(desk.office)
    if as_json:
        print_json(
            {
                "keys": [_view_json(one) for one in found.keys],
                "card": {
                    "sequence": found.own.card.sequence,
                    "expires": iso(found.own.card.expires_ms),
                },
                "prompts": list(found.prompts),
            }
        )
    else:
        _print(found)


@app.command("rotate")
def rotate(
    context: typer.Context,
    what: Annotated[
        list[Rotatable], typer.Argument(metavar="KIND...", help=", ".join(Rotatable) + ".")
    ],
    only_prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            metavar="",
            help="Only make the keys, so that keys/node.key can be copied to other machines first.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make new keys and bring them into use, while the node serves. No message is lost.

    All but storage need keys/root.key. Cut off anywhere, run it again.
    """
    wanted = list(dict.fromkeys(what))
    if only_prepare:
        with open_desk(context, Right.OPERATE) as desk:
            made = prepare(desk.office, wanted)
        _tell_prepared(made, as_json=as_json)
        return
    with _opened(context, wanted) as (desk, root):
        rotated = rotate_keys(desk, wanted, root)
        # Now: the rest takes a while, and the node need not wait for it.
        wake_node(home_of(context))
        tended = tend_keys(desk.office)
        shared = desk.config.database_path is None
    wake_node(home_of(context))
    if as_json:
        print_json(_rotated_json(rotated, tended))
    else:
        _tell_rotated(rotated, tended, shared=shared)


@app.command("destroy-expired")
def destroy_expired(context: typer.Context, as_json: AsJson = False) -> None:
    """Destroy the private keys whose time is over. A node that serves does this by itself."""
    with open_desk(context, Right.OPERATE) as desk:
        destroyed = destroy_due(desk.office)
    wake_node(home_of(context))
    if as_json:
        print_json({"destroyed": [one.hex() for one in destroyed]})
    elif destroyed:
        for one in destroyed:
            say(f"Key {one.hex()[:16]}... is destroyed, and the ledger says so.")
    else:
        say("No key is due.")


@contextmanager
def _opened(
    context: typer.Context, wanted: Sequence[Rotatable]
) -> Iterator[tuple[Desk, Signer | None]]:
    """Open the home; the root key too, if one of these needs it."""
    if not any(one.needs_root for one in wanted):
        with open_desk(context, Right.OPERATE) as desk:
            yield desk, None
        return
    with open_rooted(context) as opened:
        yield opened


def _print(found: KeysView) -> None:
    listing = table("key", "id", "", "until (UTC)", "destroyed (UTC)", flexible=())
    for one in found.keys:
        listing.add_row(
            one.kind.value,
            one.key_id.hex()[:12],
            Text(one.state, _STYLES[one.state]),
            utc_minute(one.until_ms) if one.until_ms is not None else "-",
            utc_minute(one.destroyed_ms) if one.destroyed_ms is not None else "-",
        )
    console().print(listing)
    say()
    say(f"Card {found.own.card.sequence} lasts until {utc_second(found.own.card.expires_ms)} UTC.")
    for prompt in found.prompts:
        say(prompt[0].upper() + prompt[1:] + ".", "yellow")


def _tell_prepared(made: Sequence[KeyRecord], *, as_json: bool) -> None:
    if as_json:
        print_json({"prepared": [_record_json(one) for one in made]})
        return
    for one in made:
        say(f"A new {one.kind} key {one.key_id.hex()[:16]}... is made, and not in use yet.")
    say("Copy keys/node.key to the other machines, then run this again without --prepare.")


def _tell_rotated(rotated: Rotated, tended: Tended, *, shared: bool) -> None:
    for one in rotated.made:
        say(
            f"A new {one.kind} key {one.key_id.hex()[:16]}... is in use, until "
            f"{utc_second(one.not_after_ms)} UTC."
        )
    if rotated.card is not None:
        say(f"Card {rotated.card.card.sequence} is issued; partners take it by themselves.")
    if any(one.kind is KeyKind.STORAGE for one in rotated.made):
        count = f"{tended.rewrapped.count:,}"
        say(f"Stored content keys are wrapped under the new key, {count} of them by this command.")
        if tended.rewrapped.unreadable:
            say(
                f"{tended.rewrapped.unreadable:,} do not open, so the old key is kept; 'sesn "
                "ledger verify' tells what else is damaged.",
                "red",
            )
        elif not tended.rewrapped.finished:
            say("The node that serves wraps the rest.")
    for key_id in tended.destroyed:
        say(f"Key {key_id.hex()[:16]}... is destroyed.")
    say("A node that serves follows by itself; it need not be restarted.")
    if rotated.card is not None:
        say("Back up now, the database and keys/: 'ledger recover' needs a copy made after this.")
    if shared:
        say("If other machines serve this agency, copy keys/node.key to them now.", "yellow")


def _view_json(one: KeyView) -> dict[str, Json]:
    return {
        "kind": one.kind.value,
        "id": one.key_id.hex(),
        "state": one.state.value,
        "valid_until": iso(one.until_ms),
        "destroyed": iso(one.destroyed_ms),
    }


def _record_json(one: KeyRecord) -> dict[str, Json]:
    return {"kind": one.kind.value, "id": one.key_id.hex(), "valid_until": iso(one.not_after_ms)}


def _rotated_json(rotated: Rotated, tended: Tended) -> dict[str, Json]:
    card = rotated.card
    return {
        "rotated": [_record_json(one) for one in rotated.made],
        "card": None if card is None else card.card.sequence,
        "rewrapped": tended.rewrapped.count,
        "unreadable": tended.rewrapped.unreadable,
        "destroyed": [one.hex() for one in tended.destroyed],
    }
