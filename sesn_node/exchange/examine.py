"""Examining one shipment: the steps of `receive` that need no transaction of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.crypto.keyring import KEY_MISSING
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.seal import MessageContext, open_content, open_wrapped_key
from sesn_node.crypto.signing import ObjectKind, body_hash, verify_object
from sesn_node.domain.batches import BadShipment, Refused, Shipment
from sesn_node.domain.conversation import Recall
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.domain.ids import Origin
from sesn_node.domain.messages import CIPHERTEXT_OVERHEAD
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import (
    MalformedError,
    PolicyError,
    SesnError,
    StorageError,
    VerificationError,
)
from sesn_node.exchange.caserules import arriving_steps
from sesn_node.exchange.owncard import promised_keys
from sesn_node.exchange.rules import Arrival, check_content
from sesn_node.exchange.search import index_terms
from sesn_node.exchange.share import carried
from sesn_node.exchange.storedkeys import INBOX_TABLE, inbox_row_id
from sesn_node.exchange.watchlist import watched_terms
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.trust.card import UNKNOWN_SEAL_KEY
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.casesteps import SealedStep
    from sesn_node.exchange.office import Office
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard

BUSY_RETRY_MS = 5_000
"""How long a sender that is told `BUSY` should wait."""


@dataclass(frozen=True, slots=True)
class Refusable:
    """A message with a valid seal from the caller that is refused: the ledger may say so."""

    message_id: MessageId
    header_sha256: bytes
    commitment: bytes
    refused: Refused


@dataclass(frozen=True, slots=True)
class Seen:
    """A message that we hold already; our entry for it."""

    message_id: MessageId
    entry_index: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """A message that passed every step.

    Args:
        header: Parsed header.
        header_sha256: Identity of the message.
        shipment: As it came.
        shared: The sender's SHARED entry.
        shared_size: Size of the sender's checkpoint that proves it.
        kind: What the payload is.
        stored_key: Content key, wrapped for our storage.
        terms: What it can be found by.
        watched: It names something that officers watch for.
        retain_ms: When its content has to go, Unix milliseconds; None if it may stay.
        carries: Sender and id of the message of a third agency that it passes on.
        recall: What it withdraws, if it is a recall.
        steps: The step of a case that it is, or those that it hands over.
    """

    header: Header
    header_sha256: bytes
    shipment: Shipment
    shared: EntryRef
    shared_size: int
    kind: str
    stored_key: bytes
    terms: tuple[bytes, ...]
    watched: bool = False
    retain_ms: int | None = None
    carries: tuple[AgencyId, MessageId] | None = None
    recall: Recall | None = None
    steps: tuple[SealedStep, ...] = ()

    @property
    def message_id(self) -> MessageId:
        """Id of the message."""
        return self.header.message_id

    def conflicting(self) -> Refusable:
        """Refuse it: another header stands under its id."""
        return _refusable(self.header, self.header_sha256, _conflict())

    def against_policy(self, detail: str) -> Refusable:
        """Refuse it: what came beside it, or meanwhile, makes it break a rule."""
        refused = Refused(RefusalCode.POLICY, detail)
        return _refusable(self.header, self.header_sha256, refused)


Examined = Fresh | Seen | Refusable | Refused


class Examiner:
    """Examines the shipments of one batch of one sender, under one verified checkpoint."""

    __slots__ = ("_head", "_now_ms", "_office", "_promised", "_sender", "_watched")

    def __init__(self, office: Office, sender: TrustedCard, head: TreeHead, now_ms: int) -> None:
        self._office = office
        self._sender = sender
        self._head = head
        self._now_ms = now_ms
        self._promised: dict[bytes, int] | None = None
        self._watched: frozenset[tuple[bytes, bytes]] = frozenset()

    def examine(
        self, transaction: Transaction, shipments: Sequence[Shipment | BadShipment]
    ) -> list[Examined]:
        """Examine a batch. Numbers refer to the steps in `receive`.

        Raises:
            StorageError: `KEY_MISSING`: this process lacks keys that are in use.
        """
        self._office.keys.require_all()
        limits = self._office.terms.limits
        size = sum(_size(one) for one in shipments)
        if len(shipments) > limits.batch_envelopes or size > limits.batch_bytes:  # 3
            return [self._of_large_batch(one, alone=len(shipments) == 1) for one in shipments]
        opened = [self._open_outer(shipment) for shipment in shipments]
        ids = [one[1].message_id for one in opened if not isinstance(one, Refused)]
        seen = transaction.inbox.seen(self._sender.card.agency, ids)
        # Nobody knows an id of ours before it was committed: the transaction need not ask again.
        ours = transaction.outbox.own(ids)
        self._watched = transaction.watch.keys()
        results: list[Examined] = []
        for outer in opened:
            if isinstance(outer, Refused):
                results.append(outer)
                continue
            shipment, header, header_sha256 = outer
            known = seen.get(header.message_id)
            if known is not None:  # 7
                results.append(
                    Seen(header.message_id, known.entry_index)
                    if known.header_sha256 == header_sha256
                    else _refusable(header, header_sha256, _conflict())
                )
                continue
            if header.message_id in ours:  # 7
                results.append(_refusable(header, header_sha256, _conflict_with_ours()))
                continue
            try:
                results.append(self._open_inner(transaction, shipment, header, header_sha256))
            except SesnError as error:
                results.append(_refusable(header, header_sha256, _refused(error)))
        return results

    def _of_large_batch(self, shipment: Shipment | BadShipment, *, alone: bool) -> Refused:
        """Step 3: refuse for now what would fit into a smaller batch.

        Its sender may not have seen our card with the lower limits yet.
        """
        if isinstance(shipment, BadShipment):
            return Refused(shipment.code, shipment.reason)
        limits = self._office.terms.limits
        size = len(shipment.envelope.ciphertext)
        if alone or size > limits.payload_bytes + CIPHERTEXT_OVERHEAD:
            return Refused(RefusalCode.TOO_LARGE, f"{size} bytes, more than this node takes")
        return Refused(
            RefusalCode.BUSY,
            f"this batch is too large: our card allows {limits.batch_envelopes} messages and "
            f"{limits.batch_bytes} bytes in one",
            BUSY_RETRY_MS,
        )

    def _open_outer(
        self, shipment: Shipment | BadShipment
    ) -> tuple[Shipment, Header, bytes] | Refused:
        """Steps 4 to 6: whose message this is. Until here, anybody could have written it."""
        if isinstance(shipment, BadShipment):
            return Refused(shipment.code, shipment.reason)
        envelope = shipment.envelope
        try:
            header = decode_header(envelope.header)  # 4
        except MalformedError as error:
            return _malformed(str(error))
        if header.sender != self._sender.card.agency:  # 5
            return Refused(
                RefusalCode.NOT_TRUSTED,
                f"the sender {header.sender} is not the agency of this connection",
            )
        try:  # 6
            key = self._sender.seal_key(header.seal_key_id, header.created_ms)
            verify_object(key, ObjectKind.ENVELOPE, envelope.header, envelope.seal)
        except SesnError as error:
            # Its newest card may be on its way to us: the sender tries again.
            unknown = error.code == UNKNOWN_SEAL_KEY
            code = RefusalCode.NOT_TRUSTED if unknown else RefusalCode.BAD_SEAL
            return Refused(code, str(error))
        return shipment, header, body_hash(envelope.header)

    def _open_inner(
        self, transaction: Transaction, shipment: Shipment, header: Header, header_sha256: bytes
    ) -> Fresh:
        """Steps 8 to 12.

        Raises:
            SesnError: The step that failed; its code becomes the refusal's.
        """
        self._check_times(header)
        shared = self._check_shared(shipment, header, header_sha256)
        content_key, payload = self._unseal(transaction, shipment, header)
        arrival = Arrival(self._office, transaction, self._sender, header, payload, self._now_ms)
        check_content(arrival)
        stored_key = self._office.keys.storage.wrap(
            content_key,
            table=INBOX_TABLE,
            row=inbox_row_id(header.sender, header.message_id),
        )
        watched = watched_terms(self._office, payload, self._watched)
        return Fresh(
            header=header,
            header_sha256=header_sha256,
            shipment=shipment,
            shared=shared,
            shared_size=self._head.size,
            kind=payload.kind.value,
            stored_key=stored_key,
            terms=tuple(sorted({*index_terms(self._office, payload), *watched})),
            watched=bool(watched),
            retain_ms=payload.markings.retain_ms,
            carries=carried(payload),
            recall=payload.body if isinstance(payload.body, Recall) else None,
            steps=arriving_steps(arrival, shipment.envelope, header_sha256),
        )

    def _check_times(self, header: Header) -> None:
        """Step 8: the clock."""
        if header.expires_ms <= self._now_ms:
            raise PolicyError("the message has expired", code=RefusalCode.EXPIRED.value)
        ahead_ms = header.created_ms - self._now_ms
        if ahead_ms > self._office.terms.clock_skew_ms:
            raise PolicyError(
                f"created {ahead_ms // 1000} s in this node's future: one of the clocks is wrong",
                code=RefusalCode.CLOCK_SKEW.value,
            )

    def _check_shared(self, shipment: Shipment, header: Header, header_sha256: bytes) -> EntryRef:
        """Step 9: the sender's ledger holds this very message."""
        proven = shipment.shared
        try:
            entry = decode_entry(proven.entry)
            hashed = leaf_hash(proven.entry)
            verify_inclusion(hashed, proven.index, self._head.size, proven.proof, self._head.root)
        except VerificationError as error:
            raise VerificationError(str(error), code=RefusalCode.NOT_IN_LEDGER.value) from error
        if (entry.kind, entry.message_id, entry.object_sha256, entry.commitment) != (
            EntryKind.SHARED,
            header.message_id,
            header_sha256,
            header.commitment,
        ):
            raise VerificationError(
                "the proven ledger entry is not the SHARED entry of this message",
                code=RefusalCode.NOT_IN_LEDGER.value,
            )
        return EntryRef(Origin(self._head.origin), proven.index, hashed)

    def _unseal(
        self, transaction: Transaction, shipment: Shipment, header: Header
    ) -> tuple[bytes, Payload]:
        """Steps 10 to 12, but for what a response answers."""
        us = self._office.agency
        envelope = shipment.envelope
        addressee = header.addressee(us)
        if addressee is None:
            raise PolicyError(
                f"{us} is not among the recipients", code=RefusalCode.NOT_FOR_US.value
            )
        if addressee.wrapped_key_sha256 != sha256(envelope.wrapped_key):
            raise VerificationError(
                "the wrapped key is not the one that the header names",
                code=RefusalCode.UNDECRYPTABLE.value,
            )
        private = self._office.keys.decryption.get(addressee.key_id)
        if private is None:
            raise self._no_key(transaction, addressee.key_id)
        size = len(envelope.ciphertext)
        if size > self._office.terms.limits.payload_bytes + CIPHERTEXT_OVERHEAD:
            raise PolicyError(
                f"{size} bytes, more than this node takes", code=RefusalCode.TOO_LARGE.value
            )
        context = MessageContext(header.suite, header.message_id, header.sender)
        digests = (header.ciphertext_sha256, header.commitment)
        content_key = open_wrapped_key(  # 10
            envelope.wrapped_key, context, us, addressee.key_id, private, *digests
        )
        data = open_content(envelope.ciphertext, content_key, context, *digests)  # 11
        try:
            return content_key, decode_payload(data)  # 12
        except MalformedError as error:
            # What is wrong with it may quote it, and a refusal is neither sealed nor secret.
            raise MalformedError("the payload breaks its format") from error

    def _no_key(self, transaction: Transaction, wanted: bytes) -> SesnError:
        """Say what it means that we cannot open a wrapped key."""
        us = self._office.agency
        if self._promised is None:
            self._promised = promised_keys(transaction, us)
        if self._now_ms < self._promised.get(wanted, 0):
            # Made by another process of ours, perhaps on another machine.
            return StorageError(
                f"{us} does not have key {wanted.hex()[:16]} at hand; try again later",
                code=KEY_MISSING,
            )
        return VerificationError(
            f"{us} has no key {wanted.hex()[:16]}; fetch its newest card",
            code=RefusalCode.UNDECRYPTABLE.value,
        )


_CODES = frozenset(RefusalCode)


def _size(shipment: Shipment | BadShipment) -> int:
    """Bytes of a shipment that count towards the size of its batch."""
    if isinstance(shipment, BadShipment):
        return 0
    envelope = shipment.envelope
    return len(envelope.header) + len(envelope.ciphertext) + len(envelope.wrapped_key)


def _refused(error: SesnError) -> Refused:
    if isinstance(error, StorageError):
        # The fault is ours, and where our keys are is nobody's business.
        return Refused(
            RefusalCode.BUSY, f"this node cannot open it at present ({error.code})", BUSY_RETRY_MS
        )
    code = RefusalCode(error.code) if error.code in _CODES else RefusalCode.MALFORMED
    return Refused(code, str(error))


def _refusable(header: Header, header_sha256: bytes, refused: Refused) -> Refusable:
    return Refusable(header.message_id, header_sha256, header.commitment, refused)


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, detail)


def _conflict() -> Refused:
    return Refused(
        RefusalCode.CONFLICT, "another message of this sender is stored under the same id"
    )


def _conflict_with_ours() -> Refused:
    return Refused(RefusalCode.CONFLICT, "a message of the recipient's own bears this id")
