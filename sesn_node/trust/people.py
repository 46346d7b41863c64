"""Endorsements: whether people of an agency wrote and approved what its message says.

An operator's key is vouched for by the agency's seal, so an endorsement says no more than the
agency does: that two different people of its own stood behind the message. It is evidence towards
the agency itself, and towards whoever audits it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.signing import (
    EcdsaVerifier,
    ObjectKind,
    body_hash,
    sign_object,
    verify_object,
)
from sesn_node.domain.people import (
    Act,
    Endorsement,
    OperatorId,
    Role,
    SealedOperator,
    Statement,
    require_act,
)
from sesn_node.errors import VerificationError
from sesn_node.wire.payloads import encode_payload
from sesn_node.wire.people import (
    decode_operator,
    decode_statement,
    encode_operator,
    encode_statement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.payload import Payload
    from sesn_node.domain.people import Operator
    from sesn_node.trust.card import TrustedCard

BAD_ENDORSEMENT: Final = "BAD_ENDORSEMENT"


@dataclass(frozen=True, slots=True)
class Endorsed:
    """What a verified endorsement says.

    Args:
        act: What the operator did.
        operator: Pseudonym, within the sender's agency.
        role: What its agency says that the operator may do.
        at_ms: When, by the operator's node, Unix milliseconds.
        key_id: SHA-256 of the operator's key, 32 bytes.
    """

    act: Act
    operator: OperatorId
    role: Role
    at_ms: int
    key_id: bytes


def seal_operator(operator: Operator, seal: Signer) -> SealedOperator:
    """Vouch for an operator with the agency's sealing key."""
    body = encode_operator(operator)
    return SealedOperator(body, sign_object(seal, ObjectKind.OPERATOR, body), seal.key_id)


def open_operator(sealed: SealedOperator, card: TrustedCard) -> Operator:
    """Verify what an agency says of one of its people.

    Raises:
        MalformedError: Not an operator, or no P-256 key.
        VerificationError: `BAD_ENDORSEMENT`: of another agency. Or the seal does not verify, as
            `TrustedCard.seal_key` and `verify_object` say.
    """
    operator = decode_operator(sealed.body)
    if operator.agency != card.agency:
        raise VerificationError(
            f"an operator of {operator.agency} cannot speak for {card.agency}", code=BAD_ENDORSEMENT
        )
    key = card.seal_key(sealed.seal_key_id, operator.issued_ms)
    verify_object(key, ObjectKind.OPERATOR, sealed.body, sealed.seal)
    return operator


def content_sha256(payload: Payload) -> bytes:
    """Return what an operator signs of a payload: SHA-256 of it without its endorsements."""
    return sha256(encode_payload(replace(payload, endorsements=())))


def endorse(  # noqa: PLR0913 - what is signed
    signer: Signer,
    sealed: SealedOperator,
    payload: Payload,
    *,
    act: Act,
    to: Iterable[AgencyId],
    in_reply_to: MessageId | None,
    at_ms: int,
) -> Endorsement:
    """Sign a payload and its recipients as an operator."""
    statement = encode_statement(
        Statement(
            act=act,
            operator_sha256=body_hash(sealed.body),
            content_sha256=content_sha256(payload),
            recipients=tuple(sorted(set(to))),
            in_reply_to=in_reply_to,
            at_ms=at_ms,
        )
    )
    return Endorsement(statement, sign_object(signer, ObjectKind.STATEMENT, statement), sealed)


def verify_endorsements(
    card: TrustedCard,
    payload: Payload,
    *,
    to: Sequence[AgencyId],
    in_reply_to: MessageId | None,
) -> tuple[Endorsed, ...]:
    """Verify all endorsements of a payload: one author first, then approvals by others.

    Args:
        card: The sender's.
        payload: What the message says.
        to: Its recipients. The statement may name more: a copy that was sealed anew for some.
        in_reply_to: Message that it answers.

    Raises:
        MalformedError: Something in an endorsement cannot be read.
        VerificationError: `BAD_ENDORSEMENT`: of another agency, content, recipients or reply; a key
            that was not in force; nobody wrote it, or somebody approved what is his own, or twice.
            Or a signature is wrong.
        PolicyError: `ROLE`: an operator's role may not do it.
    """
    if not payload.endorsements:
        return ()
    content = content_sha256(payload)
    found = [
        _verify(card, one, content, to=to, in_reply_to=in_reply_to) for one in payload.endorsements
    ]
    acts = [one.act for one in found]
    if acts[0] is not Act.AUTHORED or Act.AUTHORED in acts[1:]:
        raise VerificationError(
            "one author stands first among those who endorse a message", code=BAD_ENDORSEMENT
        )
    people = {one.operator for one in found}
    keys = {one.key_id for one in found}
    if min(len(people), len(keys)) < len(found):
        raise VerificationError("an operator endorsed a message twice", code=BAD_ENDORSEMENT)
    return tuple(found)


def told(payload: Payload) -> tuple[Endorsed, ...]:
    """Return what the endorsements of a payload say, which was verified when it came or was made.

    Raises:
        MalformedError: Something in an endorsement cannot be read.
    """
    found = []
    for one in payload.endorsements:
        operator, statement = decode_operator(one.operator.body), decode_statement(one.statement)
        key_id = EcdsaVerifier(operator.public_key).key_id
        found.append(
            Endorsed(statement.act, operator.operator, operator.role, statement.at_ms, key_id)
        )
    return tuple(found)


def _verify(
    card: TrustedCard,
    one: Endorsement,
    content: bytes,
    *,
    to: Sequence[AgencyId],
    in_reply_to: MessageId | None,
) -> Endorsed:
    operator = open_operator(one.operator, card)
    verifier = EcdsaVerifier(operator.public_key)
    verify_object(verifier, ObjectKind.STATEMENT, one.statement, one.signature)
    statement = decode_statement(one.statement)
    said = (statement.operator_sha256, statement.content_sha256, statement.in_reply_to)
    if said != (body_hash(one.operator.body), content, in_reply_to):
        raise VerificationError(
            "an endorsement is about another operator, content or reply", code=BAD_ENDORSEMENT
        )
    if not set(to) <= set(statement.recipients):
        raise VerificationError(
            "an endorsement does not name all recipients of the message", code=BAD_ENDORSEMENT
        )
    if not operator.in_force(statement.at_ms):
        raise VerificationError(
            "an endorsement was made with a key that was not in force", code=BAD_ENDORSEMENT
        )
    require_act(operator.role, statement.act)
    return Endorsed(
        statement.act, operator.operator, operator.role, statement.at_ms, verifier.key_id
    )
