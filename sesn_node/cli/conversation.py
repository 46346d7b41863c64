"""`sesn conversation`: all messages of a conversation, in order, and who takes part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.body_text import body_text
from sesn_node.cli.csv_text import AsCsv, print_csv
from sesn_node.cli.message_text import kind_of, message_json, state_text, subject_text, unread
from sesn_node.cli.options import open_desk
from sesn_node.cli.show import (
    AsJson,
    Json,
    console,
    facts,
    iso,
    print_json,
    say,
    short_ids,
    table,
)
from sesn_node.domain.ids import agency_id, show_message_id
from sesn_node.domain.times import utc_minute, utc_second
from sesn_node.exchange.conversations import (
    ConversationLine,
    ConversationView,
    MessageView,
    conversation,
    conversations,
)
from sesn_node.exchange.naming import find_conversation
from sesn_node.exchange.viewing import shown_of, viewed

app = typer.Typer(no_args_is_help=True, add_completion=False)

_STRANGER = "of an agency that does not take part in this conversation"


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Show at most so many.")] = 20,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List the conversations that went on last, newest first."""
    with open_desk(context) as desk:
        found = conversations(desk.office, limit)
    if as_json:
        print_json({"conversations": [_line_json(one) for one in found]})
    elif as_csv:
        print_csv(_COLUMNS, (_row(one) for one in found))
    elif found:
        console().print(_list(found))
    else:
        say("No message was sent or received yet.")


@app.command("show")
def show(
    context: typer.Context,
    conversation_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or at least the first 8 digits.")
    ],
    begun: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="AGENCY", help="Who began it, when two senders used the same id."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show all messages of a conversation in order, with what each says.

    Our ledger records which were shown, each at most once an hour.
    """
    founder = None if begun is None else agency_id(begun)
    with open_desk(context) as desk:
        name = find_conversation(desk.office.store, conversation_id)
        found, unrecorded = viewed(
            desk.office,
            lambda: conversation(desk.office, name, founder),
            lambda one: shown_of(one.messages),
        )
    if as_json:
        print_json(
            {
                **_head_json(found),
                "messages": [message_json(one) for one in found.messages],
                "left_out": found.left_out,
                "view_recorded": unrecorded is None,
            }
        )
    else:
        console().print(_whole(found))


def _list(found: Sequence[ConversationLine]) -> Table:
    listing = table("conversation", "about", "messages", flexible=("about",))
    listing.leading = 1
    ids = short_ids([one.conversation.conversation_id for one in found])
    for one in found:
        view = one.conversation
        strange = f"{one.strangers:,} of strangers" if one.strangers else ""
        listing.add_row(
            Text(f"{ids[view.conversation_id]}\n{utc_minute(one.last_ms)}"),
            Text("\n").join([_about(view), Text(_who(view), "dim")]),
            Text("\n").join([Text(f"{one.messages:,}"), Text(strange, "bold red")]),
        )
    return listing


def _about(view: ConversationView) -> Text:
    if view.subject:
        return Text(view.subject)
    if view.founder is None or not view.messages:
        return Text("its first message is not here", "yellow")
    return subject_text(view.messages[0])


def _who(view: ConversationView) -> str:
    return ", ".join(view.participants) or "who takes part is not known"


def _whole(found: ConversationView) -> Group:
    listing = facts()
    listing.add_row("conversation", show_message_id(found.conversation_id))
    if found.subject:
        listing.add_row("about", Text(found.subject, "bold"))
    listing.add_row("take part", Text(_who(found)))
    if found.founder is None:
        gap = "its first message is not here, so nobody can be told to be a stranger"
        listing.add_row("gap", Text(gap, "yellow"))
    parts: list[RenderableType] = [listing]
    for one in found.messages:
        parts += ["", _head(one)]
        parts += [Padding(part, (0, 2)) for part in _inside(one)]
    if found.left_out:
        parts += ["", Text("There are more messages; they are left out here.", "yellow")]
    return Group(*parts)


def _head(one: MessageView) -> Text:
    to = ", ".join(one.recipients)
    line = Text.assemble(
        (f"{utc_second(one.at_ms)} ", "dim"),
        (kind_of(one), "bold"),
        f"  {one.sender} to {to}  ",
        state_text(one),
    )
    if one.stranger:
        line.append(f"\n{_STRANGER}", "bold red")
    return line


def _inside(one: MessageView) -> list[RenderableType]:
    name = Text(show_message_id(one.message_id), "dim")
    if one.payload is None:
        return [name, unread(one)]
    return [name, body_text(one.payload, one.forward)]


def _head_json(view: ConversationView) -> dict[str, Json]:
    return {
        "conversation_id": show_message_id(view.conversation_id),
        "subject": view.subject or None,
        "begun_by": view.founder,
        "participants": list(view.participants),
    }


def _line_json(one: ConversationLine) -> dict[str, Json]:
    return {
        **_head_json(one.conversation),
        "count": one.messages,
        "of_strangers": one.strangers,
        "last": iso(one.last_ms),
    }


_COLUMNS = ("conversation_id", "subject", "begun_by", "participants", "count", "strangers", "last")


def _row(one: ConversationLine) -> list[str | int | None]:
    view = one.conversation
    return [
        show_message_id(view.conversation_id),
        view.subject,
        view.founder,
        " ".join(view.participants),
        one.messages,
        one.strangers,
        iso(one.last_ms),
    ]
