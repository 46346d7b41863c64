"""Closings: a partner's card that ends a ledger, held against what we cosigned of that ledger.

A card may name a later ledger, and says at which size and root the one before ended. Whoever ends a
ledger with less than we cosigned takes back what it told us, or has lost it; with another root, it
has two histories. Neither is taken by itself: the alarm is raised, both statements are kept, the
agency is quarantined, and an operator decides. Once released, that very end is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.cards import ClosedLedger
from sesn_node.domain.entries import PeerCode
from sesn_node.errors import SesnError, StorageError, VerificationError
from sesn_node.exchange.forks import set_state
from sesn_node.ledger.merkle import EMPTY_ROOT
from sesn_node.store.alarms import CLOSING, AlarmRow
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.directory import PeerState
from sesn_node.wire.cards import decode_card, decode_sealed_card

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard

_log = get_logger(__name__)

CLOSED_AGAINST: Final = "CLOSED_AGAINST"
"""Code of a card that ends a ledger with less than we cosigned, or with something else."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What a card says of the end of a ledger, and what we cosigned of it.

    Args:
        closed: What the card says.
        held_size: Size of the checkpoint that we cosigned.
        held_note: That checkpoint, signed by the ledger's keys.
    """

    closed: ClosedLedger
    held_size: int
    held_note: bytes


def find_contradiction(
    transaction: Transaction, held: TrustedCard | None, new: TrustedCard
) -> Contradiction | None:
    """Hold the ends that a later card states against what we cosigned; None if nothing is wrong.

    A ledger that the card leaves behind without a word is one that it ends empty.

    Args:
        transaction: Where our records are read.
        held: The card that we hold of the agency; what it closed was accepted then.
        new: The card that follows it.
    """
    before = set() if held is None else {one.origin for one in held.card.ledgers}
    if held is not None:
        before.discard(held.current_origin)
    stated = {one.origin: one for one in new.card.closed}
    for origin in dict.fromkeys(keys.origin for keys in new.card.ledgers):
        if origin in before or origin == new.current_origin:
            continue
        closed = stated.get(origin) or ClosedLedger(origin, 0, EMPTY_ROOT)
        found = _against(transaction, closed)
        if found is not None and not _overruled(transaction, closed):
            return found
    return None


def require_no_contradiction(
    transaction: Transaction, held: TrustedCard | None, new: TrustedCard
) -> None:
    """Refuse a card whose ends contradict what we cosigned.

    Raises:
        VerificationError: CLOSED_AGAINST.
    """
    found = find_contradiction(transaction, held, new)
    if found is not None:
        raise VerificationError(
            f"card of {new.agency}: it ends {found.closed.origin} at {found.closed.size:,} "
            f"entries, and this node has cosigned {found.held_size:,} of it"
            f"{', of another history' if found.held_size == found.closed.size else ''}; nothing is "
            f"exchanged until an operator has looked at it ('sesn peer release {new.agency}')",
            code=CLOSED_AGAINST,
        )


def _against(transaction: Transaction, closed: ClosedLedger) -> Contradiction | None:
    witness = transaction.witness
    row = witness.head(closed.origin)
    if row is None:
        return None
    if row.size > closed.size:
        note = witness.checkpoints(row.origin, row.size).get(row.root, b"")
        return Contradiction(closed, row.size, note)
    for root, note in witness.checkpoints(closed.origin, closed.size).items():
        if root != closed.root:
            return Contradiction(closed, closed.size, note)
    return None


def _overruled(transaction: Transaction, closed: ClosedLedger) -> bool:
    """Say whether an operator released the agency after it had shown this very end."""
    alarm = transaction.alarms.get(closed.origin, closed.size, CLOSING)
    if alarm is None or alarm.settled_ms is None:
        return False
    try:
        body, _ = decode_sealed_card(alarm.shown_note)
        return closed.size == 0 or closed in decode_card(body).closed
    except SesnError:
        return False


def raise_closing(office: Office, held: TrustedCard, new: TrustedCard) -> bool:
    """Raise the alarm about a card that ends a ledger against what we cosigned; cut its owner off.

    Returns:
        Whether it is new: it is raised once for each end.
    """
    try:
        found = office.sequencer.run(partial(_record, held, new)).value
    except StorageError as error:
        _log.warning("ledger-closing-not-kept", peer=new.agency, code=error.code)
        return False
    if found is None:
        return False
    office.bell.ring()
    _log.error(
        "ledger-closing",
        peer=new.agency,
        code=CLOSED_AGAINST,
        origin=found.closed.origin,
        size=found.closed.size,
        held_size=found.held_size,
    )
    return True


def _record(held: TrustedCard, new: TrustedCard, work: Work) -> Contradiction | None:
    """The one transaction of an alarm; returns what it is about if it is new."""
    found = find_contradiction(work.transaction, held, new)
    if found is None:
        return None
    agency, closed = new.agency, found.closed
    row = AlarmRow(
        closed.origin,
        closed.size,
        CLOSING,
        agency,
        agency,
        work.now_ms,
        found.held_size,
        found.held_note,
        new.sealed,
    )
    if not work.transaction.alarms.add(row):
        return None
    set_state(work, agency, PeerState.TRUSTED, PeerState.QUARANTINED, PeerCode.QUARANTINED)
    return found
