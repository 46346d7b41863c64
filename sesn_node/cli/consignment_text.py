"""A consignment for people: what documents and people say of it, line by line."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from sesn_node.domain.alert import Consignment, Goods, Party, PortCall, Vessel
from sesn_node.domain.times import minute_of


def add_consignment(listing: Table, consignment: Consignment) -> None:
    """Add what is known of a consignment to a list of facts."""
    containers = [
        f"{one.number}  seal {one.seal}" if one.seal else one.number
        for one in consignment.containers
    ]
    regime = consignment.regime
    for label, lines in (
        ("containers", containers),
        ("vessel", _ship(consignment.vessel)),
        ("bill of lading", [consignment.bill_of_lading]),
        ("route", [_call(call) for call in consignment.route]),
        ("declared", _goods(consignment.declared)),
        ("suspected", _goods(consignment.suspected)),
        ("found", _goods(consignment.found)),
        ("parties", [_party(one) for one in consignment.parties]),
        ("regime", [regime.value] if regime else []),
    ):
        if any(lines):
            listing.add_row(label, Text("\n".join(lines)))


def _ship(vessel: Vessel | None) -> list[str]:
    if vessel is None:
        return []
    imo = f"IMO {vessel.imo.strip().removeprefix('IMO').strip()}" if vessel.imo else ""
    return [_joined((vessel.name, imo, f"voyage {vessel.voyage}" if vessel.voyage else ""))]


def _call(call: PortCall) -> str:
    at = f"  {minute_of(call.at)}" if call.at else ""
    return f"{call.port}  {call.kind.value.lower()}{at}"


def _party(party: Party) -> str:
    return _joined(
        (
            f"{party.role.value.lower().replace('_', ' ')}: {party.name}",
            party.address.replace("\n", ", "),
            party.country,
            f"LEI {party.lei}" if party.lei else "",
            f"VAT {party.vat}" if party.vat else "",
        )
    )


def _goods(goods: Goods | None) -> list[str]:
    if goods is None:
        return []
    codes = (
        f"{goods.quantity} {goods.unit}" if goods.quantity else "",
        f"{goods.hs_edition or 'HS'} {goods.hs_code}" if goods.hs_code else "",
        _codes("Basel", goods.basel_codes),
        _codes("OECD", goods.oecd_codes),
        _codes("EU waste", goods.eu_waste_codes, ", "),
        _codes("UN numbers", goods.un_numbers, ", "),
    )
    return [part for part in (goods.description, _joined(codes)) if part]


def _codes(name: str, codes: tuple[str, ...], between: str = " ") -> str:
    return f"{name} {between.join(codes)}" if codes else ""


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(part for part in parts if part)
