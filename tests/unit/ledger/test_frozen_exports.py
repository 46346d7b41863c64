"""Frozen exports: names, bytes, a proof and a policy of the past, read by the code of today."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import tests.vectors.exports.generate
from sesn_node.ledger.bundles import decode_bundle
from sesn_node.ledger.policy import evaluate
from sesn_node.ledger.policyfile import parse_policy
from sesn_node.ledger.tiles import ENTRIES, new_tiles, parse_tile_path
from sesn_node.ledger.tlogproof import format_tlog_proof, parse_tlog_proof, verify_tlog_proof
from tests.support.rfc6962 import ReferenceTree
from tests.support.trees import entries
from tests.vectors.exports.generate import INDEX, SIZE, tiles
from tests.vectors.ledger.material import DUTCH, TIME_S

FOLDER = Path(tests.vectors.exports.generate.__file__).parent
TILES: dict[str, dict[str, str]] = json.loads((FOLDER / "tiles.json").read_text(encoding="ascii"))
PROOF = (FOLDER / "41.tlog-proof").read_bytes()
SUMS = {
    "tiles.json": "fa477d35f36a68d8808ebca901e3b2f9415dd241a7f486946edaf6da5f1ecfe4",
    "41.tlog-proof": "3602a91c5de236da09245b0978fc5750f14182d2c0bd6122888f91b6d7713a99",
    "policy.txt": "aed71a1f3d2b8a67efcad49cc38a01614b12d4d6df129618867dd81c473d9f9c",
}


@pytest.mark.parametrize("name", sorted(SUMS))
def test_the_files_are_those_that_were_frozen(name: str) -> None:
    """Nobody made them anew to please a test."""
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == SUMS[name]


def test_tiles_are_written_as_they_were() -> None:
    """Every name and every byte, of trees up to 70,000 entries."""
    assert json.loads(tiles()) == TILES


@pytest.mark.parametrize("size", sorted(int(size) for size in TILES if int(size) < 1000))
def test_tiles_are_those_of_the_definition(size: int) -> None:
    """By RFC 6962's recursive definition, without our tree, from the names alone."""
    of = entries(size)
    reference = ReferenceTree(of)
    for name, expected in TILES[str(size)].items():
        tile = parse_tile_path(name)
        span = 256 ** max(tile.level, 0)
        first = tile.index * 256
        if tile.level == ENTRIES:
            some = of[first : first + tile.width]
            data = b"".join(bytes([0, len(entry)]) + entry for entry in some)
            assert decode_bundle(data, tile.width) == tuple(some)
        else:
            data = b"".join(
                reference._mth(start * span, (start + 1) * span)  # noqa: SLF001 - the oracle
                for start in range(first, first + tile.width)
            )
        assert hashlib.sha256(data).hexdigest() == expected, name
    assert list(TILES[str(size)]) == [tile.path() for tile in new_tiles(0, size)]


def test_the_proof_and_the_policy_hold() -> None:
    """The entry is proven, and both witnesses are found, at their time."""
    entry = entries(SIZE)[INDEX]
    read = parse_tlog_proof(PROOF)
    assert format_tlog_proof(read) == PROOF
    assert verify_tlog_proof(PROOF, entry, [DUTCH.keys]).head == DUTCH.head(SIZE)
    policy = parse_policy((FOLDER / "policy.txt").read_bytes())
    outcome = evaluate(policy, read.checkpoint)
    assert outcome.groups == {b"de", b"fr", b"either"}
    assert set(outcome.cosigned.values()) == {TIME_S}
    outcome.require_quorum()
