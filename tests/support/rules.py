"""For every rule of a finding: what breaks it, and what nearly does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

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
from sesn_node.domain.alert import (
    Alert,
    CallKind,
    Consignment,
    Container,
    Goods,
    PortCall,
    Regime,
    RequestedAction,
    Urgency,
)
from sesn_node.domain.case_policy import CasePolicy, check_days
from sesn_node.domain.case_policy import Regime as Periods
from sesn_node.domain.case_terms import Ground
from sesn_node.domain.findings import Finding, Rule
from sesn_node.domain.identifiers import (
    check_bill_of_lading,
    check_container,
    check_imo,
    check_lei,
    check_seal,
)

ON = date(2026, 12, 10)
NOON = datetime(2026, 12, 10, 12, tzinfo=UTC)
BOX, OTHER_BOX = "CSQU3054383", "TEXU3070079"

Made = Callable[[], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Case:
    """What breaks a rule, and what nearly does; each makes findings."""

    breaks: tuple[Made, ...]
    near: tuple[Made, ...]


def one(check: Callable[..., Finding], *arguments: object) -> Made:
    """Make the finding of one check."""
    return lambda: (check(*arguments),)


def of(consignment: Consignment, on: date = ON) -> Made:
    """Make the findings of a consignment."""
    return lambda: check_consignment(consignment, on)


def boxes(*containers: Container) -> Made:
    """Make the findings of containers."""
    return of(Consignment(containers=containers))


def goods(declared: Goods, **others: Goods) -> Made:
    """Make the findings of goods, declared and otherwise."""
    return of(Consignment(declared=declared, **others))  # type: ignore[arg-type] # by name


def hs(code: str, edition: str = "HS2022") -> Goods:
    """Goods under a heading."""
    return Goods(hs_code=code, hs_edition=edition)


def route(*calls: tuple[str, CallKind, float | None]) -> Consignment:
    """A route: port, what happens there, and how many days after `NOON`."""
    return Consignment(
        route=tuple(
            PortCall(port, kind, None if days is None else NOON + timedelta(days=days))
            for port, kind, days in calls
        )
    )


def asked(
    days: float,
    consignment: Consignment | None,
    urgency: Urgency = Urgency.URGENT,
    action: RequestedAction = RequestedAction.HOLD,
) -> Made:
    """Make the findings of an alert that asks for an answer so many days after `NOON`."""
    alert = Alert(
        subject="s",
        urgency=urgency,
        requested_action=action,
        respond_by=NOON + timedelta(days=days),
        narrative="n",
        consignment=consignment,
    )
    return lambda: check_alert(alert, NOON)


def told(*consignments: Consignment) -> Made:
    """Make the findings across messages."""
    return lambda: across([Told(f"m{index}", some) for index, some in enumerate(consignments)])


def boxed(consignment: Consignment, number: str, seal: str = "") -> Consignment:
    """Put a consignment into a container."""
    return replace(consignment, containers=(Container(number, seal),))


_LOAD, _TRANS, _DIS, _SEEN = (
    CallKind.LOADING,
    CallKind.TRANSHIPMENT,
    CallKind.DISCHARGE,
    CallKind.SIGHTED,
)
_TO_TEMA = route(("NLRTM", _LOAD, 0), ("MAPTM", _TRANS, 5), ("GHTEM", _DIS, 12))
_AT_TEMA = route(("GHTEM", _SEEN, 0.1))

_PERIODS = CasePolicy((Periods("basel", 30, 90), Periods("eu-2024-1157", 20, 60)))

CASES: dict[Rule, Case] = {
    Rule.CONTAINER_FORM: Case(
        (
            one(check_container, "CSQR3054383"),
            one(check_container, "CSQU305438"),
            one(check_container, "see manifest"),
            one(check_container, "\u0421SQU3054383"),
        ),
        (one(check_container, BOX), one(check_container, "csqu 305438-3")),
    ),
    Rule.CONTAINER_DIGIT: Case(
        (one(check_container, "CSQU3054384"), one(check_container, "CSQU3045383")),
        (one(check_container, BOX), one(check_container, "CSQU3054980")),
    ),
    Rule.CONTAINER_TEN: Case(
        (one(check_container, "CSQU3054980"),),
        (one(check_container, "CSQU3054900"), one(check_container, BOX)),
    ),
    Rule.CONTAINER_REPEATED: Case(
        (boxes(Container(BOX), Container("CSQU 305438-3")),),
        (boxes(Container(BOX), Container(OTHER_BOX)), boxes(Container("?"), Container("??"))),
    ),
    Rule.SEAL_FORM: Case(
        (one(check_seal, "none"), one(check_seal, "?"), one(check_seal, "1234567890123456")),
        (one(check_seal, "NL0001"), one(check_seal, "ZX-778/QW 41"), one(check_seal, "1")),
    ),
    Rule.SEAL_REPEATED: Case(
        (boxes(Container(BOX, "NL 0001"), Container(OTHER_BOX, "NL0001")),),
        (
            boxes(Container(BOX, "NL0001"), Container(OTHER_BOX, "NL0002")),
            boxes(Container(BOX), Container(OTHER_BOX)),
            boxes(Container(BOX, "none"), Container(OTHER_BOX, "none")),
        ),
    ),
    Rule.IMO_FORM: Case(
        (one(check_imo, "0000000"), one(check_imo, "931946"), one(check_imo, "٩٣١٩٤٦٦")),
        (one(check_imo, "IMO 9319466"), one(check_imo, "9319466")),
    ),
    Rule.IMO_DIGIT: Case(
        (one(check_imo, "9319467"), one(check_imo, "9391466")),
        (one(check_imo, "9319466"), one(check_imo, "0000000")),
    ),
    Rule.BILL_FORM: Case(
        (one(check_bill_of_lading, "unknown"), one(check_bill_of_lading, "B/L №")),
        (one(check_bill_of_lading, "HLRTM26120417"), one(check_bill_of_lading, "BL-1")),
    ),
    Rule.PORT_FORM: Case(
        (one(check_port, "Rotterdam"), one(check_port, "NLRT1"), one(check_port, "N\u0130RTM")),
        (one(check_port, "nl rtm"), one(check_port, "DE9B0"), one(check_port, "IT 940")),
    ),
    Rule.PORT_UNLISTED: Case(
        (one(check_port, "NLQQQ"), one(check_port, "QQRTM")),
        (one(check_port, "NLRTM"), one(check_port, "GHTEM"), one(check_port, "DEB90")),
    ),
    Rule.PORT_FUNCTION: Case(
        (one(check_port, "DE9B0"), one(check_port, "CHBRN")),
        (one(check_port, "NLRTM"), one(check_port, "CHBSL")),
    ),
    Rule.COUNTRY_FORM: Case(
        (one(check_country, "NLD"), one(check_country, "Ghana"), one(check_country, "INT")),
        (one(check_country, "NL"), one(check_country, "gh"), one(check_country, "int")),
    ),
    Rule.COUNTRY_UNLISTED: Case(
        (one(check_country, "UK"), one(check_country, "AN"), one(check_country, "EU")),
        (one(check_country, "GB"), one(check_country, "XK"), one(check_country, "XZ")),
    ),
    Rule.HS_FORM: Case(
        (
            one(check_hs, "85492", "HS2022", ON),
            one(check_hs, "8549211", "HS2022", ON),
            one(check_hs, "٨٥٤٩٢١", "HS2022", ON),
        ),
        (one(check_hs, "8549.21", "HS2022", ON), one(check_hs, "85492100", "HS2022", ON)),
    ),
    Rule.HS_CHAPTER: Case(
        (
            one(check_hs, "000000", "HS2022", ON),
            one(check_hs, "770100", "HS2022", ON),
            one(check_hs, "980000", "HS2022", ON),
        ),
        (one(check_hs, "760200", "HS2022", ON), one(check_hs, "970190", "HS2022", ON)),
    ),
    Rule.HS_NATIONAL: Case(
        (one(check_hs, "85492100", "HS2022", ON), one(check_hs, "8549210000", "HS2022", ON)),
        (one(check_hs, "854921", "HS2022", ON),),
    ),
    Rule.HS_EDITION: Case(
        (
            one(check_hs, "854921", "", ON),
            one(check_hs, "854921", "HS2021", ON),
            one(check_hs, "854810", "HS1992", date(1995, 1, 1)),
        ),
        (one(check_hs, "854921", "HS 2022", ON), one(check_hs, "854921", "2022", ON)),
    ),
    Rule.HS_UNLISTED: Case(
        (
            one(check_hs, "854810", "HS2022", ON),
            one(check_hs, "854921", "HS2017", date(2021, 12, 31)),
            one(check_hs, "854994", "HS2022", ON),
        ),
        (
            one(check_hs, "854810", "HS2017", date(2021, 12, 31)),
            one(check_hs, "854921", "HS2022", ON),
        ),
    ),
    Rule.HS_DATE: Case(
        (
            one(check_hs, "854921", "HS2022", date(2021, 12, 31)),
            one(check_hs, "854810", "HS2017", date(2022, 1, 1)),
        ),
        (
            one(check_hs, "854921", "HS2022", date(2022, 1, 1)),
            one(check_hs, "854810", "HS2017", date(2021, 12, 31)),
        ),
    ),
    Rule.BASEL_FORM: Case(
        (
            one(check_basel, "Y0", ON),
            one(check_basel, "A118", ON),
            one(check_basel, "C1010", ON),
            one(check_basel, "Y\u0661", ON),
        ),
        (one(check_basel, "y49", ON), one(check_basel, "H 12", ON), one(check_basel, "Y50", ON)),
    ),
    Rule.BASEL_UNLISTED: Case(
        (
            one(check_basel, "Y50", ON),
            one(check_basel, "H2", ON),
            one(check_basel, "A1185", ON),
            one(check_basel, "B3025", ON),
        ),
        (one(check_basel, "Y1", ON), one(check_basel, "H4.1", ON), one(check_basel, "A1180", ON)),
    ),
    Rule.BASEL_DATE: Case(
        (
            one(check_basel, "A1181", date(2024, 12, 31)),
            one(check_basel, "Y49", date(2024, 12, 31)),
            one(check_basel, "A1180", date(2025, 1, 1)),
            one(check_basel, "B1110", date(2025, 1, 1)),
            one(check_basel, "B4030", date(2025, 1, 1)),
            one(check_basel, "B3010", date(2021, 1, 1)),
            one(check_basel, "Y48", date(2020, 12, 31)),
            one(check_basel, "Y1", date(2015, 6, 11)),
        ),
        (
            one(check_basel, "A1181", date(2025, 1, 1)),
            one(check_basel, "Y49", date(2025, 1, 1)),
            one(check_basel, "A1180", date(2024, 12, 31)),
            one(check_basel, "B1110", date(2024, 12, 31)),
            one(check_basel, "B4030", date(2024, 12, 31)),
            one(check_basel, "B3010", date(2020, 12, 31)),
            one(check_basel, "B3011", date(2021, 1, 1)),
            one(check_basel, "A3210", date(2021, 1, 1)),
            one(check_basel, "Y1", date(2015, 6, 12)),
        ),
    ),
    Rule.OECD_FORM: Case(
        (one(check_oecd, "GC10"), one(check_oecd, "B1010"), one(check_oecd, "ZC010")),
        (one(check_oecd, "gc 010"), one(check_oecd, "GC999")),
    ),
    Rule.OECD_UNLISTED: Case(
        (one(check_oecd, "GC999"), one(check_oecd, "AB010")),
        (one(check_oecd, "GC010"), one(check_oecd, "AA010"), one(check_oecd, "RB020")),
    ),
    Rule.OECD_REGIME: Case(
        (one(check_oecd, "GC020", Regime.BASEL),),
        (
            one(check_oecd, "GC020", Regime.OECD),
            one(check_oecd, "GC020", Regime.EU),
            one(check_oecd, "GC020"),
        ),
    ),
    Rule.EU_WASTE_FORM: Case(
        (
            one(check_eu_waste, "16 06", ON),
            one(check_eu_waste, "16 06 01**", ON),
            one(check_eu_waste, "1606011", ON),
            one(check_eu_waste, "\u0661\u0666 06 01", ON),
        ),
        (one(check_eu_waste, "160601*", ON), one(check_eu_waste, " 16.06.01 * ".strip(), ON)),
    ),
    Rule.EU_WASTE_UNLISTED: Case(
        (one(check_eu_waste, "16 06 99", ON), one(check_eu_waste, "21 01 01", ON)),
        (one(check_eu_waste, "16 06 01*", ON), one(check_eu_waste, "16 06 05", ON)),
    ),
    Rule.EU_WASTE_DATE: Case(
        (
            one(check_eu_waste, "19 02 11*", date(2026, 12, 9)),
            one(check_eu_waste, "20 01 33*", date(2026, 12, 9)),
            one(check_eu_waste, "20 01 34", date(2026, 12, 9)),
            one(check_eu_waste, "16 06 05", date(2026, 12, 9)),
            one(check_eu_waste, "16 06 07*", date(2026, 12, 8)),
            one(check_eu_waste, "16 06 01*", date(2015, 5, 31)),
        ),
        (
            one(check_eu_waste, "19 02 11*", date(2026, 12, 8)),
            one(check_eu_waste, "20 01 33*", date(2026, 12, 8)),
            one(check_eu_waste, "20 01 34", date(2026, 12, 8)),
            one(check_eu_waste, "16 06 07*", date(2026, 12, 9)),
            one(check_eu_waste, "16 06 01*", date(2015, 6, 1)),
        ),
    ),
    Rule.EU_WASTE_MARK: Case(
        (
            one(check_eu_waste, "16 06 01", ON),
            one(check_eu_waste, "16 06 04*", date(2026, 12, 8)),
            one(check_eu_waste, "16 06 04", date(2026, 12, 9)),
        ),
        (
            one(check_eu_waste, "16 06 01*", ON),
            one(check_eu_waste, "16 06 04", date(2026, 12, 8)),
            one(check_eu_waste, "16 06 04*", date(2026, 12, 9)),
        ),
    ),
    Rule.UN_FORM: Case(
        (one(check_un, "UN 348"), one(check_un, "NA3480"), one(check_un, "34800")),
        (one(check_un, "UN 3480"), one(check_un, "un3480"), one(check_un, "3480")),
    ),
    Rule.UN_UNLISTED: Case(
        (one(check_un, "UN 0001"), one(check_un, "UN 3600"), one(check_un, "UN 1270")),
        (one(check_un, "UN 0004"), one(check_un, "UN 3560"), one(check_un, "UN 2794")),
    ),
    Rule.UNIT_UNLISTED: Case(
        (one(check_unit, "3", "bananas"), one(check_unit, "3", "\uff4bg")),
        (one(check_unit, "3", "kg"), one(check_unit, "3", "Units"), one(check_unit, "3", "TNE")),
    ),
    Rule.QUANTITY_ZERO: Case(
        (one(check_unit, "0", "kg"), one(check_unit, "0.000", "t")),
        (one(check_unit, "0.001", "kg"), one(check_unit, "10", "kg")),
    ),
    Rule.LEI_FORM: Case(
        (one(check_lei, "213800KUD8LAJWSQ9D"), one(check_lei, "213800KUD8LAJWSQ9DXX")),
        (one(check_lei, "2138 00KU D8LA JWSQ 9D15"),),
    ),
    Rule.LEI_DIGITS: Case(
        (one(check_lei, "213800KUD8LXJWSQ9D15"), one(check_lei, "213800KUD8LAJWSQ9D51")),
        (one(check_lei, "213800KUD8LAJWSQ9D15"),),
    ),
    Rule.VAT_FORM: Case(
        (one(check_vat, "123456789"), one(check_vat, "N"), one(check_vat, "\u039dL004495445B01")),
        (one(check_vat, "NL 0044.95.445 B01"), one(check_vat, "GH123456789")),
    ),
    Rule.VAT_DIGITS: Case(
        (one(check_vat, "NL004495445B00"), one(check_vat, "GB980780685"), one(check_vat, "DE12")),
        (one(check_vat, "NL004495445B01"), one(check_vat, "GB980780684")),
    ),
    Rule.VAT_UNKNOWN: Case(
        (one(check_vat, "GH123456789"), one(check_vat, "GR094259216")),
        (one(check_vat, "EL094259216"), one(check_vat, "NL004495445B01")),
    ),
    Rule.VAT_COUNTRY: Case(
        (one(check_vat, "NL004495445B01", "BE"), one(check_vat, "EL094259216", "CY")),
        (
            one(check_vat, "NL004495445B01", "NL"),
            one(check_vat, "EL094259216", "GR"),
            one(check_vat, "XI980780684", "GB"),
            one(check_vat, "NL004495445B01"),
        ),
    ),
    Rule.GOODS_HS: Case(
        (
            goods(hs("852872"), suspected=hs("854991")),
            goods(hs("852872"), found=hs("854991")),
        ),
        (
            goods(hs("854991"), suspected=hs("8549.91")),
            goods(hs("854810", "HS2017"), found=hs("854911")),
            goods(hs("852872"), found=hs("?")),
        ),
    ),
    Rule.GOODS_BASEL: Case(
        (
            goods(Goods(basel_codes=("B3011",)), found=Goods(basel_codes=("A3210",))),
            goods(Goods(basel_codes=("B3011",)), suspected=Goods(basel_codes=("Y48", "B3011"))),
        ),
        (
            goods(Goods(basel_codes=("B3011",)), found=Goods(basel_codes=("B3020", "H11"))),
            goods(Goods(basel_codes=("B3011", "Y48")), found=Goods(basel_codes=("A3210",))),
            goods(Goods(description="pipes"), found=Goods(basel_codes=("A3210",))),
        ),
    ),
    Rule.ROUTE_ORDER: Case(
        (of(route(("NLRTM", _LOAD, 3), ("MAPTM", _TRANS, None), ("GHTEM", _DIS, 1))),),
        (of(_TO_TEMA), of(route(("NLRTM", _LOAD, 3), ("GHTEM", _DIS, None)))),
    ),
    Rule.ROUTE_KINDS: Case(
        (
            of(route(("GHTEM", _DIS, None), ("NLRTM", _LOAD, None))),
            of(route(("GHTEM", _DIS, 1), ("MAPTM", _TRANS, 2))),
        ),
        (of(_TO_TEMA), of(route(("NLRTM", _LOAD, 1), ("GHTEM", _DIS, 9), ("GHTEM", _SEEN, 10)))),
    ),
    Rule.ROUTE_SAME_DAY: Case(
        (of(route(("NLRTM", _LOAD, 0), ("GHTEM", _DIS, 0.4))),),
        (
            of(route(("NLRTM", _LOAD, 0), ("NL RTM", _SEEN, 0.4))),
            of(route(("NLRTM", _LOAD, 0), ("BEANR", _TRANS, 0.6))),
            of(route(("NLRTM", _LOAD, 0), ("Tema", _DIS, 0.4))),
        ),
    ),
    Rule.RESPOND_BY_PAST: Case(
        (asked(-0.001, None), asked(-9, _TO_TEMA)),
        (asked(0, None), asked(9, _TO_TEMA)),
    ),
    Rule.RESPOND_BY_LATE: Case(
        (
            asked(13, _TO_TEMA),
            asked(2, route(("NLRTM", _LOAD, 1), ("GHTEM", _DIS, 9)), Urgency.SHIP_SAILS),
        ),
        (
            asked(12, _TO_TEMA),
            asked(13, _TO_TEMA, action=RequestedAction.INFORM),
            asked(2, route(("NLRTM", _LOAD, 1), ("GHTEM", _DIS, 9))),
            asked(1, route(("NLRTM", _LOAD, 1), ("GHTEM", _DIS, 9)), Urgency.SHIP_SAILS),
            asked(2, route(("NLRTM", _LOAD, -1), ("GHTEM", _DIS, 9)), Urgency.SHIP_SAILS),
            asked(99, route(("NLRTM", _LOAD, None))),
            asked(99, route(("NLRTM", _LOAD, 1), ("GHTEM", _DIS, None))),
        ),
    ),
    Rule.ACROSS_SAME_DAY: Case(
        (told(boxed(_TO_TEMA, BOX), boxed(_AT_TEMA, "csqu 305438-3")),),
        (
            told(boxed(_TO_TEMA, BOX), boxed(_AT_TEMA, OTHER_BOX)),
            told(boxed(_TO_TEMA, BOX), boxed(_TO_TEMA, BOX)),
            told(boxed(_TO_TEMA, BOX), boxed(route(("GHTEM", _SEEN, 1)), BOX)),
            told(boxed(_TO_TEMA, BOX), boxed(route(("GHTEM", _SEEN, None)), BOX)),
        ),
    ),
    Rule.ACROSS_SEAL: Case(
        (told(boxed(_TO_TEMA, BOX, "NL0001"), boxed(_TO_TEMA, OTHER_BOX, "NL-0001")),),
        (
            told(boxed(_TO_TEMA, BOX, "NL0001"), boxed(_TO_TEMA, BOX, "NL0001")),
            told(boxed(_TO_TEMA, BOX, "NL0001"), boxed(_TO_TEMA, OTHER_BOX, "NL0002")),
            told(boxed(_TO_TEMA, BOX), boxed(_TO_TEMA, OTHER_BOX)),
        ),
    ),
    Rule.CASE_REGIME: Case(
        (one(check_days, _PERIODS, "eu", Ground.DUMPING, 30),),
        (one(check_days, _PERIODS, "basel", Ground.DUMPING, 20),),
    ),
    Rule.CASE_DAYS: Case(
        (
            one(check_days, _PERIODS, "basel", Ground.DUMPING, 90),
            one(check_days, _PERIODS, "basel", Ground.NOT_COMPLETED, 30),
            one(check_days, _PERIODS, "eu-2024-1157", Ground.DUMPING, 30),
        ),
        (
            one(check_days, _PERIODS, "basel", Ground.DUMPING, 30),
            one(check_days, _PERIODS, "basel", Ground.NOT_COMPLETED, 90),
            one(check_days, _PERIODS, "eu-2024-1157", Ground.DUMPING, 20),
        ),
    ),
}
