"""Names of tiles, their contents, and bundles: the layout of tlog-tiles, strictly."""

from __future__ import annotations

import pytest

from sesn_node.errors import MalformedError, StorageError
from sesn_node.ledger.bundles import MAX_ENTRY_BYTES, decode_bundle, encode_bundle
from sesn_node.ledger.merkle import MAX_SIZE, leaf_hash
from sesn_node.ledger.tiles import (
    ENTRIES,
    Tile,
    new_tiles,
    parse_tile_path,
    read_tile,
    split_tile,
    tile_of,
    tile_positions,
    tiles_between,
)
from tests.support.trees import StoredTree, entries

PATHS = [
    (Tile(0, 0), "tile/0/000"),
    (Tile(0, 999), "tile/0/999"),
    (Tile(0, 1000), "tile/0/x001/000"),
    (Tile(0, 1234067), "tile/0/x001/x234/067"),
    (Tile(3, 5, 1), "tile/3/005.p/1"),
    (Tile(1, 1234067, 255), "tile/1/x001/x234/067.p/255"),
    (Tile(ENTRIES, 0), "tile/entries/000"),
    (Tile(ENTRIES, 1000000, 9), "tile/entries/x001/x000/000.p/9"),
    (Tile(7, 0, 127), "tile/7/000.p/127"),
]


@pytest.mark.parametrize(("tile", "path"), PATHS, ids=[path for _, path in PATHS])
def test_names_are_those_of_the_text(tile: Tile, path: str) -> None:
    """Written and read, both ways."""
    assert tile.path() == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/100/000",
        "tile/-1/000",
        "tile/8/0/000",
        "tile/0/x000/001",
        "tile/0/x000/x001/000",
        "tile/0/001/x000",
        "tile/0/x001",
        "tile/0/X001/000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1/",
        "tile/0/000.p/+1",
        "tile/entries/000.p/0",
        "tile/data/000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/7/000",
        "tile/8/000.p/1",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ],
)
def test_no_other_spelling_is_a_name(path: str) -> None:
    """One thing has one name; what no tree can have has none."""
    with pytest.raises(MalformedError):
        parse_tile_path(path)


def paths(old: int, size: int, *, blind: bool = True) -> list[str]:
    """Name the new tiles."""
    return [tile.path() for tile in new_tiles(old, size, blind=blind)]


def test_the_example_of_the_text() -> None:
    """70,000 leaves: 273 full and one partial of 112; one full and one of 17; one of 1."""
    found = list(new_tiles(0, 70_000, blind=True))
    levels = [[tile for tile in found if tile.level == level] for level in range(4)]
    assert [len(level) for level in levels] == [274, 2, 1, 0]
    assert [level[-1].width for level in levels[:3]] == [112, 17, 1]
    assert all(tile.full for level in levels[:2] for tile in level[:-1])
    assert paths(0, 256) == ["tile/0/000", "tile/1/000.p/1"]


@pytest.mark.parametrize(
    ("old", "size", "expected"),
    [
        (0, 0, []),
        (5, 5, []),
        (0, 1, ["tile/0/000.p/1"]),
        (1, 3, ["tile/0/000.p/3"]),
        (255, 256, ["tile/0/000", "tile/1/000.p/1"]),
        (256, 257, ["tile/0/001.p/1"]),
        (300, 600, ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]),
        (65_535, 65_536, ["tile/0/255", "tile/1/000", "tile/2/000.p/1"]),
        (65_536, 65_537, ["tile/0/256.p/1"]),
    ],
)
def test_a_tree_that_grew_needs_these(old: int, size: int, expected: list[str]) -> None:
    """Only what is new; partial tiles stay, and none counts in the level above."""
    assert paths(old, size) == expected


def test_bundles_come_before_their_leaf_hashes() -> None:
    """So that an export reads entries and hashes side by side."""
    assert paths(0, 300, blind=False) == [
        "tile/entries/000",
        "tile/0/000",
        "tile/entries/001.p/44",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
    ]


def test_a_tree_that_shrinks_has_no_tiles() -> None:
    """Neither backwards nor out of bounds."""
    for old, size in ((2, 1), (-1, 1), (0, MAX_SIZE + 1)):
        with pytest.raises(MalformedError):
            list(tiles_between(0, old, size))
    with pytest.raises(MalformedError):
        tile_of(1, 0, 255)


def test_a_tile_is_its_hashes_side_by_side() -> None:
    """From stored hashes, at every level; a bundle has none."""
    of = entries(600)
    stored = StoredTree(of)
    data = read_tile(Tile(0, 1), stored.read)
    assert split_tile(Tile(0, 1), data) == tuple(leaf_hash(entry) for entry in of[256:512])
    assert len(read_tile(Tile(1, 0, 2), stored.read)) == 64
    with pytest.raises(MalformedError):
        tile_positions(Tile(ENTRIES, 0))


@pytest.mark.parametrize("damage", [b"", b"\x00" * 31, b"\x00" * 33])
def test_a_hole_in_the_database_gives_no_tile(damage: bytes) -> None:
    """Nothing is made up for what is missing."""
    stored = StoredTree(entries(300))
    nodes = {**stored.nodes, 7: damage}
    if not damage:
        del nodes[7]
    with pytest.raises(StorageError) as caught:
        read_tile(Tile(0, 0), lambda at: {one: nodes[one] for one in at if one in nodes})
    assert caught.value.code == "LEDGER_INCOMPLETE"


@pytest.mark.parametrize("length", [0, 31, 64 * 32 - 1, 64 * 32 + 32, 256 * 32])
def test_a_tile_of_another_length_is_malformed(length: int) -> None:
    """Neither cut off, nor a wider tile under the name of a narrower one."""
    with pytest.raises(MalformedError):
        split_tile(Tile(0, 0, 64), bytes(length))


def test_a_bundle_is_lengths_and_bytes() -> None:
    """Big-endian, 16 bits; the longest entry fits, and an empty one too."""
    assert encode_bundle([b"abc", b"", b"x" * 256]) == b"\0\3abc\0\0\1\0" + b"x" * 256
    longest = b"y" * MAX_ENTRY_BYTES
    assert decode_bundle(encode_bundle([longest]), 1) == (longest,)
    for wrong in ([], [b""] * 257, [longest + b"y"]):
        with pytest.raises(MalformedError):
            encode_bundle(wrong)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 1),
        (b"\0", 1),
        (b"\0\3ab", 1),
        (b"\0\3abc", 2),
        (b"\0\3abc\0", 2),
        (b"\0\3abc\0\1", 2),
        (b"\0\3abcd", 1),
        (b"\0\1a\0\1b", 1),
    ],
)
def test_a_bundle_is_exactly_as_long_as_it_says(data: bytes, count: int) -> None:
    """Cut off anywhere, one entry short, or with something behind it."""
    with pytest.raises(MalformedError):
        decode_bundle(data, count)
