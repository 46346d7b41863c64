"""Proof files (C2SP tlog-proof): that an entry is in a ledger, in one file that needs nothing else.

    c2sp.org/tlog-proof@v1
    index 5
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=

    nl.customs.sesn/ledger/1
    7
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — nl.customs.sesn/ledger/1 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO...
    — nl.customs.sesn/ledger/1 xWtT3QAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHe...

An optional line `extra <base64>` may stand second. Nothing signs it, so SESN writes none and
believes none. The checkpoint stands verbatim, cosignature lines of witnesses included, behind the
*first* empty line: no line before it can be empty, and the checkpoint has an empty line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sesn_node.errors import MalformedError
from sesn_node.ledger.checkpoint import (
    Checkpoint,
    LogKeys,
    parse_checkpoint,
    verify_checkpoint_under,
)
from sesn_node.ledger.encoding import decode_base64, decode_decimal, decode_hash, encode_base64
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import HASH_BYTES, MAX_SIZE, Proof, leaf_hash, verify_inclusion

MAX_PROOF_HASHES: Final = 63
MAX_EXTRA_BYTES: Final = 64 * 1024
MAX_TLOG_PROOF_BYTES: Final = 256 * 1024
"""Length of the longest file that is read: extra data in base64, 63 hashes and a checkpoint."""

_HEADER = "c2sp.org/tlog-proof@v1"
_EXTRA = "extra "
_INDEX = "index "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof file as it was read; nothing in it is verified.

    Attributes:
        index: Place of the entry in the ledger, from 0.
        hashes: Audit path, up to 63 hashes of 32 bytes, from the leaf's sibling upwards.
        note: The checkpoint, verbatim, with all its signature lines.
        extra: What the file says besides; nobody signed it. None if it says nothing.
        checkpoint: Derived: the checkpoint, parsed.

    Raises:
        MalformedError: A value out of these bounds, or no checkpoint.
    """

    index: int
    hashes: Proof
    note: bytes = field(repr=False)
    extra: bytes | None = None
    checkpoint: Checkpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_SIZE:
            raise MalformedError(f"proof file: index {self.index} is not between 0 and 2^63 - 1")
        if len(self.hashes) > MAX_PROOF_HASHES:
            raise MalformedError(
                f"proof file: {len(self.hashes)} hashes, the limit is {MAX_PROOF_HASHES}"
            )
        if any(len(value) != HASH_BYTES for value in self.hashes):
            raise MalformedError(f"proof file: a hash has not {HASH_BYTES} bytes")
        if self.extra is not None and not 1 <= len(self.extra) <= MAX_EXTRA_BYTES:
            raise MalformedError(
                f"proof file: {len(self.extra)} bytes of extra data, expected none at all or 1 to "
                f"{MAX_EXTRA_BYTES}"
            )
        # A frozen dataclass lets only object.__setattr__ fill a derived field.
        object.__setattr__(self, "checkpoint", parse_checkpoint(self.note))


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof file has shown, once it was verified.

    Attributes:
        head: Head of the ledger, signed by the ledger.
        index: Where the entry stands in it.
        leaf: RFC 6962 leaf hash of the entry, 32 bytes.
    """

    head: TreeHead
    index: int
    leaf: bytes


def format_tlog_proof(proof: TlogProof) -> bytes:
    """Write a proof file."""
    lines = [_HEADER]
    if proof.extra is not None:
        lines.append(_EXTRA + encode_base64(proof.extra))
    lines.append(f"{_INDEX}{proof.index}")
    lines += (encode_base64(value) for value in proof.hashes)
    return "\n".join((*lines, "", "")).encode("ascii") + proof.note


def parse_tlog_proof(data: bytes, *, limit: int = MAX_TLOG_PROOF_BYTES) -> TlogProof:
    """Read a proof file; verify nothing.

    Raises:
        MalformedError: Over `limit` bytes, or not exactly what `format_tlog_proof` writes: another
            first line, an empty `extra`, an index with a leading zero, base64 that is not
            canonical, over 63 hashes, no empty line, or no checkpoint behind it.
    """
    if len(data) > limit:
        raise MalformedError(f"proof file: {len(data)} bytes, the limit is {limit}")
    top, blank, note = data.partition(b"\n\n")
    try:
        lines = top.decode("ascii").split("\n")
    except UnicodeDecodeError as exc:
        raise MalformedError("proof file: not ASCII before the empty line") from exc
    if lines.pop(0) != _HEADER or not blank:
        raise MalformedError(
            f"proof file: expected the line {_HEADER!r}, a proof, an empty line, a checkpoint"
        )
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = decode_base64(lines.pop(0).removeprefix(_EXTRA), "extra data")
    if not lines or not lines[0].startswith(_INDEX):
        raise MalformedError("proof file: expected a line 'index <number>'")
    index = decode_decimal(lines.pop(0).removeprefix(_INDEX), "index")
    if len(lines) > MAX_PROOF_HASHES:
        raise MalformedError(f"proof file: {len(lines)} hashes, the limit is {MAX_PROOF_HASHES}")
    hashes = tuple(decode_hash(line, "inclusion proof line") for line in lines)
    return TlogProof(index, hashes, note, extra)


def verify_tlog_proof(
    proof: bytes | TlogProof, entry: bytes, key_sets: Sequence[LogKeys]
) -> Proven:
    """Verify that an entry is in a ledger (tlog-proof, "Verifying a tlog proof", steps 1, 2, 4).

    Step 3, the witnesses, is for `policy.evaluate`, with the checkpoint of the same file.

    Args:
        proof: The file, or what `parse_tlog_proof` made of it.
        entry: The bytes of the entry, from elsewhere.
        key_sets: Sets of keys of the one ledger that is accepted, the newest last.

    Raises:
        MalformedError: Not a proof file.
        VerificationError: WRONG_ORIGIN, BAD_SIGNATURE or MISSING_SIGNATURE of the checkpoint, see
            `verify_checkpoint`; BAD_PROOF, if the entry is not at that index under its root.
    """
    if isinstance(proof, bytes):
        proof = parse_tlog_proof(proof)
    head = verify_checkpoint_under(proof.checkpoint, key_sets)
    leaf = leaf_hash(entry)
    verify_inclusion(leaf, proof.index, head.size, proof.hashes, head.root)
    return Proven(head, proof.index, leaf)
