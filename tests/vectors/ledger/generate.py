"""Writes the frozen vectors that do not exist yet; see README.md for their format.

Run from the top of the repository: `python -m tests.vectors.ledger.generate`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.vectors.ledger import make_proofs, make_signed
from tests.vectors.ledger.make_signed import Vector

FOLDER: Final = Path(__file__).parent

FILES: Final[dict[str, Callable[[], list[Vector]]]] = {
    "add_checkpoints.json": make_signed.add_checkpoints,
    "checkpoints.json": make_signed.checkpoints,
    "consistency.json": make_proofs.consistencies,
    "cosignatures.json": make_signed.cosignatures,
    "inclusion.json": make_proofs.inclusions,
    "keys.json": make_signed.keys,
    "notes.json": make_signed.notes,
}


def main() -> None:
    """Write each missing file, then the SHA-256 of all."""
    sums = []
    for name, make in FILES.items():
        path = FOLDER / name
        if not path.exists():
            path.write_text(json.dumps(make(), indent=1) + "\n", encoding="ascii")
            sys.stdout.write(f"written: {name}\n")
        sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n")
    (FOLDER / "SHA256SUMS").write_text("".join(sums), encoding="ascii")


if __name__ == "__main__":
    main()
