"""The one place where objects are wired: from a home folder to an office and a node.

HOME/node.toml      settings
HOME/node.db        messages, ledger, directory (where `database.url` says)
HOME/ledger.head    newest checkpoint of our ledger; not part of a database backup
HOME/keys/root.key  the agency's root key; may be kept elsewhere while the node serves
HOME/keys/node.key  the keys that the node works with, and the certificate of its TLS key
HOME/evidence/      files that prove what a partner did, if one did
HOME/run/           pipe, lock and state of the serving process
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sesn_node import config as settings
from sesn_node.crypto.keyring import KEY_FILE_BYTES, Keyring, decrypt_keyring
from sesn_node.domain.ids import ledger_origin
from sesn_node.domain.times import DAY_MS, SECOND_MS
from sesn_node.errors import ConfigError, SesnError
from sesn_node.exchange.endorsing import PeoplePolicy
from sesn_node.exchange.office import Office, Partners, Terms
from sesn_node.exchange.ownledger import NodeCache
from sesn_node.exchange.sequencer import Sequencer
from sesn_node.exchange.timestamps import Authority, TimestampPlan
from sesn_node.exchange.vault import Vault
from sesn_node.store.disk import MIB, Disk
from sesn_node.store.engine import Store
from sesn_node.store.evidence import EvidenceFolder
from sesn_node.store.files import naming, read_file
from sesn_node.store.headfile import HeadFile
from sesn_node.store.keyfile import KeyFile
from sesn_node.telemetry.watch import Watch
from sesn_node.trust.timestamp_signers import MAX_ROOTS_BYTES, read_roots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sesn_node.config import Config
    from sesn_node.domain.people import OperatorId
    from sesn_node.telemetry.traces import Traces
    from sesn_node.transport.node import Node
    from sesn_node.trust.timestamp_signers import TimestampRoots

ROOT_KEY: Final = Path("keys/root.key")
NODE_KEY: Final = Path("keys/node.key")
OPERATOR_KEYS: Final = Path("keys/operators")
HEAD_FILE: Final = Path("ledger.head")
RUN_FOLDER: Final = Path("run")
EVIDENCE: Final = Path("evidence")


def system_clock() -> int:
    """Return the time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Desk:
    """An opened home.

    Args:
        config: Its settings.
        office: Its office.
        tls: What the node presents at handshakes, asked at each: leaf and private key, PEM.
    """

    config: Config
    office: Office
    tls: Callable[[], tuple[bytes, bytes]] = field(repr=False)

    def node(self) -> Node:
        """Build the node that serves this home.

        Raises:
            ConfigError: A file that the settings name is unusable.
        """
        # Only a serving node pays for the import of grpc; an officer's command does not.
        from sesn_node.transport.node import Node, NodeSettings  # noqa: PLC0415 - see above
        from sesn_node.transport.pump import Pace  # noqa: PLC0415 - see above
        from sesn_node.transport.tls import TlsIdentity  # noqa: PLC0415 - see above

        delivery = self.config.delivery
        return Node(
            self.office,
            lambda: TlsIdentity(*self.tls()),
            NodeSettings(
                listen=self.config.node.listen,
                run_folder=self.config.home / RUN_FOLDER,
                pace=Pace(
                    delivery.poll_ms / 1000,
                    delivery.request_timeout_ms / 1000,
                    delivery.collect_after_ms / 1000,
                ),
                grace_s=delivery.shutdown_grace_ms / 1000,
                metrics=self.config.metrics.listen,
                timestamps=_timestamp_plan(self.config),
            ),
        )


@contextmanager
def open_home(
    home: Path, passphrase: bytes, *, clock: Callable[[], int] = system_clock
) -> Iterator[Desk]:
    """Open a home: the same store, keys and use cases for commands and for the node.

    That keys have expired keeps nobody from it: whatever needs them says so.

    Raises:
        ConfigError: No home, or unusable settings.
        VerificationError: Wrong passphrase.
        StorageError: The database or a key file cannot be read.
    """
    config = settings.load(home / settings.FILE_NAME)
    vault = Vault(KeyFile(home / NODE_KEY, passphrase), clock)
    store = Store(config.database_url, create=False)
    try:
        cache, partners = NodeCache(), Partners()
        watch = Watch(config.agency.id, _traces(config))
        sequencer = Sequencer(
            store=store,
            head_file=HeadFile(home / HEAD_FILE),
            founded=ledger_origin(config.agency.id, config.agency.ledger_epoch),
            partners=partners,
            vault=vault,
            cache=cache,
            clock=clock,
            watch=watch,
        )
        try:
            office = Office(
                agency=config.agency.id,
                vault=vault,
                store=store,
                sequencer=sequencer,
                partners=partners,
                cache=cache,
                terms=_terms(config),
                clock=clock,
                watch=watch,
                disk=disk_of(config),
                evidence=EvidenceFolder(home / EVIDENCE),
                people=_people(config),
                cases=config.cases.policy(),
            )
            yield Desk(config, office, office.tls_identity)
        finally:
            sequencer.close()
            watch.close()
    finally:
        store.close()


def disk_of(config: Config) -> Disk:
    """Return the file systems that this node writes to."""
    folders = {"home": config.home}
    if config.database_path is not None:
        folders["database"] = config.database_path.parent
    return Disk(folders, config.limits.disk_floor_mib * MIB)


def _traces(config: Config) -> Traces | None:
    """Begin to write spans, if somebody asked for them."""
    path = config.traces_path
    if path is None:
        return None
    # Nobody else pays for the import of OpenTelemetry.
    from sesn_node.telemetry.tracefile import TraceFile  # noqa: PLC0415 - see above
    from sesn_node.telemetry.traces import Traces  # noqa: PLC0415 - see above

    wanted = config.traces
    file = TraceFile(path, wanted.file_mib * MIB, wanted.files)
    return Traces(config.agency.id, file, wanted.one_in)


def open_keyring(home: Path, passphrase: bytes) -> Keyring:
    """Open the keys that the node works with.

    Raises:
        VerificationError: Wrong passphrase, or an altered file.
        MalformedError: Not a key file.
        StorageError: The file cannot be read.
    """
    with naming(home / NODE_KEY):
        return decrypt_keyring(read_file(home / NODE_KEY, limit=KEY_FILE_BYTES), passphrase)


def operator_key_path(home: Path, name: OperatorId) -> Path:
    """Return where the key of an operator is, under the operator's own passphrase."""
    return home / OPERATOR_KEYS / f"{name}.key"


def _people(config: Config) -> PeoplePolicy:
    wanted = config.people
    return PeoplePolicy(
        sign=wanted.sign is settings.Sign.ALWAYS,
        four_eyes=wanted.four_eyes,
        demand=wanted.demand,
    )


def _terms(config: Config) -> Terms:
    return Terms(
        limits=config.limits.on_card(),
        recipients=config.limits.recipients,
        clock_skew_ms=config.limits.clock_skew_seconds * 1000,
        lifetime_ms=config.limits.expiry_days * DAY_MS,
        backoff_initial_ms=config.delivery.backoff_initial_ms,
        backoff_cap_ms=config.delivery.backoff_cap_ms,
        attempts=config.delivery.attempts,
        backup_days=config.backups.keep_days,
        grace_ms=timestamp_grace_ms(config),
    )


def timestamp_grace_ms(config: Config) -> int | None:
    """Return how long no time-stamping authority may answer; None if none is asked."""
    wanted = config.timestamps
    return wanted.grace_seconds * SECOND_MS if wanted.authorities else None


def timestamp_roots(config: Config) -> dict[str, TimestampRoots]:
    """Read whom we trust to certify each time-stamping authority, by its address.

    Raises:
        ConfigError: A file of roots cannot be read, or holds none.
    """
    found = {}
    for one in config.timestamps.authorities:
        path = config.roots_path(one)
        try:
            found[one.url] = read_roots(read_file(path, limit=MAX_ROOTS_BYTES))
        except SesnError as error:
            raise ConfigError(
                f"timestamps.authorities: {path}, the roots of {one.url}: {error.message}"
            ) from error
    return found


def _timestamp_plan(config: Config) -> TimestampPlan | None:
    wanted = config.timestamps
    if not wanted.authorities:
        return None
    roots = timestamp_roots(config)
    return TimestampPlan(
        tuple(Authority(one.url, roots[one.url], one.policy) for one in wanted.authorities),
        interval_ms=wanted.interval_seconds * SECOND_MS,
        timeout_s=wanted.timeout_ms / SECOND_MS,
    )
