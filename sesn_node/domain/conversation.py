"""What officers, and their nodes, say about messages, and to each other.

Mirrors `proto/sesn/v1/conversation.proto`. Every class raises `MalformedError` with the path of the
field. A message is named by its id and the SHA-256 of its header: exactly which one is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sesn_node.domain.alert import MAX_NARRATIVE, MAX_SUBJECT, Alert, Urgency
from sesn_node.domain.checks import (
    SHA256_BYTES,
    check_agencies,
    check_fixed,
    check_instant,
    check_line,
    check_message_id,
    check_text,
)
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.markings import check_onward
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.errors import MalformedError

MAX_RESPONSE_TEXT = 2_000
MAX_REASON = 500
MAX_TEXT = MAX_NARRATIVE


class Decision(StrEnum):
    """What an officer decided on an alert."""

    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"


class DestructionOutcome(StrEnum):
    """What became of the content of a recalled message."""

    DESTROYED = "DESTROYED"
    """It is gone from the node."""
    NEVER_KEPT = "NEVER_KEPT"
    """The message is not here; if it comes, nothing of what it says will be kept."""
    HELD = "HELD"
    """A legal hold forbids it for now."""


class SightingBasis(StrEnum):
    """How a sighting is known."""

    SEEN = "SEEN"
    """An officer of the sender saw it."""
    RECORDED = "RECORDED"
    """A camera, gate or scanner recorded it."""
    DOCUMENTED = "DOCUMENTED"
    """A document says so."""
    REPORTED = "REPORTED"
    """Somebody else told it."""


class Confidence(StrEnum):
    """How sure somebody is."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


@dataclass(frozen=True, slots=True)
class Response:
    """A person's decision on an alert: an officer has read it.

    Args:
        message_id: The alert, UUIDv7.
        header_sha256: SHA-256 of the alert's header, 32 bytes: exactly what was decided on.
        decision: Accepted or declined.
        text: Note, at most 2,000 characters; a refusal needs it, as its reason.
    """

    message_id: MessageId
    header_sha256: bytes
    decision: Decision
    text: str = ""

    def __post_init__(self) -> None:
        _check_named(self.message_id, self.header_sha256)
        declined = self.decision is Decision.DECLINED
        check_text("text", self.text, MAX_RESPONSE_TEXT, required=declined)


@dataclass(frozen=True, slots=True)
class Update:
    """An alert of the same sender, as it stands now; both are kept.

    Args:
        message_id: The alert, UUIDv7: always the first one, never another update.
        header_sha256: SHA-256 of the alert's header, 32 bytes.
        alert: The whole alert, not what changed in it.
        reason: What is new, at most 2,000 characters.
    """

    message_id: MessageId
    header_sha256: bytes
    alert: Alert
    reason: str = ""

    def __post_init__(self) -> None:
        _check_named(self.message_id, self.header_sha256)
        check_text("reason", self.reason, MAX_RESPONSE_TEXT)


@dataclass(frozen=True, slots=True)
class Recall:
    """The sender of a message withdraws it.

    Args:
        message_id: The sender's own message, UUIDv7.
        header_sha256: SHA-256 of its header, 32 bytes.
        reason: Why, 1 to 500 characters. It stays when the content is gone.
    """

    message_id: MessageId
    header_sha256: bytes
    reason: str

    def __post_init__(self) -> None:
        _check_named(self.message_id, self.header_sha256)
        check_line("reason", self.reason, MAX_REASON, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    """What a recipient's node did about a recall: a destruction receipt.

    Args:
        message_id: The recalled message, UUIDv7.
        header_sha256: SHA-256 of its header, 32 bytes.
        outcome: What became of the content.
        at: When, aware, in UTC.
        backups_expire: When the last backup that may hold it is gone; None if there is none.
        hold: What forbids it, at most 500 characters; set with HELD, or not.
        passed_on: Whom it was passed on to, and who was sent a recall in turn; ascending.
    """

    message_id: MessageId
    header_sha256: bytes
    outcome: DestructionOutcome
    at: datetime
    backups_expire: datetime | None = None
    hold: str = ""
    passed_on: tuple[AgencyId, ...] = ()

    def __post_init__(self) -> None:
        _check_named(self.message_id, self.header_sha256)
        check_instant("at", self.at)
        check_instant("backups_expire", self.backups_expire)
        check_line("hold", self.hold, MAX_REASON)
        if (self.outcome is DestructionOutcome.HELD) != bool(self.hold.strip()):
            raise MalformedError("hold: HELD and what forbids it go together")
        check_agencies("passed_on", self.passed_on, 0, MAX_RECIPIENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The originator of a message lets its recipient pass it on.

    Args:
        message_id: The originator's own message, UUIDv7.
        header_sha256: SHA-256 of its header, 32 bytes.
        onward: To whom, as in `Markings.onward`; at least one.
        until: Until then, aware, in UTC; None: for good.
    """

    message_id: MessageId
    header_sha256: bytes
    onward: tuple[str, ...]
    until: datetime | None = None

    def __post_init__(self) -> None:
        _check_named(self.message_id, self.header_sha256)
        check_onward("onward", self.onward, 1)
        check_instant("until", self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for information.

    Args:
        subject: One line for an inbox, 1 to 200 characters.
        urgency: How soon somebody must answer.
        text: What is asked, 1 to 20,000 characters.
        respond_by: When the sender needs the answer, aware, in UTC.
    """

    subject: str
    urgency: Urgency
    text: str
    respond_by: datetime | None = None

    def __post_init__(self) -> None:
        check_line("subject", self.subject, MAX_SUBJECT, required=True)
        check_text("text", self.text, MAX_TEXT, required=True)
        check_instant("respond_by", self.respond_by)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request.

    Args:
        message_id: The request, UUIDv7.
        header_sha256: SHA-256 of its header, 32 bytes.
        text: The answer, 1 to 20,000 characters.
    """

    message_id: MessageId
    header_sha256: bytes
    text: str

    def __post_init__(self) -> None:
        _check_named(self.message_id, self.header_sha256)
        check_text("text", self.text, MAX_TEXT, required=True)


@dataclass(frozen=True, slots=True)
class Note:
    """Plain words within a conversation, 1 to 20,000 characters."""

    text: str

    def __post_init__(self) -> None:
        check_text("text", self.text, MAX_TEXT, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something was seen: a container, a vessel or a seal, or several of them together.

    Args:
        container: Number as observed, at most 40 characters.
        imo: IMO ship number as observed, at most 40 characters.
        seal: Seal number as observed, at most 15 characters.
        place: Where, as observed, 1 to 40 characters; UN/LOCODE has five.
        at: When, aware, in UTC.
        basis: How we know.
        confidence: How sure we are.
        text: Remarks, at most 2,000 characters.
    """

    container: str = ""
    imo: str = ""
    seal: str = ""
    place: str
    at: datetime
    basis: SightingBasis
    confidence: Confidence
    text: str = ""

    def __post_init__(self) -> None:
        check_line("container", self.container, 40)
        check_line("imo", self.imo, 40)
        check_line("seal", self.seal, 15)
        check_line("place", self.place, 40, required=True)
        check_instant("at", self.at)
        check_text("text", self.text, MAX_RESPONSE_TEXT)
        if not (self.container.strip() or self.imo.strip() or self.seal.strip()):
            raise MalformedError("container: a sighting needs a container, an imo number or a seal")


def _check_named(message_id: bytes, header_sha256: bytes) -> None:
    check_message_id("message_id", message_id)
    check_fixed("header_sha256", header_sha256, SHA256_BYTES)
