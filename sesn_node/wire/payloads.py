"""Payloads: domain objects to the bytes inside the encryption, to JSON, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from sesn_node.domain.alert import (
    MAX_CONTAINERS,
    MAX_PARTIES,
    MAX_ROUTE_CALLS,
    Alert,
    CallKind,
    Consignment,
    Container,
    Decision,
    Goods,
    Markings,
    Party,
    PartyRole,
    Payload,
    PortCall,
    RequestedAction,
    Response,
    Tlp,
    Urgency,
    Vessel,
)
from sesn_node.domain.checks import check_range, under
from sesn_node.domain.ids import MessageId, show_message_id
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import payload_pb2 as pb
from sesn_node.wire.json_reader import parse_json, read_message
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.strict import parse_strict

E = TypeVar("E", bound=StrEnum)

JsonOut = str | list["JsonOut"] | dict[str, "JsonOut"]
"""What `payload_to_json` writes: text, lists and objects."""

MAX_JSON_BYTES = 1024 * 1024

_TLP_TO_PB = {
    Tlp.RED: pb.TLP_RED,
    Tlp.AMBER_STRICT: pb.TLP_AMBER_STRICT,
    Tlp.AMBER: pb.TLP_AMBER,
    Tlp.GREEN: pb.TLP_GREEN,
    Tlp.CLEAR: pb.TLP_CLEAR,
}
_URGENCY_TO_PB = {
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
_DECISION_TO_PB = {Decision.ACCEPTED: pb.ACCEPTED, Decision.DECLINED: pb.DECLINED}
_TLP: dict[int, Tlp] = {value: key for key, value in _TLP_TO_PB.items()}
_URGENCY: dict[int, Urgency] = {value: key for key, value in _URGENCY_TO_PB.items()}
_ACTION: dict[int, RequestedAction] = {value: key for key, value in _ACTION_TO_PB.items()}
_CALL: dict[int, CallKind] = {value: key for key, value in _CALL_TO_PB.items()}
_ROLE: dict[int, PartyRole] = {value: key for key, value in _ROLE_TO_PB.items()}
_DECISION: dict[int, Decision] = {value: key for key, value in _DECISION_TO_PB.items()}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400
_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z, the bound of google.protobuf.Timestamp."""
_MICROSECOND_NS = 1_000


def encode_payload(payload: Payload) -> bytes:
    """Serialise a payload once.

    The bounds of its texts and lists keep it below `MAX_PAYLOAD_BYTES`.
    """
    message = pb.Payload(markings=pb.Markings(tlp=_TLP_TO_PB[payload.markings.tlp]))
    if isinstance(payload.body, Alert):
        message.alert.CopyFrom(_alert_to_pb(payload.body))
    else:
        message.response.CopyFrom(_response_to_pb(payload.body))
    return message.SerializeToString(deterministic=True)


def decode_payload(data: bytes) -> Payload:
    """Parse a payload; every bound of the domain objects is checked.

    Raises:
        MalformedError: The message names the field: `payload.alert.subject: ...`.
    """
    message = parse_strict(pb.Payload, data, what="payload", limit=MAX_PAYLOAD_BYTES)
    try:
        return _payload_from_pb(message)
    except MalformedError as exc:
        raise under("payload", exc) from exc


def alert_from_json(text: str | bytes) -> Payload:
    """Read an alert from the protobuf JSON form of a Payload: `{"markings": .., "alert": ..}`.

    Keys are those of payload.proto or their lowerCamelCase; enums are names, with or without the
    prefix of the .proto file (`AMBER`, `TLP_AMBER`); times are RFC 3339.

    Raises:
        MalformedError: Over 1 MiB, not JSON, or a field out of its bounds; the message starts with
            its path: `alert.consignment.containers[2].number: ...`.
    """
    document = parse_json(text, limit=MAX_JSON_BYTES)
    message = pb.Payload()
    fields = pb.Payload.DESCRIPTOR.fields_by_name
    read_message(message, document, "", [fields["markings"], fields["alert"]])
    if not message.HasField("alert"):
        raise MalformedError("alert: missing")
    return _payload_from_pb(message)


def payload_to_json(payload: Payload) -> dict[str, JsonOut]:
    """Write a payload for people and programs; `alert_from_json` reads an alert back.

    Unset fields are left out. Bytes are hexadecimal, message ids have their hyphens.
    """
    name = "alert" if isinstance(payload.body, Alert) else "response"
    return {"markings": _fields_to_json(payload.markings), name: _fields_to_json(payload.body)}


def _alert_to_pb(alert: Alert) -> pb.Alert:
    return pb.Alert(
        subject=alert.subject,
        urgency=_URGENCY_TO_PB[alert.urgency],
        requested_action=_ACTION_TO_PB[alert.requested_action],
        respond_by=_time_to_pb(alert.respond_by),
        narrative=alert.narrative,
        consignment=_consignment_to_pb(alert.consignment) if alert.consignment else None,
    )


def _consignment_to_pb(consignment: Consignment) -> pb.Consignment:
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
            pb.PortCall(port=call.port, kind=_CALL_TO_PB[call.kind], at=_time_to_pb(call.at))
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
            )
            for party in consignment.parties
        ],
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
    )


def _response_to_pb(response: Response) -> pb.Response:
    return pb.Response(
        message_id=response.message_id,
        header_sha256=response.header_sha256,
        decision=_DECISION_TO_PB[response.decision],
        text=response.text,
    )


def _time_to_pb(value: datetime | None) -> Timestamp | None:
    if value is None:
        return None
    since = value - _EPOCH
    return Timestamp(
        seconds=since.days * _DAY_S + since.seconds, nanos=since.microseconds * _MICROSECOND_NS
    )


def _payload_from_pb(message: pb.Payload) -> Payload:
    body: Alert | Response
    if not message.HasField("markings"):
        raise MalformedError("markings: missing; every message says who may see it")
    if message.HasField("alert"):
        body = convert_part("alert", _alert_from_pb, message.alert)
    elif message.HasField("response"):
        body = convert_part("response", _response_from_pb, message.response)
    else:
        raise MalformedError("body: missing; expected an alert or a response")
    markings = convert_part("markings", _markings_from_pb, message.markings)
    return Payload(markings, body)


def _markings_from_pb(message: pb.Markings) -> Markings:
    return Markings(_enum_from_pb("tlp", _TLP, message.tlp))


def _alert_from_pb(message: pb.Alert) -> Alert:
    return Alert(
        subject=message.subject,
        urgency=_enum_from_pb("urgency", _URGENCY, message.urgency),
        requested_action=_enum_from_pb("requested_action", _ACTION, message.requested_action),
        respond_by=convert_part("respond_by", _time_from_pb, message.respond_by)
        if message.HasField("respond_by")
        else None,
        narrative=message.narrative,
        consignment=convert_part("consignment", _consignment_from_pb, message.consignment)
        if message.HasField("consignment")
        else None,
    )


def _consignment_from_pb(message: pb.Consignment) -> Consignment:
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
    )


def _container_from_pb(message: pb.Container) -> Container:
    return Container(message.number, message.seal)


def _vessel_from_pb(message: pb.Vessel) -> Vessel:
    return Vessel(message.imo, message.name, message.voyage)


def _call_from_pb(message: pb.PortCall) -> PortCall:
    at = convert_part("at", _time_from_pb, message.at) if message.HasField("at") else None
    return PortCall(message.port, _enum_from_pb("kind", _CALL, message.kind), at)


def _goods_from_pb(message: pb.Goods) -> Goods:
    return Goods(
        description=message.description,
        hs_code=message.hs_code,
        hs_edition=message.hs_edition,
        basel_codes=tuple(message.basel_codes),
        quantity=message.quantity,
        unit=message.unit,
    )


def _party_from_pb(message: pb.Party) -> Party:
    role = _enum_from_pb("role", _ROLE, message.role)
    return Party(message.name, role, message.address, message.country)


def _response_from_pb(message: pb.Response) -> Response:
    return Response(
        message_id=MessageId(message.message_id),
        header_sha256=message.header_sha256,
        decision=_enum_from_pb("decision", _DECISION, message.decision),
        text=message.text,
    )


def _time_from_pb(message: Timestamp) -> datetime:
    check_range("seconds", message.seconds, 0, _LAST_SECOND)
    check_range("nanos", message.nanos, 0, 999_999_999)
    if message.nanos % _MICROSECOND_NS:
        raise MalformedError("nanos: expected whole microseconds")
    return _EPOCH + timedelta(
        seconds=message.seconds, microseconds=message.nanos // _MICROSECOND_NS
    )


def _enum_from_pb(field: str, members: Mapping[int, E], value: int) -> E:
    member = members.get(value)
    if member is None:
        problem = f"{value} is unknown" if value else "missing"
        raise MalformedError(f"{field}: {problem}; expected one of {', '.join(members.values())}")
    return member


def _fields_to_json(value: Markings | Alert | Response) -> dict[str, JsonOut]:
    written = _to_json(value)
    return written if isinstance(written, dict) else {}


def _to_json(value: object) -> JsonOut:
    """Write a domain object: its fields are named as on the wire."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_to_json(element) for element in value]
    if dataclasses.is_dataclass(value):
        return {
            field.name: show_message_id(part) if field.name == "message_id" else _to_json(part)
            for field in dataclasses.fields(value)
            if (part := getattr(value, field.name))
        }
    return str(value)
