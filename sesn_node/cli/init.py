"""`sesn init`: make a node's home."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sesn_node.cli.options import home_of, options_of
from sesn_node.cli.passphrase import new_passphrase
from sesn_node.cli.show import AsJson, add_fingerprint, console, facts, print_json, say, say_to_copy
from sesn_node.config import Agency, Config, Database, Node
from sesn_node.domain.cards import Role
from sesn_node.domain.ids import MAX_EPOCH, AgencyId
from sesn_node.founding import found, require_vacant
from sesn_node.trust.card import TrustedCard

app = typer.Typer(add_completion=False)


@app.command()
def init(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    agency: Annotated[
        str, typer.Option(help="Id of the agency: country code, then labels, such as nl.customs.")
    ],
    name: Annotated[str, typer.Option(help="Official name, as partners know it.")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2 in capitals, or int.")],
    role: Annotated[
        Role,
        typer.Option(
            metavar="ROLE", help=f"What kind of authority the agency is: {', '.join(Role)}."
        ),
    ],
    home: Annotated[
        Path | None, typer.Option(help="Folder to make; it must be empty or not exist.")
    ] = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Address that partners connect to. Without it: dial out only."
        ),
    ] = "",
    advertise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The same service as partners reach it from outside; --listen if not given.",
        ),
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="Where messages and ledger are kept.")
    ] = None,
    epoch: Annotated[
        int,
        typer.Option(
            min=1,
            max=MAX_EPOCH,
            help="Number of the ledger; higher than the last if this agency had a node before.",
        ),
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Make a node's home: keys, card, database, and the first entry of its ledger."""
    options = options_of(context)
    if home is not None:
        context.obj = options = replace(options, home=home)
    config = Config(
        home=home_of(context),
        agency=Agency(
            id=AgencyId(agency), name=name, country=country, role=role, ledger_epoch=epoch
        ),
        node=Node(listen=listen, advertise=_advertised(listen, advertise)),
        database=Database() if database is None else Database(url=database),
    )
    # Found out before anybody thinks of a passphrase.
    require_vacant(config.home)
    card = found(config, new_passphrase(options.passphrase_fd))
    if as_json:
        print_json(
            {
                "home": str(config.home),
                "agency": card.agency,
                "fingerprint": card.fingerprint.hex(),
            }
        )
    else:
        _explain(config, card)


def _advertised(listen: str, advertise: list[str] | None) -> tuple[str, ...]:
    """What partners dial: as told, or the listening address if somebody can dial that."""
    if advertise:
        return tuple(advertise)
    host, _, port = listen.rpartition(":")
    anywhere = host in {"0.0.0.0", "[::]"}  # noqa: S104 - compared, not bound
    return () if anywhere or port in {"", "0"} else (listen,)


def _explain(config: Config, card: TrustedCard) -> None:
    say(f"The node of {card.agency} is ready in {config.home}.", "bold")
    say()
    listing = facts()
    listing.add_row("agency", f"{card.card.name} ({card.agency})")
    listing.add_row("listens on", config.node.listen or "nothing: this node only dials out")
    listing.add_row("partners dial", ", ".join(card.card.endpoints) or "-")
    console().print(add_fingerprint(listing, card))
    say()
    say("Next:", "bold")
    home = config.home
    for number, command, words in (
        (
            1,
            f"card export {card.agency}.sesncard",
            "Send the file to your partners; they compare the fingerprint with you by telephone.",
        ),
        (2, "peer add THEIR.sesncard", "Pin each partner's card, after you compared it likewise."),
        (3, "serve", "Run the node."),
    ):
        say_to_copy(f"{number}. sesn --home {home} {command}", indent=2)
        say(words, indent=5)
    say()
    say(
        f"Keep a copy of {home / 'keys'} and the passphrase in a safe: without them nothing here "
        "can be read.",
        "dim",
    )
