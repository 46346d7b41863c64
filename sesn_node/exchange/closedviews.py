"""Closed ledgers of ours, as people are told of them: where they end, and what of them is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.counting import many

if TYPE_CHECKING:
    from sesn_node.store.engine import Transaction


@dataclass(frozen=True, slots=True)
class ClosedView:
    """A closed ledger of ours.

    Args:
        origin: The ledger.
        size: Entries with which it was closed.
        held: Those that are here; the others are lost.
    """

    origin: str
    size: int
    held: int

    @property
    def text(self) -> str:
        """The same in words."""
        ends = f"{self.origin} is closed at {many(self.size, 'entry', 'entries')}"
        lost = self.size - self.held
        return ends if not lost else f"{ends}, of which the last {lost:,} are lost"


@dataclass(frozen=True, slots=True)
class ClosedLedgers:
    """All of them, and which partners are still to be asked for what is lost."""

    ledgers: tuple[ClosedView, ...]
    to_ask: tuple[str, ...]


def closed_ledgers(transaction: Transaction) -> ClosedLedgers:
    """Say which ledgers of ours are closed."""
    views = tuple(
        ClosedView(one.origin, one.final[0], one.size)
        for one in transaction.ledger.closed()
        if one.final is not None
    )
    return ClosedLedgers(views, transaction.recovery.still_to_ask() if views else ())
