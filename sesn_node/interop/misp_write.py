"""An alert as a MISP event: standard objects where they fit, ours where nothing does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sesn_node.domain.alert import Alert, Consignment, Goods, Party, Vessel
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.markings import Markings, Passing, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import SECOND_MS
from sesn_node.interop import misp_templates as templates
from sesn_node.interop.misp_templates import Template
from sesn_node.interop.notes import Document, JsonOut, Notes, Source, Written
from sesn_node.interop.writing import ENDORSEMENTS, labels, our_uuid, plain

MAX_VALUE_BYTES: Final = 65_535
"""Longest value of an attribute: MISP keeps it as TEXT of MySQL."""

STAGES: Final = ("declared", "suspected", "found")

_OUR_ORGANISATION_ONLY: Final = "0"
_ALL_COMMUNITIES: Final = "3"
_INHERITED: Final = "5"
_UNDEFINED_THREAT: Final = "4"
_INITIAL: Final = "0"


def write_misp(payload: Payload, alert: Alert, source: Source) -> Written:
    """Write an alert as an event.

    Args:
        payload: Its markings.
        alert: What it says.
        source: The message that it was sent in.
    """
    event = _Event(source)
    event.alert(payload.markings, alert)
    if payload.endorsements:
        event.notes.drop(ENDORSEMENTS.path, ENDORSEMENTS.reason)
    written_on = datetime.fromtimestamp(source.created_ms // SECOND_MS, UTC)
    names = (f"tlp:{payload.markings.tlp.value.lower()}", *labels(payload.markings, alert))
    tags: list[JsonOut] = [{"name": name} for name in names]
    document: Document = {
        "Event": {
            "uuid": event.uuid("event"),
            "info": event.value("alert.subject", alert.subject) or alert.subject,
            "date": f"{written_on:%Y-%m-%d}",
            "timestamp": event.timestamp,
            "published": False,
            "analysis": _INITIAL,
            "threat_level_id": _UNDEFINED_THREAT,
            "distribution": distribution(payload.markings),
            "Orgc": {"name": source.author, "uuid": our_uuid("agency", source.author)},
            "Tag": tags,
            "Object": list(event.objects),
        }
    }
    return Written(document, tuple(event.notes.dropped))


def distribution(markings: Markings) -> str:
    """Return how far MISP may pass it on once somebody publishes it.

    All communities only what anybody may have, for ever and for everything. Else our organisation:
    which communities and sharing groups are meant, only people know.
    """
    free = markings.tlp is Tlp.CLEAR and markings.passing is Passing.FREE
    if free and not markings.handling and markings.retain_until is None:
        return _ALL_COMMUNITIES
    return _OUR_ORGANISATION_ONLY


@dataclass(slots=True)
class _Event:
    """The objects of an event, as they are added.

    Args:
        source: The message.
        objects: What was added.
        notes: What MISP cannot hold.
    """

    source: Source
    objects: list[Document] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)

    @property
    def timestamp(self) -> str:
        """When what it says was written, Unix seconds."""
        return str(self.source.modified_ms // SECOND_MS)

    def uuid(self, *names: str) -> str:
        """Return the id of a part of the event: the same whenever it is written."""
        about = show_message_id(self.source.message_id)
        return our_uuid("misp", self.source.author, about, *names)

    def alert(self, markings: Markings, alert: Alert) -> None:
        """Add an alert, and all that it names."""
        graded, told = markings.evaluation, alert.consignment
        vessel = told.vessel if told is not None else None
        nameless = vessel is not None and not vessel.name.strip()
        about = self._object(
            templates.ALERT,
            "alert",
            {
                "urgency": ("alert.urgency", alert.urgency.value),
                "requested-action": ("alert.requested_action", alert.requested_action.value),
                "respond-by": ("alert.respond_by", plain(alert.respond_by)),
                "message-id": ("message_id", show_message_id(self.source.message_id)),
                "bill-of-lading": (_at("bill_of_lading"), told.bill_of_lading if told else ""),
                "regime": (_at("regime"), plain(told.regime) if told else ""),
                "voyage": (_at("vessel.voyage"), vessel.voyage if vessel else ""),
                "vessel-imo": (_at("vessel.imo"), vessel.imo if vessel and nameless else ""),
                "handling": ("markings.handling", plain(markings.handling)),
                "handling-text": ("markings.handling_text", markings.handling_text),
                "evaluation-scheme": ("markings.evaluation", graded.scheme.value if graded else ""),
                "evaluation-source": ("markings.evaluation", graded.source if graded else ""),
                "evaluation-information": (
                    "markings.evaluation",
                    graded.information if graded else "",
                ),
                "evaluation-handling": ("markings.evaluation", graded.handling if graded else ""),
                "purpose": ("markings.purpose", markings.purpose),
                "legal-basis": ("markings.legal_basis", markings.legal_basis),
                "retain-until": ("markings.retain_until", plain(markings.retain_until)),
                "onward": ("markings.onward", plain(markings.onward)),
            },
        )
        self._object(
            templates.REPORT,
            "narrative",
            {
                "summary": ("alert.narrative", alert.narrative),
                "type": ("", "Alert" if alert.narrative.strip() else ""),
            },
        )
        if told is not None and about is not None:
            self._consignment(told, about)
            if vessel is not None and not nameless:
                self._vessel(vessel)

    def value(self, path: str, text: str) -> str:
        """Return a text as MISP keeps it, and say what it does not keep."""
        kept = text.strip().strip("\0")
        if kept != text and path:
            self.notes.drop(path, "blanks at its ends, which MISP does not keep")
        data = kept.encode()
        if len(data) > MAX_VALUE_BYTES:
            self.notes.drop(path, f"all after the first {MAX_VALUE_BYTES:,} bytes, MISP's limit")
            kept = data[:MAX_VALUE_BYTES].decode(errors="ignore").rstrip()
        return kept

    def _consignment(self, told: Consignment, about: Document) -> None:
        numbers = set[str]()
        for index, box in enumerate(told.containers):
            place = _at(f"containers[{index}]")
            if box.number.strip() in numbers:
                self.notes.drop(place, "the same number as another's, without its blanks")
                continue
            numbers.add(box.number.strip())
            values = {
                "number": (f"{place}.number", box.number),
                "seal": (f"{place}.seal", box.seal),
            }
            self._object(templates.CONTAINER, f"container/{index}", values)
        for index, call in enumerate(told.route):
            place = _at(f"route[{index}]")
            told_of_call = {
                "position": ("", str(index + 1)),
                "port": (f"{place}.port", call.port),
                "kind": (f"{place}.kind", call.kind.value),
                "time": (f"{place}.at", plain(call.at)),
            }
            self._object(templates.CALL, f"call/{index}", told_of_call)
        for stage in STAGES:
            goods: Goods | None = getattr(told, stage)
            if goods is not None:
                self._goods(stage, goods)
        references: list[JsonOut] = [
            self._reference(about, self._party(index, one), index, one)
            for index, one in enumerate(told.parties)
        ]
        if references:
            about["ObjectReference"] = references

    def _goods(self, stage: str, goods: Goods) -> None:
        place = _at(stage)
        values = {
            one.name: (
                f"{place}.{one.name.replace('-', '_')}",
                plain(getattr(goods, one.name.replace("-", "_"))),
            )
            for one in templates.GOODS.relations
            if one.name != "stage"
        }
        if (
            self._object(templates.GOODS, f"goods/{stage}", {"stage": ("", stage), **values})
            is None
        ):
            self.notes.drop(place, "nothing is left of it without its blanks")

    def _vessel(self, vessel: Vessel) -> None:
        values = {
            "name": (_at("vessel.name"), vessel.name),
            "imoNumber": (_at("vessel.imo"), vessel.imo),
        }
        self._object(templates.SHIP, "vessel", values)

    def _party(self, index: int, party: Party) -> str:
        place = _at(f"parties[{index}]")
        made = self._object(
            templates.LEGAL_ENTITY,
            f"party/{index}",
            {
                "name": (f"{place}.name", party.name),
                "address": (f"{place}.address", party.address),
                "country": (f"{place}.country", party.country),
                "vatCode": (f"{place}.vat", party.vat),
                "idNumber": (f"{place}.lei", party.lei),
            },
        )
        return "" if made is None else str(made["uuid"])

    def _reference(self, about: Document, other: str, index: int, party: Party) -> Document:
        """Say what part a party has: no template of MISP has room for it."""
        return {
            "uuid": self.uuid(f"reference/{index}"),
            "object_uuid": about["uuid"],
            "referenced_uuid": other,
            "relationship_type": relationship(party.role.value),
        }

    def _object(
        self, template: Template, name: str, values: Mapping[str, tuple[str, JsonOut]]
    ) -> Document | None:
        """Add an object, unless nothing is known of what it must say.

        Args:
            template: Its template.
            name: Its place in the alert.
            values: By relation: the field that it comes from, and one value or several.
        """
        attributes = [
            self._attribute(template, name, relation, number, text)
            for relation, (path, value) in values.items()
            for number, text in enumerate(self._kept(path, value))
        ]
        relations = {one["object_relation"] for one in attributes}
        if relations.isdisjoint(template.one_of):
            return None
        made: Document = {
            "uuid": self.uuid(name),
            "name": template.name,
            "meta-category": template.category,
            "description": template.description,
            "template_uuid": template.uuid,
            "template_version": str(template.version),
            "timestamp": self.timestamp,
            "distribution": _INHERITED,
            "Attribute": list(attributes),
        }
        self.objects.append(made)
        return made

    def _kept(self, path: str, value: JsonOut) -> Iterable[str]:
        texts = value if isinstance(value, list) else [value]
        # Values that are the same once their blanks are gone are one.
        return dict.fromkeys(kept for one in texts if (kept := self.value(path, str(one))))

    def _attribute(
        self, template: Template, name: str, relation: str, number: int, text: str
    ) -> Document:
        known = template.relation(relation)
        return {
            "uuid": self.uuid(name, relation, str(number)),
            "object_relation": relation,
            "type": known.type,
            "category": "Other",
            "value": text,
            "to_ids": False,
            "disable_correlation": not known.correlates,
            "distribution": _INHERITED,
            "timestamp": self.timestamp,
        }


def relationship(role: str) -> str:
    """Return the type of the reference to a party, by its role."""
    return role.lower().replace("_", "-")


def _at(name: str) -> str:
    return f"alert.consignment.{name}"
