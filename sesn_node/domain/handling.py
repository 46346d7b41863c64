"""What markings allow: who may read a message, whom it may go to, its use in court, its end.

One table says what each mark asks for (`RULES`); what the strictest mark on an axis says, holds.
`docs/handling.md` shows the same table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sesn_node.domain.markings import ANY_AGENCY, EvaluationScheme, Markings, Passing
from sesn_node.domain.times import minute_of


class Readers(StrEnum):
    """Who may read a message, strictest first; the values are the words for people."""

    INDIVIDUALS = "only the individual people that it is addressed to"
    ORGANISATIONS = "people of the recipients' own organisations who need to know"
    CLIENTS = "people of the recipients' organisations and of their clients who need to know"
    COMMUNITY = "people of the recipients' community; not in public"
    ANYBODY = "anybody; it may be published"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one mark asks for; None where it says nothing.

    Args:
        mark: The mark, as people write it.
        source: Who says so.
        readers: Who may read the message.
        passing: Whether it may be passed on to another agency.
        court: False if it must not be used in court without the originator's permission.
    """

    mark: str
    source: str
    readers: Readers | None = None
    passing: Passing | None = None
    court: bool | None = None


_TLP: Final = "FIRST TLP 2.0"
_EUROPOL: Final = "Europol handling codes"
_3X5X2: Final = "College of Policing, intelligence report 3x5x2"
_5X5X5: Final = "National Intelligence Model 5x5x5"

RULES: Final = (
    Rule("TLP:RED", _TLP, Readers.INDIVIDUALS, Passing.NEVER),
    Rule("TLP:AMBER+STRICT", _TLP, Readers.ORGANISATIONS, Passing.ASK),
    Rule("TLP:AMBER", _TLP, Readers.CLIENTS, Passing.ASK),
    Rule("TLP:GREEN", _TLP, Readers.COMMUNITY, Passing.ASK),
    Rule("TLP:CLEAR", _TLP, Readers.ANYBODY, Passing.FREE),
    Rule("H1", _EUROPOL, court=False),
    Rule("H2", _EUROPOL, Readers.ORGANISATIONS, Passing.ASK),
    Rule("H3", _EUROPOL, passing=Passing.ASK),
    Rule("3x5x2 P", _3X5X2, passing=Passing.FREE),
    Rule("3x5x2 C", _3X5X2, passing=Passing.ASK),
    Rule("5x5x5 1", _5X5X5, passing=Passing.FREE),
    Rule("5x5x5 2", _5X5X5, Readers.ORGANISATIONS, Passing.ASK),
    Rule("5x5x5 3", _5X5X5, Readers.ORGANISATIONS, Passing.ASK),
    Rule("5x5x5 4", _5X5X5, Readers.ORGANISATIONS, Passing.NEVER),
    Rule("5x5x5 5", _5X5X5, Readers.ORGANISATIONS, Passing.ASK),
)
"""Every mark that restricts something, by axis, strictest or lowest first."""

_BY_MARK: Final = {rule.mark: rule for rule in RULES}
_GRADED: Final = {EvaluationScheme.BRITISH_3X5X2, EvaluationScheme.BRITISH_5X5X5}


@dataclass(frozen=True, slots=True)
class Allowed:
    """What all marks of a message together allow.

    Args:
        readers: Who may read it.
        readers_by: The marks that say so.
        passing: Whether recipients may pass it on.
        passing_by: The marks that say so.
        onward: To whom without asking, where `passing` says ask; as in `Markings.onward`.
        court: False if it must not be used in court without the originator's permission.
        court_by: The marks that say so.
        keep_until: From then on no node keeps it.
        purpose: What it may be used for; empty: nothing was said.
        legal_basis: The law that it is shared under.
        restrictions: The words of H3.
    """

    readers: Readers
    readers_by: tuple[str, ...]
    passing: Passing
    passing_by: tuple[str, ...]
    onward: tuple[str, ...]
    court: bool
    court_by: tuple[str, ...]
    keep_until: datetime | None
    purpose: str
    legal_basis: str
    restrictions: str


def marks(markings: Markings) -> tuple[str, ...]:
    """Name the marks of a message, as people write them; the label of TLP is always the first."""
    named = [f"TLP:{markings.tlp.value}", *(code.value for code in markings.handling)]
    given = markings.evaluation
    if given is not None and given.scheme in _GRADED:
        named.append(f"{given.scheme.value} {given.handling}")
    return tuple(named)


def allowed(markings: Markings) -> Allowed:
    """Say what markings allow: on every axis, what the strictest mark says."""
    rules = [_BY_MARK[mark] for mark in marks(markings)]
    readers = min((one.readers for one in rules if one.readers), key=list(Readers).index)
    passing = markings.passing
    return Allowed(
        readers=readers,
        readers_by=_marks(one for one in rules if one.readers is readers),
        passing=passing,
        passing_by=_marks(one for one in rules if one.passing is passing),
        onward=markings.onward if passing is Passing.ASK else (),
        court=all(one.court is not False for one in rules),
        court_by=_marks(one for one in rules if one.court is False),
        keep_until=markings.retain_until,
        purpose=markings.purpose,
        legal_basis=markings.legal_basis,
        restrictions=markings.handling_text,
    )


def sentences(found: Allowed) -> tuple[tuple[str, str], ...]:
    """Say what is allowed in plain language: a question, and its answer."""
    told = [
        ("who may read it", f"{found.readers.value} ({', '.join(found.readers_by)})"),
        ("pass it on", f"{_passing(found)} ({', '.join(found.passing_by)})"),
    ]
    if found.court:
        told.append(("use in court", "no mark forbids it"))
    else:
        told.append(
            (
                "use in court",
                f"only with the originator's permission ({', '.join(found.court_by)})",
            )
        )
    if found.keep_until is None:
        told.append(("keep it", "no date is set"))
    else:
        told.append(("keep it", f"until {minute_of(found.keep_until)} UTC; then nodes erase it"))
    for question, words in (
        ("use it for", found.purpose),
        ("shared under", found.legal_basis),
        ("also (H3)", found.restrictions),
    ):
        if words:
            told.append((question, words))
    return tuple(told)


def granted(onward: Iterable[str]) -> str:
    """Say in words whom a grant names."""
    return ", ".join(_granted(one) for one in onward)


_ANY = {
    ANY_AGENCY: "any agency",
    "int.*": "any international agency",
}


def _granted(one: str) -> str:
    if one.endswith(".*"):
        return _ANY.get(one, f"any agency of {one[:-2]}")
    return _ANY.get(one, one)


def _passing(found: Allowed) -> str:
    if found.passing is Passing.NEVER:
        return "never; whoever else should have it, gets it from its originator"
    if found.passing is Passing.FREE:
        return "to anybody, without asking"
    if not found.onward:
        return "only with the originator's consent"
    return (
        f"to {granted(found.onward)}, without asking; to others only with the originator's consent"
    )


def _marks(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(one.mark for one in rules)
