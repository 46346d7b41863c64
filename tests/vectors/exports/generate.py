"""Writes the frozen exports that do not exist yet; see README.md.

Run from the top of the repository: `python -m tests.vectors.exports.generate`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from sesn_node.ledger.bundles import encode_bundle
from sesn_node.ledger.merkle import inclusion_proof
from sesn_node.ledger.tiles import ENTRIES, WIDTH, new_tiles, read_tile
from sesn_node.ledger.tlogproof import TlogProof, format_tlog_proof
from tests.support.trees import StoredTree, entries
from tests.vectors.ledger.material import DUTCH, FRENCH_WITNESS, GERMAN_WITNESS

FOLDER: Final = Path(__file__).parent
SIZES: Final = (1, 2, 255, 256, 257, 511, 512, 513, 70_000)
INDEX: Final = 41
SIZE: Final = 64


def tiles() -> bytes:
    """Name the files of trees of some sizes, with the SHA-256 of each."""
    found: dict[str, dict[str, str]] = {}
    for size in SIZES:
        of = entries(size)
        tree = StoredTree(of)
        found[str(size)] = {}
        for tile in new_tiles(0, size):
            first = tile.index * WIDTH
            data = (
                encode_bundle(of[first : first + tile.width])
                if tile.level == ENTRIES
                else read_tile(tile, tree.read)
            )
            found[str(size)][tile.path()] = hashlib.sha256(data).hexdigest()
    return (json.dumps(found, indent=1) + "\n").encode("ascii")


def proof() -> bytes:
    """Prove entry 41 of 64, under a checkpoint that two witnesses cosigned."""
    head = DUTCH.head(SIZE)
    note = DUTCH.checkpoint(SIZE) + GERMAN_WITNESS.cosign(head) + FRENCH_WITNESS.cosign(head)
    path = inclusion_proof(INDEX, SIZE, DUTCH.tree.read)
    return format_tlog_proof(TlogProof(INDEX, path, note))


def policy() -> bytes:
    """Ask for the ledger's two signatures and both of either witness."""
    lines = [f"log {key.vkey()}" for key in (DUTCH.keys.ed25519_key, DUTCH.keys.mldsa44_key)]
    for name, witness in (("de", GERMAN_WITNESS.keys), ("fr", FRENCH_WITNESS.keys)):
        lines += [
            f"witness {name}-ed25519 {witness.ed25519_key.vkey()}",
            f"witness {name}-mldsa44 {witness.mldsa44_key.vkey()}",
            f"group {name} all {name}-ed25519 {name}-mldsa44",
        ]
    lines += ["group either any de fr", "quorum either", ""]
    return "\n".join(lines).encode()


def main() -> None:
    """Write each missing file."""
    for name, make in (("tiles.json", tiles), ("41.tlog-proof", proof), ("policy.txt", policy)):
        path = FOLDER / name
        if not path.exists():
            path.write_bytes(make())


if __name__ == "__main__":
    main()
