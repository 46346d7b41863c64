"""What is watched for, and what a message must name to have it."""

from __future__ import annotations

import pytest

from sesn_node.domain.alert import (
    Alert,
    CallKind,
    Consignment,
    Container,
    Party,
    PartyRole,
    PortCall,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.terms import Term, TermField, terms_of
from sesn_node.domain.watching import Watched, WatchKind
from sesn_node.errors import MalformedError
from tests.support.talking import day, sighting


def _alert(*ports: str) -> Alert:
    return Alert(
        subject="S",
        urgency=Urgency.ROUTINE,
        requested_action=RequestedAction.NONE,
        consignment=Consignment(
            containers=(Container("MSKU 123456-7"),),
            vessel=Vessel(imo="IMO 9074729", name="Zoë", voyage="12 W"),
            bill_of_lading="B/L 77",
            parties=(Party("Müller GmbH", PartyRole.EXPORTER),),
            route=tuple(PortCall(port, CallKind.LOADING) for port in ports),
        ),
    )


def _matches(watched: Watched, alert: object) -> bool:
    there = terms_of(alert)
    return any(
        term in there and (other is None or other in there) for term, other in watched.terms()
    )


@pytest.mark.parametrize(
    ("kind", "value", "other"),
    [
        (WatchKind.CONTAINER, "msku1234567", ""),
        (WatchKind.OWNER, "MSKU", ""),
        (WatchKind.VESSEL, "9074729", ""),
        (WatchKind.VESSEL, "ZOË", ""),
        (WatchKind.PARTY, "müller  gmbh", ""),
        (WatchKind.ROUTE, "nlrtm", "GH TEM"),
        (WatchKind.ROUTE, "MAPTM", "GHTEM"),
    ],
)
def test_matches(kind: WatchKind, value: str, other: str) -> None:
    """However it is written."""
    assert _matches(Watched(kind, value, other), _alert("NLRTM", "MAPTM", "GHTEM"))


@pytest.mark.parametrize(
    ("kind", "value", "other"),
    [
        (WatchKind.CONTAINER, "MSKU123456", ""),
        (WatchKind.OWNER, "MSKX", ""),
        (WatchKind.VESSEL, "9074728", ""),
        (WatchKind.PARTY, "Müller", ""),
        (WatchKind.ROUTE, "GHTEM", "NLRTM"),
        (WatchKind.ROUTE, "NLRTM", "BEANR"),
        (WatchKind.ROUTE, "NLRTM", "NLRTM"),
    ],
)
def test_near_misses(kind: WatchKind, value: str, other: str) -> None:
    """A part of a number, another owner, the way back."""
    assert not _matches(Watched(kind, value, other), _alert("NLRTM", "MAPTM", "GHTEM"))


def test_sightings_are_matched_too() -> None:
    """A sighting names containers, owners, ships and seals."""
    seen = sighting("GHTEM", day(1), container="MSKU1234567", imo="9074729", seal="S 1")
    for kind, value in (
        (WatchKind.CONTAINER, "MSKU1234567"),
        (WatchKind.OWNER, "msku"),
        (WatchKind.VESSEL, "IMO 9074729"),
    ):
        assert _matches(Watched(kind, value), seen)
    assert Term(TermField.SEAL, "s1") in terms_of(seen)


def test_voyage_and_bill() -> None:
    """By number and by name; a voyage alone names nothing."""
    found = terms_of(_alert())
    assert Term(TermField.VOYAGE, "9074729/12w") in found
    assert Term(TermField.VOYAGE, "zoë/12w") in found
    assert Term(TermField.BILL, "bl77") in found


@pytest.mark.parametrize("text", ["see manifest", "MSK1", "12345", "MSKUX", ""])
def test_what_has_no_owner(text: str) -> None:
    """Words and numbers that do not begin with four letters and a digit."""
    seen = sighting("GHTEM", day(1), container=text, imo="9074729")
    assert not [term for term in terms_of(seen) if term.field is TermField.OWNER]


@pytest.mark.parametrize(
    ("kind", "value", "other"),
    [
        (WatchKind.CONTAINER, "", ""),
        (WatchKind.CONTAINER, "---", ""),
        (WatchKind.PARTY, "\x1b[2J", ""),
        (WatchKind.PARTY, "x" * 201, ""),
        (WatchKind.OWNER, "MSK", ""),
        (WatchKind.OWNER, "MSKU1", ""),
        (WatchKind.ROUTE, "NLRTM", ""),
        (WatchKind.VESSEL, "9074729", "GHTEM"),
    ],
)
def test_refused(kind: WatchKind, value: str, other: str) -> None:
    """Nothing to look for, or a terminal's commands: the error names what was wrong."""
    with pytest.raises(MalformedError, match=f"^{kind}: "):
        Watched(kind, value, other)
