"""Identifiers are judged, never refused; the traps of the libraries behind are shut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.domain.alert import Container
from sesn_node.domain.identifiers import (
    Result,
    check_basel,
    check_container,
    check_hs,
    check_imo,
    check_port,
    findings,
)
from tests.support.objects import alert, consignment


@pytest.mark.parametrize(
    "observed", ["CSQU3054383", "csqu 305438-3", "CSQU.305438/3", "TEXU3070079"]
)
def test_container_is_right(observed: str) -> None:
    """Documents write numbers with separators and in small letters."""
    finding = check_container(observed)
    assert finding.result is Result.OK
    assert finding.reason == ""
    assert finding.observed == observed
    assert len(finding.normalised) == 11


def test_container_with_a_wrong_check_digit_warns() -> None:
    """It stays searchable, and the finding tells the digit that fits."""
    finding = check_container("CSQU3054384")
    assert finding.result is Result.WARN
    assert finding.normalised == "CSQU3054384"
    assert finding.reason == "check digit is 4, the number asks for 3"


def test_container_with_remainder_ten_warns() -> None:
    """Remainder 10 is written 0, like remainder 0: two numbers share a digit."""
    finding = check_container("CSQU3054980")
    assert finding.result is Result.WARN
    assert "remainder 10" in finding.reason


@pytest.mark.parametrize(
    "observed",
    [
        "",
        " ",
        "CSQR3054383",
        "CSQU305438",
        "CSQU30543833",
        "C5QU3054383",
        "ÄSQU3054383",
        "\u017fSQU3054383",
        "CSQU305438\u0663",
        "CSQU3054383\n",
        "see manifest",
        "\x00",
        "\ud800",
    ],
)
def test_container_that_is_none_fails(observed: str) -> None:
    """Other letters, digits and lengths have no normal form, though stdnum takes some."""
    finding = check_container(observed)
    assert finding.result is Result.FAIL
    assert finding.normalised == ""
    assert finding.reason


@pytest.mark.parametrize("observed", ["9319466", "IMO 9319466", "imo9319466", " IMO: 9319466 "])
def test_ship_is_right(observed: str) -> None:
    """The prefix is often written along."""
    finding = check_imo(observed)
    assert (finding.result, finding.normalised) == (Result.OK, "9319466")


def test_ship_with_a_wrong_check_digit_warns() -> None:
    """Ships with a wrong digit are afloat."""
    finding = check_imo("9319467")
    assert (finding.result, finding.normalised) == (Result.WARN, "9319467")


@pytest.mark.parametrize("observed", ["0000000", "IMO0000000", "", "931946", "93194666", "٩٣١٩٤٦٦"])
def test_ship_that_is_none_fails(observed: str) -> None:
    """No ship has 0000000, though stdnum takes it."""
    assert check_imo(observed).result is Result.FAIL


def test_ports() -> None:
    """UN/LOCODE has no 0 and no 1 in its last three places."""
    assert check_port("nl rtm").normalised == "NLRTM"
    for observed in ("NLRT1", "NLRT0", "1LRTM", "Rotterdam", "", "NLRTM\n", "N\u0130RTM"):
        assert check_port(observed).result is Result.FAIL


def test_harmonised_system() -> None:
    """Six digits of a chapter that exists, with the edition that they come from."""
    assert check_hs("8549.21", "HS2022").result is Result.OK
    assert check_hs("854921").result is Result.WARN
    assert check_hs("854921", "HS2021").result is Result.WARN
    national = check_hs("8549210000", "HS2022")
    assert (national.result, national.normalised) == (Result.WARN, "854921")
    for observed in ("", "85492", "8549211", "000000", "770100", "980000", "85492x", "٨٥٤٩٢١"):
        assert check_hs(observed, "HS2022").result is Result.FAIL


def test_basel_codes() -> None:
    """Y1 to Y49, the lists A and B, and the classes of Annex III."""
    for observed in ("Y1", "y49", "A1181", "B3011", "H4.1", "H 12"):
        assert check_basel(observed).result is Result.OK
    for observed in ("", "Y0", "Y50", "Y01", "A118", "A5000", "C1010", "H2", "H7", "Y\u0661"):
        assert check_basel(observed).result is Result.FAIL


def test_findings_name_the_path_of_each_field() -> None:
    """One finding for each identifier that is set, in the order of the fields."""
    found = findings(alert())
    assert [finding.field for finding in found] == [
        "consignment.containers[0].number",
        "consignment.vessel.imo",
        "consignment.route[0].port",
        "consignment.route[1].port",
        "consignment.declared.hs_code",
        "consignment.declared.basel_codes[0]",
        "consignment.declared.basel_codes[1]",
    ]
    assert {finding.result for finding in found} == {Result.OK}


def test_wrong_number_in_an_alert_is_a_finding() -> None:
    """The alert stands; the finding says which of its numbers is wrong."""
    boxes = (Container("CSQU3054383"), Container("CSQU3054384"))
    found = findings(replace(alert(), consignment=replace(consignment(), containers=boxes)))
    assert [f.field for f in found if f.result is Result.WARN] == [
        "consignment.containers[1].number"
    ]


def test_alert_without_a_consignment_has_no_findings() -> None:
    """A narrative alone has nothing to check."""
    assert findings(replace(alert(), consignment=None)) == ()
