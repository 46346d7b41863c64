"""What every use case has at hand: one agency's keys, store, ledger, partners and clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.cards import Limits
from sesn_node.domain.case_policy import CasePolicy
from sesn_node.domain.entries import SALT_BYTES, Entry, EntryKind
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.times import DAY_MS, MINUTE_MS
from sesn_node.errors import SesnError, StorageError
from sesn_node.exchange.bell import Bell
from sesn_node.exchange.cardgate import CardGate
from sesn_node.exchange.casedesk import CaseDesk
from sesn_node.exchange.endorsing import PeoplePolicy
from sesn_node.exchange.limiter import (
    AGAIN,
    CARDS,
    CHECKPOINTS,
    GREETINGS,
    PROOFS,
    REFUSED_CARDS,
    Limiter,
)
from sesn_node.exchange.ownledger import NodeCache, OwnLedger
from sesn_node.store.disk import Disk
from sesn_node.telemetry.watch import Watch
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import Directory, Peer, PeerState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sesn_node.domain.entries import EntryRef
    from sesn_node.domain.ids import MessageId
    from sesn_node.exchange.officekeys import OfficeKeys
    from sesn_node.exchange.operators import Actor
    from sesn_node.exchange.sequencer import Sequencer
    from sesn_node.exchange.vault import Vault
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.evidence import EvidenceFolder
    from sesn_node.store.peers import CardRow
    from sesn_node.trust.card import TrustedCard


@dataclass(frozen=True, slots=True)
class Terms:
    """How this node deals; each within the limits of the protocol.

    Args:
        limits: What our card promises to accept.
        recipients: Most recipients of one message.
        clock_skew_ms: How far in our future a message may have been created.
        lifetime_ms: From composition to expiry, unless the sender says otherwise.
        backoff_initial_ms: Upper bound of the first wait after a failure.
        backoff_cap_ms: Upper bound of any wait.
        attempts: How often a copy is put off before it is given up.
        backup_days: How long a backup of this node is kept; 0 if none is made.
        grace_ms: How long no time-stamping authority may answer before it is an alarm; None if
            none is asked.
    """

    limits: Limits = field(default_factory=Limits)
    recipients: int = 500
    clock_skew_ms: int = 10 * MINUTE_MS
    lifetime_ms: int = 30 * DAY_MS
    backoff_initial_ms: int = 500
    backoff_cap_ms: int = 60_000
    attempts: int = 20_000
    backup_days: int = 30
    grace_ms: int | None = None


class Partners:
    """The peer directory, read from the database once per version."""

    __slots__ = ("_cards", "_current", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Directory | None = None
        # Opening a card costs milliseconds (it tries every key); a card's bytes never change.
        self._cards: dict[bytes, TrustedCard] = {}

    @property
    def latest(self) -> Directory | None:
        """The directory as this process last saw it; another process may have changed it."""
        return self._current

    def current(self, transaction: Transaction) -> Directory:
        """Return the directory as this transaction sees it.

        Raises:
            StorageError: A stored card no longer reads as the card that was taken.
        """
        version = transaction.peers.version()
        with self._lock:
            if self._current is not None and self._current.version == version:
                return self._current
            found = self._load(transaction, version)
            # A snapshot that was begun before the last change must not bring back what was before:
            # whoever has read a state of the directory uses the keys of that state or a later one.
            if self._current is None or self._current.version < version:
                self._current = found
            return found

    def within(self, transaction: Transaction) -> Directory:
        """Return the directory as a write transaction sees it, and do not remember it.

        Its changes may still be undone, and another change may then get their version.

        Raises:
            StorageError: As `current`.
        """
        return self._load(transaction, transaction.peers.version())

    def _load(self, transaction: Transaction, version: int) -> Directory:
        opened: dict[bytes, TrustedCard] = {}
        peers = {}
        for row in transaction.peers.peers():
            card = self._card(row.card, opened)
            if card.agency != row.agency:
                raise StorageError(f"the stored card of {row.agency} is one of {card.agency}")
            peers[card.agency] = Peer(card, PeerState(row.state))
        own = self._card(transaction.peers.own_card(), opened)
        # Only the cards in use: partners issue ever later ones.
        self._cards = opened
        return Directory(version, own, peers, transaction.peers.directory().storage_key_id)

    def _card(self, row: CardRow, opened: dict[bytes, TrustedCard]) -> TrustedCard:
        card = self._cards.get(row.sealed)
        if card is None:
            try:
                # As of the day that it was taken: whether it expired since is asked at each use.
                card = open_card(row.sealed, row.taken_ms)
            except SesnError as error:
                raise StorageError(f"a stored card was altered: {error}") from error
        opened[row.sealed] = card
        return card


@dataclass(frozen=True, slots=True)
class Office:
    """One agency at work: the parts that the use cases share.

    Args:
        agency: Who we are.
        vault: Our keys.
        store: The database.
        sequencer: The only way to append.
        partners: The peer directory.
        cache: Tree nodes.
        terms: Limits and times.
        clock: Unix milliseconds.
        watch: What is told of messages, for metrics and traces.
        disk: Whether there is room for new messages.
        card_limiter: How many later cards of a partner are taken by themselves.
        refused_card_limiter: How many cards of a partner are opened that are refused then.
        greeting_limiter: How many greetings of a partner end our waiting for it.
        checkpoint_limiter: How many checkpoints that come without a message are witnessed.
        again_limiter: How often a partner can ask for messages that it lost.
        proof_limiter: How many proofs a partner is given that our ledger has one history.
        bell: Rung when trust ends: the running node cuts off at once.
        card_gate: Which of our cards may leave.
        evidence: Where files go that prove what a partner did; None to write none.
        people: What is asked of the people behind messages.
        cases: How this agency counts the days of return-to-origin cases.
        case_desk: What this process remembers of the cases.
        actor: Who acts; None: nobody has said so, or the node itself.
    """

    agency: AgencyId
    vault: Vault
    store: Store
    sequencer: Sequencer
    partners: Partners
    cache: NodeCache
    terms: Terms
    clock: Callable[[], int]
    watch: Watch = field(default_factory=Watch)
    disk: Disk = field(default_factory=lambda: Disk({}, 0))
    card_limiter: Limiter = field(default_factory=lambda: Limiter(CARDS))
    refused_card_limiter: Limiter = field(default_factory=lambda: Limiter(REFUSED_CARDS))
    greeting_limiter: Limiter = field(default_factory=lambda: Limiter(GREETINGS))
    checkpoint_limiter: Limiter = field(default_factory=lambda: Limiter(CHECKPOINTS))
    again_limiter: Limiter = field(default_factory=lambda: Limiter(AGAIN))
    proof_limiter: Limiter = field(default_factory=lambda: Limiter(PROOFS))
    bell: Bell = field(default_factory=Bell)
    card_gate: CardGate = field(default_factory=CardGate)
    evidence: EvidenceFolder | None = None
    people: PeoplePolicy = field(default_factory=PeoplePolicy)
    cases: CasePolicy = field(default_factory=CasePolicy)
    case_desk: CaseDesk = field(default_factory=CaseDesk, repr=False)
    actor: Actor | None = None

    def directory(self) -> Directory:
        """Return the newest peer directory."""
        with self.store.read() as transaction:
            return self.partners.current(transaction)

    @property
    def keys(self) -> OfficeKeys:
        """The private keys in use, by the newest directory that this process has seen.

        Whoever wrote something with them compares, in the transaction that records it, whether
        they are in use still (`unmoved`).
        """
        return self.vault.keys(self.partners.latest or self.directory())

    @property
    def log_keys(self) -> LogKeys:
        """Origin and public keys of our ledger, as our card names them now."""
        own = (self.partners.latest or self.directory()).own
        keys = own.log_keys(own.current_origin)
        if keys is None:
            raise AssertionError  # The origin is one that the card names.
        return keys

    def tls_identity(self) -> tuple[bytes, bytes]:
        """Return the leaf and the private key to present at handshakes now, PEM.

        Raises:
            ConfigError: The key file holds none.
        """
        return self.vault.tls(self.partners.latest or self.directory())

    def ledger(self, transaction: Transaction) -> OwnLedger:
        """Return our ledger at the head that this transaction sees.

        Raises:
            StorageError: The ledger was never opened.
        """
        return OwnLedger(transaction, transaction.ledger.require_head(), self.cache)

    def covering(
        self, transaction: Transaction, indexes: Iterable[int], held_size: int
    ) -> OwnLedger:
        """Return our ledger at the size that a partner holds, if that covers some entries.

        Asked for a proof from that size, we would show it our head; but its record may have moved
        once more until then, and so on for as long as both sides send. Whatever it holds by then
        began with this size.

        Args:
            transaction: Where the ledger is read.
            indexes: The entries.
            held_size: By the partner's word; it may be beyond our head.

        Returns:
            Our ledger at the head, if the entries came after that size.

        Raises:
            StorageError: The ledger was never opened, or the database was changed.
        """
        ledger = self.ledger(transaction)
        if not max(indexes, default=-1) < held_size <= ledger.head.size:
            return ledger
        signers = self.vault.keys(self.partners.current(transaction)).log
        return ledger.earlier(held_size, signers, self.clock() // 1000)


MOVED: Final = "MOVED"
"""Code of the conflict that says: begin again, from what is recorded now."""


def unmoved(transaction: Transaction, directory: Directory, agencies: Sequence[AgencyId]) -> bool:
    """Tell whether a transaction sees these agencies, and us, as a directory does.

    Of them, state and card; of us, the card and the storage key, and so which keys are in use.
    Changes of trust in others do not count: a partner that shows card after card must not keep
    the rest from being served.
    """
    now = transaction.peers.directory()
    if now.version == directory.version:
        return True
    if (now.own_card_sha256, now.storage_key_id) != (
        directory.own.sha256,
        directory.storage_key_id,
    ):
        return False
    read = {
        agency: (found.state.value, found.card.sha256)
        for agency in agencies
        if (found := directory.peers.get(agency)) is not None
    }
    return transaction.peers.standings(agencies) == read


def new_entry(  # noqa: PLR0913 - one argument per field of the entry
    kind: EntryKind,
    now_ms: int,
    object_sha256: bytes,
    *,
    message_id: MessageId | None = None,
    commitment: bytes = b"",
    answers: EntryRef | None = None,
    agency: AgencyId | None = None,
    code: str = "",
) -> Entry:
    """Build a ledger entry with a fresh salt."""
    return Entry(
        kind=kind,
        time_ms=now_ms,
        salt=random_bytes(SALT_BYTES),
        message_id=message_id,
        object_sha256=object_sha256,
        commitment=commitment,
        answers=answers,
        agency=agency,
        code=code,
    )
