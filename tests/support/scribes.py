"""Agencies in memory that write ledgers, messages and audit bundles with the real signing code.

Unlike a node, a scribe does what a test says: it writes a hundred thousand messages in a minute,
or a history that no honest node would sign. Ids, salts and keys are drawn from a seed. Signatures
and certificates are not made of the seed alone (ECDSA and ML-DSA draw fresh randomness), so what
has to come out the same on every run is kept in a `Freezer`.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sesn_node.audit.records import (
    BundleCard,
    BundleCaseStep,
    BundleCheckpoint,
    BundleCosignature,
    BundleMessage,
    Copy,
    ProvenElsewhere,
    Receipt,
    Received,
    Sent,
)
from sesn_node.crypto.keys import KeyKind, KeyRecord, public_of
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.seal import commit
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.crypto.signing import ObjectKind, body_hash, sign_object
from sesn_node.domain.cards import (
    Card,
    Contact,
    EncryptionKey,
    LedgerKeySet,
    Limits,
    Role,
    SealKey,
    WitnessKeySet,
)
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import Entry, EntryKind, EntryRef, KeyCode, PeerCode
from sesn_node.domain.ids import (
    AgencyId,
    MessageId,
    Origin,
    ledger_origin,
    new_message_id,
    witness_name,
)
from sesn_node.domain.messages import Header, Priority, Recipient
from sesn_node.domain.times import DAY_MS
from sesn_node.ledger.checkpoint import countersign_checkpoint, sign_checkpoint
from sesn_node.ledger.cosignature import cosign
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import Appender, inclusion_proofs, leaf_hash, root_at
from sesn_node.trust.card import TrustedCard, issue_card, open_card
from sesn_node.trust.certificates import issue_root
from sesn_node.wire.entries import encode_entry
from sesn_node.wire.envelopes import encode_header

if TYPE_CHECKING:
    from pathlib import Path

START_MS = 1_796_000_000_000
SEED_OF_AN_IMPOSTOR = 666
"""A scribe of this seed has other keys than the agency whose name it uses."""
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Freezer:
    """Keeps what a seed does not determine, under a hash of what it was made of."""

    def __init__(self, kept: dict[str, str] | None = None) -> None:
        self._kept = kept or {}
        self._used: dict[str, str] = {}

    @classmethod
    def load(cls, path: Path) -> Freezer:
        """Read what was kept."""
        return cls(json.loads(path.read_text("ascii")) if path.exists() else None)

    def text(self) -> str:
        """Write what was asked for, and nothing else."""
        return json.dumps(self._used, indent=0, sort_keys=True) + "\n"

    def get(self, name: bytes, make: Callable[[], bytes]) -> bytes:
        """Return what is kept under a name; if nothing is, make it."""
        key = sha256(name).hex()[:32]
        if key not in self._used:
            self._used[key] = self._kept.get(key) or base64.b64encode(make()).decode("ascii")
        return base64.b64decode(self._used[key])


class FrozenSigner:
    """A signer whose signatures are kept."""

    def __init__(self, signer: Signer, freezer: Freezer) -> None:
        self.inner = signer
        self._freezer = freezer
        self.public = signer.public
        self.key_id = signer.key_id

    def sign(self, message: bytes) -> bytes:
        """Sign, or return the signature of before."""
        return self._freezer.get(
            b"signature" + self.key_id + message, lambda: self.inner.sign(message)
        )


@dataclass
class Book:
    """One ledger: entries, and the hashes of its tree."""

    origin: Origin
    entries: list[bytes] = field(default_factory=list)
    nodes: dict[int, bytes] = field(default_factory=dict)
    frontier: tuple[bytes, ...] = ()

    def append(self, data: bytes) -> EntryRef:
        """Append an entry."""
        appender = Appender(len(self.entries), self.frontier)
        leaf = leaf_hash(data)
        index = appender.append(leaf)
        self.nodes.update(appender.nodes)
        self.frontier = appender.frontier()
        self.entries.append(data)
        return EntryRef(self.origin, index, leaf)

    def read(self, positions: Sequence[int]) -> dict[int, bytes]:
        """The `HashReader` of the tree."""
        return {at: self.nodes[at] for at in positions}

    def head(self, size: int | None = None) -> TreeHead:
        """Return the head, now or at a size."""
        size = len(self.entries) if size is None else size
        return TreeHead(self.origin, size, root_at(size, self.read))

    def prove(self, refs: Sequence[EntryRef], size: int) -> list[ProvenElsewhere]:
        """Prove entries under a size."""
        proofs = inclusion_proofs([ref.index for ref in refs], size, self.read)
        return [
            ProvenElsewhere(self.entries[ref.index], ref.index, tuple(proof), self.origin, size)
            for ref, proof in zip(refs, proofs, strict=True)
        ]


@dataclass
class Letter:
    """A message as its sender wrote it."""

    header: Header
    data: bytes
    seal: bytes
    shared: EntryRef
    salt: bytes
    payload: bytes
    copies: dict[AgencyId, Copy]

    @property
    def message_id(self) -> MessageId:
        """Its id."""
        return self.header.message_id


class Scribe:
    """One agency.

    Args:
        agency: Its id.
        seed: Everything that is not kept in the freezer comes of this, and of the agency's id.
        freezer: Keeps signatures; None makes them anew.
    """

    def __init__(self, agency: AgencyId, seed: int = 0, freezer: Freezer | None = None) -> None:
        self.agency = agency
        self.now_ms = START_MS
        self.lag_ms = 0
        """How far the clock is behind when a message is received."""
        self._random = random.Random(f"{seed} {agency}")
        self._freezer = freezer
        self.root = self._signer(KeyKind.ROOT)
        self.seal = self._signer(KeyKind.SEAL)
        self.log = self._signer(KeyKind.LOG_ED25519), self._signer(KeyKind.LOG_MLDSA44)
        self.witness = self._signer(KeyKind.WITNESS_ED25519), self._signer(KeyKind.WITNESS_MLDSA44)
        # The certificate is frozen as a whole: its serial is drawn anew each time it is made.
        root = self.root.inner if isinstance(self.root, FrozenSigner) else self.root
        self._frozen_root = self._frozen(
            b"root " + self.root.key_id,
            lambda: issue_root(agency, root, START_MS - 30 * DAY_MS, START_MS + 4000 * DAY_MS),
        )
        self.epoch = 1
        self.books = [Book(ledger_origin(agency, 1))]
        self.cards: dict[AgencyId, list[BundleCard]] = {}
        self.notes: dict[tuple[Origin, int], bytes] = {}
        self.cosignatures: dict[tuple[Origin, int], dict[AgencyId, bytes]] = {}
        self.sent: dict[bytes, Letter] = {}
        self.received: list[tuple[EntryRef, Letter, Received]] = []
        self.erased: set[EntryRef] = set()
        self.cases: list[BundleCaseStep] = []
        self.card = self._issue(self._first_card())
        self.checkpoint()

    # Keys and cards.

    def draw(self, count: int) -> bytes:
        """Draw bytes."""
        return self._random.randbytes(count)

    def _frozen(self, name: bytes, make: Callable[[], bytes]) -> bytes:
        return make() if self._freezer is None else self._freezer.get(name, make)

    def _signer(self, kind: KeyKind) -> Signer:
        if kind in {KeyKind.ROOT, KeyKind.SEAL}:
            scalar = int.from_bytes(self.draw(40), "big") % (_P256_ORDER - 1) + 1
            private = ec.derive_private_key(scalar, ec.SECP256R1()).private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        else:
            private = self.draw(32)
        end_ms = START_MS + 4000 * DAY_MS
        record = KeyRecord(kind, public_of(kind, private), private, 1, 1, end_ms)
        signer = signer_for(record)
        return signer if self._freezer is None else FrozenSigner(signer, self._freezer)

    def _first_card(self) -> Card:
        encryption = public_of(KeyKind.ENCRYPTION, self.draw(96))
        start_ms, end_ms = START_MS - DAY_MS, START_MS + 1000 * DAY_MS
        return Card(
            agency=self.agency,
            name=f"Agency {self.agency}",
            country=self.agency.split(".", 1)[0].upper(),
            role=Role.CUSTOMS,
            contact=Contact(),
            root_certificate=self._frozen_root,
            seal_keys=(SealKey(self.seal.public, start_ms, end_ms),),
            ledgers=(self.key_set(1),),
            witness=WitnessKeySet(
                witness_name(self.agency), self.witness[0].public, self.witness[1].public
            ),
            encryption_keys=(EncryptionKey(encryption, start_ms, end_ms, end_ms),),
            limits=Limits(),
            sequence=1,
            previous_sha256=b"",
            issued_ms=START_MS - 1000,
            expires_ms=START_MS + 2000 * DAY_MS,
        )

    def key_set(self, epoch: int) -> LedgerKeySet:
        """Return the keys in use, for the card."""
        log = self.log
        return LedgerKeySet(ledger_origin(self.agency, epoch), log[0].public, log[1].public)

    def _issue(self, card: Card) -> TrustedCard:
        trusted = open_card(issue_card(card, self.root), max(self.now_ms, card.issued_ms))
        self.keep_card(trusted)
        self.append(EntryKind.KEY, trusted.sha256, code=KeyCode.CARD_ISSUED.value)
        return trusted

    def next_card(self, **changes: object) -> TrustedCard:
        """Issue the next card."""
        self.now_ms += 1000
        follows: dict[str, object] = {
            "sequence": self.card.card.sequence + 1,
            "previous_sha256": self.card.sha256,
            "issued_ms": self.now_ms,
        }
        # `replace` takes whatever fields the test names; the constructor checks them.
        self.card = self._issue(replace(self.card.card, **(follows | changes)))  # type: ignore[arg-type]
        return self.card

    def keep_card(self, card: TrustedCard) -> None:
        """Keep a card of any agency."""
        held = self.cards.setdefault(card.agency, [])
        held.append(BundleCard(card.sealed, self.now_ms))

    def trust(self, other: Scribe) -> None:
        """Pin a partner."""
        self.keep_card(other.card)
        self.append(
            EntryKind.PEER, other.card.sha256, agency=other.agency, code=PeerCode.TRUSTED.value
        )
        self.checkpoint()

    def rotate_log(self) -> None:
        """Bring new ledger keys into use."""
        old = self.log
        self.log = self._signer(KeyKind.LOG_ED25519), self._signer(KeyKind.LOG_MLDSA44)
        self.next_card(ledgers=(*self.card.card.ledgers, self.key_set(self.epoch)))
        note = countersign_checkpoint(self._signed(old), *self.log, self.now_ms // 1000)
        self.notes[self.book.origin, len(self.book.entries)] = note

    # The ledger.

    @property
    def book(self) -> Book:
        """The ledger that is being written."""
        return self.books[-1]

    def append(self, kind: EntryKind, object_sha256: bytes, **fields: object) -> EntryRef:
        """Append an entry."""
        entry = Entry(
            kind=kind,
            time_ms=self.now_ms,
            salt=self.draw(32),
            object_sha256=object_sha256,
            **fields,  # type: ignore[arg-type]
        )
        return self.book.append(encode_entry(entry))

    def about(self, kind: EntryKind, letter: Letter, **fields: object) -> EntryRef:
        """Append an entry about a message."""
        return self.append(
            kind,
            body_hash(letter.data),
            message_id=letter.message_id,
            commitment=letter.header.commitment,
            **fields,
        )

    def checkpoint(self) -> TreeHead:
        """Sign the head, and keep the note."""
        head = self.book.head()
        self.notes.setdefault((head.origin, head.size), self._signed(self.log))
        return head

    def sign(self, head: TreeHead) -> bytes:
        """Sign any head."""
        return sign_checkpoint(head, *self.log, time_s=self.now_ms // 1000)

    def _signed(self, log: tuple[Signer, Signer]) -> bytes:
        return sign_checkpoint(self.book.head(), *log, time_s=self.now_ms // 1000)

    def cosign(self, head: TreeHead) -> bytes:
        """Cosign any head."""
        return cosign(head, witness_name(self.agency), *self.witness, time_s=self.now_ms // 1000)

    def new_epoch(self) -> None:
        """Close the ledger, and go on with another one under new keys."""
        head = self.checkpoint()
        last = EntryRef(head.origin, head.size - 1, leaf_hash(self.book.entries[-1]))
        self.epoch += 1
        self.log = self._signer(KeyKind.LOG_ED25519), self._signer(KeyKind.LOG_MLDSA44)
        self.books.append(Book(ledger_origin(self.agency, self.epoch)))
        self.append(EntryKind.EPOCH, head.root, answers=last)
        self.next_card(ledgers=(*self.card.card.ledgers, self.key_set(self.epoch)))
        self.checkpoint()

    # Messages.

    def share(
        self,
        *to: Scribe,
        payload: bytes = b"an alert",
        conversation: MessageId | None = None,
    ) -> Letter:
        """Seal a message, and append SHARED."""
        self.now_ms += 7
        message_id = new_message_id(self.now_ms, self.draw(10))
        salt = self.draw(32)
        header = Header(
            message_id=message_id,
            sender=self.agency,
            recipients=tuple(
                Recipient(one.agency, sha256(one.agency.encode()), self.draw(32))
                for one in sorted(to, key=lambda one: one.agency)
            ),
            created_ms=self.now_ms,
            expires_ms=self.now_ms + 30 * DAY_MS,
            conversation_id=conversation or message_id,
            priority=Priority.URGENT,
            seal_key_id=self.seal.key_id,
            ciphertext_sha256=self.draw(32),
            commitment=commit(salt, payload),
        )
        data = encode_header(header)
        seal = sign_object(self.seal, ObjectKind.ENVELOPE, data)
        shared = self.append(
            EntryKind.SHARED,
            body_hash(data),
            message_id=message_id,
            commitment=header.commitment,
        )
        copies = {one.agency: Copy(one.agency, DeliveryState.QUEUED) for one in to}
        letter = Letter(header, data, seal, shared, salt, payload, copies)
        self.sent[message_id] = letter
        return letter

    def end(self, letter: Letter, to: Scribe, kind: EntryKind, code: str) -> None:
        """End a copy without a receipt."""
        states = {EntryKind.REFUSED_BY_PEER: DeliveryState.REFUSED}
        state = states.get(kind, DeliveryState.DEAD)
        if code == "EXPIRED":
            state = DeliveryState.EXPIRED
        self.about(kind, letter, answers=letter.shared, agency=to.agency, code=code)
        letter.copies[to.agency] = Copy(to.agency, state, code, self.now_ms)

    def deliver(self, to: Scribe, letters: Sequence[Letter]) -> None:
        """Deliver a batch as two honest nodes do; both sign, and cosign what the other signed."""
        head = self.checkpoint()
        book = self.book_of(head.origin)
        to.now_ms = self.now_ms = max(self.now_ms, to.now_ms) + 20
        to.notes[head.origin, head.size] = self.notes[head.origin, head.size]
        shared = book.prove([letter.shared for letter in letters], head.size)
        refs = []
        to.now_ms -= to.lag_ms
        for letter, proven in zip(letters, shared, strict=True):
            ref = to.about(EntryKind.RECEIVED, letter, answers=letter.shared, agency=self.agency)
            to.received.append((ref, letter, Received(to.now_ms, proven)))
            refs.append(ref)
        self.cosignatures.setdefault((head.origin, head.size), {})[to.agency] = to.cosign(head)
        theirs = to.checkpoint()
        self.settle(to, letters, refs, theirs, head.size)

    def settle(
        self,
        to: Scribe,
        letters: Sequence[Letter],
        refs: Sequence[EntryRef],
        theirs: TreeHead,
        shared_size: int,
    ) -> None:
        """Take receipts: keep them, append ACKNOWLEDGED, cosign."""
        self.notes[theirs.origin, theirs.size] = to.notes[theirs.origin, theirs.size]
        to.cosignatures.setdefault((theirs.origin, theirs.size), {})[self.agency] = self.cosign(
            theirs
        )
        proofs = to.book_of(theirs.origin).prove(refs, theirs.size)
        self.now_ms += 5
        for letter, ref, proven in zip(letters, refs, proofs, strict=True):
            self.about(EntryKind.ACKNOWLEDGED, letter, answers=ref, agency=to.agency)
            letter.copies[to.agency] = Copy(
                to.agency,
                DeliveryState.ACKNOWLEDGED,
                settled_ms=self.now_ms,
                receipt=Receipt(proven, shared_size),
            )
        self.checkpoint()

    def book_of(self, origin: Origin) -> Book:
        """Return one of the agency's ledgers."""
        return next(book for book in self.books if book.origin == origin)

    # What goes into a bundle.

    def bundle_messages(self) -> list[BundleMessage]:
        """Return all messages, in the order of the ledgers."""
        found = [
            BundleMessage(
                letter.shared.origin,
                letter.shared.index,
                letter.data,
                letter.seal,
                letter.shared in self.erased,
                Sent(tuple(letter.copies[agency] for agency in sorted(letter.copies))),
            )
            for letter in self.sent.values()
        ]
        found += [
            BundleMessage(
                ref.origin, ref.index, letter.data, letter.seal, ref in self.erased, received
            )
            for ref, letter, received in self.received
        ]
        places = {book.origin: place for place, book in enumerate(self.books)}
        return sorted(found, key=lambda one: (places[one.origin], one.entry_index))

    def bundle_cases(self) -> list[BundleCaseStep]:
        """Return all steps of cases, in the order of the ledgers."""
        places = {book.origin: place for place, book in enumerate(self.books)}
        return sorted(self.cases, key=lambda one: (places[one.origin], one.entry_index))

    def bundle_checkpoints(self) -> list[BundleCheckpoint]:
        """Return the checkpoints that a bundle holds: what others refer to, and the newest."""
        wanted = set(self.cosignatures) | {(one.origin, one.head().size) for one in self.books}
        wanted |= {key for key in self.notes if not key[0].startswith(f"{self.agency}.sesn/")}
        return [
            BundleCheckpoint(
                origin,
                size,
                self.notes[origin, size],
                tuple(
                    BundleCosignature(agency, lines)
                    for agency, lines in sorted(self.cosignatures.get((origin, size), {}).items())
                ),
            )
            for origin, size in sorted(wanted)
            if (origin, size) in self.notes
        ]
