"""The keys of the office: the private keys that one state of the directory chooses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.index import BlindIndex
from sesn_node.crypto.keyring import KEY_MISSING, Keyring
from sesn_node.crypto.keys import KeyKind, key_id, load_encryption_private
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.storage import StorageKeys
from sesn_node.domain.times import utc_minute
from sesn_node.errors import ConfigError, StorageError
from sesn_node.ledger.checkpoint import LogKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.crypto.primitives import HpkePrivateKey
    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.cards import SealKey
    from sesn_node.ledger.cosignature import WitnessKeys
    from sesn_node.trust.card import TrustedCard

KEY_EXPIRED: Final = "KEY_EXPIRED"
"""Code of the error of a key whose time is over; its message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class LogSigners:
    """The two signers of our ledger's checkpoints, and their public half."""

    keys: LogKeys
    ed25519: Signer
    mldsa44: Signer


class OfficeKeys:
    """The private keys that a node works with, as one state of the directory chooses them.

    The root key is not among them. Every signer is made when it is first asked for: keys that
    have expired, or are missing, keep nobody from what needs no such key.

    Args:
        own: Our card.
        storage_key_id: The storage key in use.
        ring: All that the key file holds.
        path: Where the key file is, for messages.
        clock: Unix milliseconds.
    """

    def __init__(
        self,
        own: TrustedCard,
        storage_key_id: bytes,
        ring: Keyring,
        path: Path,
        clock: Callable[[], int],
    ) -> None:
        self._own = own
        self._storage_key_id = storage_key_id
        self._ring = ring
        self._path = path
        self._clock = clock
        self._seals: dict[bytes, Signer] = {}

    def __repr__(self) -> str:
        return f"OfficeKeys(card {self._own.card.sequence} of {self._own.agency})"

    @property
    def ring(self) -> Keyring:
        """All that the key file held when these keys were chosen."""
        return self._ring

    @property
    def card_sha256(self) -> bytes:
        """Our card that chose these keys."""
        return self._own.sha256

    def chosen_by(self, own: TrustedCard, storage_key_id: bytes) -> bool:
        """Tell whether this card and this storage key choose these keys."""
        return (own.sha256, storage_key_id) == (self._own.sha256, self._storage_key_id)

    @property
    def log_sets(self) -> tuple[LogKeys, ...]:
        """What may have signed a checkpoint of ours, the newest last.

        Our card's sets, and before them those that the key file holds besides: of a database that
        is older than the head file, the card names fewer.
        """
        named = self._own.log_key_sets(self._own.current_origin)
        pairs = zip(
            self._ring.of_kind(KeyKind.LOG_ED25519),
            self._ring.of_kind(KeyKind.LOG_MLDSA44),
            strict=False,
        )
        held = (LogKeys(self._own.current_origin, one.public, other.public) for one, other in pairs)
        return (*(keys for keys in held if keys not in named), *named)

    @property
    def witness_keys(self) -> WitnessKeys:
        """The public half of our witness keys."""
        return self._own.witness_keys

    @property
    def seal(self) -> Signer:
        """The newest seal key of our card that is in force.

        Raises:
            ConfigError: `KEY_EXPIRED`: none is in force.
            StorageError: `KEY_MISSING`.
        """
        now_ms = self._clock()
        chosen = self._seal_key(now_ms)
        if chosen is None:
            last = self._own.card.seal_keys[-1]
            raise ConfigError(
                f"the seal key of {self._own.agency} {_why_not(last, now_ms)}, so nothing can be "
                "shared; run 'sesn keys rotate seal', which needs keys/root.key",
                code=KEY_EXPIRED,
            )
        signer = self._seals.get(chosen.spki)
        if signer is None:
            signer = self._seals[chosen.spki] = signer_for(
                self._record(KeyKind.SEAL, key_id(chosen.spki))
            )
        return signer

    @cached_property
    def log(self) -> LogSigners:
        """The signers that our card names last.

        Raises:
            StorageError: `KEY_MISSING`.
        """
        ledger = self._own.card.ledger
        keys = self._own.log_keys(ledger.origin)
        if keys is None:
            raise AssertionError  # A card's last ledger is one of its ledgers.
        return LogSigners(
            keys,
            self._signer(KeyKind.LOG_ED25519, ledger.ed25519),
            self._signer(KeyKind.LOG_MLDSA44, ledger.mldsa44),
        )

    @cached_property
    def witness_ed25519(self) -> Signer:
        """Cosigns partners' checkpoints. Raises `StorageError`: `KEY_MISSING`."""
        return self._signer(KeyKind.WITNESS_ED25519, self._own.card.witness.ed25519)

    @cached_property
    def witness_mldsa44(self) -> Signer:
        """Cosigns them too. Raises `StorageError`: `KEY_MISSING`."""
        return self._signer(KeyKind.WITNESS_MLDSA44, self._own.card.witness.mldsa44)

    @cached_property
    def decryption(self) -> Mapping[bytes, HpkePrivateKey]:
        """Private keys by id: all that were not destroyed, since messages sealed to them come."""
        return {
            record.key_id: load_encryption_private(record.private)
            for record in self._ring.of_kind(KeyKind.ENCRYPTION)
        }

    @cached_property
    def storage(self) -> StorageKeys:
        """The storage key in use, and those that rows may still be wrapped under.

        Raises:
            StorageError: `KEY_MISSING`.
        """
        return self._storage(self._record(KeyKind.STORAGE, self._storage_key_id))

    @cached_property
    def reading(self) -> StorageKeys:
        """All storage keys that there are: enough to read, even if the one in use is missing.

        Raises:
            StorageError: `KEY_MISSING`: there is none at all.
        """
        held = self._ring.of_kind(KeyKind.STORAGE)
        if not held:
            raise self._missing("storage key")
        return self._storage(held[-1])

    def _storage(self, used: KeyRecord) -> StorageKeys:
        others = [one for one in self._ring.of_kind(KeyKind.STORAGE) if one != used]
        return StorageKeys(used.private, [one.private for one in others])

    @cached_property
    def index(self) -> BlindIndex:
        """What the search index is made with.

        Raises:
            StorageError: `KEY_MISSING`.
        """
        found = self._ring.of_kind(KeyKind.INDEX)
        if not found:
            raise self._missing("index key")
        return BlindIndex(found[-1].private)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What is in use and not in the key file, such as `seal key 0123456789abcdef`."""
        card = self._own.card
        seal = card.seal_keys[-1]
        wanted = [
            (KeyKind.LOG_ED25519, key_id(card.ledger.ed25519)),
            (KeyKind.LOG_MLDSA44, key_id(card.ledger.mldsa44)),
            (KeyKind.WITNESS_ED25519, key_id(card.witness.ed25519)),
            (KeyKind.WITNESS_MLDSA44, key_id(card.witness.mldsa44)),
            (KeyKind.STORAGE, self._storage_key_id),
        ]
        if self._clock() < seal.not_after_ms:
            wanted.append((KeyKind.SEAL, key_id(seal.spki)))
        return tuple(
            f"{kind} key {name.hex()[:16]}" for kind, name in wanted if not self._ring.find(name)
        )

    def require_all(self) -> None:
        """Make sure that no key in use is missing.

        Raises:
            StorageError: `KEY_MISSING`: names the keys and the file.
        """
        if self.missing:
            raise self._missing(", ".join(self.missing))

    def _seal_key(self, now_ms: int) -> SealKey | None:
        found = reversed(self._own.card.seal_keys)
        return next((key for key in found if key.in_force(now_ms)), None)

    def _signer(self, kind: KeyKind, public: bytes) -> Signer:
        return signer_for(self._record(kind, key_id(public)))

    def _record(self, kind: KeyKind, wanted: bytes) -> KeyRecord:
        record = self._ring.find(wanted)
        if record is None:
            raise self._missing(f"{kind} key {wanted.hex()[:16]}")
        return record

    def _missing(self, what: str) -> StorageError:
        return StorageError(
            f"{self._path} does not hold the {what}, which card {self._own.card.sequence} of "
            f"{self._own.agency} and the database say is in use: the keys were rotated elsewhere. "
            f"Copy {self._path.name} from the machine where that was done, or from its newest "
            "backup; this node notices it by itself.",
            code=KEY_MISSING,
        )


def _why_not(key: SealKey, now_ms: int) -> str:
    if now_ms < key.not_before_ms:
        return f"is not in force before {utc_minute(key.not_before_ms)} UTC"
    return f"ended at {utc_minute(key.not_after_ms)} UTC"
