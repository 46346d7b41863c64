"""Forks: a partner that signed two histories is cut off until an operator has looked at it.

One transaction keeps both checkpoints, raises the alarm, quarantines the owner and appends the
PEER entry. The alarm's row is what makes it happen once for each fork: for whichever process comes
first, and not again after a restart or a release. What is in the row proves the fork, so the file
can be written again at any time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.entries import EntryKind, PeerCode
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.errors import (
    ConflictError,
    PolicyError,
    SesnError,
    StorageError,
    VerificationError,
)
from sesn_node.exchange.office import new_entry
from sesn_node.ledger.checkpoint import verify_checkpoint
from sesn_node.ledger.forkproof import ForkProof, format_fork, verify_fork
from sesn_node.store.alarms import FORK, UNPROVEN, AlarmRow
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Transaction

_log = get_logger(__name__)

NOT_QUARANTINED: Final = "NOT_QUARANTINED"
"""Code of a partner that there is nothing to release from."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint whose signatures verified.

    Args:
        head: Origin, size and root.
        note: The checkpoint, signed.
    """

    head: TreeHead
    note: bytes


def evidence_name(origin: str, size: int) -> str:
    """Name the file that proves a fork, within the evidence folder."""
    return f"{origin.replace('/', '_')}-{size}.fork"


def raise_fork(
    office: Office, agency: AgencyId, held: Seen, shown: Seen, *, shown_by: AgencyId
) -> bool:
    """Quarantine the owner of a ledger that forked, once for each fork.

    A node that cannot store goes on refusing the fork, and says in the log what is not kept.

    Args:
        office: Ours.
        agency: The owner.
        held: What we held of the ledger.
        shown: Of the same ledger and size, with another root.
        shown_by: Who showed it.

    Returns:
        Whether the fork is new.
    """
    origin, size = shown.head.origin, shown.head.size

    def operation(work: Work) -> bool:
        row = AlarmRow(
            origin, size, FORK, agency, shown_by, work.now_ms, size, held.note, shown.note
        )
        if not work.transaction.alarms.add(row):
            return False
        for one in (held, shown):
            work.transaction.witness.keep_checkpoint(
                origin=origin, size=size, root=one.head.root, note=one.note
            )
        _set_state(work, agency, PeerState.TRUSTED, PeerState.QUARANTINED, PeerCode.QUARANTINED)
        return True

    file = None
    try:
        # Shown again and again, it makes nobody write.
        if _is_known(office, origin, size, FORK):
            return False
        if not office.sequencer.run(operation).value:
            return False
        office.bell.ring()
        with office.store.read() as transaction:
            row = transaction.alarms.get(origin, size, FORK)
            data = b"" if row is None else fork_file(transaction, row)
        file = _write(office, evidence_name(origin, size), data)
    except StorageError as error:
        _log.warning("ledger-fork-not-kept", origin=origin, size=size, code=error.code)
    _log.error(
        "ledger-fork",
        peer=agency,
        code="LEDGER_FORK",
        origin=origin,
        size=size,
        shown_by=shown_by,
        file=file,
    )
    return True


def raise_unproven(
    office: Office, agency: AgencyId, held: Seen, shown: Seen, *, shown_by: AgencyId
) -> bool:
    """Raise the alarm that an owner does not prove two of its checkpoints to be one history.

    Nobody is quarantined: that a proof is missing proves nothing. Of each ledger one alarm stands.

    Returns:
        Whether it is new.

    Raises:
        StorageError: It could not be kept.
    """
    origin = shown.head.origin

    def operation(work: Work) -> bool:
        alarms = work.transaction.alarms
        if any((one.origin, one.kind) == (origin, UNPROVEN) for one in alarms.standing()):
            return False
        size = shown.head.size
        row = AlarmRow(
            origin,
            size,
            UNPROVEN,
            agency,
            shown_by,
            work.now_ms,
            held.head.size,
            held.note,
            shown.note,
        )
        return alarms.add(row)

    new = office.sequencer.run(operation).value
    if new:
        _log.error(
            "ledger-unproven",
            peer=agency,
            origin=origin,
            size=shown.head.size,
            held_size=held.head.size,
            shown_by=shown_by,
        )
    return new


def settle_unproven(office: Office, origin: str, size: int) -> None:
    """Put down the alarm about a checkpoint that its owner has proven after all.

    Raises:
        StorageError: It could not be.
    """
    with office.store.read() as transaction:
        row = transaction.alarms.get(origin, size, UNPROVEN)
    if row is None or row.settled_ms is not None:
        return

    def operation(work: Work) -> None:
        work.transaction.alarms.settle_one(origin, size, UNPROVEN, work.now_ms)

    office.sequencer.run(operation)
    _log.info("ledger-proven", peer=row.agency, origin=origin, size=size)


def standing_alarms(transaction: Transaction) -> tuple[AlarmRow, ...]:
    """Return the alarms about partners that are not revoked; forks first."""
    found = transaction.alarms.standing()
    states = transaction.peers.standings(sorted({row.agency for row in found}))
    gone = ("", b"")
    return tuple(
        row
        for row in found
        if states.get(row.agency, gone)[0] in {PeerState.TRUSTED, PeerState.QUARANTINED}
    )


def fork_file(transaction: Transaction, row: AlarmRow) -> bytes:
    """Write the file that proves a fork, by the keys of the cards that we kept of its owner.

    Raises:
        StorageError: What is kept does not prove it: the database was altered.
    """
    try:
        proof = ForkProof(
            Origin(row.origin),
            row.size,
            _key_sets(transaction, row),
            (row.held_note, row.shown_note),
        )
        verify_fork(proof)
        return format_fork(proof)
    except StorageError:
        raise
    except SesnError as error:
        raise StorageError(
            f"what is kept of the fork of {row.origin} does not prove it: {error.message}"
        ) from error


def write_missing(office: Office) -> None:
    """Write the evidence files of standing forks that are not there: of another process's, say."""
    if office.evidence is None:
        return
    with office.store.read() as transaction:
        rows = [row for row in standing_alarms(transaction) if row.kind == FORK]
        missing = [
            (row, fork_file(transaction, row))
            for row in rows
            if not office.evidence.path_of(evidence_name(row.origin, row.size)).exists()
        ]
    for row, data in missing:
        _write(office, evidence_name(row.origin, row.size), data)


def release_peer(office: Office, agency: AgencyId) -> bool:
    """Trust a quarantined agency again, and put down all alarms about its ledgers.

    What waited for it goes again. The forks that are known stay known: only another one
    quarantines it again.

    Returns:
        Whether it was quarantined; else there were alarms only.

    Raises:
        PolicyError: `UNKNOWN_PEER`.
        ConflictError: `NOT_QUARANTINED`: it is not, and no alarm stands.
    """

    def operation(work: Work) -> bool:
        known = work.transaction.peers.standings([agency])
        if agency not in known:
            raise PolicyError(
                f"{agency} is not a peer; 'sesn peer list' shows them", code="UNKNOWN_PEER"
            )
        alarmed = any(row.agency == agency for row in standing_alarms(work.transaction))
        quarantined = _set_state(
            work, agency, PeerState.QUARANTINED, PeerState.TRUSTED, PeerCode.RELEASED
        )
        if not quarantined and not alarmed:
            raise ConflictError(
                f"{agency} is {known[agency][0]}, and there is nothing to release it from",
                code=NOT_QUARANTINED,
            )
        work.transaction.alarms.settle(agency, work.now_ms)
        return quarantined

    released = office.sequencer.run(operation).value
    office.bell.ring()
    return released


def _set_state(
    work: Work, agency: AgencyId, before: PeerState, after: PeerState, code: PeerCode
) -> bool:
    """Change what is decided about a peer, if it is what it should be."""
    peers = work.transaction.peers
    state, sha256 = peers.standings([agency]).get(agency, ("", b""))
    if state != before.value:
        return False
    peers.set_peer(agency=agency, state=after.value, card_sha256=sha256, changed_ms=work.now_ms)
    # Whoever serves for this agency beside us must cut off, or begin to talk.
    work.transaction.notify()
    work.append(new_entry(EntryKind.PEER, work.now_ms, sha256, agency=agency, code=code.value))
    return True


def _is_known(office: Office, origin: str, size: int, kind: str) -> bool:
    with office.store.read() as transaction:
        return transaction.alarms.get(origin, size, kind) is not None


def _key_sets(transaction: Transaction, row: AlarmRow) -> tuple[LogKeys, ...]:
    """Return the key sets that signed a fork, from every card that was taken of its owner."""
    sets: dict[LogKeys, None] = {}
    for kept in transaction.browse.cards_of(row.agency):
        with suppress(SesnError):
            card = open_card(kept.sealed, kept.taken_ms)
            sets.update(dict.fromkeys(card.log_key_sets(Origin(row.origin))))
    notes = (row.held_note, row.shown_note)
    return tuple(one for one in sets if any(_signed(note, one) for note in notes))


def _signed(note: bytes, keys: LogKeys) -> bool:
    try:
        verify_checkpoint(note, keys)
    except VerificationError:
        return False
    return True


def _write(office: Office, name: str, data: bytes) -> str | None:
    """Write an evidence file; None if this process has nowhere to write it."""
    return None if office.evidence is None else str(office.evidence.write(name, data))
