"""Steps of cases: domain objects to `proto/sesn/v1/case.proto`, and back.

Every reader raises `MalformedError` for a field out of its bounds, with its path in front.
"""

from __future__ import annotations

from sesn_node.domain.case_messages import (
    MAX_EVIDENCE,
    MAX_FILED,
    CaseFile,
    CaseStep,
    Details,
    Evidence,
    Informed,
)
from sesn_node.domain.case_terms import (
    MAX_PARENTS,
    Action,
    Mark,
    Member,
    Responsibility,
    Role,
)
from sesn_node.domain.checks import under
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import case_pb2 as pb
from sesn_node.wire.alerts import consignment_from_pb, consignment_to_pb
from sesn_node.wire.conversations import original_from_pb, original_to_pb
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.strict import parse_strict
from sesn_node.wire.values import enum_from_pb, time_from_pb, time_to_pb

MAX_MARK_BYTES = 64 * 1024

_ROLE_TO_PB = {Role.DET: pb.DET, Role.EXP: pb.EXP, Role.TRN: pb.TRN, Role.FAC: pb.FAC}
_ROLE: dict[int, Role] = {value: key for key, value in _ROLE_TO_PB.items()}
_MAX_PROOF = 63
_PLAIN = (
    "subject",
    "text",
    "reference",
    "taker",
    "payer",
    "site",
    "operation",
    "movement_document",
    "container",
    "seal",
    "imo",
    "vehicle",
    "bill_of_lading",
    "place",
    "quantity",
    "unit",
    "certificate",
)
"""Texts that are written as they are."""


def encode_mark(mark: Mark) -> bytes:
    """Serialise a mark: these are the bytes that ledgers commit to."""
    return _mark_to_pb(mark).SerializeToString(deterministic=True)


def decode_mark(data: bytes) -> Mark:
    """Parse a mark.

    Raises:
        MalformedError: The message names the field: `mark.after[1]: ...`.
    """
    message = parse_strict(pb.CaseMark, data, what="mark", limit=MAX_MARK_BYTES)
    try:
        return _mark_from_pb(message)
    except MalformedError as exc:
        raise under("mark", exc) from exc


def step_to_pb(step: CaseStep) -> pb.CaseStep:
    """Write a step."""
    return pb.CaseStep(
        mark=_mark_to_pb(step.mark), salt=step.salt, details=_details_to_pb(step.details)
    )


def step_from_pb(message: pb.CaseStep) -> CaseStep:
    """Read a step."""
    for name in ("mark", "details"):
        if not message.HasField(name):
            raise MalformedError(f"{name}: missing")
    return CaseStep(
        mark=convert_part("mark", _mark_from_pb, message.mark),
        salt=message.salt,
        details=convert_part("details", _details_from_pb, message.details),
    )


def case_file_to_pb(file: CaseFile) -> pb.CaseFile:
    """Write steps for a member that did not get them."""
    return pb.CaseFile(originals=[original_to_pb(one) for one in file.originals])


def case_file_from_pb(message: pb.CaseFile) -> CaseFile:
    """Read steps that a member hands us."""
    return CaseFile(convert_parts("originals", original_from_pb, message.originals, MAX_FILED))


def _mark_to_pb(mark: Mark) -> pb.CaseMark:
    return pb.CaseMark(
        action=mark.action.value,
        role=_ROLE_TO_PB[mark.role],
        after=mark.after,
        code=mark.code,
        about=mark.about,
        members=[
            pb.CaseMember(agency=one.agency, roles=[_ROLE_TO_PB[role] for role in one.roles])
            for one in mark.members
        ],
        facility=mark.facility or "",
        regime=mark.regime,
        days=mark.days,
        at_ms=mark.at_ms,
    )


def _mark_from_pb(message: pb.CaseMark) -> Mark:
    if message.action not in set(Action):
        raise MalformedError(f"action: {message.action[:40]!a} is no step of a case")
    return Mark(
        action=Action(message.action),
        role=enum_from_pb("role", _ROLE, message.role),
        after=convert_parts("after", bytes, message.after, MAX_PARENTS),
        code=message.code,
        about=message.about,
        members=convert_parts("members", _member_from_pb, message.members, MAX_RECIPIENTS),
        facility=AgencyId(message.facility) if message.facility else None,
        regime=message.regime,
        days=message.days,
        at_ms=message.at_ms,
    )


def _member_from_pb(message: pb.CaseMember) -> Member:
    roles = tuple(enum_from_pb("roles", _ROLE, one) for one in message.roles)
    return Member(AgencyId(message.agency), roles)


def _details_to_pb(details: Details) -> pb.CaseDetails:
    message = pb.CaseDetails(
        responsibility=details.responsibility or "",
        consignment=consignment_to_pb(details.consignment) if details.consignment else None,
        evidence=[
            pb.CaseEvidence(
                description=one.description, sha256=one.sha256, message_id=one.message_id or b""
            )
            for one in details.evidence
        ],
        at=time_to_pb(details.at),
        informed=_informed_to_pb(details.informed),
    )
    for name in _PLAIN:
        setattr(message, name, getattr(details, name))
    return message


def _details_from_pb(message: pb.CaseDetails) -> Details:
    said = message.responsibility
    if said and said not in set(Responsibility):
        raise MalformedError(
            f"responsibility: {said[:40]!a} is none of {', '.join(Responsibility)}"
        )
    plain: dict[str, str] = {name: getattr(message, name) for name in _PLAIN}
    return Details(
        **plain,
        responsibility=Responsibility(said) if said else None,
        consignment=convert_part("consignment", consignment_from_pb, message.consignment)
        if message.HasField("consignment")
        else None,
        evidence=convert_parts("evidence", _evidence_from_pb, message.evidence, MAX_EVIDENCE),
        at=convert_part("at", time_from_pb, message.at) if message.HasField("at") else None,
        informed=convert_part("informed", _informed_from_pb, message.informed)
        if message.HasField("informed")
        else None,
    )


def _evidence_from_pb(message: pb.CaseEvidence) -> Evidence:
    message_id = MessageId(message.message_id) if message.message_id else None
    return Evidence(message.description, message.sha256, message_id)


def _informed_to_pb(informed: Informed | None) -> pb.CaseInformed | None:
    if informed is None:
        return None
    return pb.CaseInformed(
        entry=informed.entry,
        index=informed.index,
        proof=informed.proof,
        checkpoint=informed.checkpoint,
    )


def _informed_from_pb(message: pb.CaseInformed) -> Informed:
    return Informed(
        entry=message.entry,
        index=message.index,
        proof=convert_parts("proof", bytes, message.proof, _MAX_PROOF),
        checkpoint=message.checkpoint,
    )
