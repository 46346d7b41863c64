"""What an alert can be found by: containers, vessels, parties and seals, in normal form.

Documents and people write one number or name in many ways. The normal form drops what differs
between them, and nothing that tells two things apart: case, spaces and other separators, the
compatibility forms of Unicode, and the script of digits.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from sesn_node.domain.alert import Alert
from sesn_node.domain.checks import check_line
from sesn_node.domain.identifiers import Finding, Result, check_container, check_imo
from sesn_node.errors import MalformedError

_MAX_SOUGHT = 200
_IMO = "imo"
# Separators, punctuation, and what is no character (UAX #44 table 12).
_DROPPED = frozenset("ZPC")
_ASCII = {code: None for code in range(128) if unicodedata.category(chr(code))[0] in _DROPPED}


class TermField(StrEnum):
    """Which kind of thing a term names."""

    CONTAINER = "container"
    IMO = "vessel-imo"
    VESSEL = "vessel-name"
    PARTY = "party"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class Term:
    """Something that an alert names, in normal form; never empty."""

    field: TermField
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What to look for; an alert must name all that is set.

    Args:
        container: A container number.
        vessel: A ship's IMO number or name.
        party: A party's name.
        seal: A seal number.

    Raises:
        MalformedError: Too long, with control characters, or without a letter or digit.
    """

    container: str | None = None
    vessel: str | None = None
    party: str | None = None
    seal: str | None = None

    def __post_init__(self) -> None:
        for name in ("container", "vessel", "party", "seal"):
            text = getattr(self, name)
            if text is None:
                continue
            check_line(name, text, _MAX_SOUGHT)
            if not normalised(text):
                raise MalformedError(f"{name}: {text!a} has no letter or digit to look for")

    def __bool__(self) -> bool:
        return any(
            text is not None for text in (self.container, self.vessel, self.party, self.seal)
        )

    def terms(self) -> tuple[frozenset[Term], ...]:
        """Return what an alert must name: of each set one term at least."""
        wanted = []
        if self.container is not None:
            wanted.append({Term(TermField.CONTAINER, normalised(self.container))})
        if self.vessel is not None:
            # Who asks need not say which of the two it is.
            number, name = _imo(self.vessel), normalised(self.vessel)
            wanted.append({Term(TermField.VESSEL, name)} | _terms(TermField.IMO, number))
        if self.party is not None:
            wanted.append({Term(TermField.PARTY, normalised(self.party))})
        if self.seal is not None:
            wanted.append({Term(TermField.SEAL, normalised(self.seal))})
        return tuple(frozenset(one) for one in wanted)

    def doubts(self) -> tuple[Finding, ...]:
        """Say what is wrong with the numbers; an alert may name them all the same."""
        found = []
        if self.container is not None:
            found.append(check_container(self.container))
        if self.vessel is not None and _imo(self.vessel).isdecimal():
            found.append(check_imo(self.vessel, "vessel"))
        return tuple(one for one in found if one.result is not Result.OK)


def terms_of(alert: Alert) -> frozenset[Term]:
    """Return what an alert can be found by."""
    consignment = alert.consignment
    if consignment is None:
        return frozenset()
    found: set[Term] = set()
    for container in consignment.containers:
        found |= _terms(TermField.CONTAINER, normalised(container.number))
        found |= _terms(TermField.SEAL, normalised(container.seal))
    if consignment.vessel is not None:
        found |= _terms(TermField.IMO, _imo(consignment.vessel.imo))
        found |= _terms(TermField.VESSEL, normalised(consignment.vessel.name))
    for party in consignment.parties:
        found |= _terms(TermField.PARTY, normalised(party.name))
    return frozenset(found)


def normalised(text: str) -> str:
    """Return the normal form of a number or name; empty if it has no letter, digit or symbol.

    Case folding and NFKC (UAX #15) can each make work for the other, so both are repeated until
    nothing changes. Normalising twice is as good as once.
    """
    if text.isascii():
        # As below, and ten times as fast.
        return text.lower().translate(_ASCII)
    while True:
        folded = unicodedata.normalize("NFKC", text).casefold()
        kept = "".join(_plain(one) for one in folded if _keeps(one))
        kept = unicodedata.normalize("NFKC", kept)
        if kept == text:
            return kept
        text = kept


def _keeps(character: str) -> bool:
    return unicodedata.category(character)[0] not in _DROPPED


def _plain(character: str) -> str:
    """Write a decimal digit of any script as 0 to 9."""
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _imo(text: str) -> str:
    """Return the normal form of a ship number: without the letters that many write before it."""
    return normalised(text).removeprefix(_IMO)


def _terms(field: TermField, value: str) -> set[Term]:
    return {Term(field, value)} if value else set()
