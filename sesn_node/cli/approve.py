"""`sesn approve`: four eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from sesn_node.cli.alert_text import draft_text
from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.body_text import subject_of
from sesn_node.cli.options import command_of, home_of, open_desk, wake_node
from sesn_node.cli.show import AsJson, Json, console, error_console, iso, print_json, say, table
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.people import Right
from sesn_node.domain.times import instant, utc_minute
from sesn_node.exchange.approval import approve, find_proposal, proposals, withdraw
from sesn_node.exchange.naming import find_waiting
from sesn_node.wire.payloads import payload_to_json

if TYPE_CHECKING:
    from sesn_node.exchange.approval import Proposal

app = typer.Typer(no_args_is_help=True, add_completion=False)

DraftId = Annotated[
    str, typer.Argument(metavar="DRAFT", help="The draft: its id, or its first 8 digits.")
]


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List what waits for a second person, oldest first."""
    with open_desk(context) as desk:
        found = proposals(desk.office)
    if as_json:
        print_json({"drafts": [_json(one) for one in found]})
        return
    if not found:
        say("Nothing waits for a second person.")
        return
    lines = table("draft", "message", flexible=("message",))
    lines.leading = 1
    for one in found:
        about = f"{one.reason}{_case(one)}; by {one.author} to {', '.join(one.draft.to)}"
        lines.add_row(
            f"{show_message_id(one.draft_id)}\n{utc_minute(one.proposed_ms)}",
            Text("\n").join([Text(_title(one)), Text(about, "dim")]),
        )
    console().print(lines)
    say()
    say(f"'{command_of(context)} approve give DRAFT --as OPERATOR' shows one, and asks.")


@app.command("give")
def give(
    context: typer.Context,
    draft: DraftId,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not show it; send.")] = False,
    as_json: AsJson = False,
) -> None:
    """Approve a message that another operator wrote, and send it."""
    if not yes:
        require_terminal("add --yes to approve without being asked")
    with open_desk(context, Right.APPROVE) as desk:
        draft_id = find_waiting(desk.office.store, draft)
        proposal = find_proposal(desk.office, draft_id)
        if not yes:
            directory, now_ms = desk.office.directory(), desk.office.clock()
            cards = [directory.trusted(one, now_ms).card for one in proposal.draft.to]
            now = instant(now_ms)
            shown = draft_text(proposal.draft.payload, cards, now, whole=True)
            if shown is not None:
                error_console().print(shown)
            confirm(f"{proposal.author} wrote this. Approve it, and send it?")
        message_id = approve(desk.office, draft_id)
        serving = wake_node(home_of(context))
    shown_id = show_message_id(message_id)
    if as_json:
        print_json({"message_id": shown_id, "draft_id": show_message_id(draft_id)})
        return
    say(f"Approved. Message {shown_id} is sealed and recorded.", "bold")
    if not serving:
        words = f"No node serves this home: it leaves once '{command_of(context)} serve' runs."
        say(words, "yellow")


@app.command("withdraw")
def withdraw_(context: typer.Context, draft: DraftId, as_json: AsJson = False) -> None:
    """Take a draft away; nothing is sent."""
    with open_desk(context, Right.WRITE) as desk:
        draft_id = find_waiting(desk.office.store, draft)
        withdraw(desk.office, draft_id)
    if as_json:
        print_json({"withdrawn": show_message_id(draft_id)})
    else:
        say(f"Draft {show_message_id(draft_id)} is gone; nothing was sent.")


def _case(proposal: Proposal) -> str:
    """Name the case that a step belongs to; a request has none yet."""
    case_id = proposal.draft.conversation_id
    if case_id is None or not isinstance(proposal.draft.payload.body, CaseStep):
        return ""
    return f" in case {show_message_id(case_id)}"


def _title(proposal: Proposal) -> str:
    return subject_of(proposal.draft.payload)


def _json(proposal: Proposal) -> dict[str, Json]:
    return {
        "draft_id": show_message_id(proposal.draft_id),
        "author": proposal.author,
        "since": iso(proposal.proposed_ms),
        "reason": proposal.reason,
        "to": list(proposal.draft.to),
        "payload": dict(payload_to_json(proposal.draft.payload)),
    }
