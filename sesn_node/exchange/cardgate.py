"""The card gate: a card of ours leaves this node only once the head file covers its entry.

A card that partners hold and our ledger lacks becomes a fork: after a crash, whoever puts back the
database issues another one in the same place. So it waits as checkpoints do (`headgate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.errors import MalformedError, StorageError
from sesn_node.exchange.oldcopy import OLD_COPY

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.sequencer import Sequencer
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import HeadRow
    from sesn_node.trust.card import TrustedCard


class CardGate:
    """Knows which of our cards may leave; for all threads."""

    __slots__ = ("_released",)

    def __init__(self) -> None:
        self._released = b""

    def pass_(self, card: TrustedCard, head: HeadRow, sequencer: Sequencer) -> TrustedCard:
        """Return our card once the head file covers the head beside which it was read.

        Args:
            card: Our newest card, as a transaction saw it.
            head: Our ledger's head in the same transaction, or later.
            sequencer: Ours.

        Raises:
            StorageError: The file does not cover it, and cannot: the card must stay here.
        """
        if card.sha256 == self._released:
            return card
        try:
            sequencer.release(head)
        except StorageError as error:
            # A node that must not append asks partners how far its ledger had come, and shows the
            # card of the copy that it has, which is older than what it is in doubt about.
            if error.code != OLD_COPY and not _covers(sequencer.head_file, head):
                raise
        else:
            self._released = card.sha256
        return card


def _covers(head_file: HeadFile, head: HeadRow) -> bool:
    """Tell whether another process of ours wrote this head to the file."""
    try:
        held = head_file.read()
    except (MalformedError, StorageError):
        return False
    return held is not None and held.origin == head.origin and held.size >= head.size


def shown_card(office: Office) -> TrustedCard:
    """Return our newest card, once it may leave.

    Raises:
        StorageError: As `CardGate.pass_`; or a stored card was altered.
    """
    with office.store.read() as transaction:
        card = office.partners.current(transaction).own
        head = transaction.ledger.require_head()
    return office.card_gate.pass_(card, head, office.sequencer)
