"""Checks of identifiers: a finding whatever the text, and the slips that check digits promise."""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from stdnum import imo, iso6346
from stdnum.iso7064 import mod_97_10

from sesn_node.codes.across import Told, across
from sesn_node.codes.consignment import check_alert, check_consignment
from sesn_node.codes.goods import (
    check_basel,
    check_eu_waste,
    check_hs,
    check_oecd,
    check_un,
    check_unit,
)
from sesn_node.codes.parties import check_vat
from sesn_node.codes.places import check_country, check_port
from sesn_node.domain.alert import Alert, Consignment, RequestedAction, Urgency
from sesn_node.domain.findings import Finding, Result, Rule
from sesn_node.domain.identifiers import (
    check_bill_of_lading,
    check_container,
    check_imo,
    check_lei,
    check_seal,
)
from tests.property.test_codec import consignments, instants

DAYS = st.dates(date(1970, 1, 1))
NOW = datetime(2026, 12, 1, tzinfo=UTC)

# Each with the arguments that it takes beside the text.
CHECKS: dict[str, Callable[[str, date], Finding]] = {
    "container": lambda text, _: check_container(text),
    "imo": lambda text, _: check_imo(text),
    "seal": lambda text, _: check_seal(text),
    "bill of lading": lambda text, _: check_bill_of_lading(text),
    "lei": lambda text, _: check_lei(text),
    "port": lambda text, _: check_port(text),
    "country": lambda text, _: check_country(text),
    "hs": lambda text, on: check_hs(text, "HS2022", on),
    "hs edition": lambda text, on: check_hs("854991", text, on),
    "basel": check_basel,
    "oecd": lambda text, _: check_oecd(text),
    "eu waste": check_eu_waste,
    "un": lambda text, _: check_un(text),
    "unit": lambda text, _: check_unit("1", text),
    "quantity": lambda text, _: check_unit(text, "kg"),
    "vat": lambda text, _: check_vat(text),
    "vat country": lambda text, _: check_vat("NL004495445B01", text),
}

# Anything, and what gets past the first pattern of a check.
texts = (
    st.text(st.characters(), max_size=30)
    | st.text(string.ascii_letters + string.digits + " .-*/+", max_size=20)
    | st.from_regex(r"\A(IMO |UN )?\d{4,10}\*?\Z")
    | st.from_regex(r"\A[A-Za-z]{2,4}\d{3,13}\Z")
    | st.from_regex(r"\A[A-Z]{2}[A-Z0-9+*]{2,13}\Z", fullmatch=True)
)


@pytest.mark.parametrize("name", CHECKS)
@given(text=texts, on=DAYS)
@example(text="", on=date(2026, 1, 1))
@example(text="\x00", on=date(2026, 1, 1))
@example(text="\ud800", on=date(2026, 1, 1))
@example(text="\u202eCSQU3054383", on=date(2026, 1, 1))
@example(text="NL" + "0" * 100_000, on=date(2026, 1, 1))
@example(text="\u0130\u017f\u212a\ufb01", on=date(2026, 1, 1))
def test_no_text_raises(name: str, text: str, on: date) -> None:
    """Every check gives a finding that keeps the text, with a normal form in ASCII."""
    finding = CHECKS[name](text, on)
    if name not in {"hs edition", "quantity", "vat country"}:
        assert finding.observed == text
    assert finding.normalised.isascii()
    assert (finding.result is Result.OK) == (finding.rule is None)


@given(consignments, DAYS, instants)
def test_no_consignment_raises(consignment: Consignment, on: date, by: datetime | None) -> None:
    """Whatever an alert may say: alone, in its alert, and beside itself."""
    found = check_consignment(consignment, on)
    alert = Alert(
        subject="s",
        urgency=Urgency.SHIP_SAILS,
        requested_action=RequestedAction.HOLD,
        respond_by=by,
        consignment=consignment,
    )
    check_alert(alert, NOW)
    assert all(one.field.startswith("consignment.") for one in found)
    assert across([Told("a", consignment), Told("a", consignment)]) == ()


@st.composite
def containers(draw: st.DrawFn) -> str:
    """A right container number whose digit does not stand for remainder 10."""
    owner = draw(st.text(string.ascii_uppercase, min_size=3, max_size=3))
    number = owner + draw(st.sampled_from("UJZ")) + draw(st.from_regex(r"[0-9]{6}", fullmatch=True))
    number += iso6346.calc_check_digit(number)
    assume(check_container(number).result is Result.OK)
    return number


ships = st.integers(1, 999_999).map(lambda n: f"{n:06d}").map(lambda n: n + imo.calc_check_digit(n))
entities = st.text(string.ascii_uppercase + string.digits, min_size=18, max_size=18).map(
    lambda text: text + mod_97_10.calc_check_digits(text)
)


def _other_digit(draw: st.DrawFn, number: str, first: int) -> str:
    at = draw(st.integers(first, len(number) - 1))
    digit = draw(st.sampled_from(string.digits).filter(lambda one: one != number[at]))
    return number[:at] + digit + number[at + 1 :]


def _exchanged(draw: st.DrawFn, number: str, first: int) -> str:
    at = draw(st.integers(first, len(number) - 2))
    assume(number[at] != number[at + 1])
    return number[:at] + number[at + 1] + number[at] + number[at + 2 :]


@given(containers(), st.data())
def test_wrong_digit_of_a_container_is_found(number: str, data: st.DataObject) -> None:
    """Weights are powers of 2 modulo 11, so no single digit hides; 10 and 0 share a digit.

    A slip into a number of remainder 10 is told by the doubt about that remainder.
    """
    slipped = data.draw(st.composite(_other_digit)(number, 4))
    assert check_container(slipped).rule in {Rule.CONTAINER_DIGIT, Rule.CONTAINER_TEN}


@given(containers(), st.data())
def test_exchanged_digits_of_a_container_are_found(number: str, data: st.DataObject) -> None:
    """Neighbours among the six digits of the serial number, or its last with the check digit."""
    slipped = data.draw(st.composite(_exchanged)(number, 4))
    assert check_container(slipped).rule in {Rule.CONTAINER_DIGIT, Rule.CONTAINER_TEN}


@given(ships, st.data())
def test_exchanged_digits_of_a_ship_are_found(number: str, data: st.DataObject) -> None:
    """Weights 7 to 2 differ by one from neighbour to neighbour, modulo 10."""
    at = data.draw(st.integers(0, 4))
    assume(number[at] != number[at + 1])
    slipped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    assert check_imo(slipped).rule is Rule.IMO_DIGIT


@given(ships, st.data())
def test_wrong_check_digit_of_a_ship_is_found(number: str, data: st.DataObject) -> None:
    """The last digit is determined by the others.

    Not so every other digit: weights 2, 4, 5 and 6 share factors with 10, so some slips hide.
    """
    digit = data.draw(st.sampled_from(string.digits).filter(lambda one: one != number[-1]))
    assert check_imo(number[:-1] + digit).rule is Rule.IMO_DIGIT


@given(ships, st.data())
def test_wrong_digit_of_a_ship_under_an_odd_weight_is_found(
    number: str, data: st.DataObject
) -> None:
    """Weights 7 and 3 have no factor in common with 10."""
    at = data.draw(st.sampled_from([0, 4]))
    digit = data.draw(st.sampled_from(string.digits).filter(lambda one: one != number[at]))
    slipped = number[:at] + digit + number[at + 1 :]
    assume(slipped != "0000000")
    assert check_imo(slipped).rule is Rule.IMO_DIGIT


@given(entities, st.data())
def test_wrong_sign_of_an_entity_is_found(number: str, data: st.DataObject) -> None:
    """A digit for another, a letter for another: 97 is prime, and more than their differences.

    A digit for a letter may hide: a letter counts as two digits, and moves what stands before it.
    """
    at = data.draw(st.integers(0, 19))
    alike = string.digits if number[at].isdecimal() else string.ascii_uppercase
    sign = data.draw(st.sampled_from(alike).filter(lambda one: one != number[at]))
    assert check_lei(number[:at] + sign + number[at + 1 :]).rule is Rule.LEI_DIGITS


@given(entities, st.data())
def test_exchanged_signs_of_an_entity_are_found(number: str, data: st.DataObject) -> None:
    """Two digits, or two letters; `2M` and `M2` are the same number, as M counts as 22."""
    at = data.draw(st.integers(0, 18))
    one, other = number[at], number[at + 1]
    assume(one != other and one.isdecimal() == other.isdecimal())
    slipped = number[:at] + other + one + number[at + 2 :]
    assert check_lei(slipped).rule is Rule.LEI_DIGITS
