"""What markings allow, for people and for programs."""

from __future__ import annotations

from typing import Final

from rich.table import Table
from rich.text import Text

from sesn_node.cli.show import Json, facts, iso
from sesn_node.domain.handling import Allowed, marks, sentences
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.times import unix_ms

TLP_STYLES: Final = {
    Tlp.RED: "bold red",
    Tlp.AMBER_STRICT: "bold yellow",
    Tlp.AMBER: "bold yellow",
    Tlp.GREEN: "bold green",
    Tlp.CLEAR: "bold",
}


def marks_text(markings: Markings) -> Text:
    """Show the marks of a message in one line."""
    label, *others = marks(markings)
    shown = Text(label, TLP_STYLES[markings.tlp])
    graded = markings.evaluation
    if graded is not None:
        others = [one for one in others if not one.startswith(graded.scheme.value)]
        grades = f"{graded.source}{graded.information}{graded.handling}"
        others.append(f"evaluated {grades} ({graded.scheme.value})")
    for one in others:
        shown.append(f", {one}", "bold" if one.startswith("H") else "")
    return shown


def allowed_text(found: Allowed) -> Table:
    """Show what is allowed: questions and their answers."""
    listing = facts()
    for question, answer in sentences(found):
        listing.add_row(question, Text(answer))
    return listing


def allowed_json(found: Allowed) -> dict[str, Json]:
    """Show what is allowed to programs; `text` is the same in words."""
    keep = found.keep_until
    return {
        "read": found.readers.name,
        "read_by": list(found.readers_by),
        "pass_on": found.passing.value,
        "pass_on_by": list(found.passing_by),
        "onward": list(found.onward),
        "court": found.court,
        "court_by": list(found.court_by),
        "keep_until": iso(unix_ms(keep)) if keep else None,
        "purpose": found.purpose,
        "legal_basis": found.legal_basis,
        "restrictions": found.restrictions,
        "text": [f"{question}: {answer}" for question, answer in sentences(found)],
    }
