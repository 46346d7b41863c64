"""A partner whose node does whatever a test says: real keys, a ledger in memory, no rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from sesn_node import bootstrap
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.primitives import random_bytes, sha256
from sesn_node.crypto.seal import MessageContext, SealRecipient, seal
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.batches import Answer, Batch, ProvenEntry, Shipment, WitnessAnswer
from sesn_node.domain.entries import Entry, EntryKind, EntryRef
from sesn_node.domain.ids import AgencyId, MessageId, ledger_origin, new_message_id, witness_name
from sesn_node.domain.messages import SUITE, Envelope, Header, Priority, Recipient
from sesn_node.ledger.checkpoint import sign_checkpoint
from sesn_node.ledger.cosignature import cosign
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.ledger.witness import Status, format_add_checkpoint, parse_add_checkpoint
from sesn_node.wire.entries import decode_entry, encode_entry
from sesn_node.wire.envelopes import decode_header, encode_header
from sesn_node.wire.payloads import encode_payload
from tests.support.homes import PASSPHRASE
from tests.support.network import DAY_MS, alert
from tests.support.rfc6962 import ReferenceTree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sesn_node.domain.payload import Payload
    from sesn_node.trust.card import TrustedCard
    from tests.support.network import Member


class Taken(Protocol):
    """An agency that was taken over."""

    @property
    def home(self) -> Path:
        """Its home."""

    @property
    def card(self) -> TrustedCard:
        """Its newest card."""

    @property
    def agency(self) -> AgencyId:
        """Who it is."""

    def now_ms(self) -> int:
        """Read its clock."""

    def close(self) -> None:
        """Close the home, if it is open."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way, piece by piece, so that a test can change any of them.

    `header` and `seal` are the bytes that travel; `entry` is the ledger entry that travels with
    them. None stands for what an honest sender would write.
    """

    fields: Header
    wrapped_key: bytes
    ciphertext: bytes
    content_key: bytes
    header: bytes | None = None
    seal: bytes | None = None
    entry: bytes | None = None

    @property
    def message_id(self) -> MessageId:
        """Id of the message."""
        return self.fields.message_id

    @property
    def header_bytes(self) -> bytes:
        """The header as it travels."""
        return encode_header(self.fields) if self.header is None else self.header


class Puppet:
    """A trusted agency with a dishonest node. Its real office is closed; only its keys are used."""

    def __init__(self, member: Taken) -> None:
        self.now_ms = member.now_ms
        self.card: TrustedCard = member.card
        self.agency: AgencyId = member.agency
        member.close()
        now_ms = self.now_ms()
        ring = decrypt_keyring((member.home / bootstrap.NODE_KEY).read_bytes(), PASSPHRASE)
        self.origin = ledger_origin(self.agency, 1)
        self.seal_signer = signer_for(ring.newest(KeyKind.SEAL, now_ms))
        self.log_ed25519 = signer_for(ring.newest(KeyKind.LOG_ED25519, now_ms))
        self.log_mldsa44 = signer_for(ring.newest(KeyKind.LOG_MLDSA44, now_ms))
        self.witness_ed25519 = signer_for(ring.newest(KeyKind.WITNESS_ED25519, now_ms))
        self.witness_mldsa44 = signer_for(ring.newest(KeyKind.WITNESS_MLDSA44, now_ms))
        self.ledger: list[bytes] = []

    # The ledger.

    def append(self, data: bytes) -> int:
        """Append any bytes to the ledger."""
        self.ledger.append(data)
        return len(self.ledger) - 1

    def head(self, size: int | None = None) -> TreeHead:
        """Return the head of the ledger, now or at a size."""
        size = len(self.ledger) if size is None else size
        return TreeHead(self.origin, size, ReferenceTree(self.ledger).root(size))

    def note(self, head: TreeHead) -> bytes:
        """Sign any head."""
        return sign_checkpoint(
            head,
            ed25519=self.log_ed25519,
            mldsa44=self.log_mldsa44,
            time_s=self.now_ms() // 1000,
        )

    def prove(self, index: int, size: int | None = None) -> ProvenEntry:
        """Prove an entry under the head, now or at a size."""
        size = len(self.ledger) if size is None else size
        path = ReferenceTree(self.ledger).path(index, size)
        return ProvenEntry(self.ledger[index], index, tuple(path))

    def add_checkpoint(self, old: int, size: int | None = None) -> bytes:
        """Write the add-checkpoint body of the ledger, from an old size."""
        head = self.head(size)
        proof = ReferenceTree(self.ledger).proof(old, head.size) if old else []
        return format_add_checkpoint(old, proof, self.note(head))

    def known_to(self, member: Member) -> int:
        """Return the size of this ledger that a member has witnessed."""
        with member.office.store.read() as transaction:
            row = transaction.witness.head(self.origin)
            return 0 if row is None else row.size

    # As a sender.

    def letter(
        self,
        *to: TrustedCard,
        payload: Payload | bytes | None = None,
        message_id: MessageId | None = None,
        **changes: object,
    ) -> Letter:
        """Seal a message as an honest sender would; `changes` replace fields of its header.

        The wrapped key is the first recipient's. The message id is a new one, unless it is given.
        """
        now_ms = self.now_ms()
        message_id = message_id or new_message_id(now_ms, random_bytes(10))
        data = payload if isinstance(payload, bytes) else encode_payload(payload or alert())
        recipients = []
        for card in to:
            _, key_id, public = card.encryption_key(now_ms)
            recipients.append(SealRecipient(card.agency, key_id, public))
        content = seal(data, MessageContext(SUITE, message_id, self.agency), recipients)
        fields = Header(
            message_id=message_id,
            sender=self.agency,
            recipients=tuple(
                sorted(
                    (
                        Recipient(AgencyId(one.agency), one.key_id, one.sha256)
                        for one in content.wrapped
                    ),
                    key=lambda one: one.agency,
                )
            ),
            created_ms=now_ms,
            expires_ms=now_ms + 30 * DAY_MS,
            conversation_id=message_id,
            priority=Priority.ROUTINE,
            seal_key_id=self.seal_signer.key_id,
            ciphertext_sha256=content.ciphertext_sha256,
            commitment=content.commitment,
        )
        return Letter(
            # `replace` takes whatever fields the test names; the constructor checks them.
            replace(fields, **changes),  # type: ignore[arg-type]
            content.wrapped[0].wrapped,
            content.ciphertext,
            content.content_key,
        )

    def sealed(self, header: bytes) -> bytes:
        """Seal any bytes as a header."""
        return sign_object(self.seal_signer, ObjectKind.ENVELOPE, header)

    def entry(self, letter: Letter, **changes: object) -> bytes:
        """Write the SHARED entry of a letter; `changes` replace its fields."""
        entry = Entry(
            kind=EntryKind.SHARED,
            time_ms=self.now_ms(),
            salt=random_bytes(32),
            message_id=letter.message_id,
            object_sha256=sha256(letter.header_bytes),
            commitment=letter.fields.commitment,
        )
        # `replace` takes whatever fields the test names; the constructor checks them.
        return encode_entry(replace(entry, **changes))  # type: ignore[arg-type]

    def batch(self, *letters: Letter, old: int) -> Batch:
        """Enter letters in the ledger, and make the batch that carries them."""
        at = [self.append(one.entry or self.entry(one)) for one in letters]
        shipments = tuple(self.shipment(one, index) for one, index in zip(letters, at, strict=True))
        return Batch(1, self.add_checkpoint(old), shipments)

    def shipment(self, letter: Letter, index: int) -> Shipment:
        """Make the shipment of a letter that stands in the ledger at `index`."""
        header = letter.header_bytes
        seal_ = self.sealed(header) if letter.seal is None else letter.seal
        envelope = Envelope(header, seal_, letter.wrapped_key, letter.ciphertext)
        return Shipment(envelope, self.prove(index))

    # As a receiver.

    def receipts(self, batch: Batch, **changes: object) -> list[bytes]:
        """Write the RECEIVED entry of every shipment, without having opened any."""
        origin = parse_add_checkpoint(batch.add_checkpoint).origin
        written = []
        for shipment in batch.shipments:
            assert isinstance(shipment, Shipment)
            header = decode_header(shipment.envelope.header)
            shared = decode_entry(shipment.shared.entry)
            entry = Entry(
                kind=EntryKind.RECEIVED,
                time_ms=self.now_ms(),
                salt=random_bytes(32),
                message_id=header.message_id,
                object_sha256=sha256(shipment.envelope.header),
                commitment=shared.commitment,
                answers=EntryRef(origin, shipment.shared.index, leaf_hash(shipment.shared.entry)),
                agency=header.sender,
            )
            # `replace` takes whatever fields the test names; the constructor checks them.
            written.append(encode_entry(replace(entry, **changes)))  # type: ignore[arg-type]
        return written

    def answer(self, batch: Batch, *, old: int, entries: Sequence[bytes] | None = None) -> Answer:
        """Answer a batch with a receipt for every shipment, given or honest."""
        at = [self.append(entry) for entry in entries or self.receipts(batch)]
        return Answer(
            sequence=batch.sequence,
            witness=WitnessAnswer(int(Status.COSIGNED), 0, self.cosigned(batch)),
            add_checkpoint=self.add_checkpoint(old),
            outcomes=tuple(self.prove(index) for index in at),
        )

    def cosigned(self, batch: Batch) -> bytes:
        """Cosign the checkpoint of a batch."""
        return self.cosign(parse_add_checkpoint(batch.add_checkpoint).checkpoint.claimed)

    def cosign(self, head: TreeHead) -> bytes:
        """Cosign any head."""
        return cosign(
            head,
            name=witness_name(self.agency),
            ed25519=self.witness_ed25519,
            mldsa44=self.witness_mldsa44,
            time_s=self.now_ms() // 1000,
        )
