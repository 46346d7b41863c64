"""Founding an agency's node, and what else needs the root key: cards and new keys."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sesn_node import config as settings
from sesn_node.bootstrap import (
    HEAD_FILE,
    NODE_KEY,
    ROOT_KEY,
    RUN_FOLDER,
    open_home,
    system_clock,
)
from sesn_node.crypto import keys
from sesn_node.crypto.kdf import DEFAULT_KDF
from sesn_node.crypto.keyring import (
    KEY_FILE_BYTES,
    Keyring,
    decrypt_keyring,
    encrypt_keyring,
)
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.cards import Card, LedgerKeySet, WitnessKeySet
from sesn_node.domain.ids import ledger_origin, witness_name
from sesn_node.domain.times import HOUR_MS
from sesn_node.errors import ConfigError
from sesn_node.exchange import reopen, rotate
from sesn_node.exchange.owncard import (
    CARD_MS,
    LIFETIMES_MS,
    encryption_key,
    open_ledger,
    record_card,
    seal_key,
)
from sesn_node.store.engine import Store
from sesn_node.store.files import naming, read_file, replace_file, sync_folder
from sesn_node.store.headfile import HeadFile
from sesn_node.trust.card import issue_card, open_card
from sesn_node.trust.certificates import issue_leaf, issue_root

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from sesn_node.bootstrap import Desk
    from sesn_node.config import Config
    from sesn_node.crypto.kdf import KdfParams
    from sesn_node.crypto.signers import Signer
    from sesn_node.exchange.inquiry import Inquiry
    from sesn_node.exchange.reopen import Reopened
    from sesn_node.exchange.rotate import Rotatable, Rotated
    from sesn_node.trust.card import TrustedCard

_PRIVATE_FOLDER: Final = 0o700


def found(
    config: Config,
    passphrase: bytes,
    *,
    kdf: KdfParams = DEFAULT_KDF,
    clock: Callable[[], int] = system_clock,
) -> TrustedCard:
    """Make a home: keys, card, database, and the first entry of the ledger.

    The home appears whole or not at all: everything is made in a folder beside it, which is
    then renamed.

    Args:
        config: Settings; `home` must not exist, or be empty.
        passphrase: Encrypts both key files.
        kdf: Cost of trying passphrases; tests lower it.
        clock: What the home takes for the time now, Unix milliseconds. No command sets it.

    Raises:
        ConfigError: The home is in use, or its folder cannot be made.
        MalformedError: The settings do not make a card.
        StorageError: A file or the database in it cannot be written.
    """
    home = config.home
    require_vacant(home)
    made = home.with_name(f".{home.name}.{os.getpid()}.new")
    try:
        made.mkdir(mode=_PRIVATE_FOLDER, parents=True)
        card = _furnish(replace(config, home=made), config, passphrase, kdf, clock)
        made.replace(home)
        sync_folder(home.parent)
    except OSError as error:
        raise ConfigError(f"{home} cannot be made: {error.strerror}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return card


def require_vacant(home: Path) -> None:
    """Make sure that a home can be made there.

    Raises:
        ConfigError: Something is there; the message tells a node, which must not be removed.
    """
    try:
        if not home.exists() or (home.is_dir() and not any(home.iterdir())):
            return
        node = any(
            (home / one).exists() for one in (settings.FILE_NAME, ROOT_KEY.parent, HEAD_FILE)
        )
    except OSError as error:
        raise ConfigError(f"{home} cannot be looked into: {error.strerror}") from error
    if node:
        raise ConfigError(
            f"{home} holds a node already: use it as it is, or choose another --home. Do not "
            "remove it: its keys and ledger cannot be made again"
        )
    raise ConfigError(f"{home} is not empty; choose another --home")


def _furnish(
    config: Config, final: Config, passphrase: bytes, kdf: KdfParams, clock: Callable[[], int]
) -> TrustedCard:
    home = config.home
    now_ms = clock()
    for folder in (ROOT_KEY.parent, RUN_FOLDER):
        (home / folder).mkdir(mode=_PRIVATE_FOLDER)
    root = _generate(KeyKind.ROOT, now_ms)
    root_signer = signer_for(root)
    agency = config.agency.id
    root_der = issue_root(agency, root_signer, root.not_before_ms, root.not_after_ms)
    made: dict[KeyKind, keys.KeyRecord] = {
        kind: _generate(kind, now_ms) for kind in LIFETIMES_MS if kind is not KeyKind.ROOT
    }
    tls = made[KeyKind.TLS]
    leaf = issue_leaf(
        root_der, root_signer, agency, tls.public, tls.not_before_ms, tls.not_after_ms
    )
    made[KeyKind.TLS] = replace(tls, certificate=leaf)
    ring = Keyring(tuple(made.values()))
    replace_file(home / ROOT_KEY, encrypt_keyring(Keyring((root,)), passphrase, kdf))
    replace_file(home / NODE_KEY, encrypt_keyring(ring, passphrase, kdf))
    replace_file(home / settings.FILE_NAME, settings.render(final).encode())
    card = open_card(issue_card(_first_card(config, made, root_der, now_ms), root_signer), now_ms)
    store = Store(config.database_url)
    try:
        open_ledger(
            store,
            HeadFile(home / HEAD_FILE),
            card,
            ed25519=signer_for(made[KeyKind.LOG_ED25519]),
            mldsa44=signer_for(made[KeyKind.LOG_MLDSA44]),
            storage_key_id=made[KeyKind.STORAGE].key_id,
            now_ms=now_ms,
        )
    finally:
        store.close()
    with open_home(home, passphrase, clock=clock) as desk:
        record_card(desk.office, card)
    return card


def issue_own_card(home: Path, passphrase: bytes) -> TrustedCard:
    """Issue our next card from the settings as they are now; needs the root key.

    Raises:
        ConfigError: The settings cannot be used, or the root key is not there.
        MalformedError: The settings do not make a card.
        VerificationError: Wrong passphrase.
        StorageError: The card cannot be stored; nothing was issued.
    """
    with open_with_root(home, passphrase) as (desk, root):
        return issue_next_card(desk, root)


def issue_next_card(desk: Desk, root: Signer) -> TrustedCard:
    """Issue our next card from an open home; raises as `issue_own_card`."""
    return rotate.reissue(desk.office, described=_described(desk), root=root)


def rotate_keys(desk: Desk, what: Collection[Rotatable], root: Signer | None) -> Rotated:
    """Make new keys and bring them into use. Raises as `rotate.rotate` does."""
    return rotate.rotate(desk.office, what, described=_described(desk), root=root)


def reopen_ledger(desk: Desk, inquiry: Inquiry, root: Signer, *, unanswered: bool) -> Reopened:
    """Close our ledger, whose end is lost, and open the next. Raises as `reopen.reopen` does."""
    return reopen.reopen(
        desk.office, inquiry, described=_described(desk), root=root, unanswered=unanswered
    )


@contextmanager
def open_with_root(home: Path, passphrase: bytes) -> Iterator[tuple[Desk, Signer]]:
    """Open a home and its root key.

    Raises:
        ConfigError: The settings cannot be used, or the root key is not there.
        VerificationError: Wrong passphrase.
        StorageError: The database or a key file cannot be read.
    """
    path = home / ROOT_KEY
    if not path.exists():
        raise ConfigError(
            f"{path} is not there: put the root key back for this command, and take it away "
            "again afterwards",
            code="NO_ROOT_KEY",
        )
    with naming(path):
        ring = decrypt_keyring(read_file(path, limit=KEY_FILE_BYTES), passphrase)
    with open_home(home, passphrase) as desk:
        yield desk, signer_for(ring.newest(KeyKind.ROOT, desk.office.clock()))


def _generate(kind: KeyKind, now_ms: int) -> keys.KeyRecord:
    """Make a key; it is in force from an hour ago, for partners whose clocks are behind."""
    return keys.generate(
        kind,
        created_ms=now_ms,
        not_before_ms=now_ms - HOUR_MS,
        not_after_ms=now_ms + LIFETIMES_MS[kind],
    )


def _described(desk: Desk) -> Card:
    """Return our card as the settings describe the agency now; its keys are the old ones."""
    config = desk.config
    agency = config.agency
    return replace(
        desk.office.directory().own.card,
        name=agency.name,
        country=agency.country,
        role=agency.role,
        contact=config.contact.on_card(),
        endpoints=config.node.advertise,
        limits=config.limits.on_card(),
    )


def _first_card(
    config: Config, made: dict[KeyKind, keys.KeyRecord], root_der: bytes, now_ms: int
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
        seal_keys=(seal_key(made[KeyKind.SEAL]),),
        ledgers=(
            LedgerKeySet(
                ledger_origin(agency.id, agency.ledger_epoch),
                made[KeyKind.LOG_ED25519].public,
                made[KeyKind.LOG_MLDSA44].public,
            ),
        ),
        witness=WitnessKeySet(
            witness_name(agency.id),
            made[KeyKind.WITNESS_ED25519].public,
            made[KeyKind.WITNESS_MLDSA44].public,
        ),
        encryption_keys=(encryption_key(made[KeyKind.ENCRYPTION]),),
        limits=config.limits.on_card(),
        sequence=1,
        previous_sha256=b"",
        issued_ms=now_ms,
        expires_ms=now_ms + CARD_MS,
    )
