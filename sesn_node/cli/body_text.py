"""What a message says, for people: every kind, in one place. All is text, never markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sesn_node.cli.consignment_text import add_consignment
from sesn_node.cli.forward_text import add_forward
from sesn_node.cli.handling_text import marks_text
from sesn_node.cli.show import facts
from sesn_node.cli.step_text import add_case_file, add_step, step_subject
from sesn_node.domain.alert import Alert, RequestedAction, Urgency
from sesn_node.domain.case_messages import CaseFile, CaseStep
from sesn_node.domain.conversation import (
    Answer,
    Confidence,
    Consent,
    Decision,
    Destruction,
    DestructionOutcome,
    Note,
    Recall,
    Request,
    Response,
    Sighting,
    SightingBasis,
    Update,
)
from sesn_node.domain.handling import granted
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.domain.people import Act
from sesn_node.domain.times import minute_of, utc_minute
from sesn_node.exchange.forwardviews import ForwardView, carried
from sesn_node.trust.people import told

URGENCY: Final = {
    Urgency.ROUTINE: Text("routine"),
    Urgency.URGENT: Text("urgent", "yellow"),
    Urgency.SHIP_SAILS: Text("immediate", "bold red"),
}
DECISION_STYLES: Final = {Decision.ACCEPTED: "green", Decision.DECLINED: "red"}
KIND_WORDS: Final = {
    MessageKind.ALERT: "alert",
    MessageKind.RESPONSE: "decision",
    MessageKind.UPDATE: "update of an alert",
    MessageKind.RECALL: "recall",
    MessageKind.DESTRUCTION: "destruction receipt",
    MessageKind.FORWARD: "forward",
    MessageKind.CONSENT: "consent to pass on",
    MessageKind.REQUEST: "request for information",
    MessageKind.ANSWER: "answer",
    MessageKind.NOTE: "note",
    MessageKind.SIGHTING: "sighting",
    MessageKind.CASE_STEP: "step of a case",
    MessageKind.CASE_FILE: "case file",
}
BASIS: Final = {
    SightingBasis.SEEN: "seen by an officer",
    SightingBasis.RECORDED: "recorded by a camera, gate or scanner",
    SightingBasis.DOCUMENTED: "by a document",
    SightingBasis.REPORTED: "told by somebody else",
}
CONFIDENCE: Final = {
    Confidence.LOW: Text("low", "yellow"),
    Confidence.MEDIUM: Text("medium"),
    Confidence.HIGH: Text("high", "green"),
}
_ACTION: Final = {
    RequestedAction.NONE: "nothing",
    RequestedAction.INFORM: "inform us",
    RequestedAction.HOLD: "hold it",
    RequestedAction.INSPECT: "inspect it",
}
_OUTCOME: Final = {
    DestructionOutcome.DESTROYED: Text("destroyed: the content is gone from the node", "green"),
    DestructionOutcome.NEVER_KEPT: Text("never kept: if it comes, nothing of it stays", "green"),
    DestructionOutcome.HELD: Text("not destroyed: a legal hold forbids it", "red"),
}


def body_text(payload: Payload, forward: ForwardView | None = None) -> Group:
    """Show what a message says, under its marks.

    Args:
        payload: What it says.
        forward: Whose message it passes on, if it does and that is not shown elsewhere.
    """
    listing = facts()
    if forward is not None:
        add_forward(listing, forward)
    said = carried(payload)
    listing.add_row("handling", marks_text(said.markings))
    for one in told(said):
        act = "written by" if one.act is Act.AUTHORED else "approved by"
        listing.add_row(act, f"{one.operator}, {one.role}, {utc_minute(one.at_ms)}")
    write = _WRITERS.get(type(said.body), _nothing)
    shown: list[RenderableType] = [listing]
    for part in write(said.body, listing):
        if part:
            shown += ["", Text(part)]
    return Group(*shown)


def subject_of(payload: Payload) -> str:
    """Say in one line what a message is about; its kind, if it has no subject of its own."""
    body = carried(payload).body
    if isinstance(body, Update):
        body = body.alert
    if isinstance(body, Alert | Request):
        return body.subject
    if isinstance(body, Sighting):
        return f"{_seen(body)} at {body.place}"
    if isinstance(body, CaseStep):
        return step_subject(body)
    return KIND_WORDS[carried(payload).kind]


def _alert(body: Alert, listing: Table) -> list[str]:
    listing.add_row("subject", Text(body.subject, "bold"))
    listing.add_row("urgency", URGENCY[body.urgency])
    by = f", by {minute_of(body.respond_by)} UTC" if body.respond_by else ""
    listing.add_row("asks to", f"{_ACTION[body.requested_action]}{by}")
    if body.consignment is not None:
        add_consignment(listing, body.consignment)
    return [body.narrative]


def _response(body: Response, listing: Table) -> list[str]:
    decision = Text(body.decision.value.lower(), DECISION_STYLES[body.decision])
    listing.add_row("decision", decision)
    listing.add_row("on", show_message_id(body.message_id))
    return [body.text]


def _update(body: Update, listing: Table) -> list[str]:
    listing.add_row("updates", show_message_id(body.message_id))
    if body.reason:
        listing.add_row("what is new", Text(body.reason))
    return _alert(body.alert, listing)


def _recall(body: Recall, listing: Table) -> list[str]:
    listing.add_row("withdraws", show_message_id(body.message_id))
    listing.add_row("reason", Text(body.reason))
    return []


def _destruction(body: Destruction, listing: Table) -> list[str]:
    listing.add_row("message", show_message_id(body.message_id))
    listing.add_row("outcome", _OUTCOME[body.outcome])
    if body.hold:
        listing.add_row("hold", Text(body.hold))
    listing.add_row("at", f"{minute_of(body.at)} UTC")
    if body.backups_expire is not None:
        listing.add_row("backups", f"the last is gone at {minute_of(body.backups_expire)} UTC")
    if body.passed_on:
        listing.add_row("passed on to", Text(", ".join(body.passed_on)))
    return []


def _consent(body: Consent, listing: Table) -> list[str]:
    ends = "" if body.until is None else f", until {minute_of(body.until)} UTC"
    listing.add_row("of", show_message_id(body.message_id))
    listing.add_row("may go to", Text(f"{granted(body.onward)}{ends}"))
    return []


def _request(body: Request, listing: Table) -> list[str]:
    listing.add_row("subject", Text(body.subject, "bold"))
    listing.add_row("urgency", URGENCY[body.urgency])
    if body.respond_by is not None:
        listing.add_row("answer by", f"{minute_of(body.respond_by)} UTC")
    return [body.text]


def _answer(body: Answer, listing: Table) -> list[str]:
    listing.add_row("answers", show_message_id(body.message_id))
    return [body.text]


def _note(body: Note, _listing: Table) -> list[str]:
    return [body.text]


def _sighting(body: Sighting, listing: Table) -> list[str]:
    for label, value in (
        ("container", body.container),
        ("vessel", f"IMO {body.imo}" if body.imo else ""),
        ("seal", body.seal),
        ("place", body.place),
    ):
        if value:
            listing.add_row(label, Text(value))
    listing.add_row("at", f"{minute_of(body.at)} UTC")
    sure = Text.assemble(f"{BASIS[body.basis]}, confidence ", CONFIDENCE[body.confidence])
    listing.add_row("known", sure)
    return [body.text]


def _seen(body: Sighting) -> str:
    parts = (body.container, f"IMO {body.imo}" if body.imo else "", body.seal)
    return ", ".join(part for part in parts if part.strip())


def _nothing(_body: object, _listing: Table) -> list[str]:
    return []


# A writer takes the body of its kind; no type can say so.
_WRITERS: Final[Mapping[type, Callable[..., list[str]]]] = {
    Alert: _alert,
    Response: _response,
    Update: _update,
    Recall: _recall,
    Destruction: _destruction,
    Consent: _consent,
    Request: _request,
    Answer: _answer,
    Note: _note,
    Sighting: _sighting,
    CaseStep: add_step,
    CaseFile: add_case_file,
}
