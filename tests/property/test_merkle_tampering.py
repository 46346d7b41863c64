"""Every way to tamper with a proof is refused, each with the code BAD_PROOF.

What a proof cannot refuse is stated too: it does not fix the size of the tree. Sizes that give a
path the same shape verify alike, which is why size and root come from one signed checkpoint.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.errors import VerificationError
from sesn_node.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.support.rfc6962 import ReferenceTree
from tests.support.trees import StoredTree, entries
from tests.vectors.ledger.independent import roots_by_consistency

TINY = 18
SMALL = 33
LARGE = 600
ENTRIES = entries(LARGE)
REFERENCE = ReferenceTree(ENTRIES)
STORED = StoredTree(ENTRIES)
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
STRANGER = leaf_hash(b"in no tree")


def tampered(proof: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Give every single change of a proof: flip, drop, add, swap, shorten, lengthen."""
    for at, value in enumerate(proof):
        before, after = list(proof[:at]), list(proof[at + 1 :])
        yield [*before, bytes([value[0] ^ 1]) + value[1:], *after]
        yield [*before, value[:-1] + bytes([value[-1] ^ 0x80]), *after]
        yield [*before, *after]
        yield [*before, value[:-1], *after]
        yield [*before, value + b"\0", *after]
        yield [*before, b"", *after]
        for other in range(at):
            if proof[other] != value:
                swapped = list(proof)
                swapped[other], swapped[at] = swapped[at], swapped[other]
                yield swapped
    for at in range(len(proof) + 1):
        yield [*proof[:at], STRANGER, *proof[at:]]
    yield [*proof, *proof, STRANGER]


def refused_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether an inclusion proof is refused in the way that callers rely on."""
    try:
        verify_inclusion(leaf, index, size, proof, root)
    except VerificationError as error:
        return error.code == "BAD_PROOF"
    return False


def refused_consistency(
    old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether a consistency proof is refused in the way that callers rely on."""
    try:
        verify_consistency(old, old_root, size, root, proof)
    except VerificationError as error:
        return error.code == "BAD_PROOF"
    return False


@pytest.mark.parametrize("size", range(1, SMALL))
def test_a_tampered_inclusion_proof_is_refused(size: int) -> None:
    """Flip, drop, add or swap anything in any proof of a small tree: it fails."""
    root = REFERENCE.root(size)
    for index in range(size):
        proof = inclusion_proof(index, size, STORED.read)
        for bad in tampered(proof):
            assert refused_inclusion(LEAVES[index], index, size, bad, root)


@pytest.mark.parametrize("size", range(1, SMALL))
def test_a_proof_of_another_leaf_index_or_root_is_refused(size: int) -> None:
    """A proof holds for its own leaf, at its own index, under its own root only."""
    root = REFERENCE.root(size)
    for index in range(size):
        proof = inclusion_proof(index, size, STORED.read)
        assert refused_inclusion(STRANGER, index, size, proof, root)
        assert refused_inclusion(LEAVES[index], index, size, proof, STRANGER)
        assert refused_inclusion(LEAVES[index][:31], index, size, proof, root)
        assert refused_inclusion(LEAVES[index], index, size, proof, root + b"\0")
        for other in (-1, *range(size + 3), 2**63, 2**70):
            if other != index:
                assert refused_inclusion(LEAVES[index], other, size, proof, root)


@pytest.mark.parametrize("size", range(1, TINY))
def test_another_place_is_refused_unless_the_path_is_the_same(size: int) -> None:
    """A wrong index or size fails if the way to the root differs; else the checkpoint tells."""
    root = REFERENCE.root(size)
    for index in range(size):
        proof = inclusion_proof(index, size, STORED.read)
        sides = REFERENCE.sides(index, size)
        for claimed, other in itertools.product(range(-3, TINY + 3), repeat=2):
            same = 0 <= claimed < other and REFERENCE.sides(claimed, other) == sides
            assert refused_inclusion(LEAVES[index], claimed, other, proof, root) != same


@pytest.mark.parametrize("size", range(1, TINY))
def test_other_sizes_are_refused_unless_rfc_9162_takes_them(size: int) -> None:
    """Wrong sizes of a consistency proof are refused where another algorithm refuses them."""
    root = REFERENCE.root(size)
    for old in range(1, size):
        old_root = REFERENCE.root(old)
        proof = consistency_proof(old, size, STORED.read)
        for claimed, other in itertools.product(range(-3, TINY + 3), repeat=2):
            taken = 0 < claimed < other and rfc_9162_takes(claimed, old_root, other, root, proof)
            assert refused_consistency(claimed, old_root, other, root, proof) != taken


def rfc_9162_takes(
    old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether the algorithm of RFC 9162 section 2.1.4.2 accepts a proof."""
    try:
        return roots_by_consistency(old, old_root, size, proof) == (old_root, root)
    except IndexError:
        return False


def test_moving_a_byte_between_leaf_and_proof_is_refused() -> None:
    """Hashes are 32 bytes each: where one ends and the next begins is not for a prover to say."""
    sibling, leaf = LEAVES[0], LEAVES[1]
    root = REFERENCE.root(2)
    verify_inclusion(leaf, 1, 2, [sibling], root)
    assert refused_inclusion(sibling[31:] + leaf, 1, 2, [sibling[:31]], root)
    assert refused_inclusion(leaf[1:], 1, 2, [sibling + leaf[:1]], root)


@pytest.mark.parametrize("size", range(2, SMALL))
def test_a_tampered_consistency_proof_is_refused(size: int) -> None:
    """Flip, drop, add or swap anything in any proof between small trees: it fails."""
    root = REFERENCE.root(size)
    for old in range(1, size + 1):
        proof = consistency_proof(old, size, STORED.read)
        for bad in tampered(proof):
            assert refused_consistency(old, REFERENCE.root(old), size, root, bad)


@pytest.mark.parametrize("size", range(1, SMALL))
def test_consistency_between_other_trees_is_refused(size: int) -> None:
    """A proof holds for its own two roots only, and never backwards."""
    root = REFERENCE.root(size)
    for old in range(1, size + 1):
        old_root = REFERENCE.root(old)
        proof = consistency_proof(old, size, STORED.read)
        assert refused_consistency(old, STRANGER, size, root, proof)
        assert refused_consistency(old, old_root, size, STRANGER, proof)
        assert refused_consistency(old, old_root[:31], size, root, proof)
        assert refused_consistency(old, old_root, size, root + b"\0", proof)
        if old != size:
            assert refused_consistency(old, root, size, old_root, proof)
            assert refused_consistency(size, root, old, old_root, proof)
            assert refused_consistency(size, old_root, size, root, ())
        for other in range(1, size):
            if other != old:
                assert refused_consistency(other, old_root, size, root, proof)


def test_a_rewritten_history_is_refused() -> None:
    """No proof made from a tree with one entry changed leads from the old root to the new one."""
    for changed in range(20):
        rewritten = [*ENTRIES[:changed], b"rewritten", *ENTRIES[changed + 1 : 40]]
        stored = StoredTree(rewritten)
        other = ReferenceTree(rewritten)
        for old in range(changed + 1, 40):
            proof = consistency_proof(old, 40, stored.read)
            assert refused_consistency(old, REFERENCE.root(old), 40, other.root(40), proof)


@given(data=st.data(), size=st.integers(1, LARGE))
@settings(max_examples=40)
def test_tampering_with_large_proofs_is_refused(data: st.DataObject, size: int) -> None:
    """The same holds for random leaves and old sizes of larger trees."""
    index = data.draw(st.integers(0, size - 1))
    root = REFERENCE.root(size)
    for bad in tampered(inclusion_proof(index, size, STORED.read)):
        assert refused_inclusion(LEAVES[index], index, size, bad, root)
    old = data.draw(st.integers(1, size))
    for bad in tampered(consistency_proof(old, size, STORED.read)):
        assert refused_consistency(old, REFERENCE.root(old), size, root, bad)


@given(
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=70),
    index=st.integers(0, 2**63),
    size=st.integers(0, 2**64),
    old=st.integers(0, 2**64),
)
@settings(max_examples=200)
def test_invented_proofs_are_refused(proof: list[bytes], index: int, size: int, old: int) -> None:
    """Whatever numbers and hashes come in, nothing but BAD_PROOF comes out."""
    assert refused_inclusion(STRANGER, index, size, proof, LEAVES[0])
    assert refused_consistency(old, STRANGER, size, LEAVES[0], proof)
