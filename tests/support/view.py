"""All that one node has stored, read in one snapshot and decoded: what `check_node` looks at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.signing import EcdsaVerifier, ObjectKind, verify_object
from sesn_node.domain.entries import Entry, EntryKind, EntryRef, KeyCode
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.errors import SesnError
from sesn_node.ledger.checkpoint import LogKeys, verify_checkpoint_under
from sesn_node.ledger.cosignature import WitnessKeys, verify_cosignatures
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.store.cases import CaseNoticeRow, CaseStepRow
from sesn_node.store.erasures import ErasureRow
from sesn_node.store.inbox import inbox_row
from sesn_node.store.keeping import HoldRow
from sesn_node.store.ledger import entry_row
from sesn_node.store.numbers import ledger_of
from sesn_node.store.outbox_rows import outbox_row
from sesn_node.store.peers import CardRow, PeerRow
from sesn_node.store.recalls import RecallRow
from sesn_node.store.sealed import SentRow, sent_row
from sesn_node.store.search import TermRow
from sesn_node.store.timestamps import TokenRow
from sesn_node.store.witness import CosignatureRow, WitnessRow
from sesn_node.trust.card import open_card
from sesn_node.wire.entries import decode_entry
from tests.support.rfc6962 import ReferenceTree
from tests.support.tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from sesn_node.exchange.office import Office
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.ledger import EntryRow, HeadRow
    from sesn_node.store.outbox_rows import OutboxRow
    from sesn_node.trust.card import TrustedCard

# Checks repeat after every step of a scenario, and these are pure: each is done once.
open_card_once = lru_cache(maxsize=256)(open_card)
decode_once = lru_cache(maxsize=1 << 16)(decode_entry)


@lru_cache(maxsize=1 << 14)
def signed_head(note: bytes, *key_sets: LogKeys) -> TreeHead:
    """Verify a checkpoint, both signatures, under any of these sets."""
    return verify_checkpoint_under(note, key_sets)


@lru_cache(maxsize=1 << 14)
def cosigned_at(lines: bytes, head: TreeHead, keys: WitnessKeys) -> int:
    """Verify a cosignature, both signatures."""
    return verify_cosignatures(lines, head, keys)


@lru_cache(maxsize=1 << 14)
def check_seal(spki: bytes, header: bytes, seal: bytes) -> None:
    """Verify the seal of a message."""
    verify_object(EcdsaVerifier(spki), ObjectKind.ENVELOPE, header, seal)


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A message that was refused, and the entry that says so."""

    sender: str
    message_id: bytes
    header_sha256: bytes
    code: str
    entry_index: int


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint of ours or of a partner, kept for good."""

    origin: str
    size: int
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class View:
    """One node's database in one snapshot, and its head file as it was just before."""

    office: Office
    head_file: bytes | None
    head_file_witnessed: int
    head: HeadRow
    rows: Sequence[EntryRow]
    entries: Sequence[Entry]
    tree: ReferenceTree
    nodes: Mapping[int, bytes]
    sent: Mapping[bytes, SentRow]
    copies: Sequence[OutboxRow]
    wrapped_keys: Mapping[tuple[bytes, str], bytes | None]
    inbox: Sequence[InboxRow]
    terms: Sequence[TermRow]
    found_by: Mapping[tuple[str, bytes], set[TermRow]]
    erased: Mapping[int, int]
    erasures: Sequence[ErasureRow]
    withdrawn: AbstractSet[bytes]
    recalls: Sequence[RecallRow]
    holds: Sequence[HoldRow]
    refusals: Sequence[RefusalRow]
    case_steps: Sequence[CaseStepRow]
    case_notices: Sequence[CaseNoticeRow]
    checkpoints: Sequence[KeptCheckpoint]
    cosignatures: Sequence[CosignatureRow]
    tokens: Sequence[TokenRow]
    witnessed: Mapping[str, WitnessRow]
    peers: Sequence[PeerRow]
    cards: Mapping[str, Sequence[TrustedCard]]
    own_card: TrustedCard
    directory_version: int

    @property
    def agency(self) -> AgencyId:
        """Whose node it is."""
        return self.office.agency

    @property
    def origin(self) -> Origin:
        """Origin of its ledger."""
        return Origin(self.head.origin)

    def of_kind(self, kind: EntryKind) -> Iterator[tuple[int, Entry]]:
        """Yield the entries of one kind with their indexes."""
        return ((at, entry) for at, entry in enumerate(self.entries) if entry.kind is kind)

    def about(self, kind: EntryKind, message_id: bytes, agency: str) -> list[tuple[int, Entry]]:
        """Return the entries of one kind about one message and one other agency."""
        return [
            (at, entry)
            for at, entry in self.of_kind(kind)
            if entry.message_id == message_id and entry.agency == agency
        ]

    def terms_of(self, sender: str, message_id: bytes) -> set[TermRow]:
        """Return what a message can be found by; each is there once."""
        return self.found_by.get((sender, message_id), set())

    def ref(self, index: int) -> EntryRef:
        """Name an entry of this ledger."""
        return EntryRef(self.origin, index, leaf_hash(self.rows[index].entry))

    def entry_bytes(self, index: int) -> bytes | None:
        """Return an entry as it is stored; None if the ledger does not reach so far."""
        return self.rows[index].entry if 0 <= index < len(self.rows) else None

    def checkpoints_of(self, origin: str, size: int) -> list[KeptCheckpoint]:
        """Return the kept checkpoints of a size: one, or two of a ledger that forked."""
        return [one for one in self.checkpoints if (one.origin, one.size) == (origin, size)]

    def cosignature(self, origin: str, size: int, agency: str) -> CosignatureRow | None:
        """Return a kept cosignature."""
        for one in self.cosignatures:
            if (one.origin, one.size, one.agency) == (origin, size, agency):
                return one
        return None

    def cards_of(self, agency: str) -> Sequence[TrustedCard]:
        """Return every card that was ever taken of an agency."""
        return self.cards.get(agency, ())

    def log_key_sets(self, agency: str, origin: str) -> tuple[LogKeys, ...]:
        """Return all that ever signed an agency's ledger, by any of its cards."""
        cards = self.cards_of(agency)
        sets = [keys for card in cards for keys in card.log_key_sets(Origin(origin))]
        assert sets, f"{self.agency}: no card of {agency} lists {origin}"
        return tuple(dict.fromkeys(sets))

    def signing(self, size: int) -> tuple[LogKeys, ...]:
        """Return what may have signed our ledger at a size: what its last own card says, or later.

        A partner that holds an earlier size is shown it under the keys in use.
        """
        cards = {card.sha256: card for card in self.cards_of(self.agency)}
        issued = [
            entry.object_sha256
            for entry in self.entries[:size]
            if entry.kind is EntryKind.KEY and entry.code == KeyCode.CARD_ISSUED
        ]
        card = cards.get(issued[-1])
        assert card is not None, f"{self.agency}: a card of its own is not kept"
        keys = card.log_keys(self.origin)
        assert keys is not None, f"{self.agency}: its card does not list its ledger"
        sets = self.log_key_sets(self.agency, self.origin)
        return sets[sets.index(keys) :]

    def check_cosigned(self, row: CosignatureRow, head: TreeHead) -> None:
        """Verify a cosignature under any card of its agency."""
        if not any(_holds(row.lines, head, card) for card in self.cards_of(row.agency)):
            raise AssertionError(
                f"{self.agency}: cosignature of {row.agency} on {row.origin} at {row.size}"
            )

    def check_sealed(self, sender: str, key_id: bytes, header: bytes, seal: bytes) -> None:
        """Verify a seal under the key that the header names, from any card of the sender."""
        for card in self.cards_of(sender):
            for key in card.card.seal_keys:
                if sha256(key.spki) == key_id:
                    check_seal(key.spki, header, seal)
                    return
        raise AssertionError(f"{self.agency}: no card of {sender} lists key {key_id.hex()}")


def _holds(lines: bytes, head: TreeHead, card: TrustedCard) -> bool:
    try:
        cosigned_at(lines, head, card.witness_keys)
    except SesnError:
        return False
    return True


def view(office: Office) -> View:
    """Read everything that a node has stored."""
    # Before the snapshot: the head file may only lag behind what the database shows after it.
    released = office.sequencer._head_file.read()  # noqa: SLF001 - the checker looks at all
    with office.store.read() as transaction:
        head = transaction.ledger.head()
        tables = read_tables(transaction)
    assert head is not None, f"{office.agency}: no ledger"
    rows = [
        entry_row(*row)
        for row in sorted(tables["ledger_entry"])
        if ledger_of(row.entry_index) == head.ledger
    ]
    cards: defaultdict[str, list[TrustedCard]] = defaultdict(list)
    sealed: dict[tuple[str, bytes], CardRow] = {}
    for row in tables["card"]:
        card = open_card_once(row.sealed, row.taken_ms)
        assert (card.agency, card.sha256) == (row.agency, row.sha256), "a card's columns"
        cards[row.agency].append(card)
        sealed[row.agency, row.sha256] = CardRow(row.sealed, row.taken_ms)
    (directory,) = tables["directory"]
    own = {hashed: row for (_, hashed), row in sealed.items()}.get(directory.own_card_sha256)
    assert own is not None, f"{office.agency}: its newest card is not kept"
    terms = [TermRow(*row) for row in tables["search_term"]]
    found_by: defaultdict[tuple[str, bytes], set[TermRow]] = defaultdict(set)
    for term in terms:
        found_by[term.sender, term.message_id].add(term)
    return View(
        office=office,
        head_file=None if released is None else released.note,
        head_file_witnessed=0 if released is None else released.witnessed,
        head=head,
        rows=rows,
        entries=[decode_once(row.entry) for row in rows],
        tree=ReferenceTree([row.entry for row in rows]),
        nodes={row.position: row.hash for row in tables["ledger_node"]},
        sent={row.message_id: sent_row(row) for row in tables["sent"]},
        copies=[outbox_row(row) for row in tables["outbox"]],
        wrapped_keys={(row.message_id, row.agency): row.wrapped_key for row in tables["outbox"]},
        inbox=[inbox_row(row) for row in tables["inbox"]],
        terms=terms,
        found_by=found_by,
        erased=_erased(rows),
        erasures=[ErasureRow(**row._asdict()) for row in tables["erasure"]],
        withdrawn={row.message_id for row in tables["withdrawn"]},
        recalls=[RecallRow(**row._asdict()) for row in tables["recall"]],
        holds=[HoldRow(**row._asdict()) for row in tables["legal_hold"]],
        refusals=[
            RefusalRow(row.sender, row.message_id, row.header_sha256, row.code, row.entry_index)
            for row in tables["refusal"]
        ],
        case_steps=[CaseStepRow(*row) for row in tables["case_step"]],
        case_notices=[CaseNoticeRow(*row) for row in tables["case_notice"]],
        checkpoints=[
            KeptCheckpoint(row.origin, row.size, row.root, row.note) for row in tables["checkpoint"]
        ],
        cosignatures=[
            CosignatureRow(row.origin, row.size, row.agency, row.time_s, row.lines)
            for row in tables["cosignature"]
        ],
        tokens=[TokenRow(*row) for row in tables["timestamp_token"]],
        witnessed={
            row.origin: WitnessRow(row.origin, row.agency, row.size, row.root)
            for row in tables["witness_head"]
        },
        peers=[
            PeerRow(row.agency, row.state, row.changed_ms, sealed[row.agency, row.card_sha256])
            for row in sorted(tables["peer"])
            if (row.agency, row.card_sha256) in sealed
        ],
        cards=cards,
        own_card=open_card_once(own.sealed, own.taken_ms),
        directory_version=directory.version,
    )


def _erased(rows: Sequence[EntryRow]) -> Mapping[int, int]:
    """Map our entry of each message whose content was erased to the ERASED entry."""
    entries = [(row.index, decode_once(row.entry)) for row in rows if row.kind == "ERASED"]
    found = {entry.answers.index: at for at, entry in entries if entry.answers is not None}
    assert len(found) == len(entries), "a message was erased twice"
    return found
