"""Known trees, storage order, appending and the errors of `ledger.merkle`.

That proofs agree with RFC 6962, and that tampering is refused, is tested in tests/property.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import pytest

from sesn_node.errors import MalformedError, StorageError, VerificationError
from sesn_node.ledger.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Appender,
    HashReader,
    consistency_proof,
    frontier_positions,
    inclusion_proof,
    inclusion_proofs,
    leaf_hash,
    node_hash,
    position,
    root_at,
    root_from_frontier,
    stored_count,
    verify_consistency,
    verify_inclusion,
)
from tests.support.trees import StoredTree, entries

# Leaves and roots that Certificate Transparency implementations test with.
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
HASH = b"\x11" * 32


def _root(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf hashes given in order."""
    appender = Appender()
    for leaf in leaves:
        appender.append(leaf)
    return appender.root()


@pytest.mark.parametrize("size", range(9))
def test_certificate_transparency_roots(size: int) -> None:
    """The roots over the standard leaves of Certificate Transparency come out."""
    assert _root(leaf_hash(leaf) for leaf in CT_LEAVES[:size]) == CT_ROOTS[size]
    assert root_at(size, StoredTree(CT_LEAVES).read) == CT_ROOTS[size]


def test_certificate_transparency_proofs_between_known_roots() -> None:
    """Between all pairs of the known roots, what is proven here verifies."""
    read = StoredTree(CT_LEAVES).read
    for size in range(1, 9):
        for old in range(size + 1):
            proof = consistency_proof(old, size, read)
            verify_consistency(old, CT_ROOTS[old], size, CT_ROOTS[size], proof)
        for index in range(size):
            proof = inclusion_proof(index, size, read)
            verify_inclusion(leaf_hash(CT_LEAVES[index]), index, size, proof, CT_ROOTS[size])


def test_the_example_of_rfc_6962() -> None:
    """The audit paths and consistency proofs of RFC 6962 section 2.1.3, node by node."""
    data = entries(7)
    read = StoredTree(data).read
    a, b, c, d, e, f, j = (leaf_hash(entry) for entry in data)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)
    assert root_at(7, read) == node_hash(k, m)
    assert inclusion_proof(0, 7, read) == (b, h, m)
    assert inclusion_proof(3, 7, read) == (c, g, m)
    assert inclusion_proof(4, 7, read) == (f, j, k)
    assert inclusion_proof(6, 7, read) == (i, k)
    assert consistency_proof(3, 7, read) == (c, d, g, m)
    assert consistency_proof(4, 7, read) == (m,)
    assert consistency_proof(6, 7, read) == (i, j, k)


def test_leaves_and_nodes_hash_apart() -> None:
    """The two children of a node, taken as an entry, do not hash to the node."""
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert leaf_hash(left + right) != node_hash(left, right)
    assert leaf_hash(b"\x01" + left) == hashlib.sha256(b"\x00\x01" + left).digest()


def test_an_odd_node_is_promoted_and_never_duplicated() -> None:
    """The root of three leaves pairs the third with the first two, not with itself."""
    a, b, c = (leaf_hash(entry) for entry in entries(3))
    assert _root([a, b, c]) == node_hash(node_hash(a, b), c)
    assert _root([a, b, c]) != _root([a, b, c, c])


def test_positions_follow_the_picture_of_the_module() -> None:
    """Four leaves are stored in the order 0 1 (2) 3 4 (5) (6)."""
    assert [position(0, index) for index in range(5)] == [0, 1, 3, 4, 7]
    assert [position(1, index) for index in range(2)] == [2, 5]
    assert position(2, 0) == 6
    assert [stored_count(size) for size in range(6)] == [0, 1, 3, 4, 7, 8]


def test_the_frontier_has_the_largest_subtree_first() -> None:
    """Eleven leaves are subtrees of eight, two and one."""
    assert frontier_positions(11) == (position(3, 0), position(1, 4), position(0, 10))
    assert frontier_positions(0) == ()


def test_appending_names_every_new_node_once() -> None:
    """From five leaves to eight, exactly the missing subtrees become known."""
    stored = StoredTree(entries(8)).nodes
    appender = Appender(5, [stored[at] for at in frontier_positions(5)])
    assert [appender.append(leaf_hash(entry)) for entry in entries(8)[5:]] == [5, 6, 7]
    assert appender.nodes == {at: stored[at] for at in range(stored_count(5), stored_count(8))}
    assert appender.size == 8
    assert appender.frontier() == (stored[position(3, 0)],)


def test_rollbacks_nest() -> None:
    """Rolling back to an inner and then to an outer mark undoes each operation alone."""
    appender = Appender()
    appender.append(HASH)
    outer = appender.mark()
    before = appender.root()
    appender.append(HASH)
    inner = appender.mark()
    appender.append(HASH)
    appender.rollback(inner)
    assert appender.size == 2
    appender.rollback(outer)
    assert appender.size == 1
    assert appender.root() == before
    assert appender.nodes == {0: HASH}


@pytest.mark.parametrize(
    ("size", "frontier"),
    [
        (3, [HASH]),
        (0, [HASH]),
        (4, [HASH, HASH]),
        (1, [HASH[:31]]),
        (-1, []),
        (MAX_SIZE + 1, [HASH]),
    ],
)
def test_a_frontier_that_fits_no_tree_is_malformed(size: int, frontier: Sequence[bytes]) -> None:
    """A frontier has one 32-byte hash for each bit of the size, which is in range."""
    with pytest.raises(MalformedError):
        root_from_frontier(size, frontier)
    with pytest.raises(MalformedError):
        Appender(size, frontier)


def test_a_leaf_hash_of_another_length_is_malformed() -> None:
    """An entry passed where its hash is wanted does not get into the tree."""
    appender = Appender()
    with pytest.raises(MalformedError):
        appender.append(b"an entry")
    assert appender.size == 0
    assert appender.nodes == {}


def test_many_proofs_take_one_read() -> None:
    """A batch of proofs asks the store once, for each hash once, in storage order."""
    stored = StoredTree(entries(300))
    asked: list[Sequence[int]] = []

    def read(positions: Sequence[int]) -> Mapping[int, bytes]:
        asked.append(positions)
        return stored.read(positions)

    inclusion_proofs([*range(40, 299), 40], 299, read)
    assert len(asked) == 1
    assert list(asked[0]) == sorted(set(asked[0]))


def test_proofs_of_a_batch_need_few_hashes() -> None:
    """256 neighbours near the end of ten million leaves share almost all that they need."""
    size = 10_000_003
    asked: list[int] = []

    def read(positions: Sequence[int]) -> Mapping[int, bytes]:
        asked.extend(positions)
        return dict.fromkeys(positions, HASH)

    proofs = inclusion_proofs(range(size - 256, size), size, read)
    assert len(proofs) == 256
    assert len(asked) < 600


def test_no_proofs_take_no_read() -> None:
    """Nothing asked, an empty tree, or equal sizes: the store is left alone."""
    stored = StoredTree(entries(4))
    assert inclusion_proofs([], 4, stored.read) == []
    assert inclusion_proofs([], 0, stored.read) == []
    assert inclusion_proof(0, 1, stored.read) == ()
    assert consistency_proof(0, 4, stored.read) == ()
    assert consistency_proof(4, 4, stored.read) == ()
    assert root_at(0, stored.read) == EMPTY_ROOT
    assert stored.reads == 0


@pytest.mark.parametrize("index", [-1, 4, 2**64])
def test_an_index_outside_the_tree_is_malformed(index: int) -> None:
    """There is no proof of a leaf that the tree does not have."""
    with pytest.raises(MalformedError):
        inclusion_proofs([0, index], 4, StoredTree(entries(4)).read)


@pytest.mark.parametrize(("old", "size"), [(5, 4), (-1, 4), (0, -1), (1, MAX_SIZE + 1)])
def test_sizes_out_of_order_are_malformed(old: int, size: int) -> None:
    """There is no proof from a larger tree to a smaller, or outside the range of sizes."""
    with pytest.raises(MalformedError):
        consistency_proof(old, size, StoredTree(entries(4)).read)


def _missing(_: Sequence[int]) -> Mapping[int, bytes]:
    return {}


def _short(positions: Sequence[int]) -> Mapping[int, bytes]:
    return dict.fromkeys(positions, HASH[:31])


@pytest.mark.parametrize("read", [_missing, _short])
def test_a_store_with_holes_is_a_storage_error(read: HashReader) -> None:
    """A missing or damaged node stops the proof and says what to look at."""
    for ask in (
        lambda: root_at(3, read),
        lambda: inclusion_proof(0, 3, read),
        lambda: consistency_proof(3, 5, read),
    ):
        with pytest.raises(StorageError) as caught:
            ask()
        assert caught.value.code == "LEDGER_INCOMPLETE"


def test_the_empty_tree_is_consistent_with_every_tree() -> None:
    """From size 0 the empty proof holds, and only with the empty root."""
    verify_consistency(0, EMPTY_ROOT, 5, HASH, ())
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    for old_root, size, root, proof in (
        (HASH, 5, HASH, ()),
        (EMPTY_ROOT, 0, HASH, ()),
        (EMPTY_ROOT, 5, HASH, (HASH,)),
        (EMPTY_ROOT, 0, EMPTY_ROOT, (HASH,)),
    ):
        with pytest.raises(VerificationError) as caught:
            verify_consistency(0, old_root, size, root, proof)
        assert caught.value.code == "BAD_PROOF"


def test_a_tree_is_consistent_with_itself_only() -> None:
    """At equal sizes the empty proof holds if the roots are equal, and no other proof does."""
    verify_consistency(5, HASH, 5, HASH, ())
    for root, proof in ((EMPTY_ROOT, ()), (HASH, (HASH,))):
        with pytest.raises(VerificationError):
            verify_consistency(5, HASH, 5, root, proof)


def test_the_largest_tree_has_proofs_of_63_hashes() -> None:
    """At the largest size a path is 63 hashes; 64 are refused without hashing them all."""

    def read(positions: Sequence[int]) -> Mapping[int, bytes]:
        return dict.fromkeys(positions, HASH)

    proof = inclusion_proof(0, MAX_SIZE, read)
    assert len(proof) == 63
    node = HASH
    for sibling in proof:
        node = node_hash(node, sibling)
    verify_inclusion(HASH, 0, MAX_SIZE, proof, node)
    with pytest.raises(VerificationError):
        verify_inclusion(HASH, 0, MAX_SIZE, (*proof, HASH), node)
    # The same walk, but no size that a checkpoint could state.
    with pytest.raises(VerificationError):
        verify_inclusion(HASH, 0, MAX_SIZE + 1, proof, node)
    verify_consistency(1, HASH, MAX_SIZE, node, proof)
    with pytest.raises(VerificationError):
        verify_consistency(1, HASH, MAX_SIZE + 1, node, proof)
