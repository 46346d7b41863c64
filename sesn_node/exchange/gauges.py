"""Gauges: what metrics tell of the state of things, read when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.crypto.keys import KeyKind
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.times import SECOND_MS
from sesn_node.exchange.breaker import Circuit, circuit
from sesn_node.exchange.caseload import caseload, read_cases
from sesn_node.exchange.evidencefiles import standing_alarms
from sesn_node.exchange.timestampviews import timestamp_standing
from sesn_node.telemetry import catalogue
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.telemetry.catalogue import Metric
    from sesn_node.trust.directory import Directory

    Values = dict[tuple[str, ...], float]
    Gauges = dict[Metric, Values]


def stored_gauges(office: Office) -> Gauges:
    """Read what the database knows. One snapshot; its cost grows with what is queued.

    The first time, every return-to-origin case is read as well; then those that got a step.

    Raises:
        StorageError: The database cannot be read.
    """
    now_ms = office.clock()
    with office.store.read() as transaction:
        directory = office.partners.current(transaction)
        size = transaction.ledger.require_head().size
        trusted = {
            agency: peer.card
            for agency, peer in directory.peers.items()
            if peer.state is PeerState.TRUSTED
        }
        gauges: Gauges = {
            catalogue.SHARED: {(): transaction.figures.shared()},
            catalogue.LEDGER: {(): size},
            catalogue.EXPIRY: _expiries(office, directory, now_ms),
            catalogue.PEER_EXPIRY: {
                (agency,): card.card.expires_ms / SECOND_MS for agency, card in trusted.items()
            },
        }
        gauges |= _alarms(transaction, directory)
        gauges |= _outbox(transaction, now_ms)
        gauges |= _links(transaction, set(trusted), size)
        gauges |= _timestamps(transaction, office.terms.grace_ms, now_ms)
        gauges |= _cases(office, transaction, now_ms)
    return gauges


def disk_gauges(office: Office) -> Gauges:
    """Look at the file systems and at the head file."""
    gauges: Gauges = {
        catalogue.DISK_FREE: {(one.name,): one.free_bytes for one in office.disk.volumes()},
        catalogue.DISK_FLOOR: {(): office.disk.floor_bytes},
    }
    written_ms = office.sequencer.head_file.written_ms()
    if written_ms is not None:
        gauges[catalogue.HEAD_AGE] = {(): max(0, office.clock() - written_ms) / SECOND_MS}
    return gauges


def _timestamps(transaction: Transaction, grace_ms: int | None, now_ms: int) -> Gauges:
    if grace_ms is None:
        return {}
    found = timestamp_standing(transaction, grace_ms, now_ms)
    since_ms = 0 if found.failing_ms is None else max(0, now_ms - found.failing_ms)
    gauges: Gauges = {
        catalogue.UNSTAMPED: {(): since_ms / SECOND_MS},
        catalogue.GRACE: {(): found.overdue},
    }
    if found.newest is not None:
        gauges[catalogue.STAMPED] = {(): found.newest.time_ms / SECOND_MS}
    return gauges


def _cases(office: Office, transaction: Transaction, now_ms: int) -> Gauges:
    known = read_cases(office.case_desk, transaction).values()
    found = caseload(known, office.agency, now_ms, office.cases.warn_days)
    return {
        catalogue.CASES: {(state.value,): count for state, count in found.states.items()},
        catalogue.CASES_DUE_SOON: {(): found.due_soon},
        catalogue.CASES_OVERDUE: {(): found.overdue},
        catalogue.CASES_AWAITING: {(): found.awaiting_us},
    }


def _alarms(transaction: Transaction, directory: Directory) -> Gauges:
    alarms: Values = {}
    for row in standing_alarms(transaction):
        alarms[row.agency, row.kind] = alarms.get((row.agency, row.kind), 0) + 1
    quarantined: Values = {
        (agency,): 1
        for agency, peer in directory.peers.items()
        if peer.state is PeerState.QUARANTINED
    }
    return {catalogue.ALARMS: alarms, catalogue.QUARANTINED: quarantined}


def _outbox(transaction: Transaction, now_ms: int) -> Gauges:
    queued = transaction.figures.queued()
    copies: Values = {(one.agency, DeliveryState.QUEUED.value): one.count for one in queued}
    copies |= {(agency, state): count for agency, state, count in transaction.figures.ended()}
    oldest: Values = {(one.agency,): max(0, now_ms - one.oldest_ms) / SECOND_MS for one in queued}
    return {catalogue.OUTBOX: copies, catalogue.OLDEST: oldest}


def _links(transaction: Transaction, trusted: set[str], size: int) -> Gauges:
    links = [link for link in transaction.peers.links() if link.agency in trusted]
    return {
        catalogue.FAILURES: {(link.agency,): link.failures for link in links},
        catalogue.CIRCUIT_OPEN: {
            (link.agency,): circuit(link.failures) is Circuit.OPEN for link in links
        },
        catalogue.UNWITNESSED: {
            (link.agency,): max(0, size - link.witnessed_size) for link in links
        },
    }


def _expiries(office: Office, directory: Directory, now_ms: int) -> Values:
    """Say when what we work with ends: of keys that follow each other, the newest."""
    card = directory.own.card
    ends = {
        "card": card.expires_ms,
        "root certificate": directory.own.root.not_after_ms,
        "seal key": card.seal_keys[-1].not_after_ms,
    }
    key = card.encryption_key_at(now_ms)
    if key is not None:
        ends["encryption key"] = key.not_after_ms
    certified = [
        one for one in office.vault.keys(directory).ring.of_kind(KeyKind.TLS) if one.certificate
    ]
    if certified:
        ends["TLS certificate"] = certified[-1].not_after_ms
    return {(what,): end_ms / SECOND_MS for what, end_ms in ends.items()}
