"""The objects of a STIX bundle: found by id, and with a record of what was taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sesn_node.errors import MalformedError
from sesn_node.interop import stix_ids as ids
from sesn_node.interop.documents import Node, shown
from sesn_node.interop.drafts import required
from sesn_node.interop.notes import Notes

_FRAME: Final = frozenset(
    {"type", "spec_version", "id", "created", "modified", "created_by_ref", "object_marking_refs"}
    | {"granular_markings", "extension_type", "identity_class", "relationship_type", "target_ref"}
)
"""What holds a bundle together, and says nothing of the consignment."""

_OWN: Final = {
    "id": "a draft becomes a message with an id of its own",
    "created_by_ref": "the sender of a draft is who sends it",
    "created": "a draft becomes a message with a time of its own",
    "modified": "a draft becomes a message with a time of its own",
    "published": "a draft becomes a message with a time of its own",
}
_NO_PLACE: Final = "an alert has no place for it"


@dataclass(slots=True)
class Bundle:
    """The objects of a bundle.

    Args:
        objects: By id, the newest version of each.
        taken: Ids of those that a draft is made of.
    """

    objects: dict[str, Node]
    taken: set[str] = field(default_factory=set)

    def take(self, of: Node, name: str, kind: str) -> Node | None:
        """Return the object that a reference names; None if there is no reference.

        Raises:
            MalformedError: It is not in the bundle, or of another type.
        """
        reference = of.text(name)
        if not reference:
            return None
        found = self.objects.get(reference)
        if found is None or found.text("type") != kind:
            raise MalformedError(f"{of.path}.{name}: expected the id of a {kind} of the bundle")
        self.taken.add(reference)
        return found

    def tell_left(self, main: Node, notes: Notes) -> None:
        """Say what of the bundle a draft does not have."""
        self.taken.add(main.text("id"))
        for name, reason in _OWN.items():
            if main.fields.get(name):
                notes.drop(f"{main.path}.{name}", reason)
        left = Counter[str]()
        authors = {one.text("created_by_ref") for one in self.objects.values()}
        for reference, one in self.objects.items():
            if reference in self.taken:
                apart = _FRAME | set(_OWN) if one is main else _FRAME
                for place in _unread(one, apart):
                    notes.drop(place, _NO_PLACE)
            elif reference not in authors and not self._frames(one):
                left[one.text("type")] += 1
        for kind, count in sorted(left.items()):
            notes.drop(f"objects of type {shown(kind)}: {count:,}", _NO_PLACE)

    def _frames(self, one: Node) -> bool:
        """Whether an object is only about others that are there, or says what they mean."""
        kind = one.text("type")
        if kind == "relationship":
            ends = {one.text("source_ref"), one.text("target_ref")}
            return one.text("relationship_type") == "located-at" and ends <= self.taken
        return kind in {"marking-definition", "extension-definition"}


def bundle_of(document: Node) -> Bundle:
    """Return the objects of a bundle.

    Raises:
        MalformedError: No bundle of STIX 2.1, or an object without a type or an id.
    """
    if document.text("type") != "bundle":
        raise MalformedError('type: expected "bundle"; is this a STIX 2.1 bundle?')
    found: dict[str, Node] = {}
    _check_version(document)
    for one in document.nodes("objects"):
        required(one, "type")
        reference = required(one, "id")
        _check_version(one)
        if reference not in found or _version(found[reference]) < _version(one):
            found[reference] = one
    return Bundle(found)


def _check_version(one: Node) -> None:
    # Observables need not name it; before 2.1 the bundle did, and the objects did not.
    if one.text("spec_version") not in {"", ids.SPEC}:
        place = f"{one.path}.spec_version" if one.path else "spec_version"
        raise MalformedError(f"{place}: expected {ids.SPEC}; convert the bundle first")


def _version(one: Node) -> str:
    # RFC 3339 in UTC sorts as text, once nothing stands behind a fraction of a second.
    return (one.text("modified") or one.text("created")).removesuffix("Z")


def extension_of(one: Node, name: str) -> Node | None:
    """Return an extension of an object; None if it has none of that id."""
    found = one.node("extensions")
    return None if found is None else found.node(name)


def _unread(one: Node, apart: frozenset[str] | set[str]) -> Iterator[str]:
    """Yield the paths of an object, and of those within it, that were not read."""
    for name in one.unread(apart):
        yield f"{one.path}.{name}"
    for name, value in one.fields.items():
        path = f"{one.path}.{name}"
        if path not in one.read:
            continue
        parts = value if isinstance(value, list) else [value]
        for index, part in enumerate(parts):
            if isinstance(part, dict):
                place = f"{path}[{index}]" if isinstance(value, list) else path
                yield from _unread(Node(place, part, one.read), _FRAME)
