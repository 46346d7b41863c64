"""Our own card: founding the agency's ledger with it, and issuing later ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.keys import KeyKind, key_id
from sesn_node.domain.cards import (
    MAX_KEYS,
    MAX_LEDGERS,
    Card,
    EncryptionKey,
    LedgerKeySet,
    SealKey,
    WitnessKeySet,
)
from sesn_node.domain.entries import EntryKind, KeyCode
from sesn_node.domain.times import DAY_MS, HOUR_MS
from sesn_node.errors import PolicyError, StorageError
from sesn_node.exchange.office import new_entry
from sesn_node.ledger.checkpoint import sign_checkpoint
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import EMPTY_ROOT
from sesn_node.store.ledger import HeadRow
from sesn_node.trust.card import Succession, check_successor
from sesn_node.wire.cards import decode_card, decode_sealed_card

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.browse import Browse
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.trust.card import TrustedCard

CARD_MS: Final = 2 * 365 * DAY_MS
"""How long a card lasts."""
SHORT_MS: Final = 2 * 365 * DAY_MS
LONG_MS: Final = 20 * 365 * DAY_MS
LIFETIMES_MS: Final = {
    KeyKind.ROOT: LONG_MS,
    KeyKind.SEAL: SHORT_MS,
    KeyKind.TLS: SHORT_MS,
    KeyKind.ENCRYPTION: SHORT_MS,
    KeyKind.LOG_ED25519: LONG_MS,
    KeyKind.LOG_MLDSA44: LONG_MS,
    KeyKind.WITNESS_ED25519: LONG_MS,
    KeyKind.WITNESS_MLDSA44: LONG_MS,
    KeyKind.STORAGE: LONG_MS,
    KeyKind.INDEX: LONG_MS,
}
"""How long a new key of each kind is in force."""

DESTRUCTION_MS: Final = 366 * DAY_MS
"""A message lives at most 366 days, so one that was sealed to an encryption key on the key's last
day can still be opened until it expires."""


def open_ledger(  # noqa: PLR0913 - the parts of a founding
    store: Store,
    head_file: HeadFile,
    card: TrustedCard,
    *,
    ed25519: Signer,
    mldsa44: Signer,
    storage_key_id: bytes,
    now_ms: int,
) -> None:
    """Open an empty ledger and directory with our first card and storage key.

    The first entry is appended by `record_card`, through the sequencer like every other.

    Raises:
        StorageError: The database holds a ledger already.
    """
    origin = card.current_origin
    note = sign_checkpoint(
        TreeHead(origin, 0, EMPTY_ROOT), ed25519=ed25519, mldsa44=mldsa44, time_s=now_ms // 1000
    )
    with store.write() as transaction:
        if transaction.ledger.head() is not None:
            raise StorageError(
                "this database holds a ledger already; choose another, or make it anew if "
                "'sesn init' was cut short"
            )
        transaction.ledger.open(HeadRow(origin, 0, EMPTY_ROOT, note))
        keep_card(transaction, card, now_ms)
        transaction.peers.open(card.sha256, storage_key_id)
    head_file.raise_to(note, 0, 0)


def record_card(
    office: Office, card: TrustedCard, also: Callable[[Work], None] | None = None
) -> None:
    """Record an own card in the ledger, as the one that partners get from now on.

    Args:
        office: Ours.
        card: It follows our newest card, or is that card.
        also: What else happens in that transaction.

    Raises:
        VerificationError: It does not follow our newest card.
        StorageError: `KEY_MISSING`: it names keys for our use that are not in the key file.
    """

    def operation(work: Work) -> None:
        directory = office.partners.within(work.transaction)
        # A card whose keys nobody has would stop the node for good.
        office.vault.keys_for(card, directory.storage_key_id).require_all()
        if check_successor(directory.own, card) is Succession.LATER:
            keep_card(work.transaction, card, work.now_ms)
            work.transaction.peers.set_own_card(card.sha256)
            work.transaction.notify()
        append_key_entry(work, KeyCode.CARD_ISSUED, card.sha256)
        if also is not None:
            also(work)

    office.sequencer.run(operation)


def append_key_entry(work: Work, code: KeyCode, subject: bytes) -> None:
    """Record in the ledger what was done to a card (its SHA-256) or a key (its id)."""
    work.append(new_entry(EntryKind.KEY, work.now_ms, subject, code=code.value))


def next_card(
    own: TrustedCard,
    described: Card,
    now_ms: int,
    new: Mapping[KeyKind, KeyRecord],
    history: Browse,
) -> Card:
    """Write the card that follows ours.

    Args:
        own: Our newest card.
        described: A card that says of the agency what the new one shall say; its keys, times and
            number do not count.
        now_ms: When it is issued.
        new: Keys to bring into use; ledger and witness keys in pairs.
        history: Says when our messages were written, and when they expire.

    Raises:
        PolicyError: `TOO_MANY_KEYS`: there is no room for another key.
        MalformedError: What it says of the agency makes no card.
    """
    card = own.card
    return replace(
        described,
        root_certificate=card.root_certificate,
        seal_keys=_seal_keys(card, new.get(KeyKind.SEAL), now_ms, history),
        ledgers=_ledgers(card, new),
        witness=_witness(card, new),
        encryption_keys=_encryption_keys(card, new.get(KeyKind.ENCRYPTION), now_ms),
        sequence=card.sequence + 1,
        previous_sha256=own.sha256,
        issued_ms=now_ms,
        expires_ms=min(now_ms + CARD_MS, own.root.not_after_ms),
    )


def seal_key(record: KeyRecord) -> SealKey:
    """Show a seal key as a card does."""
    return SealKey(record.public, record.not_before_ms, record.not_after_ms)


def encryption_key(record: KeyRecord) -> EncryptionKey:
    """Show an encryption key as a card does."""
    end_ms = record.not_after_ms
    return EncryptionKey(record.public, record.not_before_ms, end_ms, end_ms + DESTRUCTION_MS)


def promised_keys(transaction: Transaction, agency: AgencyId) -> dict[bytes, int]:
    """Say until when our cards promised to keep each of our encryption keys, by key id.

    Partners may hold any of our cards, so the latest promise counts.
    """
    found: dict[bytes, int] = {}
    for row in transaction.browse.cards_of(agency):
        # We sealed them ourselves.
        body, _ = decode_sealed_card(row.sealed)
        for key in decode_card(body).encryption_keys:
            name = key_id(key.public_key)
            found[name] = max(found.get(name, 0), key.destroyed_ms)
    return found


def _seal_keys(
    card: Card, new: KeyRecord | None, now_ms: int, history: Browse
) -> tuple[SealKey, ...]:
    """Older keys stay until the last message that was sealed with them has expired."""
    if new is None:
        *older, newest = card.seal_keys
    else:
        older, newest = list(card.seal_keys), seal_key(new)
        # It ends now, so that whoever steals it can seal nothing new; but not before the newest
        # message that it sealed, if our clock was set back since. The hour is for processes on
        # other machines, whose clocks may be ahead of ours.
        last = older[-1]
        end_ms = max(now_ms, history.last_creation()) + HOUR_MS
        end_ms = max(min(last.not_after_ms, end_ms), last.not_before_ms + 1)
        older[-1] = replace(last, not_after_ms=end_ms)
    needed = [
        key
        for key in older
        if now_ms < max(key.not_after_ms, history.last_expiry(key.not_after_ms))
    ]
    if len(needed) >= MAX_KEYS:
        free_ms = history.last_expiry(needed[0].not_after_ms)
        days = -(-(free_ms - now_ms) // DAY_MS)
        raise PolicyError(
            f"the card has room for {MAX_KEYS} seal keys, and messages sealed with each of the "
            f"{len(needed)} older ones can still be delivered; the oldest leaves it in {days} days",
            code="TOO_MANY_KEYS",
        )
    return (*needed, newest)


def _encryption_keys(card: Card, new: KeyRecord | None, now_ms: int) -> tuple[EncryptionKey, ...]:
    """Older keys tell when they are destroyed. Nobody needs them to send: the oldest make room."""
    listed = [key for key in card.encryption_keys[:-1] if now_ms < key.destroyed_ms]
    listed.append(card.encryption_keys[-1])
    if new is not None:
        listed.append(encryption_key(new))
    return tuple(listed[-MAX_KEYS:])


def _ledgers(card: Card, new: Mapping[KeyKind, KeyRecord]) -> tuple[LedgerKeySet, ...]:
    """Every set stays: receipts under it must verify as long as they are kept."""
    if KeyKind.LOG_ED25519 not in new:
        return card.ledgers
    if len(card.ledgers) >= MAX_LEDGERS:
        raise PolicyError(
            f"the card has room for {MAX_LEDGERS} key sets of ledgers, and all stay on it",
            code="TOO_MANY_KEYS",
        )
    ed25519, mldsa44 = new[KeyKind.LOG_ED25519].public, new[KeyKind.LOG_MLDSA44].public
    return (*card.ledgers, LedgerKeySet(card.ledger.origin, ed25519, mldsa44))


def _witness(card: Card, new: Mapping[KeyKind, KeyRecord]) -> WitnessKeySet:
    """Cosignatures under older sets verify with the older cards, which partners keep."""
    if KeyKind.WITNESS_ED25519 not in new:
        return card.witness
    ed25519, mldsa44 = new[KeyKind.WITNESS_ED25519].public, new[KeyKind.WITNESS_MLDSA44].public
    return WitnessKeySet(card.witness.name, ed25519, mldsa44)


def keep_card(transaction: Transaction, card: TrustedCard, now_ms: int) -> None:
    """Keep a card of ours, taken now."""
    transaction.peers.add_card(
        agency=card.card.agency,
        sha256=card.sha256,
        sequence=card.card.sequence,
        sealed=card.sealed,
        taken_ms=now_ms,
    )
