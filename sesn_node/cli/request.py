"""`sesn request`: ask partners for information, and answer them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_json import copies_json
from sesn_node.cli.body_text import URGENCY
from sesn_node.cli.csv_text import AsCsv, print_csv
from sesn_node.cli.message_text import unread
from sesn_node.cli.moments import parse_moment
from sesn_node.cli.options import home_of, open_desk, wake_node
from sesn_node.cli.saying import Begun, In, Sending, TlpOption, To, Yes, send_body, tell_unserved
from sesn_node.cli.show import AsJson, Json, console, iso, print_json, say, short_ids, table
from sesn_node.domain.alert import Urgency
from sesn_node.domain.conversation import Request
from sesn_node.domain.ids import agency_id, show_message_id
from sesn_node.domain.people import Right
from sesn_node.domain.times import instant, minute_of, unix_ms, utc_minute
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.naming import find_message
from sesn_node.exchange.requests import RequestState, RequestView, requests
from sesn_node.exchange.talk import answer

app = typer.Typer(no_args_is_help=True, add_completion=False)

_STYLES = {
    RequestState.OVERDUE: "bold red",
    RequestState.OPEN: "yellow",
    RequestState.ANSWERED: "green",
    RequestState.UNREADABLE: "dim",
}


@app.command("send")
def send_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    subject: Annotated[str, typer.Option(help="One line for an inbox.")],
    text: Annotated[str, typer.Option(help="What is asked.")],
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="TIME", help="When the answer is needed: 2026-11-01T12:00Z."),
    ] = None,
    urgency: Annotated[
        Urgency,
        typer.Option(metavar="URGENCY", help=f"How soon to answer: {', '.join(Urgency)}."),
    ] = Urgency.ROUTINE,
    to: To = None,
    conversation: In = None,
    begun: Begun = None,
    tlp: TlpOption = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Ask partners for information."""
    sending = Sending(to or (), conversation, begun, tlp, yes, as_json)

    def write() -> Request:
        due = None
        if by is not None:
            due = instant(parse_moment("by", by))
        return Request(subject=subject, urgency=urgency, text=text, respond_by=due)

    send_body(context, sending, write)


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")] = 50,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List the newest requests, sent and received: overdue ones first, then the open ones.

    'sesn conversation show' tells what is asked, 'sesn request answer' answers.
    """
    with open_desk(context) as desk:
        found = requests(desk.office, limit)
    if as_json:
        print_json({"requests": [_json(one) for one in found]})
    elif as_csv:
        print_csv(_COLUMNS, (_row(one) for one in found))
    elif found:
        console().print(_text(found))
    else:
        say("No request was sent or received yet.")


@app.command("answer")
def answer_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The request: its id, or the first 8 digits.")
    ],
    text: Annotated[str, typer.Option(help="The answer.")],
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="AGENCY", help="Whose, when two senders used the same id."),
    ] = None,
    tlp: TlpOption = None,
    as_json: AsJson = False,
) -> None:
    """Answer a request that arrived; it can be answered more than once."""
    whose = None if sender is None else agency_id(sender)
    with open_desk(context, Right.WRITE) as desk:
        asked = find_message(desk.office.store, message_id)
        said = answer(desk.office, asked, text, whose, tlp)
        copies = copies_of(desk.office.store, said.message_id)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "request": show_message_id(asked),
                "message_id": show_message_id(said.message_id),
                "recipients": copies_json(copies),
            }
        )
    else:
        say(f"Request {show_message_id(asked)} is answered; {', '.join(said.to)} will know.")
        tell_unserved(context, serving=serving)


def _text(found: Sequence[RequestView]) -> Table:
    listing = table("message", "request", "answer by (UTC)", "", flexible=("request",))
    listing.leading = 1
    ids = short_ids([one.message.message_id for one in found])
    for one in found:
        message, asked = one.message, one.request
        subject = Text(asked.subject) if asked else unread(message)
        whose = f"to {', '.join(message.recipients)}" if message.ours else f"from {message.sender}"
        due = minute_of(asked.respond_by) if asked and asked.respond_by else "-"
        left = f": {', '.join(one.open)}" if message.ours and one.open else ""
        listing.add_row(
            Text(f"{ids[message.message_id]}\n{utc_minute(message.at_ms)}"),
            Text("\n").join([subject, Text(whose, "dim")]),
            Text("\n").join([Text(due), URGENCY[asked.urgency] if asked else Text()]),
            Text(f"{one.state}{left}", _STYLES[one.state]),
        )
    return listing


def _json(one: RequestView) -> dict[str, Json]:
    asked, message = one.request, one.message
    due = asked.respond_by if asked else None
    return {
        "message_id": show_message_id(message.message_id),
        "conversation_id": show_message_id(message.conversation_id),
        "direction": "sent" if message.ours else "received",
        "from": message.sender,
        "to": list(message.recipients),
        "time": iso(message.at_ms),
        "subject": asked.subject if asked else None,
        "urgency": asked.urgency.value if asked else None,
        "respond_by": iso(unix_ms(due)) if due else None,
        "state": one.state.value,
        "open": list(one.open),
        "answers": [show_message_id(each.message_id) for each in one.answers],
        "problem": message.problem or None,
    }


_COLUMNS = (
    "message_id",
    "direction",
    "from",
    "to",
    "time",
    "subject",
    "urgency",
    "respond_by",
    "state",
    "open",
)


def _row(one: RequestView) -> list[str]:
    shown = _json(one)
    return [_cell(shown[name]) for name in _COLUMNS]


def _cell(value: Json) -> str:
    if value is None:
        return ""
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
