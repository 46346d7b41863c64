"""A MISP event as a draft: its report, and what it is about if the objects are known here."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from sesn_node.domain.alert import RequestedAction, Urgency
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.interop import misp_templates as templates
from sesn_node.interop.documents import Node, choice, read_document, shown
from sesn_node.interop.drafts import alert_of, built
from sesn_node.interop.marks import evaluation, known_label, strictest, with_grant
from sesn_node.interop.misp_consignment import consignment_of
from sesn_node.interop.misp_objects import (
    NO_PLACE,
    Thing,
    event_of,
    tags,
    tell_loose,
    things,
)
from sesn_node.interop.notes import Draft, Notes
from sesn_node.interop.writing import labels

_FRAME: Final = frozenset(
    {"id", "org_id", "orgc_id", "Org", "timestamp", "publish_timestamp", "published", "analysis"}
    | {"distribution", "sharing_group_id", "attribute_count", "locked", "proposal_email_lock"}
    | {"event_creator_email", "disable_correlation", "protected", "Tag"}
)
_OWN: Final = {
    "uuid": "a draft becomes a message with an id of its own",
    "Orgc": "the sender of a draft is who sends it",
    "date": "a draft becomes a message with a time of its own",
}
_UNDEFINED_THREAT: Final = frozenset({"", "4"})
_TLP: Final = "tlp:"


def read_misp(data: bytes) -> Draft:
    """Make a draft of an event.

    Raises:
        MalformedError: No MISP event, or a field that is read and is not what it must be; the
            message names it.
    """
    event, notes = event_of(read_document(data)), Notes()
    found = things(event, notes)
    ours = _alert(found)
    known = Node(event.path, {}) if ours is None else ours.values
    markings = _markings(event, known, notes)
    narrative = _narrative(event, found)
    alert = alert_of(
        notes,
        subject=event.text("info"),
        narrative=narrative,
        urgency=known.choice("urgency", Urgency),
        requested_action=known.choice("requested-action", RequestedAction),
        respond_by=known.moment("respond-by"),
        consignment=consignment_of(found, ours, notes),
    )
    expected = set(labels(markings, alert)) if ours is not None else set()
    for path, name in tags(event):
        if not name.lower().startswith(_TLP) and name not in expected:
            notes.drop(f"{path}.name: {shown(name)}", NO_PLACE)
    _tell_left(event, found, notes)
    return notes.draft(Payload(markings, alert))


def _alert(found: list[Thing]) -> Thing | None:
    alerts = [one for one in found if one.name == templates.ALERT.name]
    if len(alerts) > 1:
        raise MalformedError(
            f"Event.Object: {len(alerts)} of {templates.ALERT.name}; an alert is made of one: take "
            "out the others"
        )
    return alerts[0] if alerts else None


def _markings(event: Node, known: Node, notes: Notes) -> Markings:
    """Return the strictest label of all tags, with the marks that stand in our object."""
    label = strictest(
        [
            known_label(name.lower().removeprefix(_TLP))
            for _, name in tags(event)
            if name.lower().startswith(_TLP)
        ],
        notes,
    )
    place = f"{known.path}.handling"
    told = built(
        known.path,
        Markings,
        Tlp.GREEN,
        handling=tuple(sorted(choice(place, one, HandlingCode) for one in known.texts("handling"))),
        handling_text=known.text("handling-text"),
        evaluation=evaluation(known, "evaluation-"),
        purpose=known.text("purpose"),
        legal_basis=known.text("legal-basis"),
        retain_until=known.moment("retain-until"),
    )
    return with_grant(replace(told, tlp=label), tuple(sorted(known.texts("onward"))), notes)


def _narrative(event: Node, found: list[Thing]) -> str:
    told = []
    for one in found:
        if one.name == templates.REPORT.name:
            told.append(one.values.text("summary"))
            one.values.text("type")
    told += [one.text("content") for one in event.nodes("EventReport") if not one.flag("deleted")]
    return "\n\n".join(one for one in told if one)


def _tell_left(event: Node, found: list[Thing], notes: Notes) -> None:
    """Say what of the event a draft does not have."""
    for name, reason in _OWN.items():
        if event.fields.get(name):
            notes.drop(f"{event.path}.{name}", reason)
    if event.scalar("threat_level_id") not in _UNDEFINED_THREAT:
        notes.drop(f"{event.path}.threat_level_id", NO_PLACE)
    tell_loose(event, notes)
    left = Counter[str]()
    for one in found:
        if one.name == templates.ALERT.name and one.values.text("message-id"):
            notes.drop(f"{one.values.path}.message-id", _OWN["uuid"])
        if not one.values.read:
            left[one.name] += 1
            continue
        for relation in one.values.unread():
            notes.drop(f"{one.values.path}.{relation}", NO_PLACE)
    for name, count in sorted(left.items()):
        notes.drop(f"objects of type {shown(name)}: {count:,}", NO_PLACE)
    for name in event.unread(_FRAME | set(_OWN)):
        notes.drop(f"{event.path}.{name}", NO_PLACE)
