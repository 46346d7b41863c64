"""Alerts in the forms of others: what comes back is what was written, but for what was named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from sesn_node.domain.markings import (
    Evaluation,
    EvaluationScheme,
    HandlingCode,
    Markings,
    Passing,
    Tlp,
)
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.interop.misp_read import read_misp
from sesn_node.interop.notes import Document, Draft, Note, Written
from sesn_node.interop.stix_read import read_stix
from tests.property.test_codec import instants
from tests.support.interop import as_misp, as_stix, data, leaves, misp_again, stix_again, whole

_any = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))
lines = st.text(_any, max_size=8)
names = lines.filter(str.strip)
texts = st.text(_any | st.sampled_from("\n\t"), max_size=12)
# Numbers that are the same but for their blanks have a test of their own.
codes = st.lists(names, max_size=2, unique_by=str.strip).map(tuple)
goods = st.builds(
    lambda amount, **fields: Goods(quantity=amount[0], unit=amount[1], **fields),
    amount=st.sampled_from([("", ""), ("", " "), ("24.5", " t"), ("0", "kg")]),
    description=texts.filter(str.strip),
    hs_code=lines,
    hs_edition=lines,
    basel_codes=codes,
    oecd_codes=codes,
    eu_waste_codes=codes,
    un_numbers=codes,
)
consignments = st.builds(
    Consignment,
    containers=st.lists(
        st.builds(Container, names, lines), max_size=2, unique_by=lambda one: one.number.strip()
    ).map(tuple),
    vessel=st.none()
    | st.builds(Vessel, names, lines, lines)
    | st.builds(Vessel, lines, names, lines),
    bill_of_lading=lines,
    route=st.lists(
        st.builds(
            PortCall,
            names | st.sampled_from(["NLRTM", "SN DKR"]),
            st.sampled_from(CallKind),
            instants,
        ),
        max_size=3,
    ).map(tuple),
    declared=goods,
    suspected=st.none() | goods,
    parties=st.lists(
        st.builds(
            Party,
            names,
            st.sampled_from(PartyRole),
            texts,
            lines | st.sampled_from(["NL", "int"]),
            lines,
            lines,
        ),
        max_size=2,
    ).map(tuple),
    found=st.none() | goods,
    regime=st.none() | st.sampled_from(Regime),
)
evaluations = st.sampled_from(
    [
        None,
        Evaluation(EvaluationScheme.EUROPOL_4X4, "B", "2"),
        Evaluation(EvaluationScheme.BRITISH_3X5X2, "1", "C", "C"),
        Evaluation(EvaluationScheme.BRITISH_5X5X5, "E", "4", "4"),
    ]
)


@st.composite
def markings(draw: st.DrawFn) -> Markings:
    """Any valid marks."""
    handling = tuple(sorted(draw(st.sets(st.sampled_from(HandlingCode)))))
    made = Markings(
        draw(st.sampled_from(Tlp)),
        handling=handling,
        handling_text=draw(texts.filter(str.strip)) if HandlingCode.H3 in handling else "",
        evaluation=draw(evaluations),
        purpose=draw(lines),
        legal_basis=draw(texts),
        retain_until=draw(instants),
    )
    if made.passing is Passing.NEVER:
        return made
    return replace(made, onward=draw(st.sampled_from([(), ("*",), ("be.*", "gh.epa")])))


payloads = st.builds(
    Payload,
    markings(),
    st.builds(
        Alert,
        subject=names,
        urgency=st.sampled_from(Urgency),
        requested_action=st.sampled_from(RequestedAction),
        respond_by=instants,
        narrative=texts.filter(str.strip),
        consignment=st.none() | consignments,
    ),
)


@settings(max_examples=40)
@given(payloads)
def test_stix_loses_nothing(original: Payload) -> None:
    """Through our writer, `stix2` and our reader: the same message."""
    written = as_stix(original)
    assert written.dropped == ()
    draft = read_stix(data(stix_again(written.document)))
    assert (draft.payload, draft.supplied) == (original, ())


@settings(max_examples=40)
@given(payloads)
def test_misp_loses_only_what_it_names(original: Payload) -> None:
    """Through our writer, `pymisp` and our reader: the same, but for blanks at ends, all named."""
    written = as_misp(original)
    draft = read_misp(data(misp_again(written.document)))
    assert draft.supplied == ()
    expected = {
        path: kept
        for path, value in leaves(original).items()
        if (kept := _without_blanks(path, value, written.dropped)) != ""
    }
    assert leaves(draft.payload) == expected


def _without_blanks(path: str, value: object, dropped: tuple[Note, ...]) -> object:
    """Strip a text that was named as dropped, and no other."""
    place, _, _ = path.rpartition("[") if path.endswith("]") else (path, "", "")
    named = {note.path for note in dropped}
    return str(value).strip() if {path, place} & named else value


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("2.1"),
    lambda parts: (
        st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3)
    ),
    max_leaves=8,
)
_READERS = [(as_stix, read_stix), (as_misp, read_misp)]


def _places(value: object) -> Iterator[tuple[dict[str, object] | list[object], str | int]]:
    """Yield every place of a document where something stands."""
    keys: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(value, dict):
        keys = iter(value.items())
    elif isinstance(value, list):
        keys = iter(enumerate(value))
    for key, part in keys:
        assert isinstance(value, (dict, list))
        yield value, key
        yield from _places(part)


@pytest.mark.parametrize(("write", "read"), _READERS, ids=["stix", "misp"])
@settings(max_examples=150)
@given(data=st.data())
def test_changed_documents_raise_only_malformed(
    write: Callable[[Payload], Written], read: Callable[[bytes], Draft], data: st.DataObject
) -> None:
    """Whatever stands in a place of a document: a draft that can be sent, or the one error."""
    document = write(whole()).document
    places = list(_places(document))
    for place, key in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=2)):
        if isinstance(place, dict) and data.draw(st.booleans()):
            place.pop(str(key), None)
        else:
            place[key] = data.draw(_json)  # type: ignore[index]
    _read_or_refused(read, json.dumps(document).encode())


@pytest.mark.parametrize("read", [read_stix, read_misp])
@given(document=_json | st.binary(max_size=30))
def test_any_document_raises_only_malformed(
    read: Callable[[bytes], Draft], document: object
) -> None:
    """Whatever is given: the one error."""
    given_bytes = document if isinstance(document, bytes) else json.dumps(document).encode()
    _read_or_refused(read, given_bytes)


def _read_or_refused(read: Callable[[bytes], Draft], document: bytes) -> None:
    try:
        draft = read(document)
    except MalformedError as error:
        assert error.message.isprintable()  # noqa: PT017 - it may as well be taken
    else:
        assert isinstance(draft.payload.body, Alert)
        for note in (*draft.dropped, *draft.supplied):
            assert note.path.isprintable()


def test_places_of_a_document() -> None:
    """The changes above reach every place of it."""
    document: Document = {"a": [{"b": "c"}]}
    assert [key for _, key in _places(document)] == ["a", 0, "b"]
