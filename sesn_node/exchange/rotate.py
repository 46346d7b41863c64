"""Rotate: make new keys, and bring them into use while the node serves.

Three steps, and a cut between any two leaves a node that works:

 1. new keys go into the key file, durably, beside the old ones; nobody uses them yet
 2. one transaction brings them into use: our next card, sealed by the root, and its entries in the
    ledger; or the storage key that the directory names
 3. what still depends on old keys is seen to, and they are destroyed: see `keycare`

A rotation that was cut off is run again: it finds the keys that it had made. A TLS key is in use
once it is in the key file, with its certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sesn_node.crypto import keys
from sesn_node.crypto.keys import KeyKind
from sesn_node.domain.entries import KeyCode
from sesn_node.domain.times import DAY_MS, HOUR_MS
from sesn_node.errors import ConfigError, ConflictError
from sesn_node.exchange.keyhistory import key_history, keys_in_use
from sesn_node.exchange.owncard import LIFETIMES_MS, append_key_entry, next_card, record_card
from sesn_node.trust.card import issue_card, open_card
from sesn_node.trust.certificates import issue_leaf

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sesn_node.crypto.keyring import Keyring
    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.cards import Card
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Directory

_PREPARED_MS: Final = 30 * DAY_MS
"""How long a key that was made counts as new; after that another is made instead."""


class Rotatable(StrEnum):
    """What can be rotated; a word for one key, or for the pair of one purpose."""

    TLS = "tls"
    SEAL = "seal"
    ENCRYPTION = "encryption"
    LOG = "log"
    WITNESS = "witness"
    STORAGE = "storage"

    @property
    def kinds(self) -> tuple[KeyKind, ...]:
        """The keys that the word stands for."""
        return _KINDS[self]

    @property
    def on_card(self) -> bool:
        """Whether partners learn of it by our next card."""
        return self not in {Rotatable.TLS, Rotatable.STORAGE}

    @property
    def needs_root(self) -> bool:
        """Whether the root key has to sign something."""
        return self is not Rotatable.STORAGE


_KINDS: Final = {
    Rotatable.TLS: (KeyKind.TLS,),
    Rotatable.SEAL: (KeyKind.SEAL,),
    Rotatable.ENCRYPTION: (KeyKind.ENCRYPTION,),
    Rotatable.LOG: (KeyKind.LOG_ED25519, KeyKind.LOG_MLDSA44),
    Rotatable.WITNESS: (KeyKind.WITNESS_ED25519, KeyKind.WITNESS_MLDSA44),
    Rotatable.STORAGE: (KeyKind.STORAGE,),
}


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation came to.

    Args:
        made: The new keys.
        card: Our new card, if one was issued.
    """

    made: tuple[KeyRecord, ...]
    card: TrustedCard | None


def prepare(office: Office, what: Collection[Rotatable]) -> tuple[KeyRecord, ...]:
    """Make new keys that nobody uses yet: step 1 alone.

    For an agency whose processes run on several machines: the key file can be copied to all of
    them before a rotation brings its keys into use.

    Raises:
        ConfigError: A TLS key cannot be prepared: it is in use once it is there.
        StorageError: The key file cannot be written, or lacks keys that are in use.
    """
    if Rotatable.TLS in what:
        raise ConfigError("a TLS key is in use once it is in the key file: rotate it at once")
    with office.vault.file.one_at_a_time():
        return tuple(make_keys(office, office.directory(), what, root=None).values())


def rotate(
    office: Office, what: Collection[Rotatable], *, described: Card, root: Signer | None = None
) -> Rotated:
    """Make new keys and bring them into use: steps 1 and 2. Then call `keycare.tend_keys`.

    Args:
        office: Ours.
        what: What to rotate; all of it in one transaction, and on one card.
        described: A card that says of the agency what our new one shall say.
        root: The root key; not needed for the storage key alone.

    Raises:
        ConfigError: The root key is needed.
        ConflictError: Somebody else issued a card meanwhile; nothing is in use that was not.
        PolicyError: There is no room on the card.
        StorageError: The key file or the database cannot be written, or keys that are in use are
            missing (`KEY_MISSING`); no new key is in use.
    """
    if root is None and any(one.needs_root for one in what):
        raise ConfigError("the root key is needed to bring these keys into use")
    with office.vault.file.one_at_a_time():
        directory = office.directory()
        old = replaced_keys(directory, office.vault.file.refresh(), what)
        made = make_keys(office, directory, what, root)
        card = None
        if root is not None and any(one.on_card for one in what):
            card = _issue(office, directory.own, described, made, root)
        _announce(office, directory, made, old, card)
    return Rotated(tuple(made.values()), card)


def reissue(office: Office, *, described: Card, root: Signer) -> TrustedCard:
    """Issue our next card with the keys that are in use, and record it.

    Raises:
        MalformedError: What it says of the agency makes no card.
        StorageError: It cannot be stored; nothing was issued.
    """
    with office.vault.file.one_at_a_time():
        card = _issue(office, office.directory().own, described, {}, root)
        record_card(office, card)
    return card


def make_keys(
    office: Office, directory: Directory, what: Collection[Rotatable], root: Signer | None
) -> dict[KeyKind, KeyRecord]:
    """Take step 1; return the new keys by kind, those of a rotation that was cut off among them.

    Raises:
        StorageError: The key file cannot be written, or lacks keys that are in use.
    """
    office.vault.keys(directory).require_all()
    now_ms = office.clock()
    made: dict[KeyKind, KeyRecord] = {}

    def edit(ring: Keyring) -> Keyring:
        used = keys_in_use(directory, ring)
        made.clear()
        for kind in (kind for one in what for kind in one.kinds):
            newest = ring.find(used.get(kind, b""))
            waiting = _waiting(ring, kind, newest)
            for record in waiting:
                if record.created_ms < now_ms - _PREPARED_MS:
                    ring = ring.remove(record.key_id)
                else:
                    made[kind] = record
            if kind not in made:
                record = _generate(kind, now_ms, newest)
                if kind is KeyKind.TLS and root is not None:
                    record = _certified(record, directory.own, root, now_ms)
                ring = ring.add(record)
                made[kind] = record
        return ring

    office.vault.file.change(edit)
    return made


def replaced_keys(directory: Directory, ring: Keyring, what: Collection[Rotatable]) -> list[bytes]:
    """Name the keys that nothing new is done with after a rotation.

    Not the storage key: rows are still wrapped under it. Of TLS keys all that there are, since a
    rotation that was cut off may have left more than one.
    """
    used = keys_in_use(directory, ring)
    old = [used[kind] for one in what if one.on_card for kind in one.kinds]
    if Rotatable.TLS in what:
        old += [one.key_id for one in ring.of_kind(KeyKind.TLS)]
    return old


def _waiting(ring: Keyring, kind: KeyKind, newest: KeyRecord | None) -> list[KeyRecord]:
    """Return keys that were made and never came into use: those younger than the one in use."""
    if newest is None or kind is KeyKind.TLS:
        return []
    return [one for one in ring.of_kind(kind) if one.created_ms > newest.created_ms]


def _generate(kind: KeyKind, now_ms: int, newest: KeyRecord | None) -> KeyRecord:
    """Make a key that is younger than the one in use, whatever the clock says.

    It is in force from an hour ago, so that a clock that is behind does not keep it from use.
    """
    created_ms, start_ms = now_ms, now_ms - HOUR_MS
    if newest is not None:
        created_ms = max(created_ms, newest.created_ms + 1)
        start_ms = max(start_ms, newest.not_before_ms + 1)
    return keys.generate(
        kind,
        created_ms=created_ms,
        not_before_ms=start_ms,
        not_after_ms=max(now_ms, start_ms) + LIFETIMES_MS[kind],
    )


def _certified(record: KeyRecord, own: TrustedCard, root: Signer, now_ms: int) -> KeyRecord:
    """Have the root vouch for a TLS key, for no longer than the root itself lasts."""
    start_ms = max(now_ms - HOUR_MS, own.root.not_before_ms)
    end_ms = min(record.not_after_ms, own.root.not_after_ms)
    leaf = issue_leaf(own.root.der, root, own.agency, record.public, start_ms, end_ms)
    return replace(record, not_after_ms=end_ms, certificate=leaf)


def _issue(
    office: Office,
    own: TrustedCard,
    described: Card,
    made: Mapping[KeyKind, KeyRecord],
    root: Signer,
) -> TrustedCard:
    now_ms = office.clock()
    with office.store.read() as transaction:
        body = next_card(own, described, now_ms, made, transaction.browse)
    return open_card(issue_card(body, root), now_ms)


def _announce(
    office: Office,
    directory: Directory,
    made: Mapping[KeyKind, KeyRecord],
    old: Collection[bytes],
    card: TrustedCard | None,
) -> None:
    """Step 2."""

    def entries(work: Work) -> None:
        peers = work.transaction.peers
        now = peers.directory()
        if now.storage_key_id != directory.storage_key_id:
            raise ConflictError("the storage key was rotated meanwhile; nothing was done")
        if KeyKind.STORAGE in made:
            peers.set_storage_key(made[KeyKind.STORAGE].key_id)
        elif card is None:
            peers.keys_changed()
        retired = key_history(work.transaction).retired
        for record in made.values():
            append_key_entry(work, KeyCode.KEY_ROTATED, record.key_id)
        for key_id in old:
            if key_id not in retired:
                append_key_entry(work, KeyCode.KEY_RETIRED, key_id)
        work.transaction.notify()

    if card is not None:
        record_card(office, card, entries)
    else:
        office.sequencer.run(entries)
