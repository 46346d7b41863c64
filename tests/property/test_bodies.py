"""Whatever a message says and however it is marked: one meaning, or MalformedError."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.domain.alert import Alert, RequestedAction, Urgency
from sesn_node.domain.case_messages import CaseFile, CaseStep, Details, Evidence, Informed
from sesn_node.domain.case_terms import Action, Mark, Member, Responsibility, Role
from sesn_node.domain.conversation import (
    Answer,
    Confidence,
    Consent,
    Decision,
    Destruction,
    DestructionOutcome,
    Note,
    Recall,
    Request,
    Response,
    Sighting,
    SightingBasis,
    Update,
)
from sesn_node.domain.forward import Forward, Original
from sesn_node.domain.handling import allowed, sentences
from sesn_node.domain.ids import AgencyId, new_message_id
from sesn_node.domain.markings import (
    Evaluation,
    EvaluationScheme,
    HandlingCode,
    Markings,
    Passing,
    Tlp,
    covers,
)
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.errors import MalformedError
from sesn_node.wire.payloads import (
    alert_from_json,
    decode_payload,
    encode_payload,
    payload_to_json,
)
from tests.support.bodies import BODIES, MARKED
from tests.support.objects import changed

_GRADES = {
    EvaluationScheme.EUROPOL_4X4: ("ABCX", "1234", [""]),
    EvaluationScheme.BRITISH_3X5X2: ("123", "ABCDE", "PC"),
    EvaluationScheme.BRITISH_5X5X5: ("ABCDE", "12345", "12345"),
}

ids = st.builds(new_message_id, st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
hashes = st.binary(min_size=32, max_size=32)
words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=15)
said = words.filter(bool)
times = st.builds(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds),
    st.integers(0, 253_402_300_799_999_999),
)
agencies = st.sampled_from(["be.police", "de.port", "gh.epa", "int.wco", "nl.customs"])
grants = st.sampled_from(["*", "be.*", "be.police", "de.port", "gh.*", "gh.epa", "int.*"])


def _ascending(one: st.SearchStrategy[str], least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(one, min_size=least, max_size=4).map(sorted).map(tuple)


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    """Any evaluation of any scheme."""
    scheme = draw(st.sampled_from(EvaluationScheme))
    return Evaluation(scheme, *(draw(st.sampled_from(list(grade))) for grade in _GRADES[scheme]))


@st.composite
def markings(draw: st.DrawFn) -> Markings:
    """Any markings."""
    codes = tuple(sorted(draw(st.sets(st.sampled_from(HandlingCode)))))
    made = Markings(
        tlp=draw(st.sampled_from(Tlp)),
        handling=codes,
        handling_text=draw(said) if HandlingCode.H3 in codes else "",
        evaluation=draw(st.none() | evaluations()),
        purpose=draw(words),
        legal_basis=draw(words),
        retain_until=draw(st.none() | times),
    )
    if made.passing is Passing.NEVER:
        return made
    onward = draw(_ascending(grants))
    return Markings(**{name: getattr(made, name) for name in made.__slots__} | {"onward": onward})


alerts = st.builds(
    Alert,
    subject=said,
    urgency=st.sampled_from(Urgency),
    requested_action=st.sampled_from(RequestedAction),
    narrative=said,
)
originals = st.builds(
    Original,
    header=st.binary(min_size=1, max_size=40),
    seal=st.binary(min_size=8, max_size=72),
    salt=hashes,
    payload=st.binary(min_size=1, max_size=40),
    card=st.binary(min_size=1, max_size=40),
)


@st.composite
def destructions(draw: st.DrawFn) -> Destruction:
    """Any destruction receipt."""
    outcome = draw(st.sampled_from(DestructionOutcome))
    return Destruction(
        message_id=draw(ids),
        header_sha256=draw(hashes),
        outcome=outcome,
        at=draw(times),
        backups_expire=draw(st.none() | times),
        hold=draw(said) if outcome is DestructionOutcome.HELD else "",
        passed_on=tuple(AgencyId(one) for one in draw(_ascending(agencies))),
    )


members = st.builds(
    lambda agency, roles: Member(AgencyId(agency), tuple(one for one in Role if one in roles)),
    agencies,
    st.sets(st.sampled_from(Role), min_size=1),
)


@st.composite
def marks(draw: st.DrawFn) -> Mark:
    """Any mark, whether its step is allowed anywhere or not; of steps that need nothing else."""
    named = {one.agency: one for one in draw(st.lists(members, max_size=3))}
    free = (Action.CLOSE, Action.INVITE, Action.AGREE)
    return Mark(
        action=draw(st.sampled_from(free)),
        role=draw(st.sampled_from(Role)),
        after=tuple(sorted(draw(st.sets(hashes, min_size=1, max_size=3)))),
        code=draw(words),
        about=draw(st.just(b"") | hashes),
        members=tuple(named[agency] for agency in sorted(named)),
        facility=draw(st.none() | agencies.map(AgencyId)),
        at_ms=draw(st.integers(0, 253_402_300_799_999)),
    )


@st.composite
def details(draw: st.DrawFn) -> Details:
    """Any details."""
    quantity = draw(st.sampled_from(["", "24.5", "0"]))
    plain = {
        name: draw(words)
        for name in Details.__slots__
        if name in {"subject", "text", "reference", "taker", "payer", "site", "seal", "place"}
    }
    made = Details(
        responsibility=draw(st.none() | st.sampled_from(Responsibility)),
        evidence=tuple(
            draw(st.lists(st.builds(Evidence, said, hashes, st.none() | ids), max_size=3))
        ),
        operation=draw(st.sampled_from(["", "D1", "D15", "R1", "R13"])),
        at=draw(st.none() | times),
        quantity=quantity,
        unit="t" if quantity else "",
        informed=draw(
            st.none()
            | st.builds(
                Informed,
                entry=st.binary(min_size=1, max_size=40),
                index=st.integers(0, 2**62 - 1),
                proof=st.lists(hashes, max_size=3).map(tuple),
                checkpoint=st.binary(min_size=1, max_size=40),
            )
        ),
    )
    return changed(made, **plain)


bodies = st.one_of(
    alerts,
    st.builds(CaseStep, marks(), hashes, details()),
    st.builds(CaseFile, st.lists(originals, min_size=1, max_size=3).map(tuple)),
    st.builds(Response, ids, hashes, st.sampled_from(Decision), said),
    st.builds(Update, ids, hashes, alerts, words),
    st.builds(Recall, ids, hashes, said),
    destructions(),
    st.builds(Forward, originals, st.none() | originals, words),
    st.builds(
        Consent,
        message_id=ids,
        header_sha256=hashes,
        onward=_ascending(grants, 1),
        until=st.none() | times,
    ),
    st.builds(
        Request,
        subject=said,
        urgency=st.sampled_from(Urgency),
        text=said,
        respond_by=st.none() | times,
    ),
    st.builds(Answer, ids, hashes, said),
    st.builds(Note, said),
    st.builds(
        Sighting,
        container=said,
        imo=words,
        seal=words,
        place=said,
        at=times,
        basis=st.sampled_from(SightingBasis),
        confidence=st.sampled_from(Confidence),
        text=words,
    ),
)
payloads = st.builds(Payload, markings(), bodies)


@given(payloads)
@settings(max_examples=80)
def test_any_body_survives_the_trip(original: Payload) -> None:
    """Decoding what was encoded gives an equal payload, and JSON takes it."""
    assert decode_payload(encode_payload(original)) == original
    assert list(json.loads(json.dumps(payload_to_json(original)))) == [
        "markings",
        original.kind.value,
    ]


@given(markings(), alerts)
@settings(max_examples=40)
def test_any_marked_alert_survives_the_file(marks: Markings, alert: Alert) -> None:
    """What a node shows can be sent again, marks and all."""
    original = Payload(marks, alert)
    assert alert_from_json(json.dumps(payload_to_json(original))) == original


@pytest.mark.parametrize("kind", MessageKind)
@given(data=st.data())
@settings(max_examples=25)
def test_changed_bytes_never_mean_the_same(kind: MessageKind, data: st.DataObject) -> None:
    """One byte changed, put in or taken out: malformed, or another payload of those very bytes."""
    valid = encode_payload(Payload(MARKED, BODIES[kind]))
    at = data.draw(st.integers(0, len(valid) - 1))
    put = data.draw(st.binary(max_size=2))
    changed = valid[:at] + put + valid[at + data.draw(st.integers(0, 1)) :]
    problem = "payload"
    try:
        read = decode_payload(changed)
    except MalformedError as error:
        problem = error.message
    else:
        assert encode_payload(read) == changed
    assert problem.startswith("payload")


@given(markings(), markings())
@settings(max_examples=100)
def test_weaker_is_an_order(one: Markings, other: Markings) -> None:
    """Nothing is weaker than itself, and what is not weaker allows no more."""
    assert one.weaker_than(one) is None
    if one.weaker_than(other) is None:
        order = list(Passing)
        assert order.index(one.passing) <= order.index(other.passing)
        for agency in ("be.police", "gh.epa", "int.wco", "zz.other"):
            if other.passing is not Passing.FREE and covers(one.onward, AgencyId(agency)):
                assert covers(other.onward, AgencyId(agency))


@given(markings())
def test_any_marks_can_be_told(marks: Markings) -> None:
    """There are words for whatever is marked, and an answer never allows more."""
    told = dict(sentences(allowed(marks)))
    assert {"who may read it", "pass it on", "use in court", "keep it"} <= set(told)
    assert marks.for_reply().onward == ()
