"""Requests for a return as JSON: what an officer writes in a file, and what a draft is kept as.

The form is that of the protobuf JSON mapping, as for alerts: keys as in the .proto files, enums by
name, times in RFC 3339. Hashes are hexadecimal, and message ids have their hyphens.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_form import DETAILS, CaseForm
from sesn_node.domain.case_messages import Details, Evidence
from sesn_node.domain.case_terms import Ground, Responsibility
from sesn_node.domain.checks import SHA256_BYTES
from sesn_node.domain.ids import AgencyId, agency_id, parse_message_id
from sesn_node.domain.markings import Markings
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import alert_pb2, payload_pb2
from sesn_node.wire.alerts import consignment_from_pb
from sesn_node.wire.json_reader import (
    parse_json,
    read_list,
    read_members,
    read_message,
    read_text,
)
from sesn_node.wire.markings import markings_from_pb
from sesn_node.wire.parts import convert_part
from sesn_node.wire.payloads import MAX_JSON_BYTES, JsonOut, fields_to_json

if TYPE_CHECKING:
    from enum import StrEnum
    from typing import TypeVar

    from sesn_node.wire.json_reader import Json

    E = TypeVar("E", bound=StrEnum)

_FORM: Final = ("exporter", "transit", "facility", "ground", "regime", "details", "markings")
_EVIDENCE: Final = ("description", "sha256", "message_id")


def form_from_json(text: str | bytes) -> CaseForm:
    """Read what has been written of a request.

    Raises:
        MalformedError: Over 1 MiB, not JSON, or a part out of its bounds; the message starts with
            its path: `details.consignment.containers[2].number: ...`.
    """
    parts = read_members(parse_json(text, limit=MAX_JSON_BYTES), "", _FORM)
    agencies = {name: _agencies(name, parts[name]) for name in _FORM[1:3] if name in parts}
    return CaseForm(
        exporter=_agency("exporter", parts["exporter"]) if "exporter" in parts else None,
        transit=agencies.get("transit", ()),
        facility=agencies.get("facility", ()),
        ground=_word("ground", parts["ground"], Ground) if "ground" in parts else None,
        regime=read_text(parts["regime"], "regime") if "regime" in parts else None,
        details=_details(parts["details"]) if "details" in parts else Details(),
        markings=_markings(parts["markings"]) if "markings" in parts else None,
    )


def form_to_json(form: CaseForm) -> dict[str, JsonOut]:
    """Write what has been written of a request; `form_from_json` reads it back."""
    found: dict[str, JsonOut] = {}
    if form.exporter is not None:
        found["exporter"] = form.exporter
    for name, agencies in (("transit", form.transit), ("facility", form.facility)):
        if agencies:
            found[name] = list(agencies)
    if form.ground is not None:
        found["ground"] = form.ground.value
    if form.regime is not None:
        found["regime"] = form.regime
    details = fields_to_json(form.details)
    if details:
        found["details"] = details
    if form.markings is not None:
        found["markings"] = fields_to_json(form.markings)
    return found


def encode_form(form: CaseForm) -> bytes:
    """Write what has been written of a request as bytes."""
    return json.dumps(form_to_json(form), sort_keys=True, separators=(",", ":")).encode()


def _details(value: Json) -> Details:
    parts = read_members(value, "details", DETAILS)
    said, consignment = parts.get("responsibility"), None
    if "consignment" in parts:
        message = alert_pb2.Consignment()
        read_message(message, parts["consignment"], "details.consignment")
        consignment = convert_part("details.consignment", consignment_from_pb, message)
    evidence = [
        _evidence(path, one)
        for path, one in read_list(parts.get("evidence", []), "details.evidence")
    ]
    responsibility = None if said is None else _word("details.responsibility", said, Responsibility)
    try:
        return Details(
            subject=read_text(parts.get("subject", ""), "details.subject"),
            text=read_text(parts.get("text", ""), "details.text"),
            responsibility=responsibility,
            consignment=consignment,
            evidence=tuple(evidence),
        )
    except MalformedError as error:
        raise MalformedError(f"details.{error.message}", code=error.code) from error


def _evidence(path: str, value: Json) -> Evidence:
    parts = read_members(value, path, _EVIDENCE)
    text = {key: read_text(part, f"{path}.{key}") for key, part in parts.items()}
    try:
        digest = bytes.fromhex(text.get("sha256", ""))
    except ValueError:
        digest = b""
    if len(digest) != SHA256_BYTES:
        raise MalformedError(f"{path}.sha256: expected 64 hexadecimal digits")
    named = text.get("message_id")
    try:
        message_id = None if named is None else parse_message_id(named)
        return Evidence(text.get("description", ""), digest, message_id)
    except MalformedError as error:
        raise MalformedError(f"{path}.{error.message}", code=error.code) from error


def _markings(value: Json) -> Markings:
    message = payload_pb2.Markings()
    read_message(message, value, "markings")
    return convert_part("markings", markings_from_pb, message)


def _agencies(path: str, value: Json) -> tuple[AgencyId, ...]:
    return tuple(sorted({_agency(place, one) for place, one in read_list(value, path)}))


def _agency(path: str, value: Json) -> AgencyId:
    try:
        return agency_id(read_text(value, path))
    except MalformedError as error:
        if error.message.startswith(path):
            raise
        raise MalformedError(f"{path}: {error.message}") from error


def _word(path: str, value: Json, words: type[E]) -> E:
    text = read_text(value, path)
    try:
        return words(text)
    except ValueError as error:
        raise MalformedError(
            f"{path}: {text[:40]!a} is unknown; expected one of {', '.join(words)}"
        ) from error
