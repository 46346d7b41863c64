"""Operators and what they sign: domain objects to `proto/sesn/v1/people.proto`, and back."""

from __future__ import annotations

from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.domain.people import (
    MAX_OPERATOR_BYTES,
    MAX_STATEMENT_BYTES,
    Act,
    Endorsement,
    Operator,
    OperatorId,
    Role,
    SealedOperator,
    Statement,
)
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import people_pb2 as pb
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.strict import parse_strict
from sesn_node.wire.values import enum_from_pb

_ROLE_TO_PB = {
    Role.OFFICER: pb.OFFICER,
    Role.SUPERVISOR: pb.SUPERVISOR,
    Role.ADMINISTRATOR: pb.ADMINISTRATOR,
    Role.AUDITOR: pb.AUDITOR,
}
_ACT_TO_PB = {Act.AUTHORED: pb.AUTHORED, Act.APPROVED: pb.APPROVED}
_ROLE: dict[int, Role] = {value: key for key, value in _ROLE_TO_PB.items()}
_ACT: dict[int, Act] = {value: key for key, value in _ACT_TO_PB.items()}

_MAX_SEALED_OPERATOR_BYTES = MAX_OPERATOR_BYTES + 128


def encode_operator(operator: Operator) -> bytes:
    """Serialise what is said of an operator once; these bytes are sealed, hashed and kept."""
    return pb.Operator(
        agency=operator.agency,
        operator=operator.operator,
        role=_ROLE_TO_PB[operator.role],
        public_key=operator.public_key,
        issued_ms=operator.issued_ms,
        expires_ms=operator.expires_ms,
    ).SerializeToString(deterministic=True)


def decode_operator(data: bytes) -> Operator:
    """Parse what is said of an operator.

    Raises:
        MalformedError: Not one, strictly; or a field out of its bounds.
    """
    message = parse_strict(pb.Operator, data, what="operator", limit=MAX_OPERATOR_BYTES)
    return convert_part("operator", _operator_from_pb, message)


def encode_sealed_operator(sealed: SealedOperator) -> bytes:
    """Serialise a sealed operator, as the database keeps it."""
    return _sealed_to_pb(sealed).SerializeToString(deterministic=True)


def decode_sealed_operator(data: bytes) -> SealedOperator:
    """Parse a sealed operator; the seal is not verified.

    Raises:
        MalformedError: Not one, strictly; or a length out of its bounds.
    """
    message = parse_strict(
        pb.SealedOperator, data, what="sealed operator", limit=_MAX_SEALED_OPERATOR_BYTES
    )
    return convert_part("sealed operator", _sealed_from_pb, message)


def encode_statement(statement: Statement) -> bytes:
    """Serialise a statement once; these bytes are signed."""
    return pb.Statement(
        act=_ACT_TO_PB[statement.act],
        operator_sha256=statement.operator_sha256,
        content_sha256=statement.content_sha256,
        recipients=statement.recipients,
        in_reply_to=statement.in_reply_to or b"",
        at_ms=statement.at_ms,
    ).SerializeToString(deterministic=True)


def decode_statement(data: bytes) -> Statement:
    """Parse a statement.

    Raises:
        MalformedError: Not one, strictly; or a field out of its bounds.
    """
    message = parse_strict(pb.Statement, data, what="statement", limit=MAX_STATEMENT_BYTES)
    return convert_part("statement", _statement_from_pb, message)


def endorsement_to_pb(endorsement: Endorsement) -> pb.Endorsement:
    """Write an endorsement."""
    return pb.Endorsement(
        statement=endorsement.statement,
        signature=endorsement.signature,
        operator=_sealed_to_pb(endorsement.operator),
    )


def endorsement_from_pb(message: pb.Endorsement) -> Endorsement:
    """Read an endorsement; nothing is verified.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its path.
    """
    if not message.HasField("operator"):
        raise MalformedError("operator: missing")
    return Endorsement(
        message.statement,
        message.signature,
        convert_part("operator", _sealed_from_pb, message.operator),
    )


def _operator_from_pb(message: pb.Operator) -> Operator:
    return Operator(
        agency=AgencyId(message.agency),
        operator=OperatorId(message.operator),
        role=enum_from_pb("role", _ROLE, message.role),
        public_key=message.public_key,
        issued_ms=message.issued_ms,
        expires_ms=message.expires_ms,
    )


def _sealed_to_pb(sealed: SealedOperator) -> pb.SealedOperator:
    return pb.SealedOperator(body=sealed.body, seal=sealed.seal, seal_key_id=sealed.seal_key_id)


def _sealed_from_pb(message: pb.SealedOperator) -> SealedOperator:
    return SealedOperator(message.body, message.seal, message.seal_key_id)


def _statement_from_pb(message: pb.Statement) -> Statement:
    return Statement(
        act=enum_from_pb("act", _ACT, message.act),
        operator_sha256=message.operator_sha256,
        content_sha256=message.content_sha256,
        recipients=convert_parts("recipients", AgencyId, message.recipients, MAX_RECIPIENTS),
        in_reply_to=MessageId(message.in_reply_to) if message.in_reply_to else None,
        at_ms=message.at_ms,
    )
