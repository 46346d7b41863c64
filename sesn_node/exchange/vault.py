"""The vault: this process's keys, and which of them are in use.

What is in use is said by our own newest card and the directory in the database, not by the key
file: seals are made with the newest key in force on the card, checkpoints and cosignatures with
the sets that the card names last, content keys are wrapped under the storage key that the
directory names. So all processes of an agency agree, and a rotation that is cut off anywhere
leaves keys that nobody uses yet, or old ones that nobody uses any more.

A key that is in use and not in the key file is an error of this home (`KEY_MISSING`), never a
reason to use another.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from sesn_node.crypto.keyring import KEY_MISSING
from sesn_node.crypto.keys import KeyKind, private_pem
from sesn_node.errors import ConfigError, SesnError
from sesn_node.exchange.officekeys import OfficeKeys
from sesn_node.ledger.checkpoint import countersign_checkpoint, sign_checkpoint
from sesn_node.trust.certificates import certificate_pem

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.keyfile import KeyFile
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Directory


class Vault:
    """Hands out the keys in use, and follows when they change; one per process.

    Args:
        file: The key file, open.
        clock: Unix milliseconds.
    """

    def __init__(self, file: KeyFile, clock: Callable[[], int]) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._chosen: tuple[Directory, OfficeKeys] | None = None
        self._leaf: tuple[bytes, tuple[bytes, bytes]] | None = None

    @property
    def file(self) -> KeyFile:
        """The key file."""
        return self._file

    def keys(self, directory: Directory) -> OfficeKeys:
        """Return the keys that a state of the directory chooses.

        Whatever changes keys moves the directory's version; then the key file is looked at again,
        and as long as a key is missing.
        """
        chosen = self._chosen
        if chosen is not None and chosen[0] is directory and not chosen[1].missing:
            return chosen[1]
        with self._lock:
            keys = self.keys_for(directory.own, directory.storage_key_id)
            self._chosen = directory, keys
            return keys

    def keys_for(self, own: TrustedCard, storage_key_id: bytes) -> OfficeKeys:
        """Return the keys that a card of ours and a storage key would choose, of all there are."""
        ring = self._file.ring
        # A file that cannot be read keeps nobody from using the keys that are in memory.
        with suppress(SesnError):
            ring = self._file.refresh()
        known = self._chosen
        if known is not None and known[1].ring is ring and known[1].chosen_by(own, storage_key_id):
            return known[1]
        return OfficeKeys(own, storage_key_id, ring, self._file.path, self._clock)

    def sign_head(
        self, head: TreeHead, time_s: int, directory: Directory, after: Directory
    ) -> bytes:
        """Sign a new head of our ledger; returns the checkpoint.

        A head whose entries announce new log keys is signed by those before and those after it:
        it counts for partners that know our new card and for those that do not yet.

        Args:
            head: What is about to be committed.
            time_s: POSIX time, seconds.
            directory: As it was before.
            after: As it will be; may be the same.

        Raises:
            StorageError: `KEY_MISSING`.
        """
        log = self.keys(directory).log
        note = sign_checkpoint(head, ed25519=log.ed25519, mldsa44=log.mldsa44, time_s=time_s)
        if after.own.sha256 == directory.own.sha256:
            return note
        # Not remembered: what comes after may still be undone.
        later = self.keys_for(after.own, after.storage_key_id).log
        if later.keys == log.keys:
            return note
        return countersign_checkpoint(
            note, ed25519=later.ed25519, mldsa44=later.mldsa44, time_s=time_s
        )

    def tls(self, directory: Directory) -> tuple[bytes, bytes]:
        """Return the leaf and the private key to present at handshakes, PEM.

        The newest in force; if there is none, the newest, since partners' nodes say what is wrong
        with it.

        Raises:
            ConfigError: `KEY_MISSING`: the key file holds no TLS key with its certificate.
        """
        now_ms = self._clock()
        ring = self.keys(directory).ring
        records = [one for one in ring.of_kind(KeyKind.TLS) if one.certificate]
        if not records:
            raise ConfigError(
                f"{self._file.path} holds no TLS key with its certificate; run 'sesn keys rotate "
                "tls', which needs keys/root.key",
                code=KEY_MISSING,
            )
        record = next((one for one in reversed(records) if one.in_force(now_ms)), records[-1])
        leaf = self._leaf
        if leaf is None or leaf[0] != record.key_id:
            leaf = record.key_id, (certificate_pem(record.certificate), private_pem(record))
            self._leaf = leaf
        return leaf[1]
