"""The tree of a whole ledger: roots at many sizes from one pass over its leaf hashes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sesn_node.ledger.merkle import HASH_BYTES, node_hash, root_from_frontier


class Grower:
    """Grows a tree leaf by leaf, in O(log n) memory; unlike `merkle.Appender` it keeps no nodes."""

    __slots__ = ("_frontier", "size")

    def __init__(self) -> None:
        self._frontier: list[bytes] = []
        self.size = 0
        """Leaves so far."""

    def grow(self, leaves: bytes) -> None:
        """Append leaf hashes, 32 bytes each, one after the other (RFC 6962 section 2.1)."""
        frontier = self._frontier
        size = self.size
        for at in range(0, len(leaves), HASH_BYTES):
            node = leaves[at : at + HASH_BYTES]
            # Each trailing one of the size is a subtree that this leaf completes.
            ones = size
            while ones & 1:
                node = node_hash(frontier.pop(), node)
                ones >>= 1
            frontier.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Root of the tree as it stands, 32 bytes."""
        return root_from_frontier(self.size, self._frontier)


def roots_at(chunks: Iterable[bytes], sizes: Sequence[int]) -> dict[int, bytes]:
    """Compute the roots of a ledger at many sizes, in one pass over its leaves.

    Args:
        chunks: Leaf hashes in order, any whole number of them in each chunk.
        sizes: Sizes that are asked for, in any order.

    Returns:
        Roots by size, 32 bytes each; a size beyond the last leaf is left out. The size of the whole
        is always in it.
    """
    wanted = sorted(set(sizes), reverse=True)
    grower = Grower()
    roots: dict[int, bytes] = {}
    for chunk in chunks:
        at = 0
        end = len(chunk)
        while wanted and (stop := (wanted[-1] - grower.size) * HASH_BYTES) <= end - at:
            if stop >= 0:
                grower.grow(chunk[at : at + stop])
                at += stop
                roots[grower.size] = grower.root()
            wanted.pop()
        grower.grow(chunk[at:])
    roots[grower.size] = grower.root()
    return roots
