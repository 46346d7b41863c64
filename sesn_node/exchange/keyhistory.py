"""What our ledger says of our keys, and which of them are in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.crypto.keys import KeyKind, key_id
from sesn_node.domain.entries import KeyCode
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.crypto.keyring import Keyring
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.directory import Directory


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """Entries of our ledger about keys, by key id.

    Args:
        retired: When each key was retired, Unix milliseconds.
        destroyed: Keys whose end is recorded.
    """

    retired: Mapping[bytes, int]
    destroyed: frozenset[bytes]


def key_history(transaction: Transaction) -> KeyHistory:
    """Read what our ledger says of our keys; they are few."""
    retired: dict[bytes, int] = {}
    destroyed = set()
    for row in transaction.browse.key_entries():
        entry = decode_entry(row.entry)
        if entry.code == KeyCode.KEY_RETIRED:
            retired.setdefault(entry.object_sha256, entry.time_ms)
        elif entry.code == KeyCode.KEY_DESTROYED:
            destroyed.add(entry.object_sha256)
    return KeyHistory(retired, frozenset(destroyed))


def keys_in_use(directory: Directory, ring: Keyring) -> dict[KeyKind, bytes]:
    """Return the id of the key of each kind that is in use.

    By our card and the directory; of seal and encryption keys the newest, in force or not. The
    card does not name TLS keys: the newest that has a certificate counts.
    """
    card = directory.own.card
    used = {
        KeyKind.SEAL: key_id(card.seal_keys[-1].spki),
        KeyKind.ENCRYPTION: key_id(card.encryption_keys[-1].public_key),
        KeyKind.LOG_ED25519: key_id(card.ledger.ed25519),
        KeyKind.LOG_MLDSA44: key_id(card.ledger.mldsa44),
        KeyKind.WITNESS_ED25519: key_id(card.witness.ed25519),
        KeyKind.WITNESS_MLDSA44: key_id(card.witness.mldsa44),
        KeyKind.STORAGE: directory.storage_key_id,
    }
    for kind in (KeyKind.TLS, KeyKind.INDEX):
        found = [one for one in ring.of_kind(kind) if one.certificate or kind is not KeyKind.TLS]
        if found:
            used[kind] = found[-1].key_id
    return used
