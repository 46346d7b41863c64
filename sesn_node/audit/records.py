"""What an audit bundle holds. Mirrors `proto/sesn/v1/audit.proto`; `account` has the manifest.

Every record is checked when it is built: lengths, ranges and order within it. Nothing here is
verified: signatures, proofs and what belongs to what are the verifier's business. Entries,
headers, notes and payloads are bytes, verbatim, and not parsed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sesn_node.audit.account import check_ascending, check_origin
from sesn_node.crypto.seal import SALT_BYTES
from sesn_node.domain.checks import (
    MAX_INTEGER,
    SHA256_BYTES,
    check_agency,
    check_count,
    check_fixed,
    check_length,
    check_line,
    check_message_id,
    check_range,
    check_time_ms,
)
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import MAX_ENTRY_BYTES
from sesn_node.domain.ids import AgencyId, MessageId, Origin
from sesn_node.domain.messages import (
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_RECIPIENTS,
    MAX_SEAL_BYTES,
    MIN_SEAL_BYTES,
)
from sesn_node.errors import MalformedError
from sesn_node.ledger.note import MAX_NOTE_BYTES
from sesn_node.wire.batches import MAX_COSIGNATURE_BYTES, MAX_PROOF_HASHES
from sesn_node.wire.cards import MAX_SEALED_CARD_BYTES
from sesn_node.wire.cases import MAX_MARK_BYTES

MAX_COSIGNATURES: Final = 1_000
"""Witnesses of one checkpoint."""
MAX_TOKEN_BYTES: Final = 64 * 1024
"""An RFC 3161 token with its certificates."""
_MAX_CODE: Final = 40


@dataclass(frozen=True, slots=True)
class BundleCard:
    """A card that the agency kept.

    Args:
        sealed: A serialised SealedCard, verbatim.
        taken_ms: When the agency took it: the time to open it as of (`trust.card.open_card`).
    """

    sealed: bytes
    taken_ms: int

    def __post_init__(self) -> None:
        check_length("sealed", self.sealed, 1, MAX_SEALED_CARD_BYTES)
        check_time_ms("taken_ms", self.taken_ms)


@dataclass(frozen=True, slots=True)
class BundleCosignature:
    """Note signature lines (0x04 and 0x06) of one witness over a checkpoint."""

    agency: AgencyId
    lines: bytes

    def __post_init__(self) -> None:
        check_agency("agency", self.agency)
        check_length("lines", self.lines, 1, MAX_COSIGNATURE_BYTES)


@dataclass(frozen=True, slots=True)
class BundleCheckpoint:
    """A checkpoint that the agency kept, of a ledger of its own or of a partner's.

    Args:
        origin: Of its ledger, as its row says; the note must say the same.
        size: Likewise.
        note: The signed note, verbatim.
        cosignatures: Those kept, strictly ascending by agency.
    """

    origin: Origin
    size: int
    note: bytes
    cosignatures: tuple[BundleCosignature, ...] = ()

    def __post_init__(self) -> None:
        check_origin("origin", self.origin)
        check_range("size", self.size, 0, MAX_INTEGER)
        check_length("note", self.note, 1, MAX_NOTE_BYTES)
        check_count("cosignatures", self.cosignatures, 0, MAX_COSIGNATURES)
        check_ascending("cosignatures", [one.agency for one in self.cosignatures])


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """An entry of the agency's ledger, verbatim, and its leaf index."""

    index: int
    entry: bytes

    def __post_init__(self) -> None:
        check_range("index", self.index, 0, MAX_INTEGER)
        check_length("entry", self.entry, 1, MAX_ENTRY_BYTES)


@dataclass(frozen=True, slots=True)
class ProvenElsewhere:
    """An entry of a partner's ledger with its inclusion proof.

    Args:
        entry: A serialised LedgerEntry, verbatim.
        index: Leaf index.
        proof: RFC 6962 inclusion proof, from the leaf up, 32 bytes each.
        origin: The partner's ledger.
        size: Size of the checkpoint (`BundleCheckpoint`) under which it is proven.
    """

    entry: bytes
    index: int
    proof: tuple[bytes, ...]
    origin: Origin
    size: int

    def __post_init__(self) -> None:
        check_length("entry", self.entry, 1, MAX_ENTRY_BYTES)
        check_range("index", self.index, 0, MAX_INTEGER)
        check_count("proof", self.proof, 0, MAX_PROOF_HASHES)
        for place, one in enumerate(self.proof):
            check_fixed(f"proof[{place}]", one, SHA256_BYTES)
        check_origin("origin", self.origin)
        check_range("size", self.size, 0, MAX_INTEGER)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A recipient's receipt.

    Args:
        received: The recipient's RECEIVED entry.
        shared_size: Size of the agency's checkpoint that the recipient cosigned with it.
    """

    received: ProvenElsewhere
    shared_size: int

    def __post_init__(self) -> None:
        check_range("shared_size", self.shared_size, 0, MAX_INTEGER)


@dataclass(frozen=True, slots=True)
class Copy:
    """One recipient's copy of a message that the agency sent.

    Args:
        agency: The recipient.
        state: How it stands.
        code: A word that tells why it is not acknowledged; or empty.
        settled_ms: When it was acknowledged or ended; None while it is queued.
        resealed_as: The message that says the same under another seal; or None.
        receipt: Of an acknowledged copy, and of no other.
    """

    agency: AgencyId
    state: DeliveryState
    code: str = ""
    settled_ms: int | None = None
    resealed_as: MessageId | None = None
    receipt: Receipt | None = None

    def __post_init__(self) -> None:
        check_agency("agency", self.agency)
        check_line("code", self.code, _MAX_CODE)
        if self.settled_ms is not None:
            check_time_ms("settled_ms", self.settled_ms)
        if self.resealed_as is not None:
            check_message_id("resealed_as", self.resealed_as)
        if (self.state is DeliveryState.ACKNOWLEDGED) != (self.receipt is not None):
            raise MalformedError("receipt: an acknowledged copy has one, and no other")


@dataclass(frozen=True, slots=True)
class Sent:
    """The copies of a message that the agency sent, strictly ascending by agency, 1 to 500."""

    copies: tuple[Copy, ...]

    def __post_init__(self) -> None:
        check_count("copies", self.copies, 1, MAX_RECIPIENTS)
        check_ascending("copies", [copy.agency for copy in self.copies])


@dataclass(frozen=True, slots=True)
class Received:
    """When a message was received, and the sender's SHARED entry."""

    received_ms: int
    shared: ProvenElsewhere

    def __post_init__(self) -> None:
        check_time_ms("received_ms", self.received_ms)


@dataclass(frozen=True, slots=True)
class BundleMessage:
    """A message that the agency sent or received.

    Args:
        origin: The agency's ledger that holds its SHARED or RECEIVED entry.
        entry_index: Index of that entry.
        header: A serialised Header, verbatim.
        seal: The sender's signature over it, DER, verbatim.
        erased: Whether the agency erased what the message says.
        way: Sent, or received.
    """

    origin: Origin
    entry_index: int
    header: bytes
    seal: bytes
    erased: bool
    way: Sent | Received

    def __post_init__(self) -> None:
        check_origin("origin", self.origin)
        check_range("entry_index", self.entry_index, 0, MAX_INTEGER)
        check_length("header", self.header, 1, MAX_HEADER_BYTES)
        check_length("seal", self.seal, MIN_SEAL_BYTES, MAX_SEAL_BYTES)


@dataclass(frozen=True, slots=True)
class BundleCaseStep:
    """A step of a return-to-origin case, without what its message says.

    Args:
        origin: The agency's ledger that holds its CASE entry of the step.
        entry_index: Index of that entry.
        header: The serialised Header of the step's message, verbatim.
        seal: Its sender's signature over it, DER, verbatim.
        salt: What the ledger commits to the mark under.
        mark: A serialised CaseMark, verbatim.
    """

    origin: Origin
    entry_index: int
    header: bytes
    seal: bytes
    salt: bytes
    mark: bytes

    def __post_init__(self) -> None:
        check_origin("origin", self.origin)
        check_range("entry_index", self.entry_index, 0, MAX_INTEGER)
        check_length("header", self.header, 1, MAX_HEADER_BYTES)
        check_length("seal", self.seal, MIN_SEAL_BYTES, MAX_SEAL_BYTES)
        check_fixed("salt", self.salt, SALT_BYTES)
        check_length("mark", self.mark, 1, MAX_MARK_BYTES)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a message says: salt and payload, which open the commitment in its header."""

    sender: AgencyId
    message_id: MessageId
    salt: bytes
    payload: bytes

    def __post_init__(self) -> None:
        check_agency("sender", self.sender)
        check_message_id("message_id", self.message_id)
        check_fixed("salt", self.salt, SALT_BYTES)
        check_length("payload", self.payload, 0, MAX_PAYLOAD_BYTES)


@dataclass(frozen=True, slots=True)
class TimestampToken:
    """An RFC 3161 token over the three lines of a checkpoint, DER; neither parsed nor verified."""

    origin: Origin
    size: int
    root: bytes
    token: bytes

    def __post_init__(self) -> None:
        check_origin("origin", self.origin)
        check_range("size", self.size, 0, MAX_INTEGER)
        check_fixed("root", self.root, SHA256_BYTES)
        check_length("token", self.token, 1, MAX_TOKEN_BYTES)
