"""`sesn peer`: whom we trust."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.bootstrap import system_clock
from sesn_node.cli.ask import confirm, has_terminal
from sesn_node.cli.card import AsJson, CardFile, print_card
from sesn_node.cli.files import input_file
from sesn_node.cli.options import home_of, open_desk, wake_node
from sesn_node.cli.show import print_json, say
from sesn_node.domain.cards import MAX_CARD_BYTES
from sesn_node.domain.ids import agency_id
from sesn_node.errors import ConfigError
from sesn_node.exchange.peers import add_peer, revoke_peer
from sesn_node.trust.card import open_card
from sesn_node.trust.fingerprint import parse_fingerprint

app = typer.Typer(no_args_is_help=True, help="Partner agencies: trust, list, revoke.")


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
    sealed = input_file(file, limit=MAX_CARD_BYTES, what="card")
    if given is None:
        given = _compare(sealed)
    with open_desk(context) as desk:
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


@app.command("revoke")
def revoke(
    context: typer.Context,
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="Id, such as gh.epa.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop trusting an agency at once; what is queued for it will not be delivered."""
    wanted = agency_id(agency)
    if not yes:
        confirm(f"Cut off {wanted} now?", instead="add --yes to cut the agency off")
    with open_desk(context) as desk:
        ended = revoke_peer(desk.office, wanted)
    wake_node(home_of(context))
    if as_json:
        print_json({"agency": wanted, "state": "revoked", "undelivered": ended})
        return
    say(f"{wanted} is revoked: nothing is sent to it or accepted from it.")
    if ended:
        say(f"{ended} queued copies will not be delivered; 'sesn outbox list' shows them.")


def _compare(sealed: bytes) -> bytes:
    """Show a card and let the person at the terminal confirm its fingerprint."""
    if not has_terminal():
        raise ConfigError(
            "nobody compared the fingerprint: give the one that the agency told you with "
            "--fingerprint; there is no terminal to ask",
            code="NO_TERMINAL",
        )
    card = open_card(sealed, system_clock())
    print_card(card)
    say()
    say("Compare the fingerprint over a telephone number that you already know,", "bold")
    say("not one from this card or from the message that brought it.", "bold")
    confirm(f"Does {card.agency} read out the same fingerprint?", instead="use --fingerprint")
    return card.fingerprint
