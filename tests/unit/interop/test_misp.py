"""MISP: events that its own library and templates take, and events of others as drafts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pymisp
import pytest
from pymisp.exceptions import PyMISPError

from sesn_node.domain.alert import Consignment, Container, Goods, Regime, Vessel
from sesn_node.domain.markings import Evaluation, EvaluationScheme, HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.interop.misp_read import read_misp
from sesn_node.interop.misp_templates import LEGAL_ENTITY, OURS, REPORT, SHIP, definition
from sesn_node.interop.misp_write import distribution
from sesn_node.interop.notes import Document, Draft, JsonOut
from sesn_node.wire.payloads import alert_from_json
from tests.support.interop import (
    TEMPLATES,
    alert_of,
    as_misp,
    data,
    misp_again,
    whole,
)

DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo"
STANDARD = Path(pymisp.__file__).parent / "data" / "misp-objects" / "objects"


def _event(document: Document) -> Document:
    found = document["Event"]
    assert isinstance(found, dict)
    return found


def _objects(document: Document, name: str) -> list[Document]:
    found = _event(document)["Object"]
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, dict) and one["name"] == name]


def _attributes(one: Document) -> list[Document]:
    found = one["Attribute"]
    assert isinstance(found, list)
    return [attribute for attribute in found if isinstance(attribute, dict)]


def _read(**event: JsonOut) -> Draft:
    tags: list[JsonOut] = [{"name": "tlp:green"}]
    return read_misp(data({"Event": {"info": "Seen at the port", "Tag": tags, **event}}))


def _with(consignment: Consignment) -> Payload:
    body = replace(alert_of(whole()), consignment=consignment)
    return replace(whole(), body=body, endorsements=())


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.json")), ids=lambda path: path.stem)
def test_demo_alerts_are_valid_events(file: Path) -> None:
    """`pymisp` takes each by its templates, and our reader makes the same alert of its output."""
    payload = alert_from_json(file.read_bytes())
    written = as_misp(payload)
    assert written.dropped == ()
    draft = read_misp(data(misp_again(written.document)))
    assert (draft.payload, draft.supplied) == (payload, ())


def test_whole_alert_and_what_is_dropped() -> None:
    """Every field comes back but the signatures of people, and these are named."""
    written = as_misp(whole())
    assert [note.path for note in written.dropped] == ["endorsements"]
    draft = read_misp(data(misp_again(written.document)))
    assert draft.payload == replace(whole(), endorsements=())
    assert draft.supplied == ()
    assert {note.path for note in draft.dropped} == {
        "Event.uuid",
        "Event.Orgc",
        "Event.date",
        "Event.Object[0].message-id",
    }


@pytest.mark.parametrize("template", OURS, ids=lambda one: one.name)
def test_our_templates_are_published(template: object) -> None:
    """What an administrator of MISP installs is what events are written with."""
    (one,) = [known for known in OURS if known is template]
    text = (TEMPLATES / one.name / "definition.json").read_text()
    assert json.loads(text) == definition(one)


@pytest.mark.parametrize("template", [REPORT, LEGAL_ENTITY, SHIP], ids=lambda one: one.name)
def test_standard_templates_are_those_of_misp(template: object) -> None:
    """Id, version and relations are those that MISP has, or events would not fit."""
    (one,) = [known for known in (REPORT, LEGAL_ENTITY, SHIP) if known is template]
    theirs = json.loads((STANDARD / one.name / "definition.json").read_text())
    assert (one.uuid, one.version, one.category) == (
        theirs["uuid"],
        theirs["version"],
        theirs["meta-category"],
    )
    for relation in one.relations:
        assert theirs["attributes"][relation.name]["misp-attribute"] == relation.type


def test_a_wrong_object_would_be_noticed() -> None:
    """The library refuses what a template of ours does not allow."""
    document = as_misp(whole()).document
    (alert,) = _objects(document, "sesn-alert")
    alert["Attribute"] = [*_attributes(alert), *_attributes(alert)]
    with pytest.raises(PyMISPError, match="urgency"):
        misp_again(document)


def test_nothing_is_published() -> None:
    """People publish; and what they publish goes no further than the marks let it."""
    event = _event(as_misp(whole()).document)
    assert (event["published"], event["distribution"]) == (False, "0")
    assert event["Tag"] == [
        {"name": name}
        for name in (
            "tlp:amber",
            'sesn:urgency="SHIP_SAILS"',
            'sesn:requested-action="INSPECT"',
            'sesn:handling="H1"',
            'sesn:handling="H3"',
        )
    ]
    assert not any(attribute["to_ids"] for one in _all(event) for attribute in _attributes(one))


def _all(event: Document) -> list[Document]:
    found = event["Object"]
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, dict)]


@pytest.mark.parametrize(
    ("markings", "expected"),
    [
        (Markings(Tlp.CLEAR), "3"),
        (Markings(Tlp.CLEAR, purpose="Training"), "3"),
        (Markings(Tlp.CLEAR, handling=(HandlingCode.H1,)), "0"),
        (Markings(Tlp.CLEAR, handling=(HandlingCode.H2,)), "0"),
        (Markings(Tlp.CLEAR, retain_until=datetime(2027, 1, 1, tzinfo=UTC)), "0"),
        (
            Markings(
                Tlp.CLEAR, evaluation=Evaluation(EvaluationScheme.BRITISH_3X5X2, "1", "A", "C")
            ),
            "0",
        ),
        *((Markings(tlp), "0") for tlp in Tlp if tlp is not Tlp.CLEAR),
    ],
)
def test_distribution_is_never_wider_than_the_marks(markings: Markings, expected: str) -> None:
    """All communities only where everybody may have it for ever; else our organisation."""
    assert distribution(markings) == expected


def test_ship_without_a_name() -> None:
    """The standard template needs a name: the number stands in our object."""
    payload = _with(Consignment(vessel=Vessel("3001172", "", "1109E")))
    document = as_misp(payload).document
    assert _objects(document, "ftm-Vessel") == []
    assert read_misp(data(misp_again(document))).payload == payload


def test_blanks_at_the_ends() -> None:
    """MISP does not keep them, so they are dropped here, and named."""
    written = as_misp(
        _with(
            Consignment(
                containers=(Container("A"), Container(" A", "seal")),
                declared=Goods(hs_code=" ", hs_edition="HS2022"),
                bill_of_lading=" 1 ",
            )
        )
    )
    assert {note.path for note in written.dropped} == {
        "alert.consignment.bill_of_lading",
        "alert.consignment.containers[1]",
        "alert.consignment.declared.hs_code",
        "alert.consignment.declared",
    }
    back = alert_of(read_misp(data(misp_again(written.document))).payload).consignment
    assert back == Consignment(containers=(Container("A"),), bill_of_lading="1")


def test_narrative_longer_than_a_value() -> None:
    """Cut where MISP's database would, and said."""
    payload = replace(whole(), body=replace(alert_of(whole()), narrative="🚢" * 20_000))
    written = as_misp(payload)
    assert "alert.narrative" in {note.path for note in written.dropped}
    back = alert_of(read_misp(data(misp_again(written.document))).payload)
    assert back.narrative == "🚢" * 16_383


def test_order_of_the_voyage_survives_another_order_of_objects() -> None:
    """MISP need not keep the order of objects; calls have a position."""
    document = as_misp(whole()).document
    event = _event(document)
    event["Object"] = list(reversed(_all(event)))
    consignment = alert_of(read_misp(data(document)).payload).consignment
    assert consignment is not None
    assert [call.port for call in consignment.route] == ["SNDKR", "somewhere"]


def test_event_of_others() -> None:
    """Title, report, ship and label come along; what an alert needs beside is set."""
    objects: list[JsonOut] = [
        {
            "name": "ais",
            "Attribute": [
                {"object_relation": "IMO-number", "value": "3001172", "type": "text"},
                {"object_relation": "MMSI", "value": "244123456", "type": "text"},
            ],
        },
        {"name": "report", "Attribute": [{"object_relation": "summary", "value": "Two boxes."}]},
        {"name": "ftm-LegalEntity", "Attribute": [{"object_relation": "name", "value": "X"}]},
        {"name": "file", "deleted": True, "Attribute": [{"value": []}]},
    ]
    draft = _read(
        Object=objects,
        Attribute=[{"type": "ip-dst", "value": "192.0.2.1", "Tag": [{"name": "tlp:amber"}]}],
        EventReport=[{"name": "More", "content": "And a third."}],
        Tag=[{"name": "tlp:white"}, {"name": "osint:source-type"}],
        threat_level_id="1",
    )
    alert = alert_of(draft.payload)
    assert alert.narrative == "Two boxes.\n\nAnd a third."
    assert alert.consignment == Consignment(vessel=Vessel("3001172"))
    # Of an attribute that does not come along, the label still holds for what does.
    assert draft.payload.markings == Markings(Tlp.AMBER)
    assert {note.path for note in draft.supplied} == {"alert.urgency", "alert.requested_action"}
    assert {note.path for note in draft.dropped} == {
        "Event.Tag[1].name: osint:source-type",
        "Event.threat_level_id",
        "attributes of type ip-dst: 1",
        "Event.Object[0].MMSI",
        "objects of type ftm-LegalEntity: 1",
    }


@pytest.mark.parametrize("label", ["", "tlp:unclear", "tlp:ex:chr"])
def test_unknown_label_is_red(label: str) -> None:
    """No label, and one that TLP 2.0 does not have: the strictest, and said."""
    draft = _read(Tag=[{"name": label}])
    assert draft.payload.markings.tlp is Tlp.RED
    assert "markings.tlp" in {note.path for note in draft.supplied}


def test_download_of_several() -> None:
    """What MISP's search gives is taken if it is one event."""
    document: Document = {"response": [as_misp(whole()).document]}
    assert read_misp(data(document)).payload == replace(whole(), endorsements=())
    two: Document = {"response": [as_misp(whole()).document] * 2}
    with pytest.raises(MalformedError, match="expected one MISP event"):
        read_misp(data(two))


def test_regime_alone_is_no_consignment() -> None:
    """What is left when somebody took the objects out is not taken for goods."""
    document = as_misp(_with(Consignment(bill_of_lading="1", regime=Regime.EU))).document
    (one,) = _objects(document, "sesn-alert")
    one["Attribute"] = [
        found for found in _attributes(one) if found["object_relation"] != "bill-of-lading"
    ]
    draft = read_misp(data(document))
    assert alert_of(draft.payload).consignment is None
    assert "alert.consignment.regime" in {note.path for note in draft.dropped}


def _changed(relation: str, value: JsonOut) -> bytes:
    document = as_misp(whole()).document
    (one,) = _objects(document, "sesn-alert")
    for attribute in _attributes(one):
        if attribute["object_relation"] == relation:
            attribute["value"] = value
    return data(document)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"{}", "expected one MISP event"),
        (b'{"Event": []}', "Event: expected an object"),
        (b'{"Event": {"info": {}}}', "Event.info: expected text"),
        (b'{"Event": {"Object": [{"Attribute": [{"value": []}]}]}}', "value: expected text"),
        (_changed("urgency", "LATER"), "urgency: 'LATER' is not one of ROUTINE"),
        (_changed("respond-by", "tomorrow"), "respond-by: expected a time"),
        (_changed("evaluation-source", "9"), "source: 3x5x2 knows 1, 2, 3, got '9'"),
        (_changed("handling", "H9"), "'H9' is not one of H1, H2, H3"),
        (_changed("bill-of-lading", "x" * 21), "bill_of_lading: at most 20 characters"),
    ],
)
def test_hostile_document(document: bytes, words: str) -> None:
    """One clear error with the place, whatever was written."""
    with pytest.raises(MalformedError) as error:
        read_misp(document)
    assert words in error.value.message


def test_two_alerts_in_one_event() -> None:
    """Nobody knows which is meant."""
    document = as_misp(whole()).document
    event = _event(document)
    event["Object"] = [*_all(event), *_objects(document, "sesn-alert")]
    with pytest.raises(MalformedError, match="2 of sesn-alert"):
        read_misp(data(document))
