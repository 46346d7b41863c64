"""A tree read back from tiles that nobody vouches for, each tile verified before it is used.

What is trusted is a root alone: that of a checkpoint whose signatures were verified. The partial
tiles hash to it together. Every full tile hashes to one hash of a tile of the level above, and so,
step by step, to a verified one. A reader of a few proofs thus reads a few tiles, and a reader of
all tiles has hashed the whole tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sesn_node.errors import VerificationError
from sesn_node.ledger.bundles import decode_bundle
from sesn_node.ledger.merkle import (
    leaf_hash,
    node_hash,
    root_from_frontier,
    stored_count,
)
from sesn_node.ledger.tiles import (
    ENTRIES,
    HEIGHT,
    WIDTH,
    Tile,
    new_tiles,
    split_tile,
    tile_of,
)

TileFetch = Callable[[Tile], bytes]
"""Gives the bytes of a tile or bundle, from wherever; it may raise any `SesnError`."""

WRONG_TILE = "WRONG_TILE"
"""Code of tiles and entries that do not belong to the tree of the checkpoint."""

_REMEMBERED = 128


class TileTree:
    """The tree under one verified root, over tiles.

    Remembers the last hundred tiles, some 2.5 MB, and those of the right edge.

    Args:
        size: Leaves, of a checkpoint that was verified.
        root: Its root, 32 bytes.
        fetch: Where tiles are from; asked at once for the partial ones.

    Raises:
        MalformedError: A tile of another length than its name says.
        VerificationError: WRONG_TILE: the partial tiles do not hash to the root.
        SesnError: Whatever `fetch` raises.
    """

    __slots__ = ("_edge", "_fetch", "_known", "size")

    def __init__(self, size: int, root: bytes, fetch: TileFetch) -> None:
        self.size = size
        self._fetch = fetch
        self._known: dict[Tile, tuple[bytes, ...]] = {}
        self._edge: dict[Tile, tuple[bytes, ...]] = {}
        frontier: list[bytes] = []
        for level in range(size.bit_length() // HEIGHT, -1, -1):
            count = size >> (HEIGHT * level)
            if width := count & (WIDTH - 1):
                tile = Tile(level, count >> HEIGHT, width)
                self._edge[tile] = split_tile(tile, fetch(tile))
                frontier += _subtrees(self._edge[tile])
        if root_from_frontier(size, frontier) != root:
            raise VerificationError(
                f"the partial tiles of size {size} do not hash to the root of the checkpoint: "
                "they are of another tree, or damaged",
                code=WRONG_TILE,
            )

    def hashes(self, level: int, index: int) -> tuple[bytes, ...]:
        """Return the verified hashes of a tile, as wide as it is in this tree.

        Raises:
            MalformedError: No such tile in this tree, or another length than its name says.
            VerificationError: WRONG_TILE: it, or one above it, does not lead to the root.
            SesnError: Whatever `fetch` raises.
        """
        tile = tile_of(level, index, self.size)
        known = self._edge.get(tile) or self._known.get(tile)
        if known is not None:
            return known
        # Only a full tile comes here: the partial ones are all of the edge.
        hashes = split_tile(tile, self._fetch(tile))
        parent = self.hashes(level + 1, index >> HEIGHT)
        if subtree_root(hashes) != parent[index & (WIDTH - 1)]:
            raise VerificationError(
                f"{tile.path()}: does not hash to what the tile above it says; it is of another "
                "tree, or damaged",
                code=WRONG_TILE,
            )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[tile] = hashes
        return hashes

    def check_entries(self, bundle: Tile, entries: Sequence[bytes]) -> None:
        """Check that these entries are those of a bundle.

        Args:
            bundle: Its name; its width is that of this tree.
            entries: As many as the bundle is wide.

        Raises:
            VerificationError: WRONG_TILE: names the first entry that is not the tree's.
            MalformedError: As `hashes`.
        """
        leaves = self.hashes(0, bundle.index)
        if len(leaves) != len(entries):
            raise VerificationError(
                f"{bundle.path()}: {len(entries)} entries, the tree has {len(leaves)} there",
                code=WRONG_TILE,
            )
        for place, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
            if leaf_hash(entry) != leaf:
                raise VerificationError(
                    f"{bundle.path()}: entry {bundle.index * WIDTH + place} does not hash to its "
                    "leaf in the tree; it was altered, or is of another ledger",
                    code=WRONG_TILE,
                )

    def read(self, positions: Sequence[int]) -> dict[int, bytes]:
        """Read verified hashes by their position in storage order: a `HashReader`.

        Proofs can be made from it as from a database. Positions beyond the tree are left out.

        Raises:
            MalformedError: As `hashes`.
            VerificationError: As `hashes`.
            SesnError: Whatever `fetch` raises.
        """
        stored = stored_count(self.size)
        found: dict[int, bytes] = {}
        for at in positions:
            if 0 <= at < stored:
                level, index = node_at(at)
                tiles, height = divmod(level, HEIGHT)
                first = index << height
                start = first & (WIDTH - 1)
                hashes = self.hashes(tiles, first >> HEIGHT)
                found[at] = subtree_root(hashes[start : start + (1 << height)])
        return found


def verify_tiles(
    size: int, root: bytes, fetch: TileFetch, *, blind: bool = False
) -> Iterator[Tile]:
    """Hash a whole export again: entries to leaves, leaves to tiles, tiles to the root.

    Yields each bundle and tile when it is verified, so that whoever waits can be told; one of
    level 0 comes with every 256 entries. Verified is only what was read to the end. Memory is
    bounded, however large the tree is.

    Args:
        size: Leaves, of a checkpoint that was verified.
        root: Its root, 32 bytes.
        fetch: Where tiles and bundles are from.
        blind: There are no bundles: hashes only.

    Raises:
        MalformedError: A tile or bundle that breaks its format.
        VerificationError: WRONG_TILE.
        SesnError: Whatever `fetch` raises.
    """
    tree = TileTree(size, root, fetch)
    for tile in new_tiles(0, size, blind=blind):
        if tile.level == ENTRIES:
            tree.check_entries(tile, decode_bundle(fetch(tile), tile.width))
        else:
            tree.hashes(tile.level, tile.index)
        yield tile


def node_at(at: int) -> tuple[int, int]:
    """Say which complete subtree (level, index) has a position: the inverse of `merkle.position`.

    The leaf before which `at` hashes or fewer are stored lies at most some 60 further than half
    of `at`; from its own position on, it and the subtrees that it finishes follow.
    """
    leaf = at // 2
    while stored_count(leaf + 1) <= at:
        leaf += 1
    level = at - stored_count(leaf)
    return level, leaf >> level


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Hash the nodes of one level of a complete subtree, a power of two of them, into its root."""
    nodes = list(hashes)
    while len(nodes) > 1:
        nodes = [
            node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)
        ]
    return nodes[0]


def _subtrees(hashes: Sequence[bytes]) -> Iterator[bytes]:
    """Hash a partial tile into the largest complete subtrees there are, the leftmost first."""
    start = 0
    for height in reversed(range(HEIGHT)):
        if len(hashes) & (1 << height):
            yield subtree_root(hashes[start : start + (1 << height)])
            start += 1 << height
