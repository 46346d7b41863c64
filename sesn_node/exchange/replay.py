"""Replay: what entries that came back mean for the messages and partners that a database holds.

Trust that was withdrawn stays withdrawn, what was erased is erased again, and copies that had ended
are not sent again. A receipt alone is not replayed: its copy goes out once more, and the recipient
answers with the same receipt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import (
    EntryKind,
    HoldCode,
    KeyCode,
    OperatorCode,
    PeerCode,
    UndeliveredCode,
)
from sesn_node.errors import ConflictError
from sesn_node.exchange.tally import groups
from sesn_node.store.erasures import ErasureRow
from sesn_node.store.keeping import HoldRow
from sesn_node.trust.directory import PeerState
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.domain.ids import AgencyId
    from sesn_node.store.engine import Transaction

CARD_MISSING = "CARD_MISSING"
"""Code of an old copy that lacks a card of ours: our keys have changed since."""
RESTORED_REASON = "erased before this database was put back from an older copy"
"""Of an erasure that was replayed; the words of whoever had it erased are lost."""
RESTORED_HOLD = "a legal hold of before this database was put back from an older copy"
"""Of a hold that was replayed."""

_AT_ONCE = 500
_WITHDRAWN = {
    PeerCode.REVOKED.value: PeerState.REVOKED,
    PeerCode.QUARANTINED.value: PeerState.QUARANTINED,
    PeerCode.RELEASED.value: PeerState.TRUSTED,
}


@dataclass(slots=True)
class Replayed:
    """What the entries meant.

    Args:
        erased: Messages whose content was there, and was erased again.
        peers: Agencies whose standing was changed again, with their last one.
        unknown: Agencies that were trusted since, and whose cards are missing here.
        ended: Copies that ended again.
    """

    erased: int = 0
    peers: dict[str, PeerState] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    ended: int = 0


def replay(
    transaction: Transaction, agency: AgencyId, numbers: Sequence[int], now_ms: int
) -> Replayed:
    """Apply entries of our ledger, which are stored, to the rest of the database.

    Args:
        transaction: Writes.
        agency: Ours.
        numbers: Of the entries that came back, in order.
        now_ms: The time.

    Raises:
        ConflictError: CARD_MISSING: our own card or keys were changed in between.
    """
    replayed = Replayed()
    for some in groups(numbers, _AT_ONCE):
        for row in transaction.ledger.entries_at(some).values():
            entry = decode_entry(row.entry)
            if entry.kind is EntryKind.PEER:
                _replay_peer(transaction, entry, now_ms, replayed)
            elif entry.kind is EntryKind.KEY and entry.code == KeyCode.CARD_ISSUED:
                _check_own_card(transaction, agency, entry, row.index)
            elif entry.kind is EntryKind.LEGAL_HOLD:
                _replay_hold(transaction, agency, entry, row.number)
            elif entry.kind is EntryKind.ERASED:
                _replay_erasure(transaction, agency, entry, row.number, replayed)
            else:
                _replay_ending(transaction, entry, replayed)
    return replayed


def _check_own_card(transaction: Transaction, agency: AgencyId, entry: Entry, index: int) -> None:
    kept = {sha256 for owner, sha256, _ in transaction.browse.all_cards() if owner == agency}
    if entry.object_sha256 not in kept:
        raise ConflictError(
            f"entry {index:,} of the export says that our card was issued anew, and the database "
            "is older than that: it does not know which keys sign now. Nothing was changed. "
            "Restore a backup that was made after 'card issue' or 'keys rotate'",
            code=CARD_MISSING,
        )


def _replay_peer(transaction: Transaction, entry: Entry, now_ms: int, replayed: Replayed) -> None:
    agency = str(entry.agency)
    held = transaction.peers.standings([agency]).get(agency)
    if held is None:
        replayed.unknown.add(agency)
        return
    state = _WITHDRAWN.get(entry.code)
    if entry.code == PeerCode.TRUSTED and held[1] == entry.object_sha256:
        # Trusted again under the card that is here.
        state = PeerState.TRUSTED
    elif entry.code == PeerCode.TRUSTED:
        replayed.unknown.add(agency)
    if state is not None and state.value != held[0]:
        transaction.peers.set_peer(
            agency=agency, state=state.value, card_sha256=held[1], changed_ms=now_ms
        )
        replayed.peers[agency] = state


def _sender_of(transaction: Transaction, us: AgencyId, entry: Entry) -> AgencyId | None:
    """Return who sent the message that an entry about content is about; None if none is known."""
    if entry.answers is None:
        return None
    first = transaction.ledger.numbering().get(entry.answers.origin)
    if first is None:
        return None
    answered = first + entry.answers.index
    about = decode_entry(transaction.ledger.entries_at([answered])[answered].entry)
    return us if about.kind is EntryKind.SHARED else about.agency


def _replay_hold(transaction: Transaction, us: AgencyId, entry: Entry, number: int) -> None:
    """Place or release a hold again, whether its message is here or may come."""
    sender = _sender_of(transaction, us, entry)
    if sender is None or entry.message_id is None:
        return
    held = transaction.keeping.hold(sender, entry.message_id) is not None
    if entry.code == HoldCode.RELEASED:
        transaction.keeping.release(sender, entry.message_id)
    elif not held:
        transaction.keeping.place(
            HoldRow(sender, entry.message_id, RESTORED_HOLD, entry.time_ms, number)
        )


def _replay_erasure(
    transaction: Transaction, us: AgencyId, entry: Entry, number: int, replayed: Replayed
) -> None:
    sender = _sender_of(transaction, us, entry)
    if sender is None or entry.message_id is None:
        return
    ours = sender == us
    if transaction.erasures.find(sender, entry.message_id) is not None:
        return
    there = [
        one
        for one in transaction.erasures.outlines([entry.message_id])
        if (one.sender or us) == sender and one.has_content
    ]
    if not there:
        # Nothing is here; what a partner delivers again is held against our ledger (`taking`).
        return
    if ours:
        transaction.erasures.erase_sent(us, entry.message_id)
    else:
        transaction.erasures.erase_received(sender, entry.message_id)
    replayed.erased += 1
    transaction.erasures.add(
        ErasureRow(sender, entry.message_id, entry.time_ms, number, RESTORED_REASON)
    )


def _replay_ending(transaction: Transaction, entry: Entry, replayed: Replayed) -> None:
    agency, message_id = entry.agency, entry.message_id
    if agency is None or message_id is None:
        return
    if entry.kind is EntryKind.OPERATOR and entry.code == OperatorCode.REQUEUED:
        transaction.outbox.requeue(message_id, agency)
        return
    if entry.kind is EntryKind.REFUSED_BY_PEER:
        state = DeliveryState.REFUSED
    elif entry.kind is EntryKind.UNDELIVERED:
        expired = entry.code == UndeliveredCode.EXPIRED
        state = DeliveryState.EXPIRED if expired else DeliveryState.DEAD
    else:
        return
    if entry.code == UndeliveredCode.RECALLED:
        transaction.recalls.withdraw(message_id, entry.time_ms)
    if message_id not in transaction.outbox.tries(agency, [message_id]):
        return
    transaction.outbox.close(
        message_id, agency, state=state, code=entry.code, detail=None, settled_ms=entry.time_ms
    )
    replayed.ended += 1
