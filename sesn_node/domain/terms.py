"""What a message can be found by: containers, vessels, parties, seals and more, in normal form.

Documents and people write one number or name in many ways. The normal form drops what differs
between them, and nothing that tells two things apart: case, spaces and other separators, the
compatibility forms of Unicode, and the script of digits.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from sesn_node.domain.alert import Alert, Consignment, Vessel
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.checks import check_line
from sesn_node.domain.conversation import Sighting, Update
from sesn_node.domain.findings import Finding, Result
from sesn_node.domain.identifiers import check_container, check_imo
from sesn_node.errors import MalformedError

_MAX_SOUGHT = 200
# Whatever letter stands fourth: a wrong number is evidence.
_OWNER = re.compile(r"([a-z]{4})[0-9]", re.ASCII)
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
    BILL = "bill-of-lading"
    VOYAGE = "voyage"
    """A ship, by number or name, and its voyage number."""
    OWNER = "container-owner"
    """The first four letters of a container number: its owner's code and U, J or Z (ISO 6346)."""
    FROM_PORT = "from-port"
    """Where a route calls, its last call left out."""
    TO_PORT = "to-port"
    """Where a route calls, its first call left out."""


@dataclass(frozen=True, slots=True)
class Term:
    """Something that a message names, in normal form; never empty."""

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


def terms_of(body: object) -> frozenset[Term]:
    """Return what a message can be found by, by its body; nothing of a body that names nothing.

    Of an update, what the alert names now. Of a forward or a case file nothing: what it holds is
    sealed bytes here, and `sesn_node.exchange.search` opens them.
    """
    if isinstance(body, Update):
        body = body.alert
    if isinstance(body, Sighting):
        found = {Term(TermField.CONTAINER, normalised(body.container))}
        found |= {Term(TermField.OWNER, owner_of(body.container))}
        found |= {Term(TermField.IMO, _imo(body.imo)), Term(TermField.SEAL, normalised(body.seal))}
        return _set(found)
    if isinstance(body, CaseStep):
        return _set(_of_step(body.details))
    if isinstance(body, Alert) and body.consignment is not None:
        return _set(_of_consignment(body.consignment))
    return frozenset()


def owner_of(container: str) -> str:
    """Return owner code and category of a container number, in small letters; or nothing."""
    found = _OWNER.match(normalised(container))
    return "" if found is None else found[1]


def _of_step(details: Details) -> set[Term]:
    """Name what a step of a case moves, and the consignment that a request is about.

    Who takes the waste, pays for it or treats it is told by name and address in one line, which
    no normal form of a name would find.
    """
    found = {
        Term(TermField.CONTAINER, normalised(details.container)),
        Term(TermField.OWNER, owner_of(details.container)),
        Term(TermField.SEAL, normalised(details.seal)),
        Term(TermField.IMO, _imo(details.imo)),
        Term(TermField.BILL, normalised(details.bill_of_lading)),
    }
    if details.consignment is not None:
        found |= _of_consignment(details.consignment)
    return found


def _of_consignment(consignment: Consignment) -> set[Term]:
    found = {Term(TermField.BILL, normalised(consignment.bill_of_lading))}
    for container in consignment.containers:
        found.add(Term(TermField.CONTAINER, normalised(container.number)))
        found.add(Term(TermField.OWNER, owner_of(container.number)))
        found.add(Term(TermField.SEAL, normalised(container.seal)))
    if consignment.vessel is not None:
        found |= _of_vessel(consignment.vessel)
    for party in consignment.parties:
        found.add(Term(TermField.PARTY, normalised(party.name)))
    ports = [normalised(call.port) for call in consignment.route]
    found |= {Term(TermField.FROM_PORT, port) for port in ports[:-1]}
    return found | {Term(TermField.TO_PORT, port) for port in ports[1:]}


def _of_vessel(vessel: Vessel) -> set[Term]:
    number, name, voyage = _imo(vessel.imo), normalised(vessel.name), normalised(vessel.voyage)
    found = {Term(TermField.IMO, number), Term(TermField.VESSEL, name)}
    if voyage:
        # No normal form has a slash: two different pairs never give one term.
        found |= {Term(TermField.VOYAGE, f"{ship}/{voyage}") for ship in (number, name) if ship}
    return found


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


def _set(found: set[Term]) -> frozenset[Term]:
    """Leave out what is empty: it would find whatever says nothing."""
    return frozenset(term for term in found if term.value)
