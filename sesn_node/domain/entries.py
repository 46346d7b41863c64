"""What a ledger records. An entry commits, it does not tell.

Mirrors `proto/sesn/v1/ledger.proto`, and closes what the wire leaves open: which fields each kind
of entry has, and which words `code` may be.

| kind | message, object, commitment | answers | agency | code |
| --- | --- | --- | --- | --- |
| SHARED | yes (header) | - | - | - |
| RECEIVED | yes (header) | the sender's SHARED | sender | - |
| ACKNOWLEDGED | yes (header) | the peer's RECEIVED | recipient | - |
| REFUSED | yes (header) | - | sender | `RefusalCode` |
| REFUSED_BY_PEER | yes (header) | our SHARED | recipient | `RefusalCode` |
| UNDELIVERED | yes (header) | our SHARED | recipient | `UndeliveredCode` |
| PEER | object only (card) | - | the peer | `PeerCode` |
| KEY | object only (own card, or id of a key) | - | - | `KeyCode` |
| OPERATOR | yes (header) | a SHARED of ours | recipient | `OperatorCode` |
| VIEWED | yes (header) | our SHARED or RECEIVED | - | - |
| DISCLOSED | yes (header) | our SHARED or RECEIVED | - | - |
| ERASED | yes (header) | our SHARED or RECEIVED | - | `ErasedCode` |
| EXPORTED | object only (audit bundle) | - | - | - |
| EPOCH | object only (root of the closed ledger) | its last entry | - | - |
| RECOVERED | object only (root before what came back) | the last entry before | - | - |
| LEGAL_HOLD | yes (header) | our SHARED or RECEIVED | - | `HoldCode` |
| CASE | yes (commitment to the mark; header) | our SHARED or RECEIVED | - | `CaseCode` |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from sesn_node.domain.checks import (
    MAX_INTEGER,
    SHA256_BYTES,
    check_agency,
    check_fixed,
    check_message_id,
    check_range,
    check_time_ms,
)
from sesn_node.domain.ids import AgencyId, MessageId, Origin, parse_origin
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import MalformedError

MAX_ENTRY_BYTES = 65_535
"""An entry of a C2SP tlog-tiles bundle has a 16-bit length."""

SALT_BYTES = 32

LOST_LEAF = bytes(32)
"""Leaf hash of a closed ledger's last entry if that entry is lost: nothing hashes to it."""


class EntryKind(StrEnum):
    """What happened; the values are the names of the wire."""

    SHARED = "SHARED"
    RECEIVED = "RECEIVED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    REFUSED = "REFUSED"
    REFUSED_BY_PEER = "REFUSED_BY_PEER"
    UNDELIVERED = "UNDELIVERED"
    PEER = "PEER"
    KEY = "KEY"
    OPERATOR = "OPERATOR"
    VIEWED = "VIEWED"
    DISCLOSED = "DISCLOSED"
    ERASED = "ERASED"
    EXPORTED = "EXPORTED"
    EPOCH = "EPOCH"
    RECOVERED = "RECOVERED"
    LEGAL_HOLD = "LEGAL_HOLD"
    CASE = "CASE"


class UndeliveredCode(StrEnum):
    """Why a message will not reach a recipient."""

    EXPIRED = "EXPIRED"
    """Past its expiry."""
    DEAD = "DEAD"
    """Deferred more often than this node's settings allow."""
    PEER_REVOKED = "PEER_REVOKED"
    """The recipient is not trusted any more."""
    ERASED = "ERASED"
    """Its content was erased here while the copy still waited."""
    RECALLED = "RECALLED"
    """We recalled the message while the copy still waited."""


class PeerCode(StrEnum):
    """What was done to a peer."""

    TRUSTED = "TRUSTED"
    CARD_TAKEN = "CARD_TAKEN"
    REVOKED = "REVOKED"
    QUARANTINED = "QUARANTINED"
    RELEASED = "RELEASED"


class KeyCode(StrEnum):
    """What was done to our own card or keys."""

    CARD_ISSUED = "CARD_ISSUED"
    """The object is our card: partners get this one from now on."""
    KEY_ROTATED = "KEY_ROTATED"
    """The object is the id of a key that came into use."""
    KEY_RETIRED = "KEY_RETIRED"
    """The object is the id of a key that is used for nothing new any more."""
    KEY_DESTROYED = "KEY_DESTROYED"
    """The object is the id of a key whose private part is gone from the key file."""
    OPERATOR_ADDED = "OPERATOR_ADDED"
    """The object is what we say of an operator, serialised: the key signs for us from now on."""
    OPERATOR_REMOVED = "OPERATOR_REMOVED"
    """The object is what we said of an operator who is none any more."""


class OperatorCode(StrEnum):
    """What an operator did about one recipient's copy of a message of ours."""

    REQUEUED = "REQUEUED"
    """It is tried again; answers the SHARED entry of the same message."""
    RESEALED = "RESEALED"
    """Its content was sealed anew; answers the SHARED entry of the message that says it now."""


class ErasedCode(StrEnum):
    """Why the content of a message is gone; the reason in words is not in the ledger."""

    OPERATOR = "OPERATOR"
    """An operator had it erased."""
    RETENTION = "RETENTION"
    """Its retention date has passed."""
    RECALLED = "RECALLED"
    """Its sender withdrew it."""


class HoldCode(StrEnum):
    """What was done about a legal hold; the reason in words is not in the ledger."""

    PLACED = "PLACED"
    """The content must not be erased for now."""
    RELEASED = "RELEASED"
    """It may be erased again."""


class CaseCode(StrEnum):
    """What a case entry says; which step it is, the ledger commits to and does not tell."""

    STEP = "STEP"
    """A step that we sent or received: the object is the commitment to its mark."""
    FILED = "FILED"
    """The same of a step that another member handed us, in the message that the entry answers."""
    DUE_SOON = "DUE_SOON"
    """The due date is near: the object is the header of the request."""
    OVERDUE = "OVERDUE"
    """The due date has passed: the object is the header of the request."""


@dataclass(frozen=True, slots=True)
class EntryRef:
    """One entry of one ledger.

    Args:
        origin: C2SP checkpoint origin of the ledger, `<agency>.sesn/ledger/<epoch>`.
        index: Leaf index.
        leaf_hash: RFC 6962 leaf hash, 32 bytes.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    origin: Origin
    index: int
    leaf_hash: bytes

    def __post_init__(self) -> None:
        try:
            parse_origin(self.origin)
        except MalformedError as exc:
            raise MalformedError(f"origin: {exc.message}") from exc
        check_range("index", self.index, 0, MAX_INTEGER)
        check_fixed("leaf_hash", self.leaf_hash, SHA256_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One ledger entry; the module's table says which fields each kind has.

    Args:
        kind: What happened.
        time_ms: When, by the clock of the ledger's owner, Unix milliseconds.
        salt: 32 fresh random bytes, so that a leaf hash alone reveals nothing.
        message_id: Message that the entry is about, or None.
        object_sha256: SHA-256 of a header, of a card's body, of a public key or of a file; the
            root of a ledger; or the commitment to the mark of a case's step; 32 bytes.
        commitment: The payload commitment, 32 bytes; empty for entries about no message.
        answers: Entry that this one answers, here or in a partner's ledger.
        agency: The other agency, where one is concerned.
        code: A word of the list that the kind prescribes; else empty.

    Raises:
        MalformedError: A field out of its bounds, missing, or foreign to the kind.
    """

    kind: EntryKind
    time_ms: int
    salt: bytes
    message_id: MessageId | None = None
    object_sha256: bytes
    commitment: bytes = b""
    answers: EntryRef | None = None
    agency: AgencyId | None = None
    code: str = ""

    def __post_init__(self) -> None:
        shape = _SHAPES[self.kind]
        check_time_ms("time_ms", self.time_ms)
        check_fixed("salt", self.salt, SALT_BYTES)
        check_fixed("object_sha256", self.object_sha256, SHA256_BYTES)
        if shape.message is _Presence.MUST:
            check_message_id("message_id", self.message_id or b"")
            check_fixed("commitment", self.commitment, SHA256_BYTES)
        elif self.message_id is not None or self.commitment:
            raise MalformedError(f"message_id: an entry of kind {self.kind} is about no message")
        _check_presence(self.kind, "answers", shape.answers, present=self.answers is not None)
        _check_presence(self.kind, "agency", shape.agency, present=self.agency is not None)
        if self.agency is not None:
            check_agency("agency", self.agency)
        _check_code(self.kind, shape.codes, self.code)


class _Presence(Enum):
    NEVER = "never"
    MUST = "must"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which fields a kind of entry has."""

    message: _Presence
    answers: _Presence
    agency: _Presence
    codes: frozenset[str]


_NO_CODE = frozenset[str]()
_REFUSALS = frozenset(code.value for code in RefusalCode)
_UNDELIVERED = frozenset(code.value for code in UndeliveredCode)
_PEER = frozenset(code.value for code in PeerCode)
_KEY = frozenset(code.value for code in KeyCode)
_OPERATOR = frozenset(code.value for code in OperatorCode)
_ERASED = frozenset(code.value for code in ErasedCode)
_HELD = frozenset(code.value for code in HoldCode)
_CASE = frozenset(code.value for code in CaseCode)

_SHAPES = {
    EntryKind.SHARED: _Shape(_Presence.MUST, _Presence.NEVER, _Presence.NEVER, _NO_CODE),
    EntryKind.RECEIVED: _Shape(_Presence.MUST, _Presence.MUST, _Presence.MUST, _NO_CODE),
    EntryKind.ACKNOWLEDGED: _Shape(_Presence.MUST, _Presence.MUST, _Presence.MUST, _NO_CODE),
    EntryKind.REFUSED: _Shape(_Presence.MUST, _Presence.NEVER, _Presence.MUST, _REFUSALS),
    EntryKind.REFUSED_BY_PEER: _Shape(_Presence.MUST, _Presence.MUST, _Presence.MUST, _REFUSALS),
    EntryKind.UNDELIVERED: _Shape(_Presence.MUST, _Presence.MUST, _Presence.MUST, _UNDELIVERED),
    EntryKind.PEER: _Shape(_Presence.NEVER, _Presence.NEVER, _Presence.MUST, _PEER),
    EntryKind.KEY: _Shape(_Presence.NEVER, _Presence.NEVER, _Presence.NEVER, _KEY),
    EntryKind.OPERATOR: _Shape(_Presence.MUST, _Presence.MUST, _Presence.MUST, _OPERATOR),
    EntryKind.VIEWED: _Shape(_Presence.MUST, _Presence.MUST, _Presence.NEVER, _NO_CODE),
    EntryKind.DISCLOSED: _Shape(_Presence.MUST, _Presence.MUST, _Presence.NEVER, _NO_CODE),
    EntryKind.ERASED: _Shape(_Presence.MUST, _Presence.MUST, _Presence.NEVER, _ERASED),
    EntryKind.EXPORTED: _Shape(_Presence.NEVER, _Presence.NEVER, _Presence.NEVER, _NO_CODE),
    EntryKind.EPOCH: _Shape(_Presence.NEVER, _Presence.MUST, _Presence.NEVER, _NO_CODE),
    EntryKind.RECOVERED: _Shape(_Presence.NEVER, _Presence.MUST, _Presence.NEVER, _NO_CODE),
    EntryKind.LEGAL_HOLD: _Shape(_Presence.MUST, _Presence.MUST, _Presence.NEVER, _HELD),
    EntryKind.CASE: _Shape(_Presence.MUST, _Presence.MUST, _Presence.NEVER, _CASE),
}


ABOUT_NO_MESSAGE = frozenset(
    kind for kind, shape in _SHAPES.items() if shape.message is _Presence.NEVER
)
"""Kinds of entries about the ledger itself, its keys, and trust."""


def _check_presence(kind: EntryKind, field: str, rule: _Presence, *, present: bool) -> None:
    if present and rule is _Presence.NEVER:
        raise MalformedError(f"{field}: an entry of kind {kind} has none")
    if not present and rule is _Presence.MUST:
        raise MalformedError(f"{field}: an entry of kind {kind} needs it")


def _check_code(kind: EntryKind, allowed: frozenset[str], code: str) -> None:
    if not allowed and code:
        raise MalformedError(f"code: an entry of kind {kind} has none")
    if allowed and code not in allowed:
        raise MalformedError(
            f"code: {code[:40]!a} is no code of kind {kind}; expected one of "
            f"{', '.join(sorted(allowed))}"
        )
