"""Heads of ledgers, and the text of a checkpoint (C2SP tlog-checkpoint) that states one.

The text has no extension lines: signatures of type 0x06 do not cover them (tlog-checkpoint,
"Signatures"), so two notes with different ones would carry the same signature.
"""

from __future__ import annotations

from dataclasses import dataclass

from sesn_node.domain.ids import Origin
from sesn_node.errors import MalformedError
from sesn_node.ledger.encoding import check_text, decode_decimal, decode_hash, encode_base64
from sesn_node.ledger.merkle import HASH_BYTES, MAX_SIZE

_TEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Size and root of one ledger at one moment: what checkpoints state and witnesses compare.

    That a head of size 0 has the empty root is not checked here: a witness must answer 422 to
    one that has not, so it must be able to read it.

    Attributes:
        origin: Name of the ledger, one line.
        size: Number of leaves, up to 2^63 - 1.
        root: RFC 6962 root hash, 32 bytes.

    Raises:
        MalformedError: A value out of these bounds.
    """

    origin: Origin
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise MalformedError("checkpoint origin: expected one line that is not empty")
        check_text(f"{self.origin}\n", "checkpoint origin")
        if not 0 <= self.size <= MAX_SIZE:
            raise MalformedError(f"checkpoint size {self.size}: not between 0 and 2^63 - 1")
        if len(self.root) != HASH_BYTES:
            raise MalformedError(f"checkpoint root: {len(self.root)} bytes, expected {HASH_BYTES}")


def checkpoint_text(head: TreeHead) -> str:
    """Write the note text: origin, size and root, a line each."""
    return f"{head.origin}\n{head.size}\n{encode_base64(head.root)}\n"


def parse_checkpoint_text(text: str) -> TreeHead:
    """Read the note text.

    Raises:
        MalformedError: Not exactly three lines (extension lines are refused, see above), or a
            size or root in another spelling than `checkpoint_text` gives.
    """
    lines = text.split("\n")
    if len(lines) != _TEXT_LINES + 1 or lines[-1]:
        raise MalformedError(
            "checkpoint: expected exactly three lines: origin, size and root; SESN ledgers have "
            "no extension lines"
        )
    origin, size, root, _ = lines
    return TreeHead(
        Origin(origin),
        decode_decimal(size, "checkpoint size"),
        decode_hash(root, "checkpoint root"),
    )
