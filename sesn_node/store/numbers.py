"""Numbers: how tables name an entry, or a tree node, of one of our ledgers.

A database may hold several ledgers of ours, of which all but the last are closed. They share their
tables, and one integer names an entry:

    number = ledger << 50 | index

`ledger` counts from 0, in the order in which they were opened here; `index` is the leaf index. So
in a database with one ledger, number and index are the same, and numbers sort in the order in
which things happened. No ledger has more than 2^48 entries, so positions of nodes fit as well.
"""

from __future__ import annotations

from typing import Final

_INDEX_BITS: Final = 50


def number_of(ledger: int, index: int) -> int:
    """Return the number of an entry, or of a node by its position."""
    return ledger << _INDEX_BITS | index


def ledger_of(number: int) -> int:
    """Return in which of our ledgers it is."""
    return number >> _INDEX_BITS


def index_of(number: int) -> int:
    """Return its index, or position, there."""
    return number & ((1 << _INDEX_BITS) - 1)
