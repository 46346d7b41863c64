"""`sesn ledger fork`: verify the file that proves a fork. Needs no home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.cli.card import read_card
from sesn_node.cli.files import input_file
from sesn_node.cli.show import AsJson, console, facts, print_json, say
from sesn_node.domain.counting import many
from sesn_node.errors import VerificationError
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.forkproof import MAX_FORK_BYTES, foreign_keys, parse_fork, verify_fork
from sesn_node.store.files import naming
from sesn_node.wire.cards import MAX_SEALED_CARD_BYTES


def fork(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .fork file.")],
    card: Annotated[
        Path | None,
        typer.Option(metavar="CARD", help="The agency's card: are these its keys?"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline that a file proves a fork: two signed histories of one ledger and size.

    Ends with 5 if it does not, or if the card names other keys.
    """
    data = input_file(file, limit=MAX_FORK_BYTES, what="fork")
    with naming(file):
        proof = parse_fork(data)
        heads = verify_fork(proof)
    replaced: bool | None = None
    if card is not None:
        known = read_card(card, input_file(card, limit=MAX_SEALED_CARD_BYTES, what="card"))
        if foreign_keys(proof, known.log_key_sets(proof.origin)):
            raise VerificationError(
                f"{file}: the card of {known.agency} in {card} does not name the keys that signed "
                "this; ask for a card that does, or somebody else made the file",
                code="FOREIGN_KEYS",
            )
        replaced = foreign_keys(proof, known.log_key_sets(proof.origin)[-1:])
    if as_json:
        print_json(
            {
                "proven": True,
                "origin": proof.origin,
                "size": proof.size,
                "roots": [encode_base64(head.root) for head in heads],
                "keys": [
                    [keys.ed25519_key.vkey(), keys.mldsa44_key.vkey()] for keys in proof.key_sets
                ],
                "card": None if card is None else str(card),
                "replaced": replaced,
            }
        )
        return
    listing = facts()
    listing.add_row("origin", proof.origin)
    listing.add_row("size", many(proof.size, "entry", "entries"))
    for head in heads:
        listing.add_row("root", encode_base64(head.root))
    for keys in proof.key_sets:
        ids = f"{keys.ed25519_key.key_id.hex()} and {keys.mldsa44_key.key_id.hex()}"
        listing.add_row("signed by keys", ids)
    console().print(listing)
    say()
    say("The fork is proven: the owner of these keys signed two histories.", "bold red")
    if replaced:
        say(
            "Not both are signed by the keys that the card has last: the others were replaced. If "
            "they were stolen, a thief may have signed. Ask the agency when, and why.",
            "yellow",
        )
    if card is None:
        say("Whose keys these are, the agency's card tells: add --card CARD.")
