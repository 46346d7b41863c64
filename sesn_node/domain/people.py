"""The people of an agency: their roles, and what they sign.

Mirrors `proto/sesn/v1/people.proto`. Ids are pseudonyms: a partner learns that two different people
stood behind a message, not who they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

from sesn_node.domain.checks import (
    SHA256_BYTES,
    check_agencies,
    check_agency,
    check_fixed,
    check_length,
    check_message_id,
    check_pattern,
    check_time_ms,
)
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.messages import MAX_RECIPIENTS, MAX_SEAL_BYTES, MIN_SEAL_BYTES
from sesn_node.errors import MalformedError, PolicyError

OperatorId = NewType("OperatorId", str)
"""A pseudonym within the agency: `k7`."""

MAX_ENDORSEMENTS = 8
MAX_OPERATOR_BYTES = 1024
MAX_STATEMENT_BYTES = 64 * 1024
P256_SPKI_BYTES = 91

_OPERATOR_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)


class Role(StrEnum):
    """What an operator may do; `MAY` says what that is."""

    OFFICER = "officer"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


class Act(StrEnum):
    """What an operator did about a message; the values are the names of the wire."""

    AUTHORED = "AUTHORED"
    """Wrote it."""
    APPROVED = "APPROVED"
    """Read what another operator wrote, and let it go."""


class Right(StrEnum):
    """What somebody may be allowed to do at this node."""

    WRITE = "write"
    """Send alerts, decisions and every other message; pass on."""
    APPROVE = "approve"
    """Let go what another operator wrote."""
    ERASE = "erase"
    """Erase content, hold it, and end a hold."""
    TRUST = "trust"
    """Pin, revoke and release partners."""
    OPERATE = "operate"
    """Keys, backups, recovery, the outbox."""
    PEOPLE = "people"
    """Add and remove operators."""
    EXPORT = "export"
    """Make audit bundles, disclose content in them or in the forms of others."""


MAY: Final = {
    Role.OFFICER: frozenset({Right.WRITE}),
    Role.SUPERVISOR: frozenset({Right.WRITE, Right.APPROVE, Right.ERASE}),
    Role.ADMINISTRATOR: frozenset({Right.TRUST, Right.OPERATE, Right.PEOPLE}),
    Role.AUDITOR: frozenset({Right.EXPORT}),
}
"""The role matrix. Reading needs no right: whoever opens the home can read."""

_RIGHT_OF: Final = {Act.AUTHORED: Right.WRITE, Act.APPROVED: Right.APPROVE}


def operator_id(text: str) -> OperatorId:
    """Check an operator's id; it goes into file names.

    Raises:
        MalformedError: Not a letter and up to 31 of a-z, 0-9 and "-".
    """
    check_pattern("operator", text, _OPERATOR_ID, 'a letter, then a-z, 0-9 and "-", such as k7')
    return OperatorId(text)


def require(role: Role, right: Right) -> None:
    """Refuse what a role may not do.

    Raises:
        PolicyError: `ROLE`: it names the roles that may.
    """
    if right not in MAY[role]:
        able = " or ".join(one.value for one in Role if right in MAY[one])
        raise PolicyError(
            f"the role {role} does not have the right '{right}'; {able} has it "
            "('sesn operator roles' shows all)",
            code="ROLE",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What an agency says of one of its people.

    Args:
        agency: Whose.
        operator: Pseudonym.
        role: What the operator may do.
        public_key: P-256 SubjectPublicKeyInfo, DER, 91 bytes.
        issued_ms: When the agency said so, Unix milliseconds.
        expires_ms: The key signs nothing from then on.
    """

    agency: AgencyId
    operator: OperatorId
    role: Role
    public_key: bytes
    issued_ms: int
    expires_ms: int

    def __post_init__(self) -> None:
        check_agency("agency", self.agency)
        operator_id(self.operator)
        check_fixed("public_key", self.public_key, P256_SPKI_BYTES)
        check_time_ms("issued_ms", self.issued_ms)
        check_time_ms("expires_ms", self.expires_ms)
        if self.expires_ms <= self.issued_ms:
            raise MalformedError("expires_ms: must be later than issued_ms")

    def in_force(self, at_ms: int) -> bool:
        """Say whether the key could sign at an instant."""
        return self.issued_ms <= at_ms < self.expires_ms


@dataclass(frozen=True, slots=True)
class SealedOperator:
    """An operator as its agency sealed it.

    Args:
        body: A serialised `Operator`, verbatim.
        seal: ECDSA P-256 in DER.
        seal_key_id: SHA-256 of the sealing key's SubjectPublicKeyInfo, 32 bytes.
    """

    body: bytes
    seal: bytes
    seal_key_id: bytes

    def __post_init__(self) -> None:
        check_length("body", self.body, 1, MAX_OPERATOR_BYTES)
        check_length("seal", self.seal, MIN_SEAL_BYTES, MAX_SEAL_BYTES)
        check_fixed("seal_key_id", self.seal_key_id, SHA256_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an operator signs: this content, to these agencies.

    Args:
        act: What the operator did.
        operator_sha256: SHA-256 of the body of the sealed operator, 32 bytes.
        content_sha256: SHA-256 of the payload without its endorsements, 32 bytes.
        recipients: Recipients of the message, ascending, each once.
        in_reply_to: Message that it answers, or None.
        at_ms: When, Unix milliseconds.
    """

    act: Act
    operator_sha256: bytes
    content_sha256: bytes
    recipients: tuple[AgencyId, ...]
    in_reply_to: MessageId | None = None
    at_ms: int

    def __post_init__(self) -> None:
        check_fixed("operator_sha256", self.operator_sha256, SHA256_BYTES)
        check_fixed("content_sha256", self.content_sha256, SHA256_BYTES)
        check_agencies("recipients", self.recipients, 1, MAX_RECIPIENTS)
        if self.in_reply_to is not None:
            check_message_id("in_reply_to", self.in_reply_to)
        check_time_ms("at_ms", self.at_ms)


@dataclass(frozen=True, slots=True)
class Endorsement:
    """A statement, signed, with what says whose key it was.

    Args:
        statement: A serialised `Statement`, verbatim.
        signature: ECDSA P-256 in DER.
        operator: Who signed, as the agency sealed it.
    """

    statement: bytes
    signature: bytes
    operator: SealedOperator

    def __post_init__(self) -> None:
        check_length("statement", self.statement, 1, MAX_STATEMENT_BYTES)
        check_length("signature", self.signature, MIN_SEAL_BYTES, MAX_SEAL_BYTES)


def require_act(role: Role, act: Act) -> None:
    """Refuse an act that a role may not do; raises as `require`."""
    require(role, _RIGHT_OF[act])
