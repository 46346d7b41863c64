"""`sesn sighting`: tell partners that a container, a vessel or a seal was seen."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.cli.moments import parse_moment
from sesn_node.cli.saying import Begun, In, Sending, TlpOption, To, Yes, send_body
from sesn_node.cli.show import AsJson
from sesn_node.domain.conversation import Confidence, Sighting, SightingBasis
from sesn_node.domain.times import instant

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _sighting() -> None:
    """Tell partners that a container, a vessel or a seal was seen."""


@app.command("send")
def send_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    place: Annotated[str, typer.Option(metavar="LOCODE", help="Where, such as GHTEM.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="When, such as 2026-11-01T12:00Z.")],
    container: Annotated[str, typer.Option(metavar="NUMBER", help="The container.")] = "",
    imo: Annotated[str, typer.Option(metavar="IMO", help="The ship, by its number.")] = "",
    seal: Annotated[str, typer.Option(metavar="NUMBER", help="The seal.")] = "",
    basis: Annotated[
        SightingBasis,
        typer.Option(metavar="BASIS", help=f"How we know: {', '.join(SightingBasis)}."),
    ] = SightingBasis.SEEN,
    confidence: Annotated[
        Confidence,
        typer.Option(metavar="HOW", help=f"How sure we are: {', '.join(Confidence)}."),
    ] = Confidence.MEDIUM,
    text: Annotated[str, typer.Option(help="Remarks.")] = "",
    to: To = None,
    conversation: In = None,
    begun: Begun = None,
    tlp: TlpOption = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Tell that something was seen; 'sesn track' joins what all partners saw of it."""
    sending = Sending(to or (), conversation, begun, tlp, yes, as_json)

    def write() -> Sighting:
        seen = instant(parse_moment("at", at))
        return Sighting(
            container=container,
            imo=imo,
            seal=seal,
            place=place,
            at=seen,
            basis=basis,
            confidence=confidence,
            text=text,
        )

    send_body(context, sending, write)
