"""What our own ledger can prove, from cached hashes and from stored ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import StorageError
from sesn_node.exchange import ownledger
from sesn_node.exchange.ownledger import NodeCache, OwnLedger
from sesn_node.ledger.checkpoint import verify_checkpoint
from sesn_node.ledger.merkle import (
    frontier_positions,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from sesn_node.ledger.witness import parse_add_checkpoint
from tests.support.homes import GH, NL
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network
    from tests.support.view import View


@pytest.fixture
def seen(connect: Callable[..., Network]) -> View:
    """A ledger of eleven entries."""
    net = connect(NL, GH)
    for _ in range(9):
        net.share(NL, GH)
    found = view(net[NL].office)
    assert found.head.size == 11
    return found


def _check_proofs(seen: View, cache: NodeCache) -> None:
    """Prove every entry, and growth from every size, and hold it against the reference."""
    with seen.office.store.read() as transaction:
        ledger = OwnLedger(transaction, seen.head, cache)
        proofs = ledger.prove(range(11))
        bodies = [ledger.add_checkpoint(old) for old in range(12)]
    for index, proof in enumerate(proofs):
        assert list(proof) == seen.tree.path(index, 11)
        verify_inclusion(leaf_hash(seen.rows[index].entry), index, 11, proof, seen.head.root)
    for old, body in enumerate(bodies):
        request = parse_add_checkpoint(body)
        assert (request.old_size, request.note) == (old, seen.head.note)
        verify_consistency(old, seen.tree.root(old), 11, seen.head.root, request.proof)


def test_proofs_from_the_database(seen: View) -> None:
    """With an empty cache every hash is read, and the proofs hold."""
    _check_proofs(seen, NodeCache())


def test_proofs_from_the_cache(seen: View) -> None:
    """With a warm cache the proofs are the same."""
    cache = NodeCache()
    _check_proofs(seen, cache)
    _check_proofs(seen, cache)


def test_cache_that_overflows(seen: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that has to start afresh costs reads, never a wrong proof."""
    monkeypatch.setattr(ownledger, "_CACHED_NODES", 3)
    _check_proofs(seen, NodeCache())


def test_cleared_cache(seen: View) -> None:
    """What was cleared is read again."""
    cache = NodeCache()
    cache.add({0: b"wrong"}, 0)
    cache.clear()
    _check_proofs(seen, cache)


def test_cache_asks_for_what_is_missing_only(seen: View) -> None:
    """Cached hashes are not read again."""
    cache = NodeCache()
    cache.add({0: b"cached"}, 0)
    with seen.office.store.read() as transaction:
        found = cache.read(transaction, 0, [0, 1])
    assert found == {0: b"cached", 1: seen.nodes[1]}


@pytest.mark.parametrize("claimed", [12, 2**63 - 1])
def test_witness_that_claims_more_than_there_is(seen: View, claimed: int) -> None:
    """It gets a proof from nothing, and its answer will name the size that it holds."""
    with seen.office.store.read() as transaction:
        body = OwnLedger(transaction, seen.head, NodeCache()).add_checkpoint(claimed)
    request = parse_add_checkpoint(body)
    assert (request.old_size, request.proof) == (0, ())


def test_earlier(seen: View) -> None:
    """The ledger as it was: under a root that the head commits to, signed by the same keys."""
    with seen.office.store.read() as transaction:
        signers = seen.office.keys.log
        ledger = OwnLedger(transaction, seen.head, NodeCache())
        for size in range(1, 12):
            before = ledger.earlier(size, signers, 1_800_000_000)
            signed = verify_checkpoint(before.head.note, signers.keys)
            assert (signed.size, signed.root) == (size, seen.tree.root(size))
            assert (before.head.size, before.head.root) == (signed.size, signed.root)
            (proof,) = before.prove([size - 1])
            verify_inclusion(
                leaf_hash(seen.rows[size - 1].entry), size - 1, size, proof, signed.root
            )
        assert ledger.earlier(11, signers, 1_800_000_000) is ledger


@pytest.mark.parametrize("size", range(1, 11))
def test_no_signature_under_changed_hashes(seen: View, size: int) -> None:
    """What somebody put in the database in place of an earlier tree is not signed."""
    cache = NodeCache()
    cache.add({at: bytes(32) for at in frontier_positions(size)}, 0)
    with seen.office.store.read() as transaction:
        ledger = OwnLedger(transaction, seen.head, cache)
        with pytest.raises(StorageError, match="does not hold the ledger that we signed"):
            ledger.earlier(size, seen.office.keys.log, 1_800_000_000)
