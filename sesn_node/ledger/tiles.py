"""Tiles (C2SP tlog-tiles): a whole tree as a set of files that never change.

    checkpoint               the newest checkpoint, the one file that is ever replaced
    tile/0/000               the first 256 leaf hashes, 8,192 bytes
    tile/0/x001/x234/067     leaf hashes 315,921,152 and following
    tile/1/000.p/5           the roots of the first five full tiles of level 0
    tile/entries/000         the first 256 entries themselves: an entry bundle

Shapes. The hashes of level L are the roots of complete subtrees of 256^L leaves; a tree of n leaves
has n >> 8L of them. A tile is 256 of them side by side. The last one of a level may be *partial*:
it has 1 to 255 hashes, a name of its own for each width, and never goes into the level above. So
nothing that was published is ever wrong later: a tree that grows only adds names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sesn_node.errors import MalformedError, StorageError
from sesn_node.ledger.merkle import HASH_BYTES, MAX_SIZE, HashReader, position

HEIGHT: Final = 8
"""Levels of the tree within one tile (tlog-tiles, "Merkle Tree")."""
WIDTH: Final = 1 << HEIGHT
"""Hashes of a full tile, and entries of a full bundle."""
ENTRIES: Final = -1
"""In place of a level: the tile is a bundle of entries."""
CHECKPOINT: Final = "checkpoint"
"""Name of the file that holds the checkpoint."""

_MAX_LEVEL = 63
_BUNDLES = "entries"
# Strict in characters; what is not canonical beyond that is found by writing the name again.
_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]{1,2})/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[0-9]{1,3}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of a tile or of a bundle.

    Attributes:
        level: 0 (leaf hashes) to 63, or `ENTRIES`.
        index: Place within its level, from 0.
        width: Hashes or entries in it: 256, or 1 to 255 of a partial one.

    Raises:
        MalformedError: A value out of these bounds, or no tree of 2^63 - 1 leaves reaches it.
    """

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= _MAX_LEVEL:
            raise MalformedError(f"tile level {self.level}: not between 0 and {_MAX_LEVEL}")
        if not 1 <= self.width <= WIDTH:
            raise MalformedError(f"tile width {self.width}: not between 1 and {WIDTH}")
        if self.index < 0 or self.end > MAX_SIZE:
            raise MalformedError(
                f"tile {self.index} of level {self.level}: beyond every tree of 2^63 - 1 leaves"
            )

    @property
    def full(self) -> bool:
        """Whether it has all its 256 hashes or entries."""
        return self.width == WIDTH

    @property
    def end(self) -> int:
        """How many leaves a tree must have for this tile to exist."""
        return ((self.index << HEIGHT) + self.width) << _shift(self.level)

    @property
    def bytes(self) -> int:
        """Length of a tile of hashes."""
        return self.width * HASH_BYTES

    def path(self) -> str:
        """Write its name, relative to the folder of the checkpoint, with `/` between parts."""
        index, rest = f"{self.index % 1000:03d}", self.index // 1000
        while rest:
            index, rest = f"x{rest % 1000:03d}/{index}", rest // 1000
        level = _BUNDLES if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{index}{'' if self.full else f'.p/{self.width}'}"


def parse_tile_path(path: str) -> Tile:
    """Read the name of a tile or bundle: exactly what `Tile.path` writes, and nothing else.

    A name from elsewhere becomes a file name only through this: it can then neither leave its
    folder nor name one thing in two ways.

    Raises:
        MalformedError: Any other spelling: superfluous zeroes, a width of 0 or 256, a level above
            63, `..`, a leading or doubled slash.
    """
    match = _PATH.fullmatch(path)
    if match is not None:
        level = ENTRIES if match["level"] == _BUNDLES else int(match["level"])
        index = int(re.sub("[x/]", "", match["index"]))
        width = WIDTH if match["width"] is None else int(match["width"])
        tile = Tile(level, index, width)
        if tile.path() == path:
            return tile
    raise MalformedError(
        f"tile path {path[:80]!a}: expected tile/<level>/<index> or tile/entries/<index>, "
        "with .p/<width> if partial (C2SP tlog-tiles)"
    )


def tile_of(level: int, index: int, size: int) -> Tile:
    """Name the tile at a place of a tree, as wide as it is there.

    Raises:
        MalformedError: The tree has no such tile.
    """
    width = min((size >> _shift(level)) - (index << HEIGHT), WIDTH)
    if width < 1:
        raise MalformedError(f"tile {index} of level {level}: not in a tree of {size} leaves")
    return Tile(level, index, width)


def tiles_between(level: int, old: int, size: int) -> Iterator[Tile]:
    """Name the tiles of one level that a tree of `size` leaves needs beyond those of `old` leaves.

    In order; the last one may be partial. A partial one of the old tree is not named again, and
    stays where it is.

    Args:
        level: 0 to 63, or `ENTRIES` for bundles.
        old: Leaves of the tree that has its tiles; 0 for none.
        size: Leaves of the tree that it became.

    Raises:
        MalformedError: Not 0 <= old <= size <= 2^63 - 1.
    """
    if not 0 <= old <= size <= MAX_SIZE:
        raise MalformedError(f"tiles from size {old} to {size}: a tree only grows")
    before, count = old >> _shift(level), size >> _shift(level)
    if before == count:
        return
    for index in range(before >> HEIGHT, count >> HEIGHT):
        yield Tile(level, index)
    if width := count & (WIDTH - 1):
        yield Tile(level, count >> HEIGHT, width)


def new_tiles(old: int, size: int, *, blind: bool = False) -> Iterator[Tile]:
    """Name all that a tree of `size` leaves needs beyond what a tree of `old` leaves has.

    Each bundle comes right before its leaf hashes, so that both are read together; the upper
    levels follow, lowest first. Nothing is held in memory.

    Args:
        old: As `tiles_between`.
        size: As `tiles_between`.
        blind: Leave out the bundles: hashes only.

    Raises:
        MalformedError: As `tiles_between`.
    """
    for tile in tiles_between(0, old, size):
        if not blind:
            yield Tile(ENTRIES, tile.index, tile.width)
        yield tile
    level = 1
    while size >> _shift(level):
        yield from tiles_between(level, old, size)
        level += 1


def tile_positions(tile: Tile) -> tuple[int, ...]:
    """Positions, in storage order, of the hashes that make up a tile (see `merkle.position`).

    Raises:
        MalformedError: It is a bundle.
    """
    if tile.level == ENTRIES:
        raise MalformedError(f"{tile.path()}: a bundle holds entries, not hashes")
    first = tile.index << HEIGHT
    return tuple(position(_shift(tile.level), first + place) for place in range(tile.width))


def read_tile(tile: Tile, read: HashReader) -> bytes:
    """Put a tile together from stored hashes: `32 * width` bytes. Verifies nothing.

    Raises:
        MalformedError: It is a bundle.
        StorageError: LEDGER_INCOMPLETE: a stored hash is missing or not 32 bytes.
    """
    positions = tile_positions(tile)
    hashes = read(positions)
    data = b"".join(hashes.get(at, b"") for at in positions)
    if len(data) != tile.bytes or any(len(hashes[at]) != HASH_BYTES for at in positions):
        raise StorageError(
            f"{tile.path()}: not all of its hashes are stored; 'sesn ledger verify' tells where",
            code="LEDGER_INCOMPLETE",
        )
    return data


def split_tile(tile: Tile, data: bytes) -> tuple[bytes, ...]:
    """Take a tile apart into its hashes.

    Raises:
        MalformedError: Not exactly `32 * width` bytes: cut off, or a wider tile under this name.
    """
    if len(data) != tile.bytes:
        raise MalformedError(
            f"{tile.path()}: {len(data)} bytes, expected {tile.bytes}: {tile.width} hashes"
        )
    return tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))


def _shift(level: int) -> int:
    """How many levels of the tree lie below a level of tiles."""
    return 0 if level == ENTRIES else HEIGHT * level
