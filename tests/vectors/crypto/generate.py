"""Writes the frozen vectors that do not exist yet; see README.md for their format.

Run from the top of the repository: `python -m tests.vectors.crypto.generate`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.vectors.crypto import make_keys, make_messages, make_signatures, make_stored
from tests.vectors.crypto.material import Vector

FOLDER: Final = Path(__file__).parent

FILES: Final[dict[str, Callable[[], list[Vector]]]] = {
    "commitments.json": make_messages.commitments,
    "hpke.json": make_messages.hpke,
    "seal.json": make_messages.sealed,
    "private_keys.json": make_keys.private_keys,
    "public_keys.json": make_keys.public_keys,
    "signatures.json": make_signatures.signatures,
    "storage.json": make_stored.storage,
    "keyring.json": make_stored.keyring,
}


def main() -> None:
    """Write each missing file, and tell the SHA-256 of all."""
    for name, make in FILES.items():
        path = FOLDER / name
        if path.exists():
            state = "kept"
        else:
            path.write_text(json.dumps(make(), indent=1) + "\n", encoding="ascii")
            state = "written"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        sys.stdout.write(f"{digest}  {name} ({state})\n")


if __name__ == "__main__":
    main()
