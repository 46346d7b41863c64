"""A STIX 2.1 bundle as a draft: one report of it, with what it is about if it is in our words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from sesn_node.domain.alert import RequestedAction, Urgency
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.interop import stix_ids as ids
from sesn_node.interop.documents import Node, choice, read_document
from sesn_node.interop.drafts import alert_of, built
from sesn_node.interop.marks import (
    evaluation,
    known_label,
    restricted,
    statement,
    strictest,
    with_grant,
)
from sesn_node.interop.notes import Draft, Notes
from sesn_node.interop.stix_bundle import Bundle, bundle_of, extension_of
from sesn_node.interop.stix_consignment import consignment_of

_MAIN: Final = ("report", "incident", "grouping")
"""What an alert can be made of, the likeliest first."""


def read_stix(data: bytes) -> Draft:
    """Make a draft of a bundle.

    Raises:
        MalformedError: No bundle of STIX 2.1, not one report in it, or a field that is read and is
            not what it must be; the message names it.
    """
    bundle = bundle_of(read_document(data))
    main = _main(bundle)
    extension = extension_of(main, ids.ALERT_EXTENSION)
    notes = Notes()
    markings = _markings(bundle, extension, notes)
    narrative = main.text("description")
    if extension is None:
        consignment = None
        urgency = action = respond_by = None
    else:
        consignment = consignment_of(bundle, extension)
        urgency = extension.choice("urgency", Urgency)
        action = extension.choice("requested_action", RequestedAction)
        respond_by = extension.moment("respond_by")
        # Derived from the extension when they were written.
        main.texts("labels")
    main.texts("object_refs")
    alert = alert_of(
        notes,
        subject=main.text("name"),
        narrative=narrative,
        urgency=urgency,
        requested_action=action,
        respond_by=respond_by,
        consignment=consignment,
    )
    bundle.tell_left(main, notes)
    return notes.draft(Payload(markings, alert))


def _main(bundle: Bundle) -> Node:
    """Return the object that an alert is made of.

    Raises:
        MalformedError: There is none, more than one, or its author took it back.
    """
    for kind in _MAIN:
        found = [one for one in bundle.objects.values() if one.text("type") == kind]
        if len(found) > 1:
            raise MalformedError(
                f"objects: {len(found):,} of type {kind}; an alert is made of one: take out the "
                "others"
            )
        if found:
            if found[0].flag("revoked"):
                raise MalformedError(f"{found[0].path}.revoked: its author took it back")
            return found[0]
    raise MalformedError(f"objects: none of type {', '.join(_MAIN)} to make an alert of")


def _markings(bundle: Bundle, extension: Node | None, notes: Notes) -> Markings:
    """Return the strictest marks of all objects: who takes one in has to obey every one of them."""
    beside = extension.node("markings") if extension is not None else None
    told = Markings(Tlp.GREEN) if beside is None else _beside_tlp(beside)
    onward = () if beside is None else beside.texts("onward")
    # Ours in words, for those who do not know the extension.
    ours = statement(replace(told, onward=onward))
    found: list[Tlp | None] = []
    words = []
    for reference in dict.fromkeys(_marks(bundle)):
        label, text = _mark(bundle, reference)
        if text is None:
            found.append(label)
        elif text != ours:
            words.append(text)
    markings = restricted(replace(told, tlp=strictest(found, notes)), words, notes)
    return with_grant(markings, onward, notes)


def _marks(bundle: Bundle) -> Iterator[str]:
    for one in bundle.objects.values():
        yield from one.texts("object_marking_refs")
        for granular in one.nodes("granular_markings"):
            if reference := granular.text("marking_ref"):
                yield reference


def _mark(bundle: Bundle, reference: str) -> tuple[Tlp | None, str | None]:
    """Return the label of TLP that a marking definition means, or the words that it states."""
    labels = {one: tlp for tlp, one in ids.TLP_IDS.items()} | ids.TLP_1_IDS
    if reference in labels:
        return labels[reference], None
    found = bundle.objects.get(reference)
    if found is None:
        return None, None
    extension = extension_of(found, ids.TLP_EXTENSION)
    if extension is not None:
        return known_label(extension.text("tlp_2_0")), None
    definition = found.node("definition")
    if definition is not None and found.text("definition_type") == "tlp":
        return known_label(definition.text("tlp")), None
    if definition is not None and found.text("definition_type") == "statement":
        return None, definition.text("statement")
    return None, None


def _beside_tlp(told: Node) -> Markings:
    """Read all marks but the label and the grant."""
    graded = told.node("evaluation")
    place = f"{told.path}.handling"
    codes = [choice(place, one, HandlingCode) for one in told.texts("handling")]
    return built(
        told.path,
        Markings,
        Tlp.GREEN,
        handling=tuple(codes),
        handling_text=told.text("handling_text"),
        evaluation=None if graded is None else evaluation(graded),
        purpose=told.text("purpose"),
        legal_basis=told.text("legal_basis"),
        retain_until=told.moment("retain_until"),
    )
