"""`sesn card`: export our card, issue it anew, look into anybody's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.bootstrap import system_clock
from sesn_node.cli.files import input_file, write_output
from sesn_node.cli.options import home_of, open_desk, open_rooted, wake_node
from sesn_node.cli.show import AsJson, Json, add_fingerprint, console, facts, iso, print_json, say
from sesn_node.crypto.keys import key_id
from sesn_node.domain.times import utc_second
from sesn_node.errors import MalformedError
from sesn_node.founding import issue_next_card
from sesn_node.store.files import naming
from sesn_node.trust.card import TrustedCard, open_card
from sesn_node.trust.fingerprint import words
from sesn_node.wire.cards import MAX_SEALED_CARD_BYTES

app = typer.Typer(no_args_is_help=True, add_completion=False)

CardFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A .sesncard file.")
]


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the card.")],
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace the file if it exists.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write our card into a file, for our partners."""
    with open_desk(context) as desk:
        card = desk.office.directory().own
    write_output(file, card.sealed, force=force)
    if as_json:
        print_json({"file": str(file), **_summary(card)})
        return
    say(f"The card of {card.agency} is in {file}.")
    say("Send it to your partners, and let them compare the fingerprint with you by telephone:")
    _print_fingerprint(card)


@app.command("show")
def show(file: CardFile, as_json: AsJson = False) -> None:
    """Check a card and show what it says. This works without a home."""
    card = read_card(file, input_file(file, limit=MAX_SEALED_CARD_BYTES, what="card"))
    if as_json:
        print_json(_details(card))
    else:
        print_card(card)


@app.command("issue")
def issue(context: typer.Context, as_json: AsJson = False) -> None:
    """Issue our next card, from node.toml and our keys as they are now.

    Needs keys/root.key. Partners' nodes take it by themselves.
    """
    with open_rooted(context) as (desk, root):
        card = issue_next_card(desk, root)
    wake_node(home_of(context))
    if as_json:
        print_json(_summary(card))
    else:
        say(
            f"Card {card.card.sequence} of {card.agency} is issued; partners take it by themselves."
        )
        say("Back up now, the database and keys/: 'ledger recover' needs a copy made after this.")


def read_card(file: Path, sealed: bytes) -> TrustedCard:
    """Open the card that a file holds.

    Raises:
        MalformedError: It holds none; the message names the file.
        VerificationError: The card was altered; likewise.
    """
    with naming(file):
        try:
            return open_card(sealed, system_clock())
        except MalformedError as error:
            raise MalformedError(f"{file}: this is no agency card ({error.message})") from error


def print_card(card: TrustedCard) -> None:
    """Show a card to a person."""
    body = card.card
    listing = facts()
    listing.add_row("agency", f"{body.name} ({card.agency})")
    listing.add_row("country, role", f"{body.country}, {body.role.value}")
    for label, value in (
        ("focal point", body.contact.focal_point),
        ("e-mail", body.contact.email),
        ("telephone", body.contact.phone),
        ("duty hours", body.contact.duty_hours),
        ("time zone", body.contact.time_zone),
        ("languages", ", ".join(body.contact.languages)),
    ):
        if value:
            listing.add_row(label, value)
    listing.add_row("endpoints", ", ".join(body.endpoints) or "none: it only dials out")
    listing.add_row(
        "card", f"number {body.sequence}, valid until {utc_second(body.expires_ms)} UTC"
    )
    for name, use, until in _keys(card):
        listing.add_row(use, f"{name[:16]}...  until {utc_second(until)} UTC" if until else name)
    console().print(add_fingerprint(listing, card))


def _print_fingerprint(card: TrustedCard) -> None:
    console().print(add_fingerprint(facts(), card))


def _keys(card: TrustedCard) -> list[tuple[str, str, int]]:
    """List what the keys are named by, what they are for, and until when; 0 for no end."""
    body = card.card
    return [
        *((key_id(key.spki).hex(), "seal key", key.not_after_ms) for key in body.seal_keys),
        *(
            (key_id(key.public_key).hex(), "encryption key", key.not_after_ms)
            for key in body.encryption_keys
        ),
        # Once each, however many key sets it has had.
        *((origin, "ledger", 0) for origin in dict.fromkeys(one.origin for one in body.ledgers)),
        (body.witness.name, "witness", 0),
    ]


def _summary(card: TrustedCard) -> dict[str, Json]:
    return {
        "agency": card.agency,
        "sequence": card.card.sequence,
        "sha256": card.sha256.hex(),
        "fingerprint": card.fingerprint.hex(),
    }


def _details(card: TrustedCard) -> dict[str, Json]:
    body = card.card
    return {
        **_summary(card),
        "fingerprint_words": list(words(card.fingerprint)),
        "name": body.name,
        "country": body.country,
        "role": body.role.value,
        "contact": {
            "focal_point": body.contact.focal_point,
            "email": body.contact.email,
            "phone": body.contact.phone,
            "duty_hours": body.contact.duty_hours,
            "time_zone": body.contact.time_zone,
            "languages": list(body.contact.languages),
        },
        "endpoints": list(body.endpoints),
        "suites": list(body.suites),
        "limits": {
            "payload_bytes": body.limits.payload_bytes,
            "batch_envelopes": body.limits.batch_envelopes,
            "batch_bytes": body.limits.batch_bytes,
        },
        "keys": [
            {"use": use, "id": name, "not_after": iso(until) if until else None}
            for name, use, until in _keys(card)
        ],
        "issued": iso(body.issued_ms),
        "expires": iso(body.expires_ms),
    }
