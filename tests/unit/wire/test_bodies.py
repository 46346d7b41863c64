"""Every kind of message, and markings with every field: to bytes, to JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sesn_node.domain.alert import Urgency
from sesn_node.domain.conversation import (
    Confidence,
    Destruction,
    DestructionOutcome,
    Request,
    Sighting,
    SightingBasis,
)
from sesn_node.domain.markings import Evaluation, EvaluationScheme, HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Body, MessageKind, Payload
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import payload_pb2 as pb
from sesn_node.wire.payloads import (
    alert_from_json,
    decode_payload,
    encode_payload,
    payload_to_json,
)
from tests.support import protobuf
from tests.support.bodies import AT, BODIES, MARKED
from tests.support.objects import alert, changed

SIGHTING, REQUEST = BODIES[MessageKind.SIGHTING], BODIES[MessageKind.REQUEST]
DESTRUCTION = BODIES[MessageKind.DESTRUCTION]


def _assert_trip(body: Body, markings: Markings = MARKED) -> None:
    original = Payload(markings, body)
    data = encode_payload(original)
    assert decode_payload(data) == original
    assert encode_payload(decode_payload(data)) == data


@pytest.mark.parametrize("kind", MessageKind)
def test_body_survives_the_trip(kind: MessageKind) -> None:
    """With every field set; the kind is told by the field of the wire."""
    _assert_trip(BODIES[kind])
    message = pb.Payload.FromString(encode_payload(Payload(MARKED, BODIES[kind])))
    assert message.WhichOneof("body") == kind.value


@pytest.mark.parametrize(
    ("kind", "unset"),
    [
        (MessageKind.UPDATE, {"reason": ""}),
        (MessageKind.DESTRUCTION, {"backups_expire": None, "passed_on": ()}),
        (MessageKind.FORWARD, {"consent": None, "text": ""}),
        (MessageKind.CONSENT, {"until": None}),
        (MessageKind.REQUEST, {"respond_by": None}),
        (MessageKind.SIGHTING, {"container": "", "imo": "", "text": ""}),
    ],
)
def test_body_without_what_may_be_missing(kind: MessageKind, unset: dict[str, object]) -> None:
    """What is optional stays unset."""
    _assert_trip(changed(BODIES[kind], **unset), Markings(Tlp.CLEAR))


def test_every_word_survives_the_trip() -> None:
    """No enum of the domain is missing on the wire."""
    assert isinstance(SIGHTING, Sighting)
    assert isinstance(REQUEST, Request)
    assert isinstance(DESTRUCTION, Destruction)
    for basis in SightingBasis:
        _assert_trip(replace(SIGHTING, basis=basis))
    for confidence in Confidence:
        _assert_trip(replace(SIGHTING, confidence=confidence))
    for urgency in Urgency:
        _assert_trip(replace(REQUEST, urgency=urgency))
    for outcome in DestructionOutcome:
        hold = "Seized." if outcome is DestructionOutcome.HELD else ""
        _assert_trip(replace(DESTRUCTION, outcome=outcome, hold=hold))


@pytest.mark.parametrize(
    "changes",
    [
        {"tlp": Tlp.RED, "onward": ()},
        {"handling": (), "handling_text": ""},
        {"handling": tuple(HandlingCode)},
        {"evaluation": None},
        {"evaluation": Evaluation(EvaluationScheme.EUROPOL_4X4, "X", "4")},
        {"evaluation": Evaluation(EvaluationScheme.BRITISH_3X5X2, "2", "E", "C")},
        {"retain_until": AT + timedelta(microseconds=1)},
        {"onward": ("*",)},
    ],
)
def test_markings_survive_both_trips(changes: dict[str, object]) -> None:
    """As bytes and in the file that officers write."""
    markings = changed(MARKED, **changes)
    _assert_trip(alert(), markings)
    original = Payload(markings, alert())
    assert alert_from_json(json.dumps(payload_to_json(original))) == original


def test_markings_as_people_write_them() -> None:
    """Schemes by their common names; both spellings of a field's name."""
    document = {
        "markings": {
            "tlp": "AMBER",
            "handling": ["H1", "H2"],
            "evaluation": {"scheme": "4x4", "source": "B", "information": "2"},
            "legalBasis": "Naples II",
            "retain_until": "2027-06-30T00:00:00+02:00",
            "onward": ["gh.epa"],
        },
        "alert": {
            "subject": "s",
            "urgency": "ROUTINE",
            "requested_action": "NONE",
            "narrative": "n",
        },
    }
    read = alert_from_json(json.dumps(document)).markings
    assert read.handling == (HandlingCode.H1, HandlingCode.H2)
    assert read.evaluation == Evaluation(EvaluationScheme.EUROPOL_4X4, "B", "2")
    assert read.legal_basis == "Naples II"
    assert read.retain_until is not None
    assert read.retain_until.isoformat() == "2027-06-29T22:00:00+00:00"


@pytest.mark.parametrize(
    ("markings", "start"),
    [
        ({"tlp": "AMBER", "handling": ["H0"]}, "markings.handling[0]: 'H0' is unknown; expected"),
        ({"tlp": "AMBER", "handling": ["H2", "H1"]}, "markings.handling: the codes must be asc"),
        ({"tlp": "RED", "onward": ["gh.epa"]}, "markings.onward: "),
        ({"tlp": "AMBER", "onward": ["Ghana"]}, "markings.onward[0]: "),
        (
            {"tlp": "AMBER", "evaluation": {"scheme": "6x6", "source": "A", "information": "1"}},
            "markings.evaluation.scheme: '6x6' is unknown; expected one of 4x4, 3x5x2, 5x5x5",
        ),
        (
            {"tlp": "AMBER", "evaluation": {"scheme": "4x4", "source": "F", "information": "1"}},
            "markings.evaluation.source: 4x4 knows A, B, C, X",
        ),
        ({"tlp": "AMBER", "retention": "2027"}, "markings.retention: "),
    ],
)
def test_wrong_markings_in_a_file_are_named(markings: dict[str, object], start: str) -> None:
    """The officer gets the path and what was expected."""
    document = {
        "markings": markings,
        "alert": {
            "subject": "s",
            "urgency": "ROUTINE",
            "requested_action": "NONE",
            "narrative": "n",
        },
    }
    with pytest.raises(MalformedError) as refused:
        alert_from_json(json.dumps(document))
    assert refused.value.message.startswith(start)


def _unset(kind: MessageKind, *names: str) -> Callable[[pb.Payload], None]:
    def change(message: pb.Payload) -> None:
        part = getattr(message, kind.value)
        for name in names[:-1]:
            part = getattr(part, name)
        part.ClearField(names[-1])

    return change


def _put(kind: MessageKind, name: str, value: object) -> Callable[[pb.Payload], None]:
    return lambda message: setattr(getattr(message, kind.value), name, value)


@pytest.mark.parametrize(
    ("kind", "change", "start"),
    [
        (MessageKind.UPDATE, _unset(MessageKind.UPDATE, "alert"), "payload.update.alert: missing"),
        (
            MessageKind.UPDATE,
            _unset(MessageKind.UPDATE, "alert", "subject"),
            "payload.update.alert.subject: ",
        ),
        (
            MessageKind.UPDATE,
            _put(MessageKind.UPDATE, "message_id", bytes(16)),
            "payload.update.message_id: ",
        ),
        (MessageKind.RECALL, _unset(MessageKind.RECALL, "reason"), "payload.recall.reason: "),
        (
            MessageKind.DESTRUCTION,
            _unset(MessageKind.DESTRUCTION, "outcome"),
            "payload.destruction.outcome: missing",
        ),
        (
            MessageKind.DESTRUCTION,
            _put(MessageKind.DESTRUCTION, "outcome", 4),
            "payload.destruction.outcome: 4 is unknown",
        ),
        (
            MessageKind.DESTRUCTION,
            _unset(MessageKind.DESTRUCTION, "at"),
            "payload.destruction.at: missing",
        ),
        (
            MessageKind.FORWARD,
            _unset(MessageKind.FORWARD, "original"),
            "payload.forward.original: missing",
        ),
        (
            MessageKind.FORWARD,
            _unset(MessageKind.FORWARD, "original", "salt"),
            "payload.forward.original.salt: ",
        ),
        (
            MessageKind.FORWARD,
            _unset(MessageKind.FORWARD, "consent", "seal"),
            "payload.forward.consent.seal: ",
        ),
        (MessageKind.CONSENT, _unset(MessageKind.CONSENT, "onward"), "payload.consent.onward: "),
        (
            MessageKind.REQUEST,
            _unset(MessageKind.REQUEST, "urgency"),
            "payload.request.urgency: missing",
        ),
        (MessageKind.ANSWER, _unset(MessageKind.ANSWER, "text"), "payload.answer.text: "),
        (MessageKind.NOTE, _unset(MessageKind.NOTE, "text"), "payload.note.text: "),
        (MessageKind.SIGHTING, _unset(MessageKind.SIGHTING, "at"), "payload.sighting.at: missing"),
        (
            MessageKind.SIGHTING,
            _unset(MessageKind.SIGHTING, "basis"),
            "payload.sighting.basis: missing",
        ),
        (
            MessageKind.SIGHTING,
            _put(MessageKind.SIGHTING, "confidence", 4),
            "payload.sighting.confidence: 4 is unknown",
        ),
    ],
)
def test_bad_field_is_named(
    kind: MessageKind, change: Callable[[pb.Payload], None], start: str
) -> None:
    """Hostile bodies are refused with the path of what is wrong."""
    message = pb.Payload.FromString(encode_payload(Payload(MARKED, BODIES[kind])))
    change(message)
    with pytest.raises(MalformedError) as refused:
        decode_payload(message.SerializeToString(deterministic=True))
    assert refused.value.message.startswith(start)


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (lambda m: setattr(m, "tlp", 6), "tlp: 6 is unknown"),
        (lambda m: m.handling.append(9), "handling[2].code: 9 is unknown"),
        (lambda m: m.handling.extend([pb.H1] * 50), "handling: at most 3 elements"),
        (lambda m: m.handling.insert(0, pb.H2), "handling: the codes must be ascending"),
        (lambda m: m.evaluation.ClearField("scheme"), "evaluation.scheme: missing"),
        (lambda m: setattr(m.evaluation, "scheme", 4), "evaluation.scheme: 4 is unknown"),
        (lambda m: setattr(m.evaluation, "source", "BB"), "evaluation.source: "),
        (lambda m: setattr(m.retain_until, "nanos", 1), "retain_until.nanos: "),
        (lambda m: m.onward.extend(["zz.a"] * 100), "onward: at most 100 elements"),
        (lambda m: m.onward.append("zz"), "onward[2]: "),
    ],
)
def test_bad_mark_is_named(change: Callable[[pb.Markings], object], start: str) -> None:
    """Hostile markings are refused with the path of what is wrong."""
    message = pb.Payload.FromString(encode_payload(Payload(MARKED, alert())))
    change(message.markings)
    with pytest.raises(MalformedError) as refused:
        decode_payload(message.SerializeToString(deterministic=True))
    assert refused.value.message.startswith(f"payload.markings.{start}")


@pytest.mark.parametrize("kind", MessageKind)
def test_unknown_field_in_a_body(kind: MessageKind) -> None:
    """What nobody can read is refused at any depth."""
    message = pb.Payload.FromString(encode_payload(Payload(MARKED, BODIES[kind])))
    part = getattr(message, kind.value)
    part.MergeFromString(protobuf.unknown(b""))
    with pytest.raises(MalformedError, match=r"^payload: unknown fields"):
        decode_payload(message.SerializeToString(deterministic=True))


def test_two_bodies() -> None:
    """A payload with two bodies is one that was written otherwise: refused."""
    one = encode_payload(Payload(MARKED, BODIES[MessageKind.NOTE]))
    other = encode_payload(Payload(MARKED, BODIES[MessageKind.ANSWER]))
    with pytest.raises(MalformedError, match=r"^payload: "):
        decode_payload(one + other)


@pytest.mark.parametrize("kind", MessageKind)
def test_json_of_a_body(kind: MessageKind) -> None:
    """Names of the .proto file, ids with hyphens, bytes in hexadecimal; programs can read it."""
    written = json.loads(json.dumps(payload_to_json(Payload(MARKED, BODIES[kind]))))
    assert set(written) == {"markings", kind.value}
    body = written[kind.value]
    described = pb.Payload.DESCRIPTOR.fields_by_name[kind.value].message_type
    assert described is not None
    assert set(body) == {field.name for field in described.fields}
    if "message_id" in body:
        assert body["message_id"] == "01a229f1-2800-7031-b233-343536373839"
        assert body["header_sha256"] == "68" * 32
    assert written["markings"]["evaluation"] == {
        "scheme": "5x5x5",
        "source": "B",
        "information": "2",
        "handling": "1",
    }
    assert set(written["markings"]) == {field.name for field in pb.Markings.DESCRIPTOR.fields}
