"""Steps of cases: what they move is checked like what an alert names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sesn_node.codes.steps import check_numbers, check_step
from sesn_node.domain.case_messages import Details
from sesn_node.domain.findings import Result
from tests.support.objects import consignment

NOW = datetime(2026, 12, 4, 9, tzinfo=UTC)
MOVED = Details(
    container="CSQU3054383",
    seal="NL4711",
    imo="IMO 9319466",
    bill_of_lading="MEDU1234567",
    place="NLRTM",
    quantity="24.5",
    unit="t",
)


def test_what_a_step_moves() -> None:
    """One finding for each number or code, by the name of its field, all ok."""
    found = check_step(MOVED, NOW)
    assert [one.field for one in found] == [
        "container",
        "seal",
        "imo",
        "bill_of_lading",
        "place",
        "unit",
    ]
    assert {one.result for one in found} == {Result.OK}


def test_a_request_is_checked_with_its_consignment() -> None:
    """The consignment first, as an alert's; a code list is read as at the day of the shipment."""
    found = check_step(replace(MOVED, consignment=consignment()), NOW)
    assert found[0].field == "consignment.containers[0].number"
    assert found[-6:] == check_numbers(MOVED)


def test_a_wrong_number_is_a_finding() -> None:
    """It is evidence: told, never refused."""
    found = check_numbers(replace(MOVED, container="CSQU3054384", place="ZZZZZ"))
    wrong = [(one.field, one.result) for one in found if one.result is not Result.OK]
    assert wrong == [("container", Result.WARN), ("place", Result.WARN)]


def test_a_place_in_words_is_no_wrong_code() -> None:
    """Only what could be a UN/LOCODE is held to be one; what is not told is not checked."""
    found = check_numbers(Details(place="gate 4, terminal west"))
    assert found == ()
    assert [one.field for one in check_numbers(Details(place="nl rtm"))] == ["place"]
