"""Holding the three ledgers against each other, after each has verified itself.

What one agency countersigned of another's ledger, and every receipt that it holds of it, must be
in that ledger now: nobody could rewrite the past unnoticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.exchange.verify import verify_ledger
from sesn_node.ledger.merkle import root_at
from sesn_node.store.headfile import HeadFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sesn_node.demo.network import Station
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.verify import Verification
    from sesn_node.store.engine import Transaction


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one agency holds of another's ledger.

    Args:
        holder: Who holds it.
        owner: Whose ledger it is.
        size: How many of its entries the holder has countersigned.
        receipts: Receipts of the owner that the holder keeps.
        agrees: Whether the ledger still says so.
    """

    holder: AgencyId
    owner: AgencyId
    size: int
    receipts: int
    agrees: bool


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """All ledgers, each by itself and each against the others."""

    ledgers: Mapping[AgencyId, Verification]
    agreements: tuple[Agreement, ...]

    @property
    def passed(self) -> bool:
        """Whether everything agrees."""
        return all(one.passed for one in self.ledgers.values()) and all(
            one.agrees for one in self.agreements
        )


def cross_check(stations: Sequence[Station]) -> CrossCheck:
    """Verify every ledger in full, then what each agency holds of each other one's."""
    ledgers = {
        one.agency: verify_ledger(one.office.store, HeadFile(one.home / HEAD_FILE))
        for one in stations
    }
    agreements = tuple(
        _agreement(holder, owner) for holder in stations for owner in stations if owner != holder
    )
    return CrossCheck(ledgers, agreements)


def _agreement(holder: Station, owner: Station) -> Agreement:
    origin = owner.card.current_origin
    # Read first what is held: the owner's ledger may grow meanwhile, never shrink.
    with holder.office.store.read() as transaction:
        head = transaction.witness.head(origin)
        receipts = {
            copy.receipt.index: copy.receipt.entry
            for copy in transaction.copies.every()
            if copy.agency == owner.agency and copy.receipt is not None
        }
    with owner.office.store.read() as transaction:
        agrees = (
            head is not None
            and root_at(head.size, transaction.ledger.nodes) == head.root
            and _entries(transaction, list(receipts)) == receipts
        )
    size = 0 if head is None else head.size
    return Agreement(holder.agency, owner.agency, size, len(receipts), agrees)


def _entries(transaction: Transaction, indexes: list[int]) -> dict[int, bytes]:
    return {index: row.entry for index, row in transaction.ledger.entries_at(indexes).items()}
