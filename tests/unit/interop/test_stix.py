"""STIX: bundles that its own library takes, and bundles of others as drafts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sesn_node.domain.alert import Alert, Goods, RequestedAction, Urgency
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.interop.notes import Document, Draft, JsonOut
from sesn_node.interop.stix_ids import TLP_IDS
from sesn_node.interop.stix_read import read_stix
from sesn_node.wire.payloads import alert_from_json
from tests.support.interop import SOURCE, alert_of, as_stix, data, same_times, stix_again, whole

DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo"
PLAIN = Payload(
    Markings(Tlp.GREEN),
    Alert(
        subject="Words",
        urgency=Urgency.ROUTINE,
        requested_action=RequestedAction.NONE,
        narrative="Words alone.",
    ),
)
TLP_1_AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
UNKNOWN = "marking-definition--11111111-1111-4111-8111-111111111111"
_UUID = "22222222-2222-4222-8222-22222222222"


def _report(**changed: JsonOut) -> Document:
    made: Document = {
        "type": "report",
        "spec_version": "2.1",
        "id": f"report--{_UUID}0",
        "created": "2026-11-01T00:00:00Z",
        "modified": "2026-11-01T00:00:00Z",
        "name": "Seen at the port",
        "description": "Two boxes.",
        "published": "2026-11-01T00:00:00Z",
        "object_marking_refs": [TLP_IDS[Tlp.GREEN]],
        "object_refs": [f"indicator--{_UUID}1"],
    }
    return {name: value for name, value in (made | changed).items() if value != ""}


def _read(*objects: JsonOut) -> Draft:
    return read_stix(data({"type": "bundle", "id": f"bundle--{_UUID}2", "objects": list(objects)}))


def _objects(document: Document, kind: str) -> list[Document]:
    found = document["objects"]
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, dict) and one["type"] == kind]


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.json")), ids=lambda path: path.stem)
def test_demo_alerts_are_valid_stix(file: Path) -> None:
    """`stix2` takes each, writes the same again, and our reader makes the same alert of that."""
    payload = alert_from_json(file.read_bytes())
    document = as_stix(payload).document
    again = stix_again(document)
    assert same_times(again) == same_times(document)
    draft = read_stix(data(again))
    assert (draft.payload, draft.supplied) == (payload, ())


def test_a_wrong_property_would_be_noticed() -> None:
    """The library judges our own objects too, not only those that STIX defines."""
    document = as_stix(whole()).document
    (found,) = _objects(document, "sesn-consignment")
    found["colour"] = "red"
    with pytest.raises(Exception, match="colour"):
        stix_again(document)


def test_whole_alert_and_what_is_dropped() -> None:
    """Every field comes back but the signatures of people, and these are named."""
    payload = whole()
    written = as_stix(payload)
    assert [note.path for note in written.dropped] == ["endorsements"]
    assert same_times(stix_again(written.document)) == same_times(written.document)
    draft = read_stix(data(written.document))
    assert draft.payload == replace(payload, endorsements=())
    assert draft.supplied == ()
    assert {note.path.partition(".")[2] for note in draft.dropped} == {
        "id",
        "created",
        "created_by_ref",
        "modified",
        "published",
        "external_references",
    }


def test_standard_objects_tell_those_without_our_extension() -> None:
    """Agency, parties, ports and countries stand as what STIX has for them."""
    document = as_stix(whole()).document
    names = {str(one["name"]) for one in _objects(document, "identity")}
    assert {"nl.customs", "Plastics exporter", "Recycler"} <= names
    # A port of the list and a country are places; what was only observed is none.
    assert [one["country"] for one in _objects(document, "location")] == ["SN", "SN"]
    (place,) = _objects(document, "relationship")
    assert place["relationship_type"] == "located-at"
    (report,) = _objects(document, "report")
    assert report["labels"] == [
        'sesn:urgency="SHIP_SAILS"',
        'sesn:requested-action="INSPECT"',
        'sesn:handling="H1"',
        'sesn:handling="H3"',
    ]
    marks = report["object_marking_refs"]
    for kind in ("sesn-container", "sesn-vessel", "sesn-consignment", "relationship"):
        assert all(one["object_marking_refs"] == marks for one in _objects(document, kind))
    (words,) = [
        one["definition"] for one in _objects(document, "marking-definition") if "definition" in one
    ]
    assert "H3: Not to the exporter's country." in str(words)


@pytest.mark.parametrize("tlp", Tlp)
def test_labels_are_those_that_oasis_published(tlp: Tlp) -> None:
    """Each label is the object of the TLP 2.0 extension, referenced and carried."""
    document = as_stix(replace(PLAIN, markings=Markings(tlp))).document
    (mark,) = _objects(document, "marking-definition")
    assert mark["id"] == TLP_IDS[tlp]
    assert mark["extensions"] == {
        "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
            "extension_type": "property-extension",
            "tlp_2_0": tlp.value.lower(),
        }
    }
    assert read_stix(data(stix_again(document))).payload.markings == Markings(tlp)


def test_written_again_it_is_the_same() -> None:
    """An alert keeps its ids; an update is a later version of the same report."""
    first = as_stix(whole()).document
    assert as_stix(whole()).document == first
    later = as_stix(
        replace(whole(), body=replace(alert_of(whole()), urgency=Urgency.ROUTINE)),
        replace(SOURCE, modified_ms=SOURCE.modified_ms + 1),
    ).document
    (before,), (after,) = _objects(first, "report"), _objects(later, "report")
    assert after["id"] == before["id"]
    assert after["created"] == before["created"]
    assert str(after["modified"]) > str(before["modified"])
    both: Document = {**first, "objects": [*_all(first), *_all(later)]}
    assert alert_of(read_stix(data(both)).payload).urgency is Urgency.ROUTINE


def _all(document: Document) -> list[JsonOut]:
    found = document["objects"]
    assert isinstance(found, list)
    return found


def test_report_of_others() -> None:
    """Title, text and label come along; what an alert needs beside is set, all else named."""
    draft = _read(
        _report(confidence="80", labels=["waste"]),
        {"type": "indicator", "spec_version": "2.1", "id": f"indicator--{_UUID}1"},
        {"type": "domain-name", "id": f"domain-name--{_UUID}3", "value": "example.org"},
    )
    alert = alert_of(draft.payload)
    assert (alert.subject, alert.narrative) == ("Seen at the port", "Two boxes.")
    assert draft.payload.markings == Markings(Tlp.GREEN)
    assert {note.path for note in draft.supplied} == {"alert.urgency", "alert.requested_action"}
    paths = {note.path for note in draft.dropped}
    assert {
        "objects[0].confidence",
        "objects[0].labels",
        "objects of type indicator: 1",
        "objects of type domain-name: 1",
    } <= paths


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([TLP_1_AMBER], Tlp.AMBER),
        ([TLP_IDS[Tlp.CLEAR], TLP_IDS[Tlp.AMBER_STRICT]], Tlp.AMBER_STRICT),
        ([TLP_IDS[Tlp.CLEAR], UNKNOWN], Tlp.RED),
        ([], Tlp.RED),
    ],
)
def test_strictest_label_holds(marks: list[JsonOut], expected: Tlp) -> None:
    """The strictest of several labels; RED where there is none, or a mark nobody knows."""
    draft = _read(_report(object_marking_refs=marks))
    assert draft.payload.markings.tlp is expected
    assert ("markings.tlp" in {note.path for note in draft.supplied}) == (expected is Tlp.RED)


def test_label_of_any_object_counts() -> None:
    """A stricter label of an object within, or of a part of one, holds for the draft."""
    identity: Document = {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{_UUID}4",
        "name": "Somebody",
        "granular_markings": [{"marking_ref": TLP_IDS[Tlp.AMBER], "selectors": ["name"]}],
    }
    assert _read(_report(), identity).payload.markings.tlp is Tlp.AMBER


def test_restriction_in_words() -> None:
    """A statement of others is what H3 is for; an over-long one is cut, and that is said."""
    words = "Not for journalists. " * 30
    mark: Document = {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": UNKNOWN,
        "definition_type": "statement",
        "definition": {"statement": words},
    }
    refs: list[JsonOut] = [TLP_IDS[Tlp.CLEAR], UNKNOWN]
    draft = _read(_report(object_marking_refs=refs), mark)
    assert draft.payload.markings.handling == (HandlingCode.H3,)
    assert draft.payload.markings.handling_text == words[:500]
    assert "markings.handling_text" in {note.path for note in draft.dropped}
    assert "markings.handling" in {note.path for note in draft.supplied}


def test_stricter_label_ends_a_grant() -> None:
    """Somebody marked our report RED: then nobody may pass it on, and that is said."""
    document = as_stix(whole()).document
    (report,) = _objects(document, "report")
    report["object_marking_refs"] = [TLP_IDS[Tlp.RED]]
    draft = read_stix(data(document))
    assert draft.payload.markings.tlp is Tlp.RED
    assert draft.payload.markings.onward == ()
    assert "markings.onward" in {note.path for note in draft.dropped}


def test_text_of_others_is_made_fit() -> None:
    """Line ends of others, control characters, and a text that is too long."""
    draft = _read(_report(name="A\tB\x07" + "c" * 300, description="1\r\n2\x1b[31m"))
    alert = alert_of(draft.payload)
    assert alert.subject == "A B" + "c" * 197
    assert alert.narrative == "1\n2[31m"
    assert {"alert.subject", "alert.narrative"} <= {note.path for note in draft.dropped}


def test_report_without_words() -> None:
    """A title is set, and stands for the text."""
    draft = _read(_report(name="", description=""))
    assert alert_of(draft.payload).narrative == alert_of(draft.payload).subject
    assert {"alert.subject", "alert.narrative"} <= {note.path for note in draft.supplied}


def _changed(**changed: JsonOut) -> bytes:
    document = as_stix(whole()).document
    (found,) = _objects(document, "sesn-consignment")
    found |= changed
    return data(document)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"[]", "document: expected an object"),
        (b'{"type": "bundle", "type": "bundle"}', "stands twice"),
        (b'{"Event": {}}', 'type: expected "bundle"'),
        (b'{"type": "bundle", "objects": {}}', "objects: expected a list"),
        (b'{"type": "bundle", "objects": [7]}', "objects[0]: expected an object"),
        (b'{"type": "bundle"}', "none of type report"),
        (b'{"type": "bundle", "spec_version": "2.0", "objects": []}', "spec_version: expected 2.1"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested more than 32 deep"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b" " * (8 * 1024 * 1024 + 1), "at most 8,388,608 bytes"),
        (_changed(containers=[{"seal": "S"}]), "container_ref: missing"),
        (_changed(vessel_ref=UNKNOWN), "vessel_ref: expected the id of a sesn-vessel"),
        (_changed(route=[{"port": "NLRTM", "kind": "FLIGHT"}]), "'FLIGHT' is not one of LOADING"),
        (_changed(route=[{"port": "", "kind": "LOADING"}]), "route[0].port: must not be empty"),
        (_changed(declared={"unit": "t"}), "declared.quantity: missing"),
        (_changed(regime=["EU"]), "regime: expected text"),
    ],
)
def test_hostile_document(document: bytes, words: str) -> None:
    """One clear error with the place, whatever was written."""
    with pytest.raises(MalformedError) as error:
        read_stix(document)
    assert words in error.value.message


def test_which_report() -> None:
    """Of two reports nobody knows which is meant; one that was taken back is none."""
    with pytest.raises(MalformedError, match="2 of type report"):
        _read(_report(), _report(id=f"report--{_UUID}9"))
    with pytest.raises(MalformedError, match="took it back"):
        _read(_report(revoked=True))


def test_goods_of_blanks_survive() -> None:
    """What looks like nothing is kept as it was observed."""
    body = alert_of(whole())
    assert body.consignment is not None
    odd = replace(body.consignment, declared=Goods(hs_code=" "), bill_of_lading="  ")
    payload = replace(whole(), body=replace(body, consignment=odd), endorsements=())
    assert read_stix(data(stix_again(as_stix(payload).document))).payload == payload


def test_numbers_of_any_size_are_no_text() -> None:
    """A number where a text belongs is an error, and of any length."""
    text = json.dumps({"type": "bundle", "objects": [_report()]}).replace(
        '"Two boxes."', "9" * 10_000
    )
    with pytest.raises(MalformedError, match="description: expected text"):
        read_stix(text.encode())
