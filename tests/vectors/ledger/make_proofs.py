"""Cases of Merkle proofs, over the 64 entries of the Dutch ledger of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sesn_node.ledger.merkle import inclusion_proof, leaf_hash
from tests.support.trees import entries
from tests.vectors.ledger.make_signed import LIE, Vector
from tests.vectors.ledger.material import DUTCH, FORKED, flip

LEAVES: Final = [leaf_hash(entry) for entry in entries(64)]


def inclusions() -> list[Vector]:
    """Return inclusion proofs, good and tampered with."""

    def case(
        name: str, comment: str, at: tuple[int, int], proof: Sequence[bytes], outcome: str
    ) -> Vector:
        index, size = at
        return {
            "name": name,
            "comment": comment,
            "leaf": LEAVES[min(index, 63)].hex(),
            "index": str(index),
            "size": str(size),
            "proof": " ".join(value.hex() for value in proof),
            "root": DUTCH.head(min(size, 64)).root.hex(),
            "outcome": outcome,
        }

    def proof(index: int, size: int) -> tuple[bytes, ...]:
        return inclusion_proof(index, size, DUTCH.tree.read)

    good = proof(5, 11)
    return [
        *(
            case(f"leaf {index} of {size}", "holds", (index, size), proof(index, size), "ok")
            for index, size in (
                (0, 1),
                (0, 2),
                (1, 2),
                (6, 7),
                (4, 7),
                (10, 11),
                (31, 33),
                (63, 64),
            )
        ),
        case("flipped", "one bit", (5, 11), (flip(good[0], 3), *good[1:]), "BAD_PROOF"),
        case("dropped", "one hash less", (5, 11), good[:-1], "BAD_PROOF"),
        case("added", "one hash more", (5, 11), (*good, LIE), "BAD_PROOF"),
        case("swapped", "two hashes", (5, 11), (good[1], good[0], *good[2:]), "BAD_PROOF"),
        case("short hash", "31 bytes", (5, 11), (good[0][:31], *good[1:]), "BAD_PROOF"),
        case("another index", "its neighbour", (4, 11), good, "BAD_PROOF"),
        case("beyond the tree", "no such leaf", (11, 11), good, "BAD_PROOF"),
        case("empty tree", "it has no leaf", (0, 0), (), "BAD_PROOF"),
    ]


def consistencies() -> list[Vector]:
    """Return consistency proofs, good and tampered with."""

    def case(
        name: str,
        comment: str,
        at: tuple[int, int],
        proof: Sequence[bytes],
        outcome: str,
        *,
        old_root: bytes = b"",
    ) -> Vector:
        old, size = at
        return {
            "name": name,
            "comment": comment,
            "old": str(old),
            "old_root": (old_root or DUTCH.head(old).root).hex(),
            "size": str(size),
            "root": DUTCH.head(size).root.hex(),
            "proof": " ".join(value.hex() for value in proof),
            "outcome": outcome,
        }

    good = DUTCH.proof(6, 11)
    return [
        *(
            case(f"from {old} to {size}", "holds", (old, size), DUTCH.proof(old, size), "ok")
            for old, size in ((0, 0), (0, 7), (1, 2), (3, 7), (4, 7), (6, 7), (7, 7), (33, 64))
        ),
        case("flipped", "one bit", (6, 11), (flip(good[0], 3), *good[1:]), "BAD_PROOF"),
        case("dropped", "one hash less", (6, 11), good[:-1], "BAD_PROOF"),
        case("added", "one hash more", (6, 11), (*good, LIE), "BAD_PROOF"),
        case("swapped", "two hashes", (6, 11), (good[1], good[0], *good[2:]), "BAD_PROOF"),
        case("from nothing", "no proof is due", (0, 7), (LIE,), "BAD_PROOF"),
        case("equal sizes", "no proof is due", (7, 7), (LIE,), "BAD_PROOF"),
        case("backwards", "trees do not shrink", (11, 6), good, "BAD_PROOF"),
        case(
            "fork",
            "two roots of one size",
            (7, 7),
            (),
            "BAD_PROOF",
            old_root=FORKED.head(7).root,
        ),
        case(
            "rewritten",
            "another history up to the old size",
            (6, 11),
            good,
            "BAD_PROOF",
            old_root=FORKED.head(6).root,
        ),
        case("empty with a root", "size 0 has none", (0, 7), (), "BAD_PROOF", old_root=LIE),
    ]
