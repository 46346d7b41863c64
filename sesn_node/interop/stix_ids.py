"""STIX 2.1: ids, the marking definitions of TLP, and the extensions that are ours.

Ids of cyber-observable objects follow section 2.9 of the specification; all others are UUIDv5 in a
namespace of ours, so that an alert that is written again is the same object and not a new one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import Tlp
from sesn_node.interop.notes import Document, JsonOut
from sesn_node.interop.writing import our_uuid

SPEC: Final = "2.1"

_OBSERVABLES: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""STIX 2.1 section 2.9."""

FIXED: Final = "2026-01-01T00:00:00.000Z"
"""When objects were made that are the same in every bundle: agencies, ports, our extensions."""

TLP_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_TLP_CREATED: Final = "2022-10-01T00:00:00.000Z"
TLP_IDS: Final = {
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
}
"""OASIS, STIX 2.1 common objects: extension definition "TLP 2.0"; the objects are the same."""

TLP_1_IDS: Final = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
}
"""TLP 1.0, STIX 2.1 section 7.2.1.4. WHITE is CLEAR."""

CONTAINER: Final = "sesn-container"
VESSEL: Final = "sesn-vessel"
CONSIGNMENT: Final = "sesn-consignment"

ALERT_EXTENSION: Final = "extension-definition--ad10f1ec-644c-4b5d-8a86-bf5a815d79b0"
OBJECT_EXTENSIONS: Final = {
    CONTAINER: "extension-definition--653d2689-589c-4f01-9082-fc9c942d134f",
    VESSEL: "extension-definition--05b5bd75-8f0a-42d5-a2f0-42094ee6af92",
    CONSIGNMENT: "extension-definition--61293c96-838f-47a4-8ffb-5159919174b5",
}
"""One extension an object type: so the tools that people have keep them apart."""

_ALERT_SCHEMA: Final = (
    "Properties of a report. urgency: ROUTINE, URGENT, SHIP_SAILS. requested_action: NONE, INFORM, "
    "HOLD, INSPECT. respond_by: timestamp. consignment_ref: identifier of a sesn-consignment. "
    "markings: handling (list of H1, H2, H3), handling_text, evaluation (scheme 4x4, 3x5x2 or "
    "5x5x5; source; information; handling), purpose, legal_basis, retain_until (timestamp), onward "
    "(list of agency ids, patterns such as nl.*, or *)."
)
_CONTAINER_SCHEMA: Final = (
    "Type sesn-container, a shipping container. number: as observed, ISO 6346 expected; the one ID "
    "contributing property."
)
_VESSEL_SCHEMA: Final = (
    "Type sesn-vessel, a ship. imo: IMO ship number as observed. name. At least one of them; both "
    "are ID contributing properties."
)
_CONSIGNMENT_SCHEMA: Final = (
    "Type sesn-consignment, goods on their way. containers: list of container_ref, seal. "
    "vessel_ref, voyage, bill_of_lading. route: list of port, kind (LOADING, TRANSHIPMENT, "
    "DISCHARGE, SIGHTED), time, location_ref. declared, suspected, found: description, hs_code, "
    "hs_edition, basel_codes, quantity, unit, oecd_codes, eu_waste_codes, un_numbers. parties: "
    "list of identity_ref, role (EXPORTER, IMPORTER, CARRIER, BROKER, NOTIFY_PARTY), country, "
    "location_ref. regime: BASEL, OECD, EU. All of them are ID contributing properties."
)
_SCHEMAS: Final = {
    ALERT_EXTENSION: ("Alert on a suspect consignment", "property-extension", _ALERT_SCHEMA),
    OBJECT_EXTENSIONS[CONTAINER]: ("Container", "new-sco", _CONTAINER_SCHEMA),
    OBJECT_EXTENSIONS[VESSEL]: ("Vessel", "new-sco", _VESSEL_SCHEMA),
    OBJECT_EXTENSIONS[CONSIGNMENT]: ("Consignment", "new-sco", _CONSIGNMENT_SCHEMA),
}
_NETWORK: Final = "Seaport Environmental Security Network"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def our_id(kind: str, *names: str) -> str:
    """Return the id of an object of ours that is no cyber-observable object."""
    return f"{kind}--{our_uuid(kind, *names)}"


def observable(kind: str, content: Mapping[str, JsonOut], marks: list[JsonOut]) -> Document:
    """Return a cyber-observable object of ours: its content contributes to its id.

    Args:
        kind: Its type.
        content: Its own properties; no numbers in them, so this JSON is that of RFC 8785.
        marks: Ids of its marking definitions.
    """
    name = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return {
        "type": kind,
        "spec_version": SPEC,
        "id": f"{kind}--{uuid.uuid5(_OBSERVABLES, name)}",
        **content,
        "object_marking_refs": marks,
        "extensions": {OBJECT_EXTENSIONS[kind]: {"extension_type": "new-sco"}},
    }


def tlp_definition(tlp: Tlp) -> Document:
    """Return the marking definition of a label of TLP 2.0, as OASIS published it."""
    return {
        "type": "marking-definition",
        "spec_version": SPEC,
        "id": TLP_IDS[tlp],
        "created": _TLP_CREATED,
        "name": f"TLP:{tlp.value}",
        "extensions": {
            TLP_EXTENSION: {
                "extension_type": "property-extension",
                "tlp_2_0": tlp.value.lower(),
            }
        },
    }


def statement_definition(words: str) -> Document:
    """Return the marking definition of a statement: other words are another definition."""
    return {
        "type": "marking-definition",
        "spec_version": SPEC,
        "id": our_id("marking-definition", words),
        "created": FIXED,
        "definition_type": "statement",
        "definition": {"statement": words},
    }


def agency_identity(agency: AgencyId) -> Document:
    """Return an agency: named by its id, so that it is the same in every bundle."""
    return _identity(our_id("identity", "agency", agency), agency)


def extensions(used: set[str]) -> list[Document]:
    """Return the definitions of our extensions that are used, behind who defines them."""
    network = _identity(our_id("identity", "network"), _NETWORK)
    return [network, *(_extension(one, network["id"]) for one in _SCHEMAS if one in used)]


def instant(time_ms: int) -> str:
    """Write a time of STIX: RFC 3339 in UTC, milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _identity(identity: str, name: str) -> Document:
    return {
        "type": "identity",
        "spec_version": SPEC,
        "id": identity,
        "created": FIXED,
        "modified": FIXED,
        "name": name,
        "identity_class": "organization",
    }


def _extension(extension: str, author: JsonOut) -> Document:
    name, kind, schema = _SCHEMAS[extension]
    return {
        "type": "extension-definition",
        "spec_version": SPEC,
        "id": extension,
        "created_by_ref": author,
        "created": FIXED,
        "modified": FIXED,
        "name": name,
        "schema": schema,
        "version": "1.0.0",
        "extension_types": [kind],
    }
