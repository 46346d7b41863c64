"""`sesn peer`: whom we trust."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from sesn_node.bootstrap import system_clock
from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.card import CardFile, print_card, read_card
from sesn_node.cli.files import input_file
from sesn_node.cli.link_text import link_words, may_serve
from sesn_node.cli.options import (
    command_of,
    existing_config,
    home_of,
    open_desk,
    open_store,
    wake_node,
)
from sesn_node.cli.peer_release import release
from sesn_node.cli.show import AsJson, Json, console, iso, print_json, say, table
from sesn_node.domain.counting import many
from sesn_node.domain.ids import agency_id
from sesn_node.domain.people import Right
from sesn_node.domain.times import utc_minute
from sesn_node.errors import PolicyError
from sesn_node.exchange.peers import add_peer, revoke_peer
from sesn_node.exchange.standing import PeerView, peers
from sesn_node.trust.card import TrustedCard
from sesn_node.trust.directory import OWN_CARD, PeerState
from sesn_node.trust.fingerprint import parse_fingerprint
from sesn_node.wire.cards import MAX_SEALED_CARD_BYTES

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command("release")(release)


@app.command("add")
def add(
    context: typer.Context,
    file: CardFile,
    fingerprint: Annotated[
        str | None,
        typer.Option(
            metavar="HEX|WORDS",
            help="The fingerprint as the agency told it; without it you are asked to compare.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pin an agency's card, after its fingerprint was compared out of band."""
    given = None if fingerprint is None else parse_fingerprint(fingerprint)
    sealed = input_file(file, limit=MAX_SEALED_CARD_BYTES, what="card")
    shown = read_card(file, sealed)
    if shown.agency == existing_config(context).agency.id:
        raise PolicyError(
            f"{file}: this is our own card; give the file to your partners, and add theirs here",
            code=OWN_CARD,
        )
    if given is None:
        given = _compare(shown)
    with open_desk(context, Right.TRUST) as desk:
        card = add_peer(desk.office, sealed, fingerprint=given)
    wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "agency": card.agency,
                "state": "trusted",
                "fingerprint": card.fingerprint.hex(),
            }
        )
    else:
        say(f"{card.agency} ({card.card.name}) is trusted from now on.")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the agencies whose card was pinned, and how the link to each stands."""
    now_ms = system_clock()
    serves = may_serve(existing_config(context))
    with open_store(context) as store:
        found = peers(store, now_ms)
    if as_json:
        print_json({"peers": [peer_json(peer, now_ms, serves=serves) for peer in found]})
        return
    if not found:
        say(f"No partner yet: '{command_of(context)} peer add' pins the card of one.")
        return
    listing = table(
        "agency", "name", "state", "card until", "queued", "link", flexible=("name", "link")
    )
    for peer in found:
        expired = peer.card.expired(now_ms)
        listing.add_row(
            peer.agency,
            peer.card.card.name,
            Text(peer.state, "green" if peer.state is PeerState.TRUSTED else "red"),
            Text(utc_minute(peer.card.card.expires_ms)[:10], "red" if expired else ""),
            str(peer.queued),
            link_words(peer, now_ms, serves=serves),
        )
    console().print(listing)


@app.command("revoke")
def revoke(
    context: typer.Context,
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="Id, such as gh.epa.")],
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop trusting an agency at once; what is queued for it will not be delivered."""
    wanted = agency_id(agency)
    if not yes:
        require_terminal("add --yes to cut the agency off")
        confirm(f"Cut off {wanted} now?")
    with open_desk(context, Right.TRUST) as desk:
        ended = revoke_peer(desk.office, wanted)
    wake_node(home_of(context))
    if as_json:
        print_json({"agency": wanted, "state": "revoked", "undelivered": ended})
        return
    say(f"{wanted} is revoked: nothing is sent to it or accepted from it.")
    if ended:
        copies = many(ended, "queued copy", "queued copies")
        say(f"{copies} will not be delivered; '{command_of(context)} outbox list' shows them.")


def peer_json(peer: PeerView, now_ms: int, *, serves: bool) -> dict[str, Json]:
    """Show a partner to a program; `serves` says whether a process may hold connections now."""
    card, link = peer.card.card, peer.link
    return {
        "agency": peer.agency,
        "name": card.name,
        "country": card.country,
        "role": card.role.value,
        "state": peer.state.value,
        "fingerprint": peer.card.fingerprint.hex(),
        "endpoints": list(card.endpoints),
        "card": {
            "sequence": card.sequence,
            "expires": iso(card.expires_ms),
            "expired": peer.card.expired(now_ms),
        },
        "queued": peer.queued,
        "link": {
            "failures": link.failures,
            "error": link.error,
            "next_attempt": iso(link.next_attempt_ms or None),
            "connected": iso(link.connected_ms),
            "ended": iso(link.ended_ms),
            "open": peer.is_open and serves,
            "cosigned_size": link.witnessed_size,
        },
    }


def _compare(card: TrustedCard) -> bytes:
    """Show a card and let the person at the terminal confirm its fingerprint."""
    require_terminal("give the fingerprint that the agency told you with --fingerprint")
    print_card(card)
    say()
    say("Compare the fingerprint over a telephone number that you already know,", "bold")
    say("not one from this card or from the message that brought it.", "bold")
    confirm(f"Does {card.agency} read out the same fingerprint?")
    return card.fingerprint
