"""Founding an agency's node, and issuing its later cards: what needs the root key."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sesn_node import config as settings
from sesn_node.bootstrap import (
    HEAD_FILE,
    KEY_FILE_BYTES,
    NODE_KEY,
    ROOT_KEY,
    RUN_FOLDER,
    TLS_CERTIFICATE,
    open_home,
    open_keyring,
    system_clock,
)
from sesn_node.crypto import keys
from sesn_node.crypto.keyring import DEFAULT_KDF, Keyring, decrypt_keyring, encrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.cards import Card, EncryptionKey, LedgerKeySet, SealKey, WitnessKeySet
from sesn_node.domain.ids import ledger_origin, witness_name
from sesn_node.errors import ConfigError
from sesn_node.exchange.office import DAY_MS
from sesn_node.exchange.owncard import open_ledger, record_card
from sesn_node.store.engine import Store
from sesn_node.store.files import read_file, replace_file, sync_folder
from sesn_node.store.headfile import HeadFile
from sesn_node.trust.card import issue_card, open_card
from sesn_node.trust.certificates import certificate_pem, issue_leaf, issue_root

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.config import Config
    from sesn_node.crypto.keyring import KdfParams
    from sesn_node.trust.card import TrustedCard

_PRIVATE_FOLDER: Final = 0o700
_HOUR_MS: Final = 60 * 60 * 1000
_ROOT_DAYS: Final = 20 * 365
_CARD_DAYS: Final = 2 * 365
_LEDGER_DAYS: Final = 20 * 365
# A message lives at most 366 days, so one that was sealed to the key on its last day can still
# be opened until it expires.
_DESTRUCTION_DAYS: Final = 366

_NODE_KINDS: Final = (
    (KeyKind.SEAL, _CARD_DAYS),
    (KeyKind.TLS, _CARD_DAYS),
    (KeyKind.ENCRYPTION, _CARD_DAYS),
    (KeyKind.LOG_ED25519, _LEDGER_DAYS),
    (KeyKind.LOG_MLDSA44, _LEDGER_DAYS),
    (KeyKind.WITNESS_ED25519, _LEDGER_DAYS),
    (KeyKind.WITNESS_MLDSA44, _LEDGER_DAYS),
    (KeyKind.STORAGE, _LEDGER_DAYS),
)


def found(config: Config, passphrase: bytes, *, kdf: KdfParams = DEFAULT_KDF) -> TrustedCard:
    """Make a home: keys, card, database, and the first entry of the ledger.

    The home appears whole or not at all: everything is made in a folder beside it, which is
    then renamed.

    Args:
        config: Settings; `home` must not exist, or be empty.
        passphrase: Encrypts both key files.
        kdf: Cost of trying passphrases; tests lower it.

    Raises:
        ConfigError: The home is in use, or its folder cannot be made.
        MalformedError: The settings do not make a card.
        StorageError: A file or the database in it cannot be written.
    """
    home = config.home
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise ConfigError(f"{home} is not empty: choose another --home, or remove it first")
    made = home.with_name(f".{home.name}.{os.getpid()}.new")
    try:
        made.mkdir(mode=_PRIVATE_FOLDER, parents=True)
        card = _furnish(replace(config, home=made), config, passphrase, kdf)
        made.replace(home)
        sync_folder(home.parent)
    except OSError as error:
        raise ConfigError(f"{home} cannot be made: {error.strerror}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return card


def _furnish(config: Config, final: Config, passphrase: bytes, kdf: KdfParams) -> TrustedCard:
    home = config.home
    now_ms = system_clock()
    for folder in (ROOT_KEY.parent, RUN_FOLDER):
        (home / folder).mkdir(mode=_PRIVATE_FOLDER)
    root = keys.generate(
        KeyKind.ROOT,
        created_ms=now_ms,
        not_before_ms=now_ms - _HOUR_MS,
        not_after_ms=now_ms + _ROOT_DAYS * DAY_MS,
    )
    ring = Keyring(tuple(_generate(kind, now_ms, days) for kind, days in _NODE_KINDS))
    root_signer = signer_for(root)
    agency = config.agency.id
    root_der = issue_root(agency, root_signer, root.not_before_ms, root.not_after_ms)
    tls = ring.newest(KeyKind.TLS, now_ms)
    leaf = issue_leaf(
        root_der, root_signer, agency, tls.public, now_ms - _HOUR_MS, tls.not_after_ms
    )
    replace_file(home / ROOT_KEY, encrypt_keyring(Keyring((root,)), passphrase, kdf))
    replace_file(home / NODE_KEY, encrypt_keyring(ring, passphrase, kdf))
    replace_file(home / TLS_CERTIFICATE, certificate_pem(leaf))
    replace_file(home / settings.FILE_NAME, settings.render(final).encode())
    body = _card(config, ring, root_der, now_ms, sequence=1, previous=b"")
    card = open_card(issue_card(body, root_signer), now_ms)
    store = Store(config.database_url)
    try:
        open_ledger(
            store,
            HeadFile(home / HEAD_FILE),
            card,
            ed25519=signer_for(ring.newest(KeyKind.LOG_ED25519, now_ms)),
            mldsa44=signer_for(ring.newest(KeyKind.LOG_MLDSA44, now_ms)),
            now_ms=now_ms,
        )
    finally:
        store.close()
    with open_home(home, passphrase) as desk:
        record_card(desk.office, card)
    return card


def issue_own_card(home: Path, passphrase: bytes) -> TrustedCard:
    """Issue our next card from the settings and keys as they are now; needs the root key.

    Raises:
        ConfigError: The settings cannot be used, or the root key is not there.
        MalformedError: The settings do not make a card.
        VerificationError: Wrong passphrase.
        StorageError: The card cannot be stored; nothing was issued.
    """
    if not (home / ROOT_KEY).exists():
        raise ConfigError(f"{home / ROOT_KEY} is not there: put the root key back for this command")
    root = decrypt_keyring(read_file(home / ROOT_KEY, limit=KEY_FILE_BYTES), passphrase)
    ring = open_keyring(home, passphrase)
    now_ms = system_clock()
    with open_home(home, passphrase) as desk:
        own = desk.office.directory().own
        body = _card(
            desk.config,
            ring,
            own.card.root_certificate,
            now_ms,
            sequence=own.card.sequence + 1,
            previous=own.sha256,
        )
        signer = signer_for(root.newest(KeyKind.ROOT, now_ms))
        card = open_card(issue_card(body, signer), now_ms)
        record_card(desk.office, card)
    return card


def _generate(kind: KeyKind, now_ms: int, days: int) -> keys.KeyRecord:
    return keys.generate(
        kind, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + days * DAY_MS
    )


def _card(  # noqa: PLR0913 - what a card is made of
    config: Config,
    ring: Keyring,
    root_der: bytes,
    now_ms: int,
    *,
    sequence: int,
    previous: bytes,
) -> Card:
    agency = config.agency
    return Card(
        agency=agency.id,
        name=agency.name,
        country=agency.country,
        role=agency.role,
        contact=config.contact.on_card(),
        endpoints=config.node.advertise,
        root_certificate=root_der,
        seal_keys=tuple(
            SealKey(record.public, record.not_before_ms, record.not_after_ms)
            for record in _by_age(ring, KeyKind.SEAL)
        ),
        ledgers=(
            LedgerKeySet(
                ledger_origin(agency.id, agency.ledger_epoch),
                ring.newest(KeyKind.LOG_ED25519, now_ms).public,
                ring.newest(KeyKind.LOG_MLDSA44, now_ms).public,
            ),
        ),
        witness=WitnessKeySet(
            witness_name(agency.id),
            ring.newest(KeyKind.WITNESS_ED25519, now_ms).public,
            ring.newest(KeyKind.WITNESS_MLDSA44, now_ms).public,
        ),
        encryption_keys=tuple(
            EncryptionKey(
                record.public,
                record.not_before_ms,
                record.not_after_ms,
                record.not_after_ms + _DESTRUCTION_DAYS * DAY_MS,
            )
            for record in _by_age(ring, KeyKind.ENCRYPTION)
        ),
        limits=config.limits.on_card(),
        sequence=sequence,
        previous_sha256=previous,
        issued_ms=now_ms,
        expires_ms=now_ms + _CARD_DAYS * DAY_MS,
    )


def _by_age(ring: Keyring, kind: KeyKind) -> list[keys.KeyRecord]:
    return sorted(ring.of_kind(kind), key=lambda record: record.not_before_ms)
