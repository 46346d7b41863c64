"""Payloads: domain objects to the bytes inside the encryption, to JSON, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Final

from google.protobuf.message import Message

from sesn_node.domain.case_messages import Details
from sesn_node.domain.checks import under
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.markings import Markings
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES
from sesn_node.domain.payload import Body, MessageKind, Payload
from sesn_node.domain.people import MAX_ENDORSEMENTS
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import payload_pb2 as pb
from sesn_node.wire.alerts import alert_from_pb, alert_to_pb
from sesn_node.wire.cases import case_file_from_pb, case_file_to_pb, step_from_pb, step_to_pb
from sesn_node.wire.conversations import (
    answer_from_pb,
    answer_to_pb,
    consent_from_pb,
    consent_to_pb,
    destruction_from_pb,
    destruction_to_pb,
    forward_from_pb,
    forward_to_pb,
    note_from_pb,
    note_to_pb,
    recall_from_pb,
    recall_to_pb,
    request_from_pb,
    request_to_pb,
    response_from_pb,
    response_to_pb,
    sighting_from_pb,
    sighting_to_pb,
    update_from_pb,
    update_to_pb,
)
from sesn_node.wire.json_reader import parse_json, read_message
from sesn_node.wire.markings import markings_from_pb, markings_to_pb
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.people import endorsement_from_pb, endorsement_to_pb
from sesn_node.wire.strict import parse_strict

JsonOut = str | list["JsonOut"] | dict[str, "JsonOut"]
"""What `payload_to_json` writes: text, lists and objects."""

MAX_JSON_BYTES = 1024 * 1024

# Each takes, or gives, the body that its kind names; no type can say so.
_WRITERS: Final[dict[MessageKind, Callable[..., Message]]] = {
    MessageKind.ALERT: alert_to_pb,
    MessageKind.RESPONSE: response_to_pb,
    MessageKind.UPDATE: update_to_pb,
    MessageKind.RECALL: recall_to_pb,
    MessageKind.DESTRUCTION: destruction_to_pb,
    MessageKind.FORWARD: forward_to_pb,
    MessageKind.CONSENT: consent_to_pb,
    MessageKind.REQUEST: request_to_pb,
    MessageKind.ANSWER: answer_to_pb,
    MessageKind.NOTE: note_to_pb,
    MessageKind.SIGHTING: sighting_to_pb,
    MessageKind.CASE_STEP: step_to_pb,
    MessageKind.CASE_FILE: case_file_to_pb,
}
_READERS: Final[dict[MessageKind, Callable[..., Body]]] = {
    MessageKind.ALERT: alert_from_pb,
    MessageKind.RESPONSE: response_from_pb,
    MessageKind.UPDATE: update_from_pb,
    MessageKind.RECALL: recall_from_pb,
    MessageKind.DESTRUCTION: destruction_from_pb,
    MessageKind.FORWARD: forward_from_pb,
    MessageKind.CONSENT: consent_from_pb,
    MessageKind.REQUEST: request_from_pb,
    MessageKind.ANSWER: answer_from_pb,
    MessageKind.NOTE: note_from_pb,
    MessageKind.SIGHTING: sighting_from_pb,
    MessageKind.CASE_STEP: step_from_pb,
    MessageKind.CASE_FILE: case_file_from_pb,
}


def encode_payload(payload: Payload) -> bytes:
    """Serialise a payload once.

    The bounds of its texts and lists keep it below `MAX_PAYLOAD_BYTES`.
    """
    message = pb.Payload(markings=markings_to_pb(payload.markings))
    body: Message = getattr(message, payload.kind)
    body.CopyFrom(_WRITERS[payload.kind](payload.body))
    message.endorsements.extend(endorsement_to_pb(one) for one in payload.endorsements)
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

    Keys are those of the .proto files or their lowerCamelCase; enums are names, with or without the
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
    body = fields_to_json(payload.body)
    return {"markings": fields_to_json(payload.markings), payload.kind.value: body}


def fields_to_json(value: Markings | Body | Details) -> dict[str, JsonOut]:
    """Write a part of a payload, as `payload_to_json` does."""
    written = _to_json(value)
    return written if isinstance(written, dict) else {}


def _payload_from_pb(message: pb.Payload) -> Payload:
    if not message.HasField("markings"):
        raise MalformedError("markings: missing; every message says who may see it")
    name = message.WhichOneof("body")
    if name is None:
        raise MalformedError("body: missing; expected an alert or another body")
    body = convert_part(name, _READERS[MessageKind(name)], getattr(message, name))
    markings = convert_part("markings", markings_from_pb, message.markings)
    endorsements = convert_parts(
        "endorsements", endorsement_from_pb, message.endorsements, MAX_ENDORSEMENTS
    )
    return Payload(markings, body, endorsements)


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
