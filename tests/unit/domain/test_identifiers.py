"""Numbers are judged, never refused; the traps of the library behind are shut."""

from __future__ import annotations

import pytest

from sesn_node.domain.findings import Result
from sesn_node.domain.identifiers import (
    check_bill_of_lading,
    check_container,
    check_imo,
    check_lei,
    check_seal,
)


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


@pytest.mark.parametrize(
    "observed",
    [
        "",
        " ",
        "CSQR3054381",
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


def test_normal_forms_drop_separators() -> None:
    """What differs between two writings of one number is not part of it."""
    assert check_seal("zx-778/qw 41").normalised == "ZX778QW41"
    assert check_bill_of_lading("hlrtm 2612/0417").normalised == "HLRTM26120417"
    assert check_lei("2138 00KU D8LA JWSQ 9D15").normalised == "213800KUD8LAJWSQ9D15"
