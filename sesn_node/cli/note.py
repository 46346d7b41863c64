"""`sesn note`: plain words to partners."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.cli.saying import Begun, In, Sending, TlpOption, To, Yes, send_body
from sesn_node.cli.show import AsJson
from sesn_node.domain.conversation import Note

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _note() -> None:
    """Plain words to partners, in a conversation or to begin one."""


@app.command("send")
def send_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    to: To = None,
    conversation: In = None,
    begun: Begun = None,
    tlp: TlpOption = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send plain words, sealed and recorded like an alert."""
    sending = Sending(to or (), conversation, begun, tlp, yes, as_json)
    send_body(context, sending, lambda: Note(text))
