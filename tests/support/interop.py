"""Alerts in the forms of others: a sample with nothing left out, and how libraries read them."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pymisp
import stix2
from pymisp.mispevent import MISPObject

from sesn_node.domain.alert import (
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
from sesn_node.domain.markings import Evaluation, EvaluationScheme, HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.domain.people import Endorsement, SealedOperator
from sesn_node.interop import stix_ids as ids
from sesn_node.interop.misp_write import write_misp
from sesn_node.interop.notes import Source
from sesn_node.interop.stix_write import write_stix
from tests.support import stix as registered
from tests.support.objects import MESSAGE_ID, NOW_MS, SENDER

if TYPE_CHECKING:
    from sesn_node.interop.notes import Document, Written

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "docs" / "misp-objects"
SOURCE: Final = Source(SENDER, MESSAGE_ID, NOW_MS, NOW_MS + 5_007)

_AT: Final = datetime(2026, 12, 10, 8, 30, 15, 250_000, tzinfo=UTC)
_FRACTION: Final = re.compile(r'(T\d\d:\d\d:\d\d)(?:\.0+|(\.\d*?[1-9])0*)(?=Z")')


def _goods(word: str) -> Goods:
    return Goods(
        description=f"{word}, whole\nand broken",
        hs_code="854911",
        hs_edition="HS2022",
        basel_codes=("A1160", "Y31"),
        quantity="26.1",
        unit="t",
        oecd_codes=("GC020",),
        eu_waste_codes=("16 06 01*",),
        un_numbers=("UN 2794",),
    )


def whole() -> Payload:
    """Write an alert that leaves no field out."""
    body = Alert(
        subject="Batteries declared as scrap",
        urgency=Urgency.SHIP_SAILS,
        requested_action=RequestedAction.INSPECT,
        respond_by=_AT,
        narrative='It sails tonight: "hold it".\n\tÅrhus → 港',
        consignment=Consignment(
            containers=(Container("XQTU7305166", "SN009148"), Container("see manifest")),
            vessel=Vessel("3001172", "Ostrea Dawn", "1109E"),
            bill_of_lading="ODDKR2611902",
            route=(
                PortCall("SNDKR", CallKind.LOADING, _AT),
                PortCall("somewhere", CallKind.SIGHTED),
            ),
            declared=_goods("Flakes"),
            suspected=_goods("Accumulators"),
            parties=(
                Party(
                    "Plastics exporter",
                    PartyRole.NOTIFY_PARTY,
                    "1 Quay\nDakar",
                    "SN",
                    "529900T8BM49AURSDO55",
                    "NL004495445B01",
                ),
                Party("Recycler", PartyRole.IMPORTER, country="Neverland"),
            ),
            found=_goods("Batteries"),
            regime=Regime.EU,
        ),
    )
    marks = Markings(
        Tlp.AMBER,
        handling=(HandlingCode.H1, HandlingCode.H3),
        handling_text="Not to the exporter's country.",
        evaluation=Evaluation(EvaluationScheme.BRITISH_3X5X2, "1", "B", "C"),
        purpose="Criminal investigation",
        legal_basis="Naples II Convention, Article 9",
        retain_until=_AT,
        onward=("be.*", "gh.epa"),
    )
    return Payload(
        marks, body, (Endorsement(b"s", b"g" * 8, SealedOperator(b"o", b"g" * 8, b"k" * 32)),)
    )


def alert_of(payload: Payload) -> Alert:
    """Return the alert of a message."""
    assert isinstance(payload.body, Alert)
    return payload.body


def as_stix(payload: Payload, source: Source = SOURCE) -> Written:
    """Write a message as a bundle."""
    return write_stix(payload, alert_of(payload), source)


def as_misp(payload: Payload, source: Source = SOURCE) -> Written:
    """Write a message as an event."""
    return write_misp(payload, alert_of(payload), source)


def data(document: Document) -> bytes:
    """Write a document."""
    return json.dumps(document).encode()


def stix_again(document: Document) -> Document:
    """Let `stix2` read a bundle, as strictly as it can, and write it; custom content is refused.

    Every observable of ours is made anew of its properties: the library must come to the same id.
    """
    bundle = stix2.parse(json.dumps(document), allow_custom=False, version="2.1")
    kinds: dict[str, Any] = {
        ids.CONTAINER: registered.Container,
        ids.VESSEL: registered.Vessel,
        ids.CONSIGNMENT: registered.Consignment,
    }
    for one in bundle.objects:
        if one.type in kinds:
            fields = {name: one[name] for name in one if name != "id"}
            assert kinds[one.type](**fields).id == one.id
    found = json.loads(bundle.serialize())
    assert isinstance(found, dict)
    return found


def same_times(document: Document) -> object:
    """Return a document with its fractions of seconds as short as they can be."""
    text = _FRACTION.sub(lambda found: found[1] + (found[2] or ""), json.dumps(document))
    return json.loads(text)


def misp_again(document: Document) -> Document:
    """Let `pymisp` read an event and write it; every object is held against its template."""
    event = pymisp.MISPEvent()
    event.load(json.dumps(document))
    parts = document["Event"]
    assert isinstance(parts, dict)
    objects = parts["Object"]
    assert isinstance(objects, list)
    for one in objects:
        assert isinstance(one, dict)
        _hold_against_template(one)
    return {"Event": json.loads(event.to_json())}


def _hold_against_template(one: Document) -> None:
    name = str(one["name"])
    ours = TEMPLATES if name.startswith("sesn-") else None
    made = MISPObject(name, strict=True, misp_objects_path_custom=ours)
    # It takes its parameters apart.
    made.from_dict(**json.loads(json.dumps(one)))
    # Strict: this refuses what the template requires and is not there, or is there twice.
    made.to_json()
    known = made._definition  # noqa: SLF001 - as above
    assert known is not None
    for attribute in made.attributes:
        assert known["attributes"][attribute.object_relation]["misp-attribute"] == attribute.type


def leaves(value: object, path: str = "") -> dict[str, object]:
    """Return what a message says, by the path of every field that says something."""
    if isinstance(value, tuple):
        return {
            name: leaf
            for index, one in enumerate(value)
            for name, leaf in leaves(one, f"{path}[{index}]").items()
        }
    if dataclasses.is_dataclass(value):
        return {
            name: leaf
            for one in dataclasses.fields(value)
            for name, leaf in leaves(
                getattr(value, one.name), f"{path}.{one.name}".removeprefix(".")
            ).items()
        }
    return {} if value in (None, "") else {path.replace("body.", "alert.", 1): value}
