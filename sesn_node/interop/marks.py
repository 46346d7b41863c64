"""Markings for those who know TLP and nothing else of ours, and the markings of others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sesn_node.domain.checks import clean_text, under
from sesn_node.domain.handling import granted
from sesn_node.domain.markings import (
    Evaluation,
    EvaluationScheme,
    HandlingCode,
    Markings,
    Passing,
    Tlp,
)
from sesn_node.errors import MalformedError
from sesn_node.interop.documents import Node, choice
from sesn_node.interop.drafts import built
from sesn_node.interop.notes import Notes

_MAX_RESTRICTION: Final = 500
_LABEL: Final = "markings.tlp"


def statement(markings: Markings) -> str:
    """Say in words what the label of TLP does not; empty if it says all."""
    told = []
    if markings.handling:
        codes = ", ".join(code.value for code in markings.handling)
        told.append(f"Europol handling codes: {codes}")
    graded = markings.evaluation
    if graded is not None:
        grades = f"{graded.source}{graded.information}{graded.handling}"
        told.append(f"Evaluation ({graded.scheme.value}): {grades}")
    ends = markings.retain_until
    for name, words in (
        ("H3", markings.handling_text),
        ("Purpose", markings.purpose),
        ("Legal basis", markings.legal_basis),
        ("To be erased at", "" if ends is None else f"{ends:%Y-%m-%d %H:%M:%S} UTC"),
        ("May be passed on without asking to", granted(markings.onward)),
    ):
        if words.strip():
            told.append(f"{name}: {words}")
    return "\n".join(told)


def evaluation(node: Node, prefix: str = "") -> Evaluation | None:
    """Read an evaluation; None if there is none.

    Raises:
        MalformedError: Grades without a scheme, or none of its grades.
    """
    scheme = node.text(f"{prefix}scheme")
    grades = [node.text(f"{prefix}{name}") for name in ("source", "information", "handling")]
    if not scheme and not any(grades):
        return None
    known = choice(f"{node.path}.{prefix}scheme", scheme, EvaluationScheme)
    return built(node.path, Evaluation, known, *grades)


def strictest(found: Iterable[Tlp | None], notes: Notes) -> Tlp:
    """Return the strictest label; RED where there is none, or one that is not known.

    Args:
        found: Labels; None for a mark that nothing is known of.
        notes: Where it is said what had to be set.
    """
    labels = list(found)
    if None in labels:
        notes.supply(_LABEL, "RED: there is a mark that this node does not know")
        return Tlp.RED
    if not labels:
        notes.supply(_LABEL, "RED: there is no label of TLP; set the one that its source means")
        return Tlp.RED
    return min((one for one in labels if one is not None), key=list(Tlp).index)


def restricted(markings: Markings, statements: Iterable[str], notes: Notes) -> Markings:
    """Add restrictions that others told in words: H3 is the code for those."""
    words = [one for one in statements if clean_text(one).strip()]
    if not words:
        return markings
    joined = "\n".join(one for one in (markings.handling_text, *words) if one)
    text = notes.text("markings.handling_text", joined, _MAX_RESTRICTION)
    notes.supply("markings.handling", "H3: a restriction is told in words")
    codes = tuple(sorted({*markings.handling, HandlingCode.H3}))
    return replace(markings, handling=codes, handling_text=text)


def with_grant(markings: Markings, onward: tuple[str, ...], notes: Notes) -> Markings:
    """Add the grant, where the other marks leave room for one.

    Raises:
        MalformedError: It names nobody clearly.
    """
    if onward and markings.passing is Passing.NEVER:
        notes.drop("markings.onward", "another mark of the document says: never to be passed on")
        return markings
    try:
        return replace(markings, onward=onward)
    except MalformedError as error:
        raise under("markings", error) from error


def known_label(text: str) -> Tlp | None:
    """Return a label of TLP 2.0 by its name; None if there is none.

    WHITE of TLP 1.0 is CLEAR (FIRST TLP 2.0, changes).
    """
    name = text.strip().upper().removeprefix("TLP:")
    try:
        return Tlp("CLEAR" if name == "WHITE" else name)
    except ValueError:
        return None
