"""Checkpoints (C2SP tlog-checkpoint): a tree head as a note that the ledger itself signs.

    nl.customs.sesn/ledger/1
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — nl.customs.sesn/ledger/1 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO...
    — nl.customs.sesn/ledger/1 xWtT3QAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHe...

Every SESN ledger signs twice: Ed25519 over the text (type 0x01), which all tools of today read,
and ML-DSA-44 over the tree head (type 0x06, tlog-cosignature), which stays evidence when elliptic
curves fall. A checkpoint counts only if both verify. If one were enough, whoever breaks one
scheme would strip the other's line and be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sesn_node.crypto.signers import Signer
from sesn_node.domain.ids import Origin
from sesn_node.errors import VerificationError
from sesn_node.ledger.head import TreeHead, checkpoint_text, parse_checkpoint_text
from sesn_node.ledger.note import (
    MAX_NOTE_BYTES,
    MISSING_SIGNATURE,
    Note,
    NoteSignature,
    SignatureType,
    VerifierKey,
    format_note,
    note_key_id,
    parse_note,
)
from sesn_node.ledger.subtree import check_name, sign_subtree, verify_subtree

_SHOWN: Final = 100
"""Characters that are shown of a name that nobody has verified."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as it was read; neither head nor signatures are verified."""

    claimed: TreeHead
    note: Note


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The two keys of one ledger. Decodes them once: keep it as long as the keys are trusted.

    Attributes:
        origin: Origin of the ledger and name of both keys; at most 255 bytes.
        ed25519: Raw public key, 32 bytes.
        mldsa44: Raw public key, 1,312 bytes.
        ed25519_key: Derived: the key of type 0x01.
        mldsa44_key: Derived: the key of type 0x06.

    Raises:
        MalformedError: The origin cannot name a key, or a key does not decode.
    """

    origin: Origin
    ed25519: bytes = field(repr=False)
    mldsa44: bytes = field(repr=False)
    ed25519_key: VerifierKey = field(init=False, repr=False, compare=False)
    mldsa44_key: VerifierKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.origin)
        kind = SignatureType
        for attribute, key in (
            ("ed25519_key", VerifierKey(self.origin, kind.ED25519, self.ed25519)),
            ("mldsa44_key", VerifierKey(self.origin, kind.MLDSA44, self.mldsa44)),
        ):
            # A frozen dataclass lets only object.__setattr__ fill a derived field.
            object.__setattr__(self, attribute, key)


def parse_checkpoint(data: bytes, *, limit: int = MAX_NOTE_BYTES) -> Checkpoint:
    """Read a checkpoint without verifying it: to learn whose it claims to be.

    Raises:
        MalformedError: Not a signed note, or not the text of a checkpoint.
    """
    note = parse_note(data, limit=limit)
    return Checkpoint(parse_checkpoint_text(note.text), note)


def without_strangers(note: bytes, key_sets: Sequence[LogKeys]) -> bytes:
    """Return a verified checkpoint with one line of each key that its ledger has, and no other.

    Whoever submits a checkpoint may add as many lines as a note can hold, which nobody can check.

    Args:
        note: Verified under one of the sets.
        key_sets: Public keys of the ledger.

    Raises:
        MalformedError: Not a signed note.
    """
    parsed = parse_note(note)
    known = [key for keys in key_sets for key in (keys.ed25519_key, keys.mldsa44_key)]
    lines = (
        NoteSignature(key.name, key.key_id, payload)
        for key in known
        for payload in key.payloads(parsed.signatures)[:1]
    )
    return format_note(Note(parsed.text, tuple(lines)))


def sign_checkpoint(head: TreeHead, ed25519: Signer, mldsa44: Signer, time_s: int) -> bytes:
    """Sign a head with both keys of its ledger; returns the note.

    The caller owes the promise that goes with it: never to sign a head that is inconsistent
    with one signed before (tlog-checkpoint, "Signatures").

    Args:
        head: Head of the caller's own ledger; its origin is the name of both keys.
        ed25519: Signs the text.
        mldsa44: Signs the head, with the time.
        time_s: POSIX time, seconds, not 0.

    Raises:
        MalformedError: The origin cannot name a key, or the time is out of range.
    """
    text = checkpoint_text(head)
    return format_note(Note(text, _signatures(head, ed25519, mldsa44, time_s)))


def countersign_checkpoint(note: bytes, ed25519: Signer, mldsa44: Signer, time_s: int) -> bytes:
    """Sign a checkpoint with a second key set of its ledger; returns the note with four lines.

    For the one checkpoint by which a ledger changes its keys: it counts for whoever knows the
    old set and for whoever knows the new one. Each ignores the other's lines.

    Args:
        note: What `sign_checkpoint` returned.
        ed25519: Signs the text.
        mldsa44: Signs the head, with the time.
        time_s: POSIX time, seconds, not 0.

    Raises:
        MalformedError: Not a checkpoint, or the time is out of range.
    """
    signed = parse_checkpoint(note)
    more = _signatures(signed.claimed, ed25519, mldsa44, time_s)
    return format_note(Note(signed.note.text, (*signed.note.signatures, *more)))


def verify_checkpoint_under(
    checkpoint: bytes | Checkpoint, key_sets: Sequence[LogKeys]
) -> TreeHead:
    """Verify a checkpoint that was kept: under any of the key sets that its ledger has had.

    Args:
        checkpoint: The note, or what `parse_checkpoint` made of it.
        key_sets: Sets of one ledger, the newest last; it is tried first.

    Raises:
        MalformedError: Not a checkpoint.
        VerificationError: As `verify_checkpoint`, of the newest set; MISSING_SIGNATURE without
            any set.
    """
    if isinstance(checkpoint, bytes):
        checkpoint = parse_checkpoint(checkpoint)
    failure = VerificationError(
        f"checkpoint of {checkpoint.claimed.origin!r}: no keys are known", code=MISSING_SIGNATURE
    )
    for place, keys in enumerate(reversed(key_sets)):
        try:
            return verify_checkpoint(checkpoint, keys)
        except VerificationError as error:
            if place == 0:
                failure = error
    raise failure


def verify_checkpoint(checkpoint: bytes | Checkpoint, keys: LogKeys) -> TreeHead:
    """Verify both signatures of a checkpoint; lines of other keys are ignored.

    Says nothing about time: a checkpoint of last year verifies. Nor about consistency with any
    other: that is for `merkle.verify_consistency` and `witness.judge`.

    Args:
        checkpoint: The note, or what `parse_checkpoint` made of it.
        keys: Keys of the ledger that it must be from.

    Returns:
        The head, now vouched for by its ledger.

    Raises:
        MalformedError: Not a checkpoint.
        VerificationError: WRONG_ORIGIN; BAD_SIGNATURE, if any line of either key fails, even
            beside a good one; MISSING_SIGNATURE, if either key has no line.
    """
    if isinstance(checkpoint, bytes):
        checkpoint = parse_checkpoint(checkpoint)
    head, note = checkpoint.claimed, checkpoint.note
    if head.origin != keys.origin:
        raise VerificationError(
            f"checkpoint of {head.origin[:_SHOWN]!a}: expected one of {keys.origin}",
            code="WRONG_ORIGIN",
        )
    text = note.text.encode()
    by_ed25519 = keys.ed25519_key.payloads(note.signatures)
    for signature in by_ed25519:
        keys.ed25519_key.verify(text, signature)
    by_mldsa44 = keys.mldsa44_key.payloads(note.signatures)
    for payload in by_mldsa44:
        verify_subtree(payload, head, keys.mldsa44_key)
    for scheme, found in (("Ed25519", by_ed25519), ("ML-DSA-44", by_mldsa44)):
        if not found:
            raise VerificationError(
                f"checkpoint of {head.origin}: no {scheme} signature by the key in its card; both "
                "schemes must sign",
                code=MISSING_SIGNATURE,
            )
    return head


def _signatures(
    head: TreeHead, ed25519: Signer, mldsa44: Signer, time_s: int
) -> tuple[NoteSignature, NoteSignature]:
    """Sign a head with one key set of its ledger: a line of type 0x01, and one of type 0x06."""
    check_name(head.origin)
    key_id = note_key_id(head.origin, SignatureType.ED25519, ed25519.public)
    line = NoteSignature(head.origin, key_id, ed25519.sign(checkpoint_text(head).encode()))
    return line, sign_subtree(head, head.origin, mldsa44, time_s)


def checkpoint_time_s(checkpoint: bytes, key_sets: Sequence[LogKeys]) -> int:
    """Tell when a ledger signed a checkpoint: the time that its ML-DSA-44 signature covers.

    Args:
        checkpoint: The note, which `verify_checkpoint_under` accepts under the same keys.
        key_sets: Sets of the ledger, the newest last; it is tried first.

    Returns:
        POSIX time, seconds; 0 without a statement.

    Raises:
        MalformedError: Not a checkpoint.
        VerificationError: BAD_SIGNATURE, or MISSING_SIGNATURE.
    """
    read = parse_checkpoint(checkpoint)
    for keys in reversed(key_sets):
        for payload in keys.mldsa44_key.payloads(read.note.signatures):
            return verify_subtree(payload, read.claimed, keys.mldsa44_key)
    raise VerificationError("checkpoint: no ML-DSA-44 signature", code=MISSING_SIGNATURE)
