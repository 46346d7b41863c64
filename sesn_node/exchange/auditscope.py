"""What is exported: one state of the database, and the part of it that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sesn_node.domain.ids import Origin
from sesn_node.errors import StorageError
from sesn_node.exchange.auditstamps import Stamps
from sesn_node.exchange.published import DIFFERS
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.store.audit import Wanted

if TYPE_CHECKING:
    from sesn_node.audit.account import Selection
    from sesn_node.exchange.office import Office
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import HeadRow


@dataclass(frozen=True, slots=True)
class Scope:
    """One export.

    Args:
        transaction: The snapshot from which everything is read.
        head: Our ledger's head in it, which the head file covers.
        note: The checkpoint signed over it.
        heads: All our ledgers in it, in order; the last one is that.
        selection: What was asked for.
        wanted: Likewise, of messages, for the database.
        stamps: Which of our checkpoints have time-stamps.
        named: Agencies that the bundle names so far.
        cases: Entries of kind CASE that are in it so far, as tables call them.
    """

    transaction: Transaction
    head: TreeHead
    note: bytes
    heads: tuple[HeadRow, ...]
    selection: Selection
    wanted: Wanted
    stamps: Stamps
    named: set[str] = field(default_factory=set)
    cases: set[int] = field(default_factory=set)

    def name(self, agency: str) -> None:
        """Note that the bundle names an agency."""
        self.named.add(agency)

    @property
    def whole(self) -> bool:
        """Whether everything was asked for."""
        return self.selection.everything and not self.selection.blind

    @property
    def by_time_only(self) -> bool:
        """Whether entries are selected by their own time, too: not by what messages they are of."""
        selection = self.selection
        return not selection.messages and selection.conversation is None


def open_scope(office: Office, transaction: Transaction, selection: Selection) -> Scope:
    """Begin an export from what a transaction sees.

    Raises:
        StorageError: The head file does not cover our head, and cannot; OLD_COPY; LEDGER_DIFFERS.
        VerificationError: The head's checkpoint is not signed by us.
    """
    stored = transaction.ledger.require_head()
    office.sequencer.release(stored)
    # The keys that this snapshot names: another process may have changed them since we looked.
    keys = office.vault.keys(office.partners.current(transaction))
    head = verify_checkpoint_under(stored.note, keys.log_sets)
    if (head.origin, head.size, head.root) != (Origin(stored.origin), stored.size, stored.root):
        raise StorageError(
            "the stored head of our ledger is not the one that its checkpoint states; 'sesn "
            "ledger verify' tells more",
            code=DIFFERS,
        )
    wanted = Wanted(
        # A blind bundle holds what was asked for, and nobody asked for everything.
        anything=not (selection.blind and selection.everything),
        from_ms=selection.from_ms,
        to_ms=selection.to_ms,
        conversation=selection.conversation,
        message_ids=selection.messages,
        besides=selection.disclosed,
    )
    heads = transaction.ledger.heads()
    stamps = Stamps(transaction, (one.origin for one in heads))
    return Scope(transaction, head, stored.note, heads, selection, wanted, stamps, {office.agency})
