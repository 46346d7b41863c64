"""A fork that proves itself: two signed checkpoints of one ledger and size, with two roots.

    sesn-fork-v1
    origin nl.customs.sesn/ledger/1
    size 6
    keys <vkey, Ed25519> <vkey, ML-DSA-44>
    note 3531
    <the first checkpoint, verbatim>
    note 3531
    <the second checkpoint, verbatim>

Each `keys` line is one key set of the ledger, the newest last. A checkpoint counts if both keys of
one set signed it. The file says nothing of whose keys these are: its reader compares them with a
card of the agency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sesn_node.domain.ids import Origin, parse_origin
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.checkpoint import LogKeys, verify_checkpoint_under
from sesn_node.ledger.encoding import decode_decimal
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.note import MAX_NOTE_BYTES, SignatureType, parse_vkey

FORMAT: Final = "sesn-fork-v1"
MAX_KEY_SETS: Final = 64
MAX_FORK_BYTES: Final = 2 * MAX_NOTE_BYTES + 256 * 1024
NO_FORK: Final = "NO_FORK"
"""Code of two checkpoints that do not contradict each other."""
_NOTES: Final = 2
_VKEYS: Final = 2


@dataclass(frozen=True, slots=True)
class ForkProof:
    """What a file of this format holds. Nothing in it is verified.

    Attributes:
        origin: The ledger.
        size: Size of both checkpoints, entries.
        key_sets: Key sets of the ledger, the newest last.
        notes: The two checkpoints, verbatim.
    """

    origin: Origin
    size: int
    key_sets: tuple[LogKeys, ...]
    notes: tuple[bytes, bytes]


def format_fork(proof: ForkProof) -> bytes:
    """Write the file.

    Raises:
        MalformedError: No key set, or too many.
    """
    if not 0 < len(proof.key_sets) <= MAX_KEY_SETS:
        raise MalformedError(f"fork: {len(proof.key_sets)} key sets, 1 to {MAX_KEY_SETS} expected")
    lines = [FORMAT, f"origin {proof.origin}", f"size {proof.size}"]
    lines += [
        f"keys {keys.ed25519_key.vkey()} {keys.mldsa44_key.vkey()}" for keys in proof.key_sets
    ]
    data = "".join(f"{line}\n" for line in lines).encode()
    return data + b"".join(b"note %d\n%s" % (len(note), note) for note in proof.notes)


def parse_fork(data: bytes) -> ForkProof:
    """Read a file, strictly; verify nothing.

    Raises:
        MalformedError: Not exactly what `format_fork` writes.
    """
    if len(data) > MAX_FORK_BYTES:
        raise MalformedError(f"fork: {len(data)} bytes, the limit is {MAX_FORK_BYTES}")
    first, data = _line(data)
    if first != FORMAT:
        raise MalformedError(f"fork: the first line is not '{FORMAT}'")
    origin, data = _word(data, "origin")
    size, data = _word(data, "size")
    parse_origin(origin)
    key_sets: list[LogKeys] = []
    while data.startswith(b"keys ") and len(key_sets) < MAX_KEY_SETS:
        value, data = _word(data, "keys")
        key_sets.append(_key_set(Origin(origin), value))
    notes = []
    for _ in range(_NOTES):
        length, data = _word(data, "note")
        count = decode_decimal(length, "note length")
        if count > len(data):
            raise MalformedError("fork: the file is cut off")
        notes.append(data[:count])
        data = data[count:]
    if data:
        raise MalformedError("fork: something follows the second note")
    if not key_sets:
        raise MalformedError("fork: no keys")
    return ForkProof(
        Origin(origin), decode_decimal(size, "size"), tuple(key_sets), (notes[0], notes[1])
    )


def verify_fork(proof: ForkProof) -> tuple[TreeHead, TreeHead]:
    """Verify that a ledger signed two histories.

    Returns:
        The two heads, of one origin and size, with different roots.

    Raises:
        MalformedError: A note is no checkpoint.
        VerificationError: A checkpoint is not signed by both keys of one set, is of another
            ledger or size; the file names keys that signed neither, which would look guilty; or
            `NO_FORK`: both have the same root.
    """
    heads = [verify_checkpoint_under(note, proof.key_sets) for note in proof.notes]
    for head in heads:
        if (head.origin, head.size) != (proof.origin, proof.size):
            raise VerificationError(
                f"fork: a checkpoint is of {head.origin} at size {head.size}, the file says "
                f"{proof.origin} at size {proof.size}",
                code=NO_FORK,
            )
    if heads[0].root == heads[1].root:
        raise VerificationError("fork: both checkpoints have the same root", code=NO_FORK)
    for keys in proof.key_sets:
        if all(foreign(note, (keys,)) for note in proof.notes):
            raise VerificationError(
                f"fork: {keys.ed25519_key.name}+{keys.ed25519_key.key_id.hex()} signed neither of "
                "the checkpoints"
            )
    return heads[0], heads[1]


def foreign_keys(proof: ForkProof, key_sets: Sequence[LogKeys]) -> bool:
    """Tell whether a checkpoint of a fork is signed by no key set of these, of a card, say."""
    return any(foreign(note, key_sets) for note in proof.notes)


def foreign(note: bytes, key_sets: Sequence[LogKeys]) -> bool:
    """Tell whether a checkpoint is signed by no key set of these."""
    try:
        verify_checkpoint_under(note, key_sets)
    except VerificationError:
        return True
    return False


def _line(data: bytes) -> tuple[str, bytes]:
    line, end, rest = data.partition(b"\n")
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedError("fork: a line is not ASCII") from error
    if not end:
        raise MalformedError("fork: the file is cut off")
    return text, rest


def _word(data: bytes, word: str) -> tuple[str, bytes]:
    text, rest = _line(data)
    if not text.startswith(f"{word} "):
        raise MalformedError(f"fork: expected a line '{word} ...'")
    return text.removeprefix(f"{word} "), rest


def _key_set(origin: Origin, value: str) -> LogKeys:
    words = value.split(" ")
    if len(words) != _VKEYS:
        raise MalformedError("fork: a keys line has two keys")
    ed25519, mldsa44 = (parse_vkey(word) for word in words)
    kinds = (ed25519.kind, mldsa44.kind)
    if kinds != (SignatureType.ED25519, SignatureType.MLDSA44):
        raise MalformedError("fork: a keys line has an Ed25519 key, then an ML-DSA-44 key")
    if {ed25519.name, mldsa44.name} != {origin}:
        raise MalformedError("fork: a key has another name than the ledger")
    return LogKeys(origin, ed25519.public, mldsa44.public)
