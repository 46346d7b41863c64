"""The one place where objects are wired: from a home folder to an office and a node.

HOME/node.toml      settings
HOME/node.db        messages, ledger, directory (where `database.url` says)
HOME/ledger.head    newest checkpoint of our ledger; not part of a database backup
HOME/keys/root.key  the agency's root key; may be kept elsewhere while the node serves
HOME/keys/node.key  the keys that the node works with
HOME/keys/tls.pem   certificate of the node's TLS key
HOME/run/           pipe, lock and state of the serving process
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sesn_node import config as settings
from sesn_node.crypto import keys
from sesn_node.crypto.keyring import Keyring, decrypt_keyring
from sesn_node.crypto.keys import KeyKind, load_encryption_private
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.storage import StorageCipher
from sesn_node.domain.ids import ledger_origin
from sesn_node.exchange.office import DAY_MS, Office, OfficeKeys, Partners, Terms
from sesn_node.exchange.ownledger import NodeCache
from sesn_node.exchange.sequencer import Sequencer
from sesn_node.ledger.checkpoint import LogKeys
from sesn_node.store.engine import Store
from sesn_node.store.files import read_file
from sesn_node.store.headfile import HeadFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sesn_node.config import Config
    from sesn_node.transport.node import Node

ROOT_KEY: Final = Path("keys/root.key")
NODE_KEY: Final = Path("keys/node.key")
TLS_CERTIFICATE: Final = Path("keys/tls.pem")
HEAD_FILE: Final = Path("ledger.head")
RUN_FOLDER: Final = Path("run")

KEY_FILE_BYTES: Final = 1 << 20
"""No key file is longer."""


def system_clock() -> int:
    """Return the time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Desk:
    """An opened home: the office, and what the node needs besides (its TLS leaf and key, PEM)."""

    config: Config
    office: Office
    tls_leaf: bytes
    tls_key: bytes = field(repr=False)

    def node(self) -> Node:
        """Build the node that serves this home."""
        # Only a serving node pays for the import of grpc; an officer's command does not.
        from sesn_node.transport.delivery import Pace  # noqa: PLC0415 - see above
        from sesn_node.transport.node import Node, NodeSettings  # noqa: PLC0415 - see above
        from sesn_node.transport.tls import TlsIdentity  # noqa: PLC0415 - see above

        delivery = self.config.delivery
        identity = TlsIdentity(self.tls_leaf, self.tls_key)
        return Node(
            self.office,
            lambda: identity,
            NodeSettings(
                listen=self.config.node.listen,
                run_folder=self.config.home / RUN_FOLDER,
                pace=Pace(delivery.poll_ms / 1000, delivery.request_timeout_ms / 1000),
                grace_s=delivery.shutdown_grace_ms / 1000,
            ),
        )


@contextmanager
def open_home(
    home: Path, passphrase: bytes, *, clock: Callable[[], int] = system_clock
) -> Iterator[Desk]:
    """Open a home: the same store, keys and use cases for commands and for the node.

    Raises:
        ConfigError: No home, or unusable settings.
        VerificationError: Wrong passphrase.
        StorageError: The database or a key file cannot be read.
    """
    config = settings.load(home / settings.FILE_NAME)
    ring = open_keyring(home, passphrase)
    store = Store(config.database_url)
    try:
        now_ms = clock()
        log_ed25519 = signer_for(ring.newest(KeyKind.LOG_ED25519, now_ms))
        log_mldsa44 = signer_for(ring.newest(KeyKind.LOG_MLDSA44, now_ms))
        origin = ledger_origin(config.agency.id, config.agency.ledger_epoch)
        log_keys = LogKeys(origin, log_ed25519.public, log_mldsa44.public)
        cache = NodeCache()
        sequencer = Sequencer(
            store=store,
            head_file=HeadFile(home / HEAD_FILE),
            keys=log_keys,
            ed25519=log_ed25519,
            mldsa44=log_mldsa44,
            cache=cache,
            clock=clock,
        )
        try:
            office = Office(
                agency=config.agency.id,
                log_keys=log_keys,
                keys=_office_keys(ring, now_ms),
                store=store,
                sequencer=sequencer,
                partners=Partners(),
                cache=cache,
                terms=_terms(config),
                clock=clock,
            )
            leaf = read_file(home / TLS_CERTIFICATE, limit=KEY_FILE_BYTES)
            tls = ring.newest(KeyKind.TLS, now_ms)
            yield Desk(config, office, leaf, keys.private_pem(tls))
        finally:
            sequencer.close()
    finally:
        store.close()


def open_keyring(home: Path, passphrase: bytes) -> Keyring:
    """Open the keys that the node works with.

    Raises:
        VerificationError: Wrong passphrase, or an altered file.
        MalformedError: Not a key file.
        StorageError: The file cannot be read.
    """
    return decrypt_keyring(read_file(home / NODE_KEY, limit=KEY_FILE_BYTES), passphrase)


def _office_keys(ring: Keyring, now_ms: int) -> OfficeKeys:
    storage = ring.newest(KeyKind.STORAGE, now_ms)
    return OfficeKeys(
        seal=signer_for(ring.newest(KeyKind.SEAL, now_ms)),
        witness_ed25519=signer_for(ring.newest(KeyKind.WITNESS_ED25519, now_ms)),
        witness_mldsa44=signer_for(ring.newest(KeyKind.WITNESS_MLDSA44, now_ms)),
        decryption={
            record.key_id: load_encryption_private(record.private)
            for record in ring.of_kind(KeyKind.ENCRYPTION)
        },
        storage=StorageCipher(storage.private),
    )


def _terms(config: Config) -> Terms:
    return Terms(
        limits=config.limits.on_card(),
        recipients=config.limits.recipients,
        clock_skew_ms=config.limits.clock_skew_seconds * 1000,
        lifetime_ms=config.limits.expiry_days * DAY_MS,
        backoff_initial_ms=config.delivery.backoff_initial_ms,
        backoff_cap_ms=config.delivery.backoff_cap_ms,
    )
