"""Messages of any kind, for people and for programs: who, when, what kind, and how it stands."""

from __future__ import annotations

from rich.text import Text

from sesn_node.cli.alert_json import copies_json, erased_json
from sesn_node.cli.body_text import KIND_WORDS, subject_of
from sesn_node.cli.show import STATE_STYLES, Json, iso
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.payload import MessageKind
from sesn_node.domain.times import utc_minute
from sesn_node.exchange.conversations import MessageView
from sesn_node.exchange.forwardviews import carried
from sesn_node.wire.payloads import payload_to_json


def unread(view: MessageView) -> Text:
    """Say why the content of a message is not shown."""
    if view.erased is not None:
        return Text(f"erased {utc_minute(view.erased.erased_ms)}: {view.erased.reason}", "dim")
    return Text(f"cannot be read: {view.problem}", "red")


def kind_of(view: MessageView) -> str:
    """Name the kind of a message; of one of a later version, as its row does."""
    try:
        return KIND_WORDS[MessageKind(view.kind)]
    except ValueError:
        return view.kind


def subject_text(view: MessageView) -> Text:
    """Show in one line what a message is about."""
    return Text(subject_of(view.payload)) if view.payload is not None else unread(view)


def state_text(view: MessageView) -> Text:
    """Say where the copies of a message of ours stand; of one that arrived, that it did."""
    if not view.ours:
        return Text("received", "green")
    states = Text(", ").join(
        Text.assemble((f"{copy.agency} ", "dim"), (copy.state.value, STATE_STYLES[copy.state]))
        for copy in view.copies
    )
    return states or Text("recorded")


def message_json(view: MessageView) -> dict[str, Json]:
    """Show a message to programs; what cannot be opened is null, with the `problem`."""
    forward = view.forward
    return {
        "message_id": show_message_id(view.message_id),
        "conversation_id": show_message_id(view.conversation_id),
        "in_reply_to": None if view.in_reply_to is None else show_message_id(view.in_reply_to),
        "kind": view.kind,
        "direction": "sent" if view.ours else "received",
        "from": view.sender,
        "to": list(view.recipients),
        "time": iso(view.at_ms),
        "created": iso(view.created_ms),
        "stranger": view.stranger,
        "originator": forward.originator if forward else None,
        "problem": view.problem or None,
        "erased": erased_json(view.erased) if view.erased else None,
        "payload": payload_to_json(carried(view.payload)) if view.payload else None,
        "recipients": copies_json(view.copies),
    }
