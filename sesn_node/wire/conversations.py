"""Messages about messages: domain objects to `proto/sesn/v1/conversation.proto`, and back.

Every reader raises `MalformedError` for a field out of its bounds, with its path in front.
"""

from __future__ import annotations

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
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.markings import MAX_ONWARD
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import conversation_pb2 as pb
from sesn_node.wire.alerts import URGENCY, URGENCY_TO_PB, alert_from_pb, alert_to_pb
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.values import enum_from_pb, time_from_pb, time_to_pb

_DECISION_TO_PB = {Decision.ACCEPTED: pb.ACCEPTED, Decision.DECLINED: pb.DECLINED}
_OUTCOME_TO_PB = {
    DestructionOutcome.DESTROYED: pb.DESTROYED,
    DestructionOutcome.NEVER_KEPT: pb.NEVER_KEPT,
    DestructionOutcome.HELD: pb.HELD,
}
_BASIS_TO_PB = {
    SightingBasis.SEEN: pb.SEEN,
    SightingBasis.RECORDED: pb.RECORDED,
    SightingBasis.DOCUMENTED: pb.DOCUMENTED,
    SightingBasis.REPORTED: pb.REPORTED,
}
_CONFIDENCE_TO_PB = {
    Confidence.LOW: pb.LOW,
    Confidence.MEDIUM: pb.MEDIUM,
    Confidence.HIGH: pb.HIGH,
}
_DECISION: dict[int, Decision] = {value: key for key, value in _DECISION_TO_PB.items()}
_OUTCOME: dict[int, DestructionOutcome] = {value: key for key, value in _OUTCOME_TO_PB.items()}
_BASIS: dict[int, SightingBasis] = {value: key for key, value in _BASIS_TO_PB.items()}
_CONFIDENCE: dict[int, Confidence] = {value: key for key, value in _CONFIDENCE_TO_PB.items()}


def response_to_pb(response: Response) -> pb.Response:
    """Write a decision."""
    return pb.Response(
        message_id=response.message_id,
        header_sha256=response.header_sha256,
        decision=_DECISION_TO_PB[response.decision],
        text=response.text,
    )


def response_from_pb(message: pb.Response) -> Response:
    """Read a decision."""
    return Response(
        message_id=MessageId(message.message_id),
        header_sha256=message.header_sha256,
        decision=enum_from_pb("decision", _DECISION, message.decision),
        text=message.text,
    )


def update_to_pb(update: Update) -> pb.Update:
    """Write an update."""
    return pb.Update(
        message_id=update.message_id,
        header_sha256=update.header_sha256,
        alert=alert_to_pb(update.alert),
        reason=update.reason,
    )


def update_from_pb(message: pb.Update) -> Update:
    """Read an update."""
    if not message.HasField("alert"):
        raise MalformedError("alert: missing")
    return Update(
        message_id=MessageId(message.message_id),
        header_sha256=message.header_sha256,
        alert=convert_part("alert", alert_from_pb, message.alert),
        reason=message.reason,
    )


def recall_to_pb(recall: Recall) -> pb.Recall:
    """Write a recall."""
    return pb.Recall(
        message_id=recall.message_id, header_sha256=recall.header_sha256, reason=recall.reason
    )


def recall_from_pb(message: pb.Recall) -> Recall:
    """Read a recall."""
    return Recall(MessageId(message.message_id), message.header_sha256, message.reason)


def destruction_to_pb(destruction: Destruction) -> pb.Destruction:
    """Write a destruction receipt."""
    return pb.Destruction(
        message_id=destruction.message_id,
        header_sha256=destruction.header_sha256,
        outcome=_OUTCOME_TO_PB[destruction.outcome],
        at=time_to_pb(destruction.at),
        backups_expire=time_to_pb(destruction.backups_expire),
        hold=destruction.hold,
        passed_on=destruction.passed_on,
    )


def destruction_from_pb(message: pb.Destruction) -> Destruction:
    """Read a destruction receipt."""
    if not message.HasField("at"):
        raise MalformedError("at: missing")
    return Destruction(
        message_id=MessageId(message.message_id),
        header_sha256=message.header_sha256,
        outcome=enum_from_pb("outcome", _OUTCOME, message.outcome),
        at=convert_part("at", time_from_pb, message.at),
        backups_expire=convert_part("backups_expire", time_from_pb, message.backups_expire)
        if message.HasField("backups_expire")
        else None,
        hold=message.hold,
        passed_on=convert_parts("passed_on", AgencyId, message.passed_on, MAX_RECIPIENTS),
    )


def forward_to_pb(forward: Forward) -> pb.Forward:
    """Write a forward."""
    return pb.Forward(
        original=original_to_pb(forward.original),
        consent=original_to_pb(forward.consent) if forward.consent else None,
        text=forward.text,
    )


def forward_from_pb(message: pb.Forward) -> Forward:
    """Read a forward."""
    if not message.HasField("original"):
        raise MalformedError("original: missing")
    return Forward(
        original=convert_part("original", original_from_pb, message.original),
        consent=convert_part("consent", original_from_pb, message.consent)
        if message.HasField("consent")
        else None,
        text=message.text,
    )


def consent_to_pb(consent: Consent) -> pb.Consent:
    """Write a consent."""
    return pb.Consent(
        message_id=consent.message_id,
        header_sha256=consent.header_sha256,
        onward=consent.onward,
        until=time_to_pb(consent.until),
    )


def consent_from_pb(message: pb.Consent) -> Consent:
    """Read a consent."""
    return Consent(
        message_id=MessageId(message.message_id),
        header_sha256=message.header_sha256,
        onward=convert_parts("onward", str, message.onward, MAX_ONWARD),
        until=convert_part("until", time_from_pb, message.until)
        if message.HasField("until")
        else None,
    )


def request_to_pb(request: Request) -> pb.Request:
    """Write a request for information."""
    return pb.Request(
        subject=request.subject,
        urgency=URGENCY_TO_PB[request.urgency],
        text=request.text,
        respond_by=time_to_pb(request.respond_by),
    )


def request_from_pb(message: pb.Request) -> Request:
    """Read a request for information."""
    return Request(
        subject=message.subject,
        urgency=enum_from_pb("urgency", URGENCY, message.urgency),
        text=message.text,
        respond_by=convert_part("respond_by", time_from_pb, message.respond_by)
        if message.HasField("respond_by")
        else None,
    )


def answer_to_pb(answer: Answer) -> pb.Answer:
    """Write an answer."""
    return pb.Answer(
        message_id=answer.message_id, header_sha256=answer.header_sha256, text=answer.text
    )


def answer_from_pb(message: pb.Answer) -> Answer:
    """Read an answer."""
    return Answer(MessageId(message.message_id), message.header_sha256, message.text)


def note_to_pb(note: Note) -> pb.Note:
    """Write a note."""
    return pb.Note(text=note.text)


def note_from_pb(message: pb.Note) -> Note:
    """Read a note."""
    return Note(message.text)


def sighting_to_pb(sighting: Sighting) -> pb.Sighting:
    """Write a sighting."""
    return pb.Sighting(
        container=sighting.container,
        imo=sighting.imo,
        seal=sighting.seal,
        place=sighting.place,
        at=time_to_pb(sighting.at),
        basis=_BASIS_TO_PB[sighting.basis],
        confidence=_CONFIDENCE_TO_PB[sighting.confidence],
        text=sighting.text,
    )


def sighting_from_pb(message: pb.Sighting) -> Sighting:
    """Read a sighting."""
    if not message.HasField("at"):
        raise MalformedError("at: missing")
    return Sighting(
        container=message.container,
        imo=message.imo,
        seal=message.seal,
        place=message.place,
        at=convert_part("at", time_from_pb, message.at),
        basis=enum_from_pb("basis", _BASIS, message.basis),
        confidence=enum_from_pb("confidence", _CONFIDENCE, message.confidence),
        text=message.text,
    )


def original_to_pb(original: Original) -> pb.Original:
    """Write a message as its originator sealed it."""
    return pb.Original(
        header=original.header,
        seal=original.seal,
        salt=original.salt,
        payload=original.payload,
        card=original.card,
    )


def original_from_pb(message: pb.Original) -> Original:
    """Read a message as its originator sealed it."""
    return Original(
        header=message.header,
        seal=message.seal,
        salt=message.salt,
        payload=message.payload,
        card=message.card,
    )
