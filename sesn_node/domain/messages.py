"""The outside of a message: its header, its addressees, and the copy that one of them gets.

Mirrors `proto/sesn/v1/envelope.proto`. Nothing here tells what a message says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sesn_node.domain.checks import (
    SHA256_BYTES,
    check_agency,
    check_count,
    check_fixed,
    check_length,
    check_message_id,
    check_time_ms,
)
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.times import DAY_MS
from sesn_node.errors import MalformedError

SUITE = "SESN-1"
"""The only cipher suite: there is no negotiation and no fallback."""

MAX_RECIPIENTS = 500
MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_LIFETIME_MS = 366 * DAY_MS
"""Longest time from creation to expiry."""

WRAPPED_KEY_BYTES = 1_168
"""RFC 9180 enc of MLKEM768-X25519 (1,120 bytes), the content key (32) and a GCM tag (16)."""

MIN_SEAL_BYTES = 8
MAX_SEAL_BYTES = 72
"""DER of two integers of one to 33 bytes each: the bounds of an ECDSA P-256 signature."""

CIPHERTEXT_OVERHEAD = 48
"""Commitment salt (32 bytes) before the payload, GCM tag (16) after it."""


class KindClass(IntEnum):
    """The class of traffic; it never tells the content. Values are those of the wire."""

    MESSAGE = 1


class Priority(IntEnum):
    """Orders the outbox and the inbox: a greater value goes first. Values are those of the wire."""

    ROUTINE = 1
    URGENT = 2
    IMMEDIATE = 3


@dataclass(frozen=True, slots=True)
class Recipient:
    """An addressee and the key that its copy is sealed to.

    Args:
        agency: The addressee.
        key_id: SHA-256 of its raw encryption key, 32 bytes.
        wrapped_key_sha256: SHA-256 of its `Envelope.wrapped_key`, 32 bytes.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    agency: AgencyId
    key_id: bytes
    wrapped_key_sha256: bytes

    def __post_init__(self) -> None:
        check_agency("agency", self.agency)
        check_fixed("key_id", self.key_id, SHA256_BYTES)
        check_fixed("wrapped_key_sha256", self.wrapped_key_sha256, SHA256_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Everything that a node must know before it opens a message.

    Args:
        suite: "SESN-1".
        message_id: UUIDv7, 16 bytes; unique together with `sender`, for ever.
        kind_class: The class of traffic.
        sender: The agency that composed and sealed it.
        recipients: Strictly ascending by agency id, 1 to 500.
        created_ms: When the sender composed it, Unix milliseconds.
        expires_ms: After this instant nobody delivers or accepts it; later than `created_ms` by
            at most 366 days.
        conversation_id: Id of the first message of the conversation.
        in_reply_to: Message that this one answers, or None; never the message itself.
        priority: Orders the outbox and the inbox.
        seal_key_id: SHA-256 of the SubjectPublicKeyInfo of the sealing key, 32 bytes.
        ciphertext_sha256: SHA-256 of `Envelope.ciphertext`, 32 bytes.
        commitment: the prefixed SHA-256 of salt and payload, 32 bytes.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its path.
    """

    suite: str = SUITE
    message_id: MessageId
    kind_class: KindClass = KindClass.MESSAGE
    sender: AgencyId
    recipients: tuple[Recipient, ...]
    created_ms: int
    expires_ms: int
    conversation_id: MessageId
    in_reply_to: MessageId | None = None
    priority: Priority
    seal_key_id: bytes
    ciphertext_sha256: bytes
    commitment: bytes

    def __post_init__(self) -> None:
        if self.suite != SUITE:
            raise MalformedError(
                f"suite: expected {SUITE}, the only suite, got {self.suite[:40]!a}"
            )
        check_message_id("message_id", self.message_id)
        check_agency("sender", self.sender)
        self._check_recipients()
        self._check_times()
        self._check_conversation()
        check_fixed("seal_key_id", self.seal_key_id, SHA256_BYTES)
        check_fixed("ciphertext_sha256", self.ciphertext_sha256, SHA256_BYTES)
        check_fixed("commitment", self.commitment, SHA256_BYTES)

    def addressee(self, agency: AgencyId) -> Recipient | None:
        """Find the entry of one addressee; None if the message is not for it."""
        for recipient in self.recipients:
            if recipient.agency == agency:
                return recipient
        return None

    def _check_recipients(self) -> None:
        check_count("recipients", self.recipients, 1, MAX_RECIPIENTS)
        before = ""
        for index, recipient in enumerate(self.recipients):
            # Ids are ASCII, so comparing characters compares bytes.
            if recipient.agency <= before:
                raise MalformedError(
                    f"recipients[{index}].agency: {recipient.agency} after {before}; agencies "
                    "must be strictly ascending"
                )
            before = recipient.agency

    def _check_times(self) -> None:
        check_time_ms("created_ms", self.created_ms)
        check_time_ms("expires_ms", self.expires_ms)
        if not 0 < self.expires_ms - self.created_ms <= MAX_LIFETIME_MS:
            raise MalformedError("expires_ms: expected after created_ms, by at most 366 days")

    def _check_conversation(self) -> None:
        check_message_id("conversation_id", self.conversation_id)
        if self.in_reply_to is None:
            return
        check_message_id("in_reply_to", self.in_reply_to)
        if self.in_reply_to == self.message_id:
            raise MalformedError("in_reply_to: a message cannot answer itself")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One recipient's copy of a message; only `wrapped_key` differs between copies.

    Args:
        header: A serialised header, kept verbatim, 1 to 65,536 bytes. Not parsed here.
        seal: ECDSA P-256 signature, DER, 8 to 72 bytes.
        wrapped_key: The content key sealed to the addressee, 1,168 bytes.
        ciphertext: Salt and payload under AES-256-GCM, tag appended, 48 bytes to 1 MiB + 48.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    header: bytes
    seal: bytes
    wrapped_key: bytes
    ciphertext: bytes

    def __post_init__(self) -> None:
        check_length("header", self.header, 1, MAX_HEADER_BYTES)
        check_length("seal", self.seal, MIN_SEAL_BYTES, MAX_SEAL_BYTES)
        check_fixed("wrapped_key", self.wrapped_key, WRAPPED_KEY_BYTES)
        check_length(
            "ciphertext",
            self.ciphertext,
            CIPHERTEXT_OVERHEAD,
            MAX_PAYLOAD_BYTES + CIPHERTEXT_OVERHEAD,
        )
