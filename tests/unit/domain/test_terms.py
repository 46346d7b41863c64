"""What an alert can be found by: one form for all ways of writing a number or a name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.domain.alert import (
    Alert,
    Consignment,
    Container,
    Party,
    PartyRole,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.case_terms import Action, Mark, Role
from sesn_node.domain.terms import Sought, Term, TermField, normalised, terms_of
from sesn_node.errors import MalformedError


def _alert(consignment: Consignment | None) -> Alert:
    return Alert(
        subject="S",
        urgency=Urgency.ROUTINE,
        requested_action=RequestedAction.NONE,
        narrative="N",
        consignment=consignment,
    )


ALERT = _alert(
    Consignment(
        containers=(Container("TGHU 123456-7", seal="GB/664 0127"), Container("see manifest")),
        vessel=Vessel(imo="IMO 9074729", name="M.S.C. Zoë"),
        parties=(Party("Müller & Söhne GmbH", PartyRole.EXPORTER), Party("-", PartyRole.CARRIER)),
    )
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("TGHU 123456-7", "tghu1234567"),
        ("tghu.123456/7", "tghu1234567"),
        ("\uff34\uff27\uff28\uff35\u3000\uff11\uff12\uff13\uff14\uff15\uff16\uff17", "tghu1234567"),
        ("TGHU\u200b123\xa04567", "tghu1234567"),
        ("M.S.C.  Zoë", "msczoë"),
        ("MSC ZOE\u0308", "msczoë"),
        ("Großmann", "grossmann"),
        ("ﬁrst ﬆop", "firststop"),
        ("٣٤٥", "345"),
        ("हिन्दी", "हिन्दी"),
        ("東京 港", "東京港"),
        ("A+B", "a+b"),
        (" -/. ", ""),
        ("", ""),
    ],
)
def test_normal_form(text: str, form: str) -> None:
    """Case, separators, compatibility forms and the script of digits go; letters and marks stay."""
    assert normalised(text) == form


def test_all_that_an_alert_can_be_found_by() -> None:
    """Each container, seal, ship number, ship name and party, in normal form; no blanks."""
    assert terms_of(ALERT) == {
        Term(TermField.CONTAINER, "tghu1234567"),
        Term(TermField.CONTAINER, "seemanifest"),
        Term(TermField.OWNER, "tghu"),
        Term(TermField.SEAL, "gb6640127"),
        Term(TermField.IMO, "9074729"),
        Term(TermField.VESSEL, "msczoë"),
        Term(TermField.PARTY, "müllersöhnegmbh"),
    }


def test_all_that_a_step_of_a_case_can_be_found_by() -> None:
    """What it moves; of a request, the whole consignment too. Of a case file nothing: sealed."""
    mark = Mark(action=Action.SHIP, role=Role.DET, after=(b"a" * 32,))
    moved = Details(
        movement_document="GH 1",
        container="TGHU 123456-7",
        seal="GB/664 0127",
        imo="IMO 9074729",
        bill_of_lading="MEDU-1",
        taker="Müller & Söhne GmbH",
    )
    step = CaseStep(mark, b"s" * 32, moved)
    assert terms_of(step) == {
        Term(TermField.CONTAINER, "tghu1234567"),
        Term(TermField.OWNER, "tghu"),
        Term(TermField.SEAL, "gb6640127"),
        Term(TermField.IMO, "9074729"),
        Term(TermField.BILL, "medu1"),
    }
    asked = replace(mark, action=Action.ASK)
    request = CaseStep(asked, b"s" * 32, Details(text="?", consignment=ALERT.consignment))
    assert terms_of(request) == terms_of(ALERT)
    assert terms_of(CaseStep(asked, b"s" * 32, Details(text="TGHU1234567"))) == frozenset()


def test_alert_without_a_consignment_has_no_terms() -> None:
    """A warning in words alone is not found by numbers."""
    assert terms_of(_alert(None)) == frozenset()


@pytest.mark.parametrize(
    "sought",
    [
        Sought(container="tghu1234567"),
        Sought(vessel="9074729"),
        Sought(vessel="imo:9074729"),
        Sought(vessel="msc zoë"),
        Sought(party="MÜLLER & SÖHNE GMBH"),
        Sought(seal="GB6640127"),
        Sought(container="TGHU1234567", vessel="MSC Zoë", party="Müller & Söhne GmbH"),
    ],
)
def test_what_is_sought_is_found(sought: Sought) -> None:
    """However it is written, one term of each thing that is sought is among the alert's."""
    assert sought
    assert all(wanted & terms_of(ALERT) for wanted in sought.terms())


@pytest.mark.parametrize(
    "sought",
    [
        Sought(container="GB6640127"),
        Sought(seal="TGHU1234567"),
        Sought(party="MSC Zoë"),
        Sought(container="TGHU123456"),
        Sought(container="TGHU1234567", seal="GB6640128"),
    ],
)
def test_what_is_not_named_is_not_found(sought: Sought) -> None:
    """Another field, a part of a number, or one of two that does not fit."""
    assert not all(wanted & terms_of(ALERT) for wanted in sought.terms())


def test_nothing_sought() -> None:
    """Without any field there is nothing to look for."""
    assert not Sought()
    assert Sought().terms() == ()
    assert Sought().doubts() == ()


@pytest.mark.parametrize("field", ["container", "vessel", "party", "seal"])
@pytest.mark.parametrize("text", ["", "--", "\x1b[2J", "x" * 201, "a\u202eb"])
def test_bad_text_is_refused(field: str, text: str) -> None:
    """Nothing to look for, too long, or with control characters: the error names the field."""
    with pytest.raises(MalformedError, match=f"^{field}: "):
        Sought(**{field: text})


def test_doubtful_numbers_are_told() -> None:
    """A wrong check digit or shape is told with its reason; a ship's name is no number."""
    found = Sought(container="TGHU 123456-8", vessel="IMO 9074728", seal="?1", party="P").doubts()
    assert [one.field for one in found] == ["container", "vessel"]
    assert all("the number asks for" in one.reason for one in found)
    (shape,) = Sought(container="see manifest").doubts()
    assert "not an ISO 6346 number" in shape.reason
    assert Sought(vessel="MSC Zoë").doubts() == ()
