"""Going on from where another process of this agency left the ledger.

Processes that share a database append in turn. What each of them has checked, it need not check
again: it is enough that the others only added to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.errors import SesnError
from sesn_node.exchange.guard import TAIL_ENTRIES
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.ledger.merkle import Appender, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.store.engine import Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import HeadRow


def follow(  # noqa: PLR0913 - what was known, and what is there now
    transaction: Transaction,
    known: HeadRow,
    frontier: Sequence[bytes],
    head: HeadRow,
    *,
    head_file: HeadFile,
    key_sets: Sequence[LogKeys],
) -> Appender | None:
    """Build the new head from the old one and the entries between, as `guard.check_head` would.

    Args:
        transaction: Holds the head.
        known: The head that this process checked or made last.
        frontier: Of the tree at `known`.
        head: The head that is there now.
        head_file: Ours.
        key_sets: What our checkpoints may be signed with.

    Returns:
        The tree at `head`, with all nodes that are new since `known`; None if the database did
        anything but grow a little, or the head file holds anything but one of these two heads:
        then everything has to be looked at.
    """
    if not 0 <= head.size - known.size <= TAIL_ENTRIES or head.witnessed < known.witnessed:
        return None
    try:
        held = head_file.read()
        if held is None or held.note not in {known.note, head.note}:
            return None
        # A server that was promoted may lack commits that another process of ours released.
        if head.timeline != known.timeline or held.timeline not in {"", head.timeline}:
            return None
        signed = verify_checkpoint_under(head.note, key_sets)
    except SesnError:
        return None
    tree = Appender(known.size, frontier)
    for row in transaction.ledger.entries(known.size, head.size):
        tree.append(leaf_hash(row.entry))
    grown = (tree.size, tree.root())
    if grown != (head.size, head.root) or grown != (signed.size, signed.root):
        return None
    # What the others stored of the tree, proofs will be made from.
    stored = transaction.ledger.nodes(list(tree.nodes))
    return tree if stored == tree.nodes and held.witnessed <= head.witnessed else None
