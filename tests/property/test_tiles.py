"""Trees read back from their tiles: the same hashes, whatever the size, and nothing else passes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.errors import MalformedError, SesnError, VerificationError
from sesn_node.ledger.bundles import decode_bundle, encode_bundle
from sesn_node.ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    position,
    root_at,
    stored_count,
    verify_consistency,
    verify_inclusion,
)
from sesn_node.ledger.tiles import ENTRIES, WIDTH, Tile, new_tiles, parse_tile_path, read_tile
from sesn_node.ledger.tiletree import TileTree, node_at, verify_tiles
from tests.support.rfc6962 import ReferenceTree
from tests.support.trees import StoredTree, entries

LARGE = 2000
ENTRIES_OF_ALL = entries(LARGE)
STORED = StoredTree(ENTRIES_OF_ALL)
REFERENCE = ReferenceTree(ENTRIES_OF_ALL)

EDGES = (1, 2, 255, 256, 257, 511, 512, 513, 1023, 1024, 1999, 2000)
sizes = st.one_of(st.sampled_from(EDGES), st.integers(1, LARGE))


class Files:
    """An export in a dictionary, written name by name and never over."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def grow(self, old: int, size: int, stored: StoredTree = STORED) -> None:
        """Add what a tree needs beyond what is there."""
        for tile in new_tiles(old, size):
            if tile.level == ENTRIES:
                first = tile.index * WIDTH
                data = encode_bundle(ENTRIES_OF_ALL[first : first + tile.width])
            else:
                data = read_tile(tile, stored.read)
            assert tile.path() not in self.files
            self.files[tile.path()] = data

    def fetch(self, tile: Tile) -> bytes:
        """Read one."""
        return self.files[tile.path()]


def export(*sizes_in_turn: int) -> Files:
    """Export a tree at some sizes, one after the other."""
    made = Files()
    old = 0
    for size in sizes_in_turn:
        made.grow(old, size)
        old = size
    return made


@given(sizes)
def test_every_tile_is_what_the_text_defines(size: int) -> None:
    """MTH(D[(n * 256 + i) * 256^l : (n * 256 + i + 1) * 256^l]), by the recursive definition."""
    for tile in new_tiles(0, size, blind=True):
        span = 256**tile.level
        first = tile.index * 256
        expected = [
            REFERENCE._mth((first + i) * span, (first + i + 1) * span)  # noqa: SLF001 - the oracle
            for i in range(tile.width)
        ]
        assert read_tile(tile, STORED.read) == b"".join(expected)
        assert parse_tile_path(tile.path()) == tile


@given(st.lists(sizes, min_size=1, max_size=4))
def test_a_grown_export_reads_as_its_tree(grown: list[int]) -> None:
    """However it grew: all hashes, the root, proofs, and every old partial tile is still there."""
    steps = sorted(set(grown))
    size = steps[-1]
    files = export(*steps)
    root = REFERENCE.root(size)
    tree = TileTree(size, root, files.fetch)
    everywhere = range(stored_count(size) + 3)
    found = tree.read(everywhere)
    assert found == {at: STORED.nodes[at] for at in range(stored_count(size))}
    assert len(list(verify_tiles(size, root, files.fetch))) == len(list(new_tiles(0, size)))
    for step in steps:
        # An old checkpoint is as good as on its own day.
        assert root_at(step, TileTree(step, REFERENCE.root(step), files.fetch).read) == (
            REFERENCE.root(step)
        )
        proof = consistency_proof(step, size, tree.read)
        verify_consistency(step, REFERENCE.root(step), size, root, proof)
    index = size // 3
    proof = inclusion_proof(index, size, tree.read)
    verify_inclusion(leaf_hash(ENTRIES_OF_ALL[index]), index, size, proof, root)


@given(st.integers(0, LARGE), st.integers(0, LARGE), st.integers(0, LARGE))
def test_growing_in_steps_names_each_file_once(one: int, other: int, third: int) -> None:
    """Two steps give the files of the steps; none is named twice, and the last tree has all."""
    first, second, last = sorted((one, other, third))
    names = [t.path() for a, b in ((0, first), (first, second), (second, last))
             for t in new_tiles(a, b)]  # fmt: skip
    assert len(names) == len(set(names))
    assert {tile.path() for tile in new_tiles(0, last)} <= set(names)


@settings(max_examples=60)
@given(sizes, st.data())
def test_one_changed_bit_is_noticed(size: int, data: st.DataObject) -> None:
    """In any file that the tree needs, at any place."""
    files = export(size)
    name = data.draw(st.sampled_from(sorted(files.files)))
    changed = bytearray(files.files[name])
    at = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[at // 8] ^= 1 << at % 8
    files.files[name] = bytes(changed)
    with pytest.raises((VerificationError, MalformedError)):
        list(verify_tiles(size, REFERENCE.root(size), files.fetch))


@settings(max_examples=60)
@given(sizes, st.data())
def test_a_file_of_another_length_is_noticed(size: int, data: st.DataObject) -> None:
    """Cut off anywhere, or with something behind it."""
    files = export(size)
    name = data.draw(st.sampled_from(sorted(files.files)))
    whole = files.files[name]
    cut = data.draw(st.integers(0, len(whole) - 1))
    more = data.draw(st.binary(min_size=1, max_size=64))
    for wrong in (whole[:cut], whole + more):
        files.files[name] = wrong
        with pytest.raises(SesnError):
            list(verify_tiles(size, REFERENCE.root(size), files.fetch))


@given(st.integers(0, 2**40), st.integers(0, 40))
def test_positions_are_found_again(index: int, level: int) -> None:
    """`node_at` is the inverse of `position`."""
    assert node_at(position(level, index)) == (level, index)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=WIDTH))
def test_bundles_read_as_they_were_written(of: list[bytes]) -> None:
    """Whatever the entries are."""
    assert decode_bundle(encode_bundle(of), len(of)) == tuple(of)


@given(st.text(max_size=40) | st.from_regex(r"tile/[0-9a-z/.x]{0,30}"))
def test_a_path_that_is_read_is_written_the_same(text: str) -> None:
    """Nothing has two names."""
    try:
        tile = parse_tile_path(text)
    except MalformedError:
        return
    assert tile.path() == text


def test_the_empty_tree_has_no_tiles() -> None:
    """Its root is SHA-256 of nothing."""
    assert list(verify_tiles(0, EMPTY_ROOT, Files().fetch)) == []
    with pytest.raises(VerificationError):
        list(verify_tiles(0, hashlib.sha256(b"x").digest(), Files().fetch))


def test_a_tree_of_70000_leaves() -> None:
    """Three levels of tiles, read through a memory that is smaller than the tree."""
    stored = StoredTree(entries(70_000))
    root = root_at(70_000, stored.read)

    def fetch(tile: Tile) -> bytes:
        return read_tile(tile, stored.read)

    seen = list(verify_tiles(70_000, root, fetch, blind=True))
    assert len(seen) == 274 + 2 + 1
    tree = TileTree(70_000, root, fetch)
    for index in (0, 65_535, 65_536, 69_999):
        path = inclusion_proof(index, 70_000, tree.read)
        verify_inclusion(leaf_hash(f"entry {index}".encode()), index, 70_000, path, root)
