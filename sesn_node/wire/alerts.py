"""Alerts: domain objects to messages of `proto/sesn/v1/alert.proto`, and back."""

from __future__ import annotations

from sesn_node.domain.alert import (
    MAX_CONTAINERS,
    MAX_PARTIES,
    MAX_ROUTE_CALLS,
    Alert,
    CallKind,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.wire._pb import alert_pb2 as pb
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.values import enum_from_pb, time_from_pb, time_to_pb

URGENCY_TO_PB = {
    Urgency.ROUTINE: pb.ROUTINE,
    Urgency.URGENT: pb.URGENT,
    Urgency.SHIP_SAILS: pb.SHIP_SAILS,
}
_ACTION_TO_PB = {
    RequestedAction.NONE: pb.NONE,
    RequestedAction.INFORM: pb.INFORM,
    RequestedAction.HOLD: pb.HOLD,
    RequestedAction.INSPECT: pb.INSPECT,
}
_CALL_TO_PB = {
    CallKind.LOADING: pb.LOADING,
    CallKind.TRANSHIPMENT: pb.TRANSHIPMENT,
    CallKind.DISCHARGE: pb.DISCHARGE,
    CallKind.SIGHTED: pb.SIGHTED,
}
_ROLE_TO_PB = {
    PartyRole.EXPORTER: pb.EXPORTER,
    PartyRole.IMPORTER: pb.IMPORTER,
    PartyRole.CARRIER: pb.CARRIER,
    PartyRole.BROKER: pb.BROKER,
    PartyRole.NOTIFY_PARTY: pb.NOTIFY_PARTY,
}
_REGIME_TO_PB = {Regime.BASEL: pb.BASEL, Regime.OECD: pb.OECD, Regime.EU: pb.EU}
URGENCY: dict[int, Urgency] = {value: key for key, value in URGENCY_TO_PB.items()}
_ACTION: dict[int, RequestedAction] = {value: key for key, value in _ACTION_TO_PB.items()}
_CALL: dict[int, CallKind] = {value: key for key, value in _CALL_TO_PB.items()}
_ROLE: dict[int, PartyRole] = {value: key for key, value in _ROLE_TO_PB.items()}
_REGIME: dict[int, Regime] = {value: key for key, value in _REGIME_TO_PB.items()}


def alert_to_pb(alert: Alert) -> pb.Alert:
    """Write an alert."""
    return pb.Alert(
        subject=alert.subject,
        urgency=URGENCY_TO_PB[alert.urgency],
        requested_action=_ACTION_TO_PB[alert.requested_action],
        respond_by=time_to_pb(alert.respond_by),
        narrative=alert.narrative,
        consignment=consignment_to_pb(alert.consignment) if alert.consignment else None,
    )


def alert_from_pb(message: pb.Alert) -> Alert:
    """Read an alert.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its path.
    """
    return Alert(
        subject=message.subject,
        urgency=enum_from_pb("urgency", URGENCY, message.urgency),
        requested_action=enum_from_pb("requested_action", _ACTION, message.requested_action),
        respond_by=convert_part("respond_by", time_from_pb, message.respond_by)
        if message.HasField("respond_by")
        else None,
        narrative=message.narrative,
        consignment=convert_part("consignment", consignment_from_pb, message.consignment)
        if message.HasField("consignment")
        else None,
    )


def consignment_to_pb(consignment: Consignment) -> pb.Consignment:
    """Write a consignment."""
    vessel = consignment.vessel
    return pb.Consignment(
        containers=[
            pb.Container(number=container.number, seal=container.seal)
            for container in consignment.containers
        ],
        vessel=pb.Vessel(imo=vessel.imo, name=vessel.name, voyage=vessel.voyage)
        if vessel
        else None,
        bill_of_lading=consignment.bill_of_lading,
        route=[
            pb.PortCall(port=call.port, kind=_CALL_TO_PB[call.kind], at=time_to_pb(call.at))
            for call in consignment.route
        ],
        declared=_goods_to_pb(consignment.declared),
        suspected=_goods_to_pb(consignment.suspected),
        parties=[
            pb.Party(
                name=party.name,
                address=party.address,
                country=party.country,
                role=_ROLE_TO_PB[party.role],
                lei=party.lei,
                vat=party.vat,
            )
            for party in consignment.parties
        ],
        found=_goods_to_pb(consignment.found),
        regime=_REGIME_TO_PB[consignment.regime] if consignment.regime else pb.REGIME_UNSPECIFIED,
    )


def _goods_to_pb(goods: Goods | None) -> pb.Goods | None:
    if goods is None:
        return None
    return pb.Goods(
        description=goods.description,
        hs_code=goods.hs_code,
        hs_edition=goods.hs_edition,
        basel_codes=goods.basel_codes,
        quantity=goods.quantity,
        unit=goods.unit,
        oecd_codes=goods.oecd_codes,
        eu_waste_codes=goods.eu_waste_codes,
        un_numbers=goods.un_numbers,
    )


def consignment_from_pb(message: pb.Consignment) -> Consignment:
    """Read a consignment."""
    return Consignment(
        containers=convert_parts(
            "containers", _container_from_pb, message.containers, MAX_CONTAINERS
        ),
        vessel=convert_part("vessel", _vessel_from_pb, message.vessel)
        if message.HasField("vessel")
        else None,
        bill_of_lading=message.bill_of_lading,
        route=convert_parts("route", _call_from_pb, message.route, MAX_ROUTE_CALLS),
        declared=convert_part("declared", _goods_from_pb, message.declared)
        if message.HasField("declared")
        else None,
        suspected=convert_part("suspected", _goods_from_pb, message.suspected)
        if message.HasField("suspected")
        else None,
        parties=convert_parts("parties", _party_from_pb, message.parties, MAX_PARTIES),
        found=convert_part("found", _goods_from_pb, message.found)
        if message.HasField("found")
        else None,
        regime=enum_from_pb("regime", _REGIME, message.regime) if message.regime else None,
    )


def _container_from_pb(message: pb.Container) -> Container:
    return Container(message.number, message.seal)


def _vessel_from_pb(message: pb.Vessel) -> Vessel:
    return Vessel(message.imo, message.name, message.voyage)


def _call_from_pb(message: pb.PortCall) -> PortCall:
    at = convert_part("at", time_from_pb, message.at) if message.HasField("at") else None
    return PortCall(message.port, enum_from_pb("kind", _CALL, message.kind), at)


def _goods_from_pb(message: pb.Goods) -> Goods:
    return Goods(
        description=message.description,
        hs_code=message.hs_code,
        hs_edition=message.hs_edition,
        basel_codes=tuple(message.basel_codes),
        quantity=message.quantity,
        unit=message.unit,
        oecd_codes=tuple(message.oecd_codes),
        eu_waste_codes=tuple(message.eu_waste_codes),
        un_numbers=tuple(message.un_numbers),
    )


def _party_from_pb(message: pb.Party) -> Party:
    role = enum_from_pb("role", _ROLE, message.role)
    return Party(message.name, role, message.address, message.country, message.lei, message.vat)
