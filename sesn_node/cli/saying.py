"""Sending what an officer says: what requests, notes and sightings have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.bootstrap import Desk
from sesn_node.cli.alert_json import copies_json
from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.body_text import KIND_WORDS, body_text
from sesn_node.cli.handling_text import allowed_text
from sesn_node.cli.options import command_of, home_of, open_desk, wake_node
from sesn_node.cli.recipients import cards_of, check_names, recipients_of
from sesn_node.cli.show import error_console, print_json, say
from sesn_node.domain.conversation import Note, Request, Sighting
from sesn_node.domain.handling import allowed
from sesn_node.domain.ids import AgencyId, MessageId, agency_id, show_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.domain.people import Right
from sesn_node.errors import MalformedError
from sesn_node.exchange.conversations import participants
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.naming import find_conversation
from sesn_node.exchange.talk import markings_in
from sesn_node.exchange.talk import say as send

To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="AGENCY|@GROUP",
        help="A recipient; repeat it for several. In a conversation: all who take part.",
    ),
]
In = Annotated[
    str | None,
    typer.Option("--in", metavar="CONVERSATION", help="The conversation that it belongs to."),
]
Begun = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="AGENCY", help="Who began it, when two senders used the same id."
    ),
]
TlpOption = Annotated[
    Tlp | None,
    typer.Option(
        "--tlp",
        metavar="LABEL",
        help=f"How far it may be passed on: {', '.join(Tlp)}. In a conversation: as strictly as "
        "before.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask who may see it; send.")]


@dataclass(frozen=True, slots=True)
class Sending:
    """What an officer has said about a message besides its words.

    Args:
        to: Recipients, as written.
        conversation: The conversation, as written.
        begun: Who began it, as written.
        tlp: How far it may be passed on.
        yes: Do not ask.
        as_json: For a program.
    """

    to: Sequence[str]
    conversation: str | None
    begun: str | None
    tlp: Tlp | None
    yes: bool
    as_json: bool


def send_body(
    context: typer.Context, sending: Sending, write: Callable[[], Request | Note | Sighting]
) -> None:
    """Send what an officer says, after showing who will see it.

    Raises:
        SesnError: It cannot be written or sent; nothing was sent.
    """
    body = write()
    check_names(sending.to)
    begun = None if sending.begun is None else agency_id(sending.begun)
    if not sending.to and sending.conversation is None:
        raise MalformedError("to: name a recipient with --to, or a conversation with --in")
    if sending.conversation is None and sending.tlp is None:
        raise MalformedError("tlp: say how far it may be passed on, such as --tlp AMBER")
    if not sending.yes:
        require_terminal("add --yes to send without being asked")
    with open_desk(context, Right.WRITE) as desk:
        conversation_id, markings = _place(desk, sending, begun)
        to = recipients_of(desk, sending.to, quiet=sending.as_json)
        if not to and conversation_id is not None:
            to = participants(desk.office, conversation_id, begun)
        ask_first(desk, Payload(markings, body), to, yes=sending.yes)
        said = send(desk.office, body, to, markings, conversation_id)
        copies = copies_of(desk.office.store, said.message_id)
    serving = wake_node(home_of(context))
    shown = show_message_id(said.message_id)
    conversation = show_message_id(conversation_id or said.message_id)
    kind = KIND_WORDS[Payload(markings, body).kind].capitalize()
    if sending.as_json:
        print_json(
            {
                "message_id": shown,
                "conversation_id": conversation,
                "recipients": copies_json(copies),
            }
        )
        return
    say(f"{kind} {shown} is sealed and recorded, for {', '.join(said.to)}.", "bold")
    command = command_of(context)
    say(f"'{command} conversation show {conversation}' shows it, and what comes of it.")
    tell_unserved(context, serving=serving)


def tell_unserved(context: typer.Context, *, serving: bool) -> None:
    """Say that what was recorded waits, where no node serves this home."""
    if not serving:
        words = f"No node serves this home: it leaves once '{command_of(context)} serve' runs."
        say(words, "yellow")


def _place(
    desk: Desk, sending: Sending, begun: AgencyId | None
) -> tuple[MessageId | None, Markings]:
    """Find the conversation, and how what is said in it is handled."""
    if sending.conversation is None:
        return None, Markings(sending.tlp or Tlp.AMBER)
    conversation_id = find_conversation(desk.office.store, sending.conversation)
    if sending.tlp is not None:
        return conversation_id, Markings(sending.tlp)
    return conversation_id, markings_in(desk.office, conversation_id, begun)


def ask_first(desk: Desk, payload: Payload, to: Sequence[AgencyId], *, yes: bool) -> None:
    """Show who will see a message, and ask, unless the answer was given beforehand.

    Raises:
        PolicyError: One of them is not trusted.
        Abort: The answer was no.
    """
    cards = cards_of(desk, to)
    if yes:
        return
    shown = error_console()
    shown.print(body_text(payload))
    listing = Table.grid(padding=(0, 2))
    for card in cards:
        body = card.card
        listing.add_row(Text(card.agency), Text(body.name), f"{body.country}, {body.role.value}")
    shown.print("", Text("Who will see it", "bold"), Padding(listing, (0, 2)))
    may = allowed_text(allowed(payload.markings))
    shown.print(Text("What they may do with it", "bold"), Padding(may, (0, 2)))
    confirm("Send it?")
