"""Holding the database against what this node is known to have signed.

A node that appends to an old copy of its database signs a second history: a fork that partners
prove against it. So before it appends, and whenever somebody else moved the head, the head is
compared with the head file, and the newest entries are hashed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.errors import SesnError, StorageError
from sesn_node.ledger.checkpoint import verify_checkpoint
from sesn_node.ledger.merkle import (
    frontier_positions,
    leaf_hash,
    position,
    root_at,
    root_from_frontier,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.ledger.checkpoint import LogKeys, TreeHead
    from sesn_node.store.engine import Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import HeadRow

OLD_COPY = "OLD_COPY"
"""Code of the error of a database that must not be appended to."""

TAIL_ENTRIES = 256
"""How many of the newest entries are hashed again."""

_WHAT_NEXT = (
    "The node reads and serves, but appends nothing. Put the newest database back; do not "
    "remove the head file."
)


def check_head(
    transaction: Transaction, head: HeadRow, head_file: HeadFile, keys: LogKeys
) -> tuple[bytes, ...]:
    """Make sure that a ledger head may be built upon, and return the tree's frontier.

    Checked: the stored checkpoint carries our own two signatures over this size and root; the
    head file's checkpoint is a prefix of this tree; the newest entries hash to the stored
    leaves, and the stored subtrees to the root.

    Raises:
        StorageError: With code `OLD_COPY`: behind the head file, different from it, or damaged.
    """
    signed = _verified(head.note, keys, "the database's checkpoint")
    if (signed.size, signed.root) != (head.size, head.root):
        raise StorageError(
            f"the ledger head (size {head.size}) is not what its checkpoint says (size "
            f"{signed.size}): the database is damaged. {_WHAT_NEXT}",
            code=OLD_COPY,
        )
    _check_head_file(transaction, head, head_file, keys)
    return _check_tail(transaction, head)


def _check_head_file(
    transaction: Transaction, head: HeadRow, head_file: HeadFile, keys: LogKeys
) -> None:
    note = head_file.read()
    if note is None:
        raise StorageError(
            f"the head file {head_file.path} is missing, so nothing shows that this database is "
            f"the newest copy. {_WHAT_NEXT}",
            code=OLD_COPY,
        )
    released = _verified(note, keys, f"the head file {head_file.path}")
    if released.size > head.size:
        raise StorageError(
            f"the database is an old copy: it holds {head.size} ledger entries, but this node "
            f"has signed {released.size}. Was it restored from a backup? {_WHAT_NEXT}",
            code=OLD_COPY,
        )
    if root_at(released.size, transaction.ledger.nodes) != released.root:
        raise StorageError(
            f"the database holds another history than this node signed at size {released.size}. "
            f"Was it restored from a backup and used elsewhere? {_WHAT_NEXT}",
            code=OLD_COPY,
        )


def _check_tail(transaction: Transaction, head: HeadRow) -> tuple[bytes, ...]:
    start = max(0, head.size - TAIL_ENTRIES)
    leaves = [leaf_hash(row.entry) for row in transaction.ledger.entries(start, head.size)]
    stored = _nodes(transaction, [position(0, index) for index in range(start, head.size)])
    frontier = _nodes(transaction, frontier_positions(head.size))
    if (
        len(leaves) != head.size - start
        or leaves != stored
        or root_from_frontier(head.size, frontier) != head.root
    ):
        raise StorageError(
            f"the newest entries of the ledger do not hash to its root at size {head.size}: the "
            f"database is damaged. 'sesn ledger verify' tells where. {_WHAT_NEXT}",
            code=OLD_COPY,
        )
    return tuple(frontier)


def _nodes(transaction: Transaction, positions: Sequence[int]) -> list[bytes]:
    found = transaction.ledger.nodes(positions)
    return [found.get(at, b"\0" * 32) for at in positions]


def _verified(note: bytes, keys: LogKeys, what: str) -> TreeHead:
    try:
        return verify_checkpoint(note, keys)
    except SesnError as error:
        raise StorageError(
            f"{what} does not carry this node's own signatures: {error}. {_WHAT_NEXT}",
            code=OLD_COPY,
        ) from error
