"""What an audit bundle holds of time-stamps: tokens over the checkpoints that matter to it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby
from typing import TYPE_CHECKING

from sesn_node.audit.codec import encode_timestamp, framed
from sesn_node.audit.records import TimestampToken
from sesn_node.domain.ids import Origin
from sesn_node.store.browse import CheckpointRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.audit.archive import Spool
    from sesn_node.exchange.auditscope import Scope
    from sesn_node.store.engine import Transaction


class Stamps:
    """Which checkpoints of ours have a token, and which of these a part of our ledger needs.

    An entry is bounded best by the first token over a checkpoint that holds it.

    Args:
        transaction: Where tokens are read.
        origins: Our ledgers.
    """

    __slots__ = ("_needed", "_sizes")

    def __init__(self, transaction: Transaction, origins: Iterable[str]) -> None:
        self._sizes = {origin: transaction.timestamps.sizes(origin) for origin in origins}
        # The newest, whatever is asked for: it bounds the whole ledger.
        self._needed = {(origin, sizes[-1]) for origin, sizes in self._sizes.items() if sizes}

    @property
    def origins(self) -> list[str]:
        """Our ledgers, in the order of a bundle's records."""
        return sorted(self._sizes)

    @property
    def needed(self) -> set[tuple[str, int]]:
        """Origin and size of the checkpoints that are needed so far."""
        return self._needed

    def cover(self, origin: str, index: int) -> None:
        """Need the first token over a checkpoint that holds an entry."""
        sizes = self._sizes[origin]
        at = bisect_right(sizes, index)
        if at < len(sizes):
            self._needed.add((origin, sizes[at]))


def stamped_checkpoints(scope: Scope) -> list[CheckpointRow]:
    """Return the checkpoints whose tokens a part of our ledger needs, in the order of a bundle."""
    return [
        CheckpointRow(origin, size, root, note)
        for origin, size in sorted(scope.stamps.needed)
        for root, note in scope.transaction.witness.checkpoints(origin, size).items()
    ]


def write_timestamps(scope: Scope, spool: Spool) -> int:
    """Write the tokens over the checkpoints that are in the bundle; count them."""
    count = 0
    for origin in scope.stamps.origins:
        rows = scope.transaction.timestamps.of(origin)
        for (size, root), same in groupby(rows, key=lambda row: (row.size, row.root)):
            if not scope.whole and (origin, size) not in scope.stamps.needed:
                continue
            for token in sorted({row.token for row in same}):
                record = TimestampToken(Origin(origin), size, root, token)
                spool.write(framed(encode_timestamp(record)))
                count += 1
    return count
