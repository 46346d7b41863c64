"""The witness call `add-checkpoint` (C2SP tlog-witness): its body, and the decision on it.

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=

    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO...

`judge` is a pure decision. What makes it a witness is its caller's duty, in this order:

1. Read the recorded head of the origin and judge against it.
2. On 200, in one transaction: compare that head with the recorded one again and replace it. If
   it has moved meanwhile, start over; else an older, smaller head could overwrite a newer one,
   and the witness would cosign two histories (the race in tlog-witness, "add-checkpoint").
3. Release the cosignature after the commit, and only then. It may be made inside the transaction:
   nothing of a transaction leaves before its commit (ADR 0014).
4. On `fork`, keep the body: together with the recorded checkpoint it proves the misbehaviour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from sesn_node.domain.ids import Origin
from sesn_node.errors import ConflictError, MalformedError, VerificationError
from sesn_node.ledger.checkpoint import Checkpoint, LogKeys, parse_checkpoint, verify_checkpoint
from sesn_node.ledger.encoding import decode_decimal, decode_hash, encode_base64
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE, verify_consistency
from sesn_node.ledger.note import MAX_NOTE_BYTES

MAX_PROOF_LINES = 63
"""tlog-witness: "MUST NOT send more than 63 consistency proof lines"."""

_OLD = "old "
_HASH_LINE_BYTES = 45
_MAX_HEADER_BYTES = len("old 9223372036854775807\n\n") + MAX_PROOF_LINES * _HASH_LINE_BYTES

MAX_BODY_BYTES = _MAX_HEADER_BYTES + MAX_NOTE_BYTES


class Status(IntEnum):
    """Answers of a witness: HTTP statuses with the meaning that tlog-witness gives them."""

    COSIGNED = 200
    BAD_REQUEST = 400
    NO_TRUSTED_SIGNATURE = 403
    UNKNOWN_ORIGIN = 404
    OTHER_OLD_SIZE = 409
    BAD_PROOF = 422


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """An `add-checkpoint` body as it was read; nothing in it is verified.

    Attributes:
        old_size: Size from which the proof starts.
        proof: Consistency proof, at most 63 hashes of 32 bytes.
        note: The checkpoint, verbatim.
        checkpoint: The checkpoint, parsed.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes
    checkpoint: Checkpoint

    @property
    def origin(self) -> Origin:
        """Origin that the checkpoint claims: whose keys and recorded head to judge it by."""
        return self.checkpoint.claimed.origin


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a witness decides about a body.

    Attributes:
        status: The answer. `COSIGNED` allows to cosign `head`, once that is recorded.
        size: Size of the recorded head, 0 without one; the answer to 409 carries it.
        reason: What is wrong, for the log; empty on `COSIGNED`.
        head: The head, if both signatures of its ledger verified; whatever the status.
        note: The checkpoint that states `head`, verbatim; empty without a head.
        fork: The head is validly signed, of the recorded size, and has another root. Body and
            recorded checkpoint are the proof. Can come with any status of a verified head but
            `COSIGNED`.
    """

    status: Status
    size: int
    reason: str = ""
    head: TreeHead | None = None
    note: bytes = b""
    fork: bool = False


def format_add_checkpoint(old_size: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Write an `add-checkpoint` body; the note goes in verbatim.

    Raises:
        MalformedError: A size out of range, over 63 hashes, or a hash that is not 32 bytes.
    """
    if not 0 <= old_size <= MAX_SIZE:
        raise MalformedError(f"old size {old_size}: not between 0 and 2^63 - 1")
    if len(proof) > MAX_PROOF_LINES or any(len(value) != HASH_BYTES for value in proof):
        raise MalformedError(
            f"consistency proof: expected at most {MAX_PROOF_LINES} hashes of {HASH_BYTES} bytes"
        )
    lines = "".join(f"{encode_base64(value)}\n" for value in proof)
    return f"{_OLD}{old_size}\n{lines}\n".encode() + note


def parse_add_checkpoint(body: bytes, *, limit: int = MAX_BODY_BYTES) -> AddCheckpoint:
    """Read an `add-checkpoint` body; verify nothing.

    Raises:
        MalformedError: Over `limit` bytes, or not exactly what `format_add_checkpoint` writes
            around a checkpoint; see `parse_checkpoint`. A witness answers 400.
    """
    if len(body) > limit:
        raise MalformedError(f"add-checkpoint body: {len(body)} bytes, the limit is {limit}")
    # The *first* blank line: neither the old size nor a hash is an empty line, while the note
    # after it has a blank line of its own.
    header, blank, note = body.partition(b"\n\n")
    try:
        old, *hashes = header.decode("ascii").split("\n")
    except UnicodeDecodeError as exc:
        raise MalformedError("add-checkpoint body: not ASCII before the blank line") from exc
    if not blank or not old.startswith(_OLD):
        raise MalformedError("add-checkpoint body: expected 'old <size>', a proof, a blank line")
    if len(hashes) > MAX_PROOF_LINES:
        raise MalformedError(
            f"add-checkpoint body: {len(hashes)} proof lines, the limit is {MAX_PROOF_LINES}"
        )
    return AddCheckpoint(
        old_size=decode_decimal(old.removeprefix(_OLD), "old size"),
        proof=tuple(decode_hash(line, "consistency proof line") for line in hashes),
        note=note,
        checkpoint=parse_checkpoint(note, limit=limit),
    )


def judge(body: bytes | AddCheckpoint, keys: LogKeys | None, recorded: TreeHead | None) -> Verdict:
    """Decide on an `add-checkpoint` body, check by check in the order of tlog-witness.

    1. The body is well-formed: 400.
    2. The origin is known: 404.
    3. The ledger's signatures verify, all that are by its keys, and both schemes: 403.
    4. The old size is not above the size: 400.
    5. The old size is that of the recorded head, 0 without one: 409.
    6. A tree of size 0 has the empty root: 422.
    7. The proof is empty from size 0, and holds otherwise; equal sizes have equal roots: 422.

    Args:
        body: The body, or what `parse_add_checkpoint` made of it to find the origin.
        keys: Keys of the ledger with that origin; None if it is unknown.
        recorded: Head of that origin that this witness cosigned last; None if none.

    Raises:
        ConflictError: WRONG_ORIGIN: `recorded` is a head of another ledger than `keys`, which is
            the caller's mistake, not the submitter's.
    """
    if keys is not None and recorded is not None and recorded.origin != keys.origin:
        raise ConflictError(
            f"recorded head of {recorded.origin}: not of {keys.origin}", code="WRONG_ORIGIN"
        )
    size = recorded.size if recorded is not None else 0
    try:
        request = parse_add_checkpoint(body) if isinstance(body, bytes) else body
    except MalformedError as exc:
        return Verdict(Status.BAD_REQUEST, size, exc.message)
    if keys is None or request.origin != keys.origin:
        return Verdict(Status.UNKNOWN_ORIGIN, size, f"no keys known for {request.origin!r}")
    try:
        head = verify_checkpoint(request.checkpoint, keys)
    except VerificationError as exc:
        return Verdict(Status.NO_TRUSTED_SIGNATURE, size, exc.message)
    # Before the sizes are compared: a fork proves itself, whatever old size came with it.
    fork = recorded is not None and recorded.size == head.size and recorded.root != head.root
    status, reason = _judge_growth(request, head, recorded)
    return Verdict(status, size, reason, head, request.note, fork)


def _judge_growth(
    request: AddCheckpoint, head: TreeHead, recorded: TreeHead | None
) -> tuple[Status, str]:
    """Checks 4 to 7, on a head whose signatures hold."""
    old_size = request.old_size
    size, root = (recorded.size, recorded.root) if recorded is not None else (0, EMPTY_ROOT)
    if old_size > head.size:
        return Status.BAD_REQUEST, f"old size {old_size} is above the size {head.size}"
    if old_size != size:
        return Status.OTHER_OLD_SIZE, f"old size is {old_size}, recorded is {size}"
    try:
        # Also checks 6 and the special cases of 7, by the rules of the same text.
        verify_consistency(old_size, root, head.size, head.root, request.proof)
    except VerificationError as exc:
        return Status.BAD_PROOF, exc.message
    return Status.COSIGNED, ""
