"""Read back: the consignment of an alert that was written as STIX."""

from __future__ import annotations

from sesn_node.domain.alert import (
    CallKind,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    Vessel,
)
from sesn_node.errors import MalformedError
from sesn_node.interop import stix_ids as ids
from sesn_node.interop.documents import Node
from sesn_node.interop.drafts import built, goods_of, required
from sesn_node.interop.stix_bundle import Bundle, extension_of
from sesn_node.interop.stix_write import LEI, VAT


def consignment_of(bundle: Bundle, extension: Node) -> Consignment | None:
    """Return the consignment that an alert's report names; None if it names none.

    Raises:
        MalformedError: A part is not in the bundle, or out of its bounds.
    """
    told = bundle.take(extension, "consignment_ref", ids.CONSIGNMENT)
    if told is None:
        return None
    _known(told)
    ship = bundle.take(told, "vessel_ref", ids.VESSEL)
    voyage = told.text("voyage")
    return built(
        told.path,
        Consignment,
        containers=tuple(_container(bundle, one) for one in told.nodes("containers")),
        vessel=None if ship is None else _vessel(ship, voyage),
        bill_of_lading=told.text("bill_of_lading"),
        route=tuple(_call(bundle, one) for one in told.nodes("route")),
        declared=_goods(told.node("declared")),
        suspected=_goods(told.node("suspected")),
        parties=tuple(_party(bundle, one) for one in told.nodes("parties")),
        found=_goods(told.node("found")),
        regime=told.choice("regime", Regime),
    )


def _known(one: Node) -> None:
    """Read the mark of our extension: it says nothing more."""
    extension_of(one, ids.OBJECT_EXTENSIONS[one.text("type")])


def _container(bundle: Bundle, told: Node) -> Container:
    found = bundle.take(told, "container_ref", ids.CONTAINER)
    if found is None:
        raise MalformedError(f"{told.path}.container_ref: missing")
    _known(found)
    return built(told.path, Container, found.text("number"), told.text("seal"))


def _vessel(found: Node, voyage: str) -> Vessel:
    _known(found)
    return built(found.path, Vessel, found.text("imo"), found.text("name"), voyage)


def _call(bundle: Bundle, told: Node) -> PortCall:
    place = bundle.take(told, "location_ref", "location")
    if place is not None:
        _derived(place)
    required(told, "kind")
    kind = told.choice("kind", CallKind)
    return built(told.path, PortCall, told.text("port"), kind, told.moment("time"))


def _goods(told: Node | None) -> Goods | None:
    if told is None:
        return None
    return goods_of(told, str)


def _party(bundle: Bundle, told: Node) -> Party:
    identity = bundle.take(told, "identity_ref", "identity")
    if identity is None:
        raise MalformedError(f"{told.path}.identity_ref: missing")
    place = bundle.take(told, "location_ref", "location")
    if place is not None:
        _derived(place)
    identity.texts("roles")
    required(told, "role")
    numbers = {
        one.text("source_name"): one.text("external_id")
        for one in identity.nodes("external_references")
    }
    return built(
        told.path,
        Party,
        identity.text("name"),
        told.choice("role", PartyRole),
        identity.text("contact_information"),
        told.text("country"),
        numbers.get(LEI, ""),
        numbers.get(VAT, ""),
    )


def _derived(place: Node) -> None:
    """Read a place that says no more than the code beside its reference."""
    place.text("name")
    place.text("country")
    for reference in place.nodes("external_references"):
        reference.text("source_name")
        reference.text("external_id")
