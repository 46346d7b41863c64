"""Whole consignments: the order of the findings, the day of the shipment, and several messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files

from sesn_node.codes.across import Told, across
from sesn_node.codes.consignment import check_alert, check_consignment, shipped_on
from sesn_node.codes.places import check_port
from sesn_node.domain.alert import CallKind, Consignment, Container, Goods
from sesn_node.domain.findings import Result, Rule
from tests.support.objects import alert, consignment
from tests.support.rules import BOX, OTHER_BOX, boxed, route

NOW = datetime(2026, 12, 4, 9, tzinfo=UTC)


def test_findings_name_the_path_of_each_field() -> None:
    """One finding for each field that can be checked, in the order of the fields, all ok."""
    found = check_alert(alert(), NOW)
    assert [finding.field for finding in found] == [
        "consignment.containers[0].number",
        "consignment.containers[0].seal",
        "consignment.vessel.imo",
        "consignment.bill_of_lading",
        "consignment.route[0].port",
        "consignment.route[1].port",
        "consignment.declared.hs_code",
        "consignment.declared.basel_codes[0]",
        "consignment.declared.basel_codes[1]",
        "consignment.declared.unit",
        "consignment.declared.oecd_codes[0]",
        "consignment.declared.eu_waste_codes[0]",
        "consignment.declared.un_numbers[0]",
        "consignment.parties[0].country",
        "consignment.parties[0].lei",
        "consignment.parties[0].vat",
    ]
    assert {finding.result for finding in found} == {Result.OK}


def test_wrong_number_in_an_alert_is_a_finding() -> None:
    """The alert stands; the finding says which of its numbers is wrong."""
    boxes = (Container(BOX), Container("CSQU3054384"))
    found = check_consignment(replace(consignment(), containers=boxes), NOW.date())
    assert [one.field for one in found if one.result is Result.WARN] == [
        "consignment.containers[1].number"
    ]


def test_alert_without_a_consignment_has_no_findings() -> None:
    """A narrative alone has nothing to check."""
    assert check_alert(replace(alert(), consignment=None), NOW) == ()


def test_day_of_the_shipment() -> None:
    """The first loading; else the first dated call; else nobody said."""
    loading, sighted = CallKind.LOADING, CallKind.SIGHTED
    assert shipped_on(route(("MAPTM", sighted, -3), ("NLRTM", loading, 2))) == date(2026, 12, 12)
    assert shipped_on(route(("NLRTM", loading, None), ("MAPTM", sighted, 3))) == date(2026, 12, 13)
    assert shipped_on(route(("NLRTM", loading, None))) is None
    old = Consignment(found=Goods(basel_codes=("A1180",)))
    assert check_alert(replace(alert(), consignment=old, respond_by=None), NOW)[0].rule is (
        Rule.BASEL_DATE
    )


def test_contradictions_come_after_the_fields_that_they_compare() -> None:
    """Found goods are compared like suspected ones."""
    goods = {
        name: Goods(hs_code=code, hs_edition="HS2022")
        for name, code in (("declared", "720449"), ("suspected", "854911"), ("found", "854991"))
    }
    found = check_consignment(Consignment(**goods), NOW.date())  # type: ignore[arg-type] # by name
    assert [(one.field, one.rule) for one in found[3:]] == [
        ("consignment.declared.hs_code", Rule.GOODS_HS),
        ("consignment.declared.hs_code", Rule.GOODS_HS),
    ]
    assert [one.reason for one in found[3:]] == [
        "declared as 720449, suspected to be 854911",
        "declared as 720449, found to be 854991",
    ]


def test_messages_that_contradict_each_other_are_named() -> None:
    """The finding stands at the later message, with its path, and names the earlier one."""
    loaded = boxed(route(("NLRTM", CallKind.LOADING, 0)), BOX, "NL0001")
    seen = boxed(route(("GHTEM", CallKind.SIGHTED, 0.2)), "CSQU 305438-3")
    other = boxed(route(("GHTEM", CallKind.SIGHTED, 9)), OTHER_BOX, "nl 0001")
    port, seal = across([Told("01a2", loaded), Told("01a3", seen), Told("01a4", other)])
    assert port.field == "01a3: consignment.route[0].port"
    assert port.reason == f"{BOX} is at NLRTM on 2026-12-10, says 01a2"
    assert seal.field == "01a4: consignment.containers[0].seal"
    assert seal.reason == f"the same seal is on {BOX}, says 01a2"


def test_list_of_ports_is_opened_as_it_was_shipped() -> None:
    """Asking leaves no journal beside the package's database."""
    assert check_port("NLRTM").result is Result.OK
    names = {one.name for one in files("pyunlocode").iterdir()}
    assert not {name for name in names if name.startswith("unlocode.db-")}
