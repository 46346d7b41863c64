"""The objects of a MISP event: their attributes by relation, and what else there is to tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sesn_node.errors import MalformedError
from sesn_node.interop import misp_templates as templates
from sesn_node.interop.documents import Node, Value, shown
from sesn_node.interop.notes import Notes

NO_PLACE: Final = "an alert has no place for it"

_MULTIPLE: Final = {
    (template.name, one.name)
    for template in templates.OURS
    for one in template.relations
    if one.multiple
}
_OBJECT_FRAME: Final = frozenset(
    {"id", "uuid", "name", "meta-category", "description", "template_uuid", "template_version"}
    | {"timestamp", "distribution", "sharing_group_id", "event_id"}
)
_ATTRIBUTE_FRAME: Final = frozenset(
    {"id", "uuid", "event_id", "object_id", "object_relation", "type", "category", "to_ids"}
    | {"timestamp", "distribution", "sharing_group_id", "disable_correlation", "value1", "value2"}
)
"""What MISP keeps a part by, and how it passes it on; TLP tells the latter here."""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """An object of an event.

    Args:
        name: The name of its template.
        uuid: Its id.
        values: Its attributes, by relation.
        references: Whom it refers to: type of the reference, id of the other.
    """

    name: str
    uuid: str
    values: Node
    references: tuple[tuple[str, str], ...]


def things(event: Node, notes: Notes) -> list[Thing]:
    """Return the objects of an event that were not deleted.

    Raises:
        MalformedError: A field that is read is not what it must be.
    """
    return [_thing(one, notes) for one in event.nodes("Object") if not one.flag("deleted")]


def tags(event: Node) -> Iterator[tuple[str, str]]:
    """Yield the path and the name of every tag, on the event and on attributes.

    Raises:
        MalformedError: As `things`.
    """
    bearers = [event, *event.nodes("Attribute")]
    for one in event.nodes("Object"):
        bearers += one.nodes("Attribute")
    for bearer in bearers:
        for tag in bearer.nodes("Tag"):
            yield tag.path, tag.text("name")


def tell_loose(event: Node, notes: Notes) -> None:
    """Say which attributes stand outside of objects."""
    loose = Counter(one.text("type") for one in event.nodes("Attribute") if not one.flag("deleted"))
    for kind, count in sorted(loose.items()):
        notes.drop(f"attributes of type {shown(kind)}: {count:,}", NO_PLACE)


def _thing(one: Node, notes: Notes) -> Thing:
    name = one.text("name")
    fields: dict[str, Value] = {}
    for attribute in one.nodes("Attribute"):
        if attribute.flag("deleted"):
            continue
        relation = attribute.text("object_relation")
        value = attribute.scalar("value")
        before = fields.get(relation)
        if isinstance(before, list):
            before.append(value)
        elif (name, relation) in _MULTIPLE:
            fields[relation] = [value]
        elif before is None:
            fields[relation] = value
        else:
            notes.drop(f"{attribute.path}.value", "another value of what an alert has one of")
        attribute.nodes("Tag")
        for left in attribute.unread(_ATTRIBUTE_FRAME):
            notes.drop(f"{attribute.path}.{left}", NO_PLACE)
    references = tuple(
        (reference.text("relationship_type"), reference.text("referenced_uuid"))
        for reference in one.nodes("ObjectReference")
    )
    for left in one.unread(_OBJECT_FRAME):
        notes.drop(f"{one.path}.{left}", NO_PLACE)
    return Thing(name, one.text("uuid"), Node(one.path, fields), references)


def event_of(document: Node) -> Node:
    """Return the one event of a file.

    Raises:
        MalformedError: There is none, or more than one.
    """
    found = document.node("Event")
    if found is not None:
        return found
    answers = document.nodes("response")
    if len(answers) == 1 and (found := answers[0].node("Event")) is not None:
        return found
    raise MalformedError(
        'Event: missing; expected one MISP event, {"Event": {...}}, as MISP downloads it'
    )
