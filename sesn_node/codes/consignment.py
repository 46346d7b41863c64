"""Everything that can be checked of a consignment, or of the alert that tells of it.

Pure: the day, or the moment, is an argument. Findings come in the order of the fields, what
contradicts something else after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from sesn_node.codes.contradictions import contradictions, late_answers
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
from sesn_node.domain.alert import Alert, CallKind, Consignment, Goods, Party, Regime
from sesn_node.domain.findings import Finding
from sesn_node.domain.identifiers import (
    check_bill_of_lading,
    check_container,
    check_imo,
    check_lei,
    check_seal,
)

_ROOT: Final = "consignment"


def check_alert(alert: Alert, now: datetime) -> tuple[Finding, ...]:
    """Check an alert, as at the day of its shipment.

    Args:
        alert: The alert.
        now: The moment, aware; also the day of the shipment where the route tells none.
    """
    found = list(late_answers(alert, now))
    if alert.consignment is not None:
        found += check_consignment(alert.consignment, shipped_on(alert.consignment) or now.date())
    return tuple(found)


def check_consignment(consignment: Consignment, on: date) -> tuple[Finding, ...]:
    """Check every identifier of a consignment, and what does not go together.

    Args:
        consignment: The consignment.
        on: The day of the shipment: codes are checked as they stood then.
    """
    found = [*_transport(consignment)]
    for name in ("declared", "suspected", "found"):
        goods = getattr(consignment, name)
        if goods is not None:
            found += _goods(goods, on, consignment.regime, f"{_ROOT}.{name}")
    for index, party in enumerate(consignment.parties):
        found += _party(party, f"{_ROOT}.parties[{index}]")
    return (*found, *contradictions(consignment, found, _ROOT))


def shipped_on(consignment: Consignment) -> date | None:
    """Return the day of the first loading, else of the first dated call; None if none is told."""
    dated = [(call.kind, call.at) for call in consignment.route if call.at is not None]
    loadings = [at for kind, at in dated if kind is CallKind.LOADING]
    days = loadings or [at for _, at in dated]
    return min(days).date() if days else None


def _transport(consignment: Consignment) -> Iterator[Finding]:
    for index, container in enumerate(consignment.containers):
        yield check_container(container.number, f"{_ROOT}.containers[{index}].number")
        if container.seal:
            yield check_seal(container.seal, f"{_ROOT}.containers[{index}].seal")
    if consignment.vessel is not None and consignment.vessel.imo:
        yield check_imo(consignment.vessel.imo, f"{_ROOT}.vessel.imo")
    if consignment.bill_of_lading:
        yield check_bill_of_lading(consignment.bill_of_lading, f"{_ROOT}.bill_of_lading")
    for index, call in enumerate(consignment.route):
        yield check_port(call.port, f"{_ROOT}.route[{index}].port")


def _goods(goods: Goods, on: date, regime: Regime | None, place: str) -> Iterator[Finding]:
    if goods.hs_code:
        yield check_hs(goods.hs_code, goods.hs_edition, on, f"{place}.hs_code")
    for index, code in enumerate(goods.basel_codes):
        yield check_basel(code, on, f"{place}.basel_codes[{index}]")
    if goods.unit:
        yield check_unit(goods.quantity, goods.unit, f"{place}.unit")
    for index, code in enumerate(goods.oecd_codes):
        yield check_oecd(code, regime, f"{place}.oecd_codes[{index}]")
    for index, code in enumerate(goods.eu_waste_codes):
        yield check_eu_waste(code, on, f"{place}.eu_waste_codes[{index}]")
    for index, number in enumerate(goods.un_numbers):
        yield check_un(number, f"{place}.un_numbers[{index}]")


def _party(party: Party, place: str) -> Iterator[Finding]:
    country = ""
    if party.country:
        found = check_country(party.country, f"{place}.country")
        country = found.normalised
        yield found
    if party.lei:
        yield check_lei(party.lei, f"{place}.lei")
    if party.vat:
        yield check_vat(party.vat, country, f"{place}.vat")
