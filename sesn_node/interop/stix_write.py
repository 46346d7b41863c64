"""An alert as a STIX 2.1 bundle: a report, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sesn_node.codes.places import check_country, check_port
from sesn_node.domain.alert import Alert, Consignment, Party, PortCall
from sesn_node.domain.findings import Result
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.markings import Markings
from sesn_node.domain.payload import Payload
from sesn_node.interop import stix_ids as ids
from sesn_node.interop.marks import statement
from sesn_node.interop.notes import Document, JsonOut, Source, Written
from sesn_node.interop.writing import ENDORSEMENTS, labels, plain

LEI: Final = "LEI"
VAT: Final = "VAT"
MESSAGE: Final = "SESN message"
LOCODE: Final = "UN/LOCODE"


def write_stix(payload: Payload, alert: Alert, source: Source) -> Written:
    """Write an alert as a bundle.

    Args:
        payload: Its markings.
        alert: What it says.
        source: The message that it was sent in.
    """
    words = statement(payload.markings)
    definitions = [ids.tlp_definition(payload.markings.tlp)]
    if words:
        definitions.append(ids.statement_definition(words))
    bundle = _Bundle(source, [one["id"] for one in definitions])
    author = bundle.add(ids.agency_identity(source.author))
    reference = bundle.consignment(alert.consignment) if alert.consignment else None
    report = bundle.entity("report", "alert")
    report |= {
        "name": alert.subject,
        **_set(description=alert.narrative),
        "published": ids.instant(source.modified_ms),
        "object_refs": [one["id"] for one in bundle.objects],
        "labels": list(labels(payload.markings, alert)),
        "external_references": [
            {"source_name": MESSAGE, "external_id": show_message_id(source.message_id)}
        ],
        "extensions": {
            ids.ALERT_EXTENSION: {
                "extension_type": "property-extension",
                "urgency": alert.urgency.value,
                "requested_action": alert.requested_action.value,
                **_set(
                    respond_by=plain(alert.respond_by),
                    consignment_ref=reference,
                    markings=_beside_tlp(payload.markings),
                ),
            }
        },
    }
    used = {extension for one in (report, *bundle.objects) for extension in _extensions(one)}
    objects = [*definitions, *ids.extensions(used), report, *bundle.objects]
    document: Document = {
        "type": "bundle",
        "id": ids.our_id("bundle", author, str(report["id"]), ids.instant(source.modified_ms)),
        "objects": list(objects),
    }
    return Written(document, (ENDORSEMENTS,) if payload.endorsements else ())


@dataclass(slots=True)
class _Bundle:
    """What an alert is about, as it is added; every object stands once.

    Args:
        source: The message.
        marks: Ids of its marking definitions.
        objects: What was added.
    """

    source: Source
    marks: list[JsonOut]
    objects: list[Document] = field(default_factory=list)

    def add(self, made: Document) -> str:
        """Add an object that is not there yet, and return its id."""
        if all(one["id"] != made["id"] for one in self.objects):
            self.objects.append(made)
        return str(made["id"])

    def entity(self, kind: str, *names: str) -> Document:
        """Begin an object that is the alert's own."""
        about = show_message_id(self.source.message_id)
        return {
            "type": kind,
            "spec_version": ids.SPEC,
            "id": ids.our_id(kind, self.source.author, about, *names),
            "created_by_ref": ids.agency_identity(self.source.author)["id"],
            "created": ids.instant(self.source.created_ms),
            "modified": ids.instant(self.source.modified_ms),
            "object_marking_refs": self.marks,
        }

    def consignment(self, told: Consignment) -> str:
        """Add a consignment, and all that it names."""
        content = _set(
            containers=[
                {
                    "container_ref": self._observable(ids.CONTAINER, {"number": one.number}),
                    **_set(seal=one.seal),
                }
                for one in told.containers
            ],
            route=[self._call(one) for one in told.route],
            parties=[self._party(index, one) for index, one in enumerate(told.parties)],
            bill_of_lading=told.bill_of_lading,
            regime=plain(told.regime),
            declared=plain(told.declared),
            suspected=plain(told.suspected),
            found=plain(told.found),
        )
        if told.vessel is not None:
            ship = _set(imo=told.vessel.imo, name=told.vessel.name)
            content["vessel_ref"] = self._observable(ids.VESSEL, ship)
            content |= _set(voyage=told.vessel.voyage)
        return self._observable(ids.CONSIGNMENT, content)

    def _observable(self, kind: str, content: Document) -> str:
        return self.add(ids.observable(kind, content, self.marks))

    def _call(self, call: PortCall) -> Document:
        told: Document = {"port": call.port, "kind": call.kind.value, **_set(time=plain(call.at))}
        found = check_port(call.port)
        # A location must say more than a name: a port of the list, its country.
        if found.result is Result.OK:
            reference: Document = {"source_name": LOCODE, "external_id": found.normalised}
            told["location_ref"] = self._location(
                found.normalised, name=found.normalised, external_references=[reference]
            )
        return told

    def _party(self, index: int, party: Party) -> Document:
        identity = self.entity("identity", "party", str(index))
        numbers = ((LEI, party.lei), (VAT, party.vat))
        identity |= {
            "name": party.name,
            "identity_class": "unknown",
            "roles": [party.role.value.lower().replace("_", "-")],
            **_set(
                contact_information=party.address,
                external_references=[
                    {"source_name": kind, "external_id": number}
                    for kind, number in numbers
                    if number
                ],
            ),
        }
        told: Document = {"identity_ref": self.add(identity), "role": party.role.value}
        told |= _set(country=party.country)
        found = check_country(party.country)
        if found.result is Result.OK and len(found.normalised) == _ALPHA_2:
            place = told["location_ref"] = self._location(found.normalised)
            located = self.entity("relationship", "party", str(index), "located-at")
            located |= {
                "relationship_type": "located-at",
                "source_ref": identity["id"],
                "target_ref": place,
            }
            self.add(located)
        return told

    def _location(self, code: str, **more: JsonOut) -> str:
        """Add a place that is the same in every bundle: a port, or a country."""
        return self.add(
            {
                "type": "location",
                "spec_version": ids.SPEC,
                "id": ids.our_id("location", code),
                "created": ids.FIXED,
                "modified": ids.FIXED,
                **more,
                "country": code[:_ALPHA_2],
            }
        )


_ALPHA_2: Final = 2


def _beside_tlp(markings: Markings) -> JsonOut:
    found = plain(markings)
    if isinstance(found, dict):
        del found["tlp"]
    return found


def _extensions(made: Document) -> list[str]:
    found = made.get("extensions")
    return list(found) if isinstance(found, dict) else []


def _set(**fields: JsonOut | None) -> Document:
    """Leave out what says nothing: STIX knows no null, and no empty list (section 2.3)."""
    return {name: value for name, value in fields.items() if value}
