"""Keys from passphrases: Argon2id, and how a document states its cost.

{"name": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sesn_node.crypto import primitives
from sesn_node.crypto.documents import Document
from sesn_node.domain.checks import under
from sesn_node.errors import MalformedError

SALT_BYTES: Final = 16

_NAME: Final = "argon2id"
_MAX_MEMORY_KIB: Final = 1024 * 1024
_MAX_ITERATIONS: Final = 16
_MAX_LANES: Final = 16
# RFC 9106 section 3.1: at least eight blocks of 1 KiB a lane.
_MIN_KIB_PER_LANE: Final = 8


@dataclass(frozen=True, slots=True)
class KdfParams:
    """Cost of one guess at the passphrase. The default is RFC 9106's second choice.

    The bounds keep a hostile file from asking for all memory of the machine, or for a day.

    Raises:
        MalformedError: Memory over 1 GiB or under 8 KiB a lane, or iterations or lanes outside
            1 to 16.
    """

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.lanes <= _MAX_LANES:
            raise MalformedError(f"kdf.lanes: expected 1 to {_MAX_LANES}")
        if not 1 <= self.iterations <= _MAX_ITERATIONS:
            raise MalformedError(f"kdf.iterations: expected 1 to {_MAX_ITERATIONS}")
        if not _MIN_KIB_PER_LANE * self.lanes <= self.memory_kib <= _MAX_MEMORY_KIB:
            raise MalformedError(
                f"kdf.memory_kib: expected {_MIN_KIB_PER_LANE} a lane to {_MAX_MEMORY_KIB}"
            )


DEFAULT_KDF: Final = KdfParams()


def derive_key(passphrase: bytes, salt: bytes, params: KdfParams) -> bytes:
    """Derive the key of a file from a passphrase."""
    return primitives.argon2id(
        passphrase,
        salt,
        memory_kib=params.memory_kib,
        iterations=params.iterations,
        lanes=params.lanes,
    )


def kdf_members(params: KdfParams) -> dict[str, object]:
    """Write the member `kdf` of a document."""
    return {
        "name": _NAME,
        "memory_kib": params.memory_kib,
        "iterations": params.iterations,
        "lanes": params.lanes,
    }


def read_kdf(document: Document) -> KdfParams:
    """Take the member `kdf` of a document.

    Raises:
        MalformedError: Missing, not what `kdf_members` writes, or out of bounds.
    """
    kdf = document.document("kdf")
    if kdf.text("name") != _NAME:
        raise MalformedError(f"{kdf.what}.name: expected {_NAME}")
    memory_kib, iterations, lanes = (
        kdf.integer(one) for one in ("memory_kib", "iterations", "lanes")
    )
    kdf.end()
    try:
        return KdfParams(memory_kib, iterations, lanes)
    except MalformedError as error:
        raise under(document.what, error) from error
