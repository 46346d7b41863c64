"""Evidence files: each proves one fork by itself, to whoever trusts the keys that it names.

What the database keeps of a fork makes the file at any time, so one that is lost is written again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sesn_node.domain.ids import Origin
from sesn_node.errors import SesnError, StorageError, VerificationError
from sesn_node.ledger.checkpoint import verify_checkpoint
from sesn_node.ledger.forkproof import ForkProof, format_fork, verify_fork
from sesn_node.store.alarms import CLOSING, REPLACED, UNPROVEN, AlarmRow
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.store.engine import Transaction


WITHOUT_FILE: Final = frozenset({CLOSING, UNPROVEN})
"""Kinds of alarms that have no evidence file: they prove no fork by themselves."""


def evidence_name(row: AlarmRow) -> str:
    """Name the file that proves a fork, within the evidence folder."""
    replaced = ".replaced" if row.kind == REPLACED else ""
    return f"{row.origin.replace('/', '_')}-{row.size}{replaced}.fork"


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


def write_fork(office: Office, row: AlarmRow) -> str | None:
    """Write the file that proves a fork; None if this process has nowhere to write it."""
    if office.evidence is None:
        return None
    with office.store.read() as transaction:
        data = fork_file(transaction, row)
    return str(office.evidence.write(evidence_name(row), data))


def write_missing(office: Office) -> None:
    """Write the evidence files of standing forks that are not there: of another process's, say."""
    if office.evidence is None:
        return
    with office.store.read() as transaction:
        rows = [row for row in standing_alarms(transaction) if row.kind not in WITHOUT_FILE]
    for row in rows:
        if not office.evidence.path_of(evidence_name(row)).exists():
            write_fork(office, row)


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
