"""The tree against RFC 6962 as written: every size up to 70, and random larger ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.ledger.merkle import (
    Appender,
    consistency_proof,
    frontier_positions,
    inclusion_proof,
    inclusion_proofs,
    leaf_hash,
    position,
    root_at,
    root_from_frontier,
    stored_count,
    verify_consistency,
    verify_inclusion,
)
from tests.support.rfc6962 import ReferenceTree
from tests.support.trees import StoredTree, entries

SMALL = 70
LARGE = 3000

ENTRIES = entries(LARGE)
REFERENCE = ReferenceTree(ENTRIES)
STORED = StoredTree(ENTRIES)

sizes = st.integers(1, LARGE)


@pytest.mark.parametrize("size", range(SMALL + 1))
def test_roots_are_those_of_the_rfc(size: int) -> None:
    """However a root is computed, it is MTH(D[n])."""
    expected = REFERENCE.root(size)
    leaves = [leaf_hash(entry) for entry in ENTRIES[:size]]
    appender = Appender()
    for leaf in leaves:
        appender.append(leaf)
    assert appender.root() == expected
    assert root_at(size, STORED.read) == expected
    frontier = [STORED.nodes[at] for at in frontier_positions(size)]
    assert tuple(frontier) == appender.frontier()
    assert root_from_frontier(size, frontier) == expected


@pytest.mark.parametrize("size", range(1, SMALL + 1))
def test_inclusion_proofs_are_those_of_the_rfc(size: int) -> None:
    """Every leaf of every small tree has PATH(m, D[n]) as its proof, and it verifies."""
    proofs = inclusion_proofs(range(size), size, STORED.read)
    for index, proof in enumerate(proofs):
        assert list(proof) == REFERENCE.path(index, size)
        verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, REFERENCE.root(size))


@pytest.mark.parametrize("size", range(1, SMALL + 1))
def test_consistency_proofs_are_those_of_the_rfc(size: int) -> None:
    """From every old size to every small size the proof is PROOF(m, D[n]), and it verifies."""
    for old in range(1, size + 1):
        proof = consistency_proof(old, size, STORED.read)
        assert list(proof) == REFERENCE.proof(old, size)
        verify_consistency(old, REFERENCE.root(old), size, REFERENCE.root(size), proof)


@given(data=st.data(), size=sizes)
@settings(max_examples=60)
def test_large_inclusion_proofs_are_those_of_the_rfc(data: st.DataObject, size: int) -> None:
    """Random leaves of random trees, asked for together, each get their PATH(m, D[n])."""
    indexes = data.draw(st.lists(st.integers(0, size - 1), max_size=40))
    STORED.reads = 0
    proofs = inclusion_proofs(indexes, size, STORED.read)
    assert STORED.reads <= 1
    for index, proof in zip(indexes, proofs, strict=True):
        assert list(proof) == REFERENCE.path(index, size)
        assert proof == inclusion_proof(index, size, STORED.read)
        verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, REFERENCE.root(size))


@given(data=st.data(), size=sizes)
@settings(max_examples=100)
def test_large_consistency_proofs_are_those_of_the_rfc(data: st.DataObject, size: int) -> None:
    """From a random size to a later one the proof is PROOF(m, D[n]), made with one read."""
    old = data.draw(st.integers(1, size))
    STORED.reads = 0
    proof = consistency_proof(old, size, STORED.read)
    assert STORED.reads <= 1
    assert list(proof) == REFERENCE.proof(old, size)
    verify_consistency(old, REFERENCE.root(old), size, REFERENCE.root(size), proof)


@given(batches=st.lists(st.integers(0, 40), max_size=12))
@settings(max_examples=60)
def test_appending_in_batches_stores_the_same_tree(batches: list[int]) -> None:
    """Each batch starts from the frontier alone, adds only new positions, and none is missing."""
    stored: dict[int, bytes] = {}
    size = 0
    frontier: tuple[bytes, ...] = ()
    for count in batches:
        appender = Appender(size, frontier)
        for entry in ENTRIES[size : size + count]:
            appender.append(leaf_hash(entry))
        assert not stored.keys() & appender.nodes.keys()
        stored.update(appender.nodes)
        size, frontier = appender.size, appender.frontier()
        assert appender.root() == REFERENCE.root(size)
    assert stored == {at: STORED.nodes[at] for at in range(stored_count(size))}


@given(before=st.integers(0, 40), undone=st.integers(0, 40), after=st.integers(0, 40))
@settings(max_examples=60)
def test_a_rollback_leaves_no_trace(before: int, undone: int, after: int) -> None:
    """Appends undone by a rollback change neither the root nor the stored hashes."""
    appender = Appender()
    plain = Appender()
    for entry in ENTRIES[:before]:
        appender.append(leaf_hash(entry))
        plain.append(leaf_hash(entry))
    mark = appender.mark()
    for entry in ENTRIES[1000 : 1000 + undone]:
        appender.append(leaf_hash(entry))
    appender.rollback(mark)
    for entry in ENTRIES[before : before + after]:
        assert appender.append(leaf_hash(entry)) == plain.append(leaf_hash(entry))
    assert appender.nodes == plain.nodes
    assert appender.root() == plain.root()
    assert appender.frontier() == plain.frontier()


def _go_stored_hash_index(level: int, index: int) -> int:
    """Number a hash as `StoredHashIndex` of golang.org/x/mod/sumdb/tlog does, step by step."""
    for _ in range(level):
        index = 2 * index + 1
    number = 0
    while index > 0:
        number += index
        index >>= 1
    return number + level


@given(level=st.integers(0, 40), index=st.integers(0, 2**40))
def test_positions_are_those_of_go(level: int, index: int) -> None:
    """The closed form numbers hashes as Go's sumdb/tlog does, so stores can be exchanged."""
    assert position(level, index) == _go_stored_hash_index(level, index)


@given(size=st.integers(0, 2**50))
def test_a_leaf_is_stored_after_all_hashes_before_it(size: int) -> None:
    """The next leaf takes the position that equals the number of stored hashes."""
    assert position(0, size) == stored_count(size)
