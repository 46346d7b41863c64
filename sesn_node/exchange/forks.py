"""Forks: a partner that signed two histories is cut off until an operator has looked at it.

One transaction keeps both checkpoints, raises the alarm, quarantines the owner and appends the
PEER entry. The alarm's row is what makes it happen once for each fork: for whichever process comes
first, and not again after a restart or a release. What is in the row proves the fork, so the file
can be written again at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.entries import EntryKind, PeerCode
from sesn_node.errors import StorageError
from sesn_node.exchange.evidencefiles import write_fork
from sesn_node.exchange.office import new_entry
from sesn_node.store.alarms import FORK, REPLACED, UNPROVEN, AlarmRow
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Transaction

_log = get_logger(__name__)

_QUARANTINED: Final = PeerCode.QUARANTINED


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint whose signatures verified.

    Args:
        head: Origin, size and root.
        note: The checkpoint, signed.
    """

    head: TreeHead
    note: bytes


@dataclass(frozen=True, slots=True)
class Fork:
    """Two histories that the owner of a ledger signed.

    Args:
        agency: The owner.
        shown_by: Who showed the second one.
        held: What we held of the ledger.
        shown: Of the same ledger and size, with another root.
        replaced: Whether it is signed only by keys that the owner has replaced.
    """

    agency: AgencyId
    shown_by: AgencyId
    held: Seen
    shown: Seen
    replaced: bool = False

    def row(self, found_ms: int = 0) -> AlarmRow:
        """Write it as an alarm."""
        head = self.shown.head
        kind = REPLACED if self.replaced else FORK
        notes = (self.held.note, self.shown.note)
        return AlarmRow(
            head.origin, head.size, kind, self.agency, self.shown_by, found_ms, head.size, *notes
        )


def raise_fork(office: Office, fork: Fork) -> bool:
    """Raise the alarm about a ledger that forked, and quarantine its owner; once for each fork.

    Under keys that the owner has replaced, a thief of them may have signed it. The alarm is raised
    all the same, once for each ledger until somebody deals with it, and nobody is cut off.

    A node that cannot store goes on refusing the fork, and says in the log what is not kept.

    Returns:
        Whether the fork is new.
    """
    head, file = fork.shown.head, None
    try:
        # Shown again and again, it makes nobody write.
        with office.store.read() as transaction:
            if _is_known(transaction, fork.row()):
                return False
        if not office.sequencer.run(partial(_record_fork, fork)).value:
            return False
        office.bell.ring()
        file = write_fork(office, fork.row())
    except StorageError as error:
        _log.warning("ledger-fork-not-kept", origin=head.origin, size=head.size, code=error.code)
    _log.error(
        "ledger-fork",
        peer=fork.agency,
        code="LEDGER_FORK",
        origin=head.origin,
        size=head.size,
        shown_by=fork.shown_by,
        quarantined=not fork.replaced,
        file=file,
    )
    return True


def _record_fork(fork: Fork, work: Work) -> bool:
    """The one transaction of a fork; tells whether it is new."""
    row = fork.row(work.now_ms)
    if _is_known(work.transaction, row) or not work.transaction.alarms.add(row):
        return False
    witness = work.transaction.witness
    if witness.checkpoints(row.origin, row.size):
        # Beside the one that we cosigned; two that others saw are in the alarm alone.
        head = fork.shown.head
        witness.keep_checkpoint(
            origin=head.origin, size=head.size, root=head.root, note=fork.shown.note
        )
    if not fork.replaced:
        set_state(work, fork.agency, PeerState.TRUSTED, PeerState.QUARANTINED, _QUARANTINED)
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
        return not _is_known(work.transaction, row) and alarms.add(row)

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


def set_state(
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


def _is_known(transaction: Transaction, row: AlarmRow) -> bool:
    """Tell whether an alarm was raised before, or need not be: what proves less, once a ledger."""
    if transaction.alarms.get(row.origin, row.size, row.kind) is not None:
        return True
    return row.kind != FORK and any(
        (one.origin, one.kind) == (row.origin, row.kind) for one in transaction.alarms.standing()
    )
