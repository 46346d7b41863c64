"""Marks, steps and case files as bytes: round trips, one form, and the path of what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sesn_node.domain.case_messages import CaseStep, Details, Evidence, Informed
from sesn_node.domain.case_terms import Action, Mark, Member, Responsibility, Role
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import case_pb2
from sesn_node.wire._pb import payload_pb2 as pb
from sesn_node.wire.cases import MAX_MARK_BYTES, decode_mark, encode_mark
from sesn_node.wire.payloads import decode_payload, encode_payload
from tests.support import protobuf
from tests.support.bodies import BODIES, MARKED
from tests.support.objects import changed

STEP = BODIES[MessageKind.CASE_STEP]
MARK = Mark(
    action=Action.INFORM,
    role=Role.DET,
    after=(b"a" * 32, b"b" * 32),
    code="CODE",
    about=b"r" * 32,
    members=(
        Member(AgencyId("gh.epa"), (Role.EXP,)),
        Member(AgencyId("nl.ilt"), tuple(Role)),
    ),
    facility=AgencyId("tg.env"),
    at_ms=1,
)
"""Every field that a step can have but those of a request."""
REQUEST = Mark(
    action=Action.REQUEST, role=Role.DET, code="DUMPING", regime="eu-2024-1157", days=3_660
)


@pytest.mark.parametrize("mark", [MARK, REQUEST], ids=["step", "request"])
def test_mark_survives_the_trip(mark: Mark) -> None:
    """Ledgers commit to these bytes: they have one form."""
    data = encode_mark(mark)
    assert decode_mark(data) == mark
    assert encode_mark(decode_mark(data)) == data


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_every_word_survives_the_trip(action: Action, role: Role) -> None:
    """No step and no role is missing on the wire."""
    mark = REQUEST if action is Action.REQUEST else MARK
    assert decode_mark(encode_mark(changed(mark, action=action, role=role))).role is role


def test_the_longest_mark_fits() -> None:
    """With all that its bounds allow."""
    many = tuple(
        Member(AgencyId("nl." + f"{number:03}".rjust(29, "a")), tuple(Role))
        for number in range(MAX_RECIPIENTS)
    )
    after = tuple(number.to_bytes(32, "big") for number in range(16))
    whole = changed(MARK, members=many, after=after)
    assert decode_mark(encode_mark(whole)) == whole


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (lambda m: setattr(m, "action", "RETURN"), "action: 'RETURN' is no step of a case"),
        (lambda m: m.ClearField("action"), "action: '' is no step of a case"),
        (lambda m: setattr(m, "action", "inform"), "action: 'inform' is no step"),
        (lambda m: m.ClearField("role"), "role: missing"),
        (lambda m: setattr(m, "role", 9), "role: 9 is unknown"),
        (lambda m: m.ClearField("after"), "after: "),
        (lambda m: m.after.extend([b"c" * 32] * 15), "after: at most 16"),
        (lambda m: m.after.append(b"c"), "after[2]: expected 32 bytes"),
        (lambda m: m.after.append(b"a" * 32), "after: must be ascending"),
        (lambda m: setattr(m, "about", b"x"), "about: expected 32 bytes"),
        (lambda m: m.members[1].ClearField("roles"), "members[1].roles: "),
        (lambda m: m.members[1].roles.append(4), "members[1].roles: "),
        (lambda m: setattr(m.members[0], "agency", "x"), "members[0].agency: "),
        (lambda m: setattr(m, "facility", "x"), "facility: "),
        (lambda m: setattr(m, "days", 30), "regime: only a request"),
        (lambda m: setattr(m, "at_ms", 2**63), "at_ms: "),
    ],
)
def test_bad_mark_is_named(change: Callable[[case_pb2.CaseMark], object], start: str) -> None:
    """Hostile marks are refused with the path of what is wrong."""
    message = case_pb2.CaseMark.FromString(encode_mark(MARK))
    change(message)
    with pytest.raises(MalformedError) as refused:
        decode_mark(message.SerializeToString(deterministic=True))
    assert refused.value.message.startswith(f"mark.{start}")


@pytest.mark.parametrize(
    "change",
    [
        protobuf.unknown,
        lambda data: data + data,
        lambda data: data + b"\x22\x00",
        lambda data: data[:-1],
        lambda data: data + bytes(MAX_MARK_BYTES + 1 - len(data)),
        lambda data: data[:0],
    ],
)
def test_mark_written_otherwise(change: Callable[[bytes], bytes]) -> None:
    """Unknown fields, fields twice or written though empty, cut short, too long, nothing."""
    with pytest.raises(MalformedError, match=r"^mark"):
        decode_mark(change(encode_mark(MARK)))


def test_step_with_little() -> None:
    """What may be missing stays unset."""
    bare = CaseStep(changed(MARK, action=Action.CLOSE), b"s" * 32, Details())
    whole = Payload(MARKED, bare)
    assert decode_payload(encode_payload(whole)) == whole
    assert isinstance(STEP, CaseStep)
    details = changed(
        STEP.details,
        evidence=(Evidence("Photograph", b"e" * 32),),
        informed=Informed(b"e", 0, (), b"n"),
        responsibility=None,
        at=None,
    )
    other = Payload(MARKED, changed(STEP, details=details))
    assert decode_payload(encode_payload(other)) == other


@pytest.mark.parametrize("word", Responsibility)
def test_every_responsibility(word: Responsibility) -> None:
    """All are known on the wire."""
    assert isinstance(STEP, CaseStep)
    whole = Payload(MARKED, changed(STEP, details=changed(STEP.details, responsibility=word)))
    assert decode_payload(encode_payload(whole)) == whole


def _damaged(kind: MessageKind, change: Callable[[pb.Payload], object]) -> bytes:
    message = pb.Payload.FromString(encode_payload(Payload(MARKED, BODIES[kind])))
    change(message)
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (lambda s: s.ClearField("mark"), "mark: missing"),
        (lambda s: s.ClearField("details"), "details: missing"),
        (lambda s: s.ClearField("salt"), "salt: expected 32"),
        (lambda s: s.mark.ClearField("after"), "mark.after: "),
        (lambda s: s.details.ClearField("movement_document"), "details.movement_document: SHIP"),
        (lambda s: setattr(s.details, "responsibility", "ME"), "details.responsibility: 'ME' is"),
        (lambda s: setattr(s.details, "operation", "D99"), "details.operation: "),
        (lambda s: s.details.ClearField("unit"), "details.unit: missing"),
        (lambda s: setattr(s.details.at, "nanos", 1), "details.at.nanos: "),
        (lambda s: s.details.evidence[0].ClearField("sha256"), "details.evidence[0].sha256: "),
        (lambda s: setattr(s.details.evidence[0], "message_id", b"x"), "details.evidence[0].mess"),
        (lambda s: s.details.evidence.extend([s.details.evidence[0]] * 100), "details.evidence: a"),
        (lambda s: s.details.informed.ClearField("entry"), "details.informed.entry: "),
        (lambda s: s.details.informed.proof.append(b"x"), "details.informed.proof[1]: "),
        (lambda s: s.details.informed.proof.extend([b"x"] * 63), "details.informed.proof: at most"),
        (lambda s: setattr(s.details.informed, "index", 2**62), "details.informed.index: "),
    ],
)
def test_bad_step_is_named(change: Callable[[case_pb2.CaseStep], object], start: str) -> None:
    """Hostile steps are refused with the path of what is wrong."""
    data = _damaged(MessageKind.CASE_STEP, lambda message: change(message.case_step))
    with pytest.raises(MalformedError) as refused:
        decode_payload(data)
    assert refused.value.message.startswith(f"payload.case_step.{start}")


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (lambda f: f.ClearField("originals"), "originals: "),
        (lambda f: f.originals.extend([f.originals[0]] * 99), "originals: at most 100"),
        (lambda f: f.originals[1].ClearField("seal"), "originals[1].seal: "),
    ],
)
def test_bad_case_file_is_named(change: Callable[[case_pb2.CaseFile], object], start: str) -> None:
    """The same of case files."""
    data = _damaged(MessageKind.CASE_FILE, lambda message: change(message.case_file))
    with pytest.raises(MalformedError) as refused:
        decode_payload(data)
    assert refused.value.message.startswith(f"payload.case_file.{start}")


@pytest.mark.parametrize(
    "part",
    [
        lambda s: s.mark,
        lambda s: s.mark.members.add(agency="gh.epa", roles=[case_pb2.EXP]),
        lambda s: s.details,
        lambda s: s.details.evidence[0],
        lambda s: s.details.informed,
    ],
)
def test_unknown_field_deep_in_a_step(
    part: Callable[[case_pb2.CaseStep], case_pb2.CaseMark],
) -> None:
    """What nobody can read is refused at any depth."""

    def change(message: pb.Payload) -> None:
        part(message.case_step).MergeFromString(protobuf.unknown(b""))

    with pytest.raises(MalformedError, match=r"^payload: unknown fields"):
        decode_payload(_damaged(MessageKind.CASE_STEP, change))
