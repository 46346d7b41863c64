"""Cosignatures (C2SP tlog-cosignature): a witness vouches that a ledger only ever grew.

A witness signs a head twice, as a ledger does: Ed25519 (type 0x04) and ML-DSA-44 (type 0x06),
both with the time. The two lines say: as of this time, this is the largest tree of this origin
that I have seen, and it is consistent with all that I saw before. They stand apart from the
checkpoint, or are appended to its note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sesn_node.crypto.signers import Signer
from sesn_node.errors import VerificationError
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.ledger.note import (
    MISSING_SIGNATURE,
    NoteSignature,
    SignatureType,
    VerifierKey,
    note_key_id,
    parse_signature_lines,
)
from sesn_node.ledger.subtree import (
    check_name,
    check_time,
    encode_time,
    sign_subtree,
    split_time,
    verify_subtree,
)


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """The two keys of one witness. Decodes them once: keep it as long as the keys are trusted.

    Attributes:
        name: Name of both keys; at most 255 bytes.
        ed25519: Raw public key, 32 bytes. Used under this one name only: type 0x04 does not
            sign the name (tlog-cosignature, "Ed25519 signed message").
        mldsa44: Raw public key, 1,312 bytes.
        ed25519_key: Derived: the key of type 0x04.
        mldsa44_key: Derived: the key of type 0x06.

    Raises:
        MalformedError: The name cannot name a key, or a key does not decode.
    """

    name: str
    ed25519: bytes = field(repr=False)
    mldsa44: bytes = field(repr=False)
    ed25519_key: VerifierKey = field(init=False, repr=False, compare=False)
    mldsa44_key: VerifierKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        kind = SignatureType
        for attribute, key in (
            ("ed25519_key", VerifierKey(self.name, kind.ED25519_COSIGNATURE, self.ed25519)),
            ("mldsa44_key", VerifierKey(self.name, kind.MLDSA44, self.mldsa44)),
        ):
            # A frozen dataclass lets only object.__setattr__ fill a derived field.
            object.__setattr__(self, attribute, key)


def cosign(head: TreeHead, name: str, ed25519: Signer, mldsa44: Signer, time_s: int) -> bytes:
    """Cosign a head with both keys of a witness; returns two signature lines.

    Only for a head that `witness.judge` accepted. It may be made inside the transaction that
    records the head, and is released after its commit, not before (ADR 0014): a cosignature
    cannot be taken back.

    Args:
        head: The verified head.
        name: Name of the witness.
        ed25519: Signs the text with the time.
        mldsa44: Signs the head with the time and the name.
        time_s: POSIX time, seconds, not 0 (tlog-witness: "MUST NOT omit the timestamp").

    Raises:
        MalformedError: Name or origin is over 255 bytes, or the time is out of range.
    """
    check_name(name)
    check_time(time_s)
    signature = ed25519.sign(cosignature_message(head, time_s))
    key_id = note_key_id(name, SignatureType.ED25519_COSIGNATURE, ed25519.public)
    line = NoteSignature(name, key_id, encode_time(time_s) + signature)
    return f"{line.line()}{sign_subtree(head, name, mldsa44, time_s).line()}".encode()


def cosignature_message(head: TreeHead, time_s: int) -> bytes:
    """What a signature of type 0x04 covers: two header lines, then the checkpoint's text.

    The first line keeps these bytes apart from the text of a checkpoint, whose second line is a
    number: no cosignature can pass for a ledger's own signature.
    """
    return f"cosignature/v1\ntime {time_s}\n{checkpoint_text(head)}".encode()


def verify_cosignatures(
    lines: bytes | Sequence[NoteSignature], head: TreeHead, keys: WitnessKeys
) -> int:
    """Verify that a witness cosigned a head under both schemes; other lines are ignored.

    Args:
        lines: Bare signature lines, or the signatures of a parsed note.
        head: What they must be over.
        keys: Keys of the witness.

    Returns:
        The time, seconds: the latest, should the witness have cosigned this head repeatedly. A
        time counts only if both schemes signed it, so neither can be re-dated by forging the
        other.

    Raises:
        MalformedError: Not signature lines.
        VerificationError: BAD_SIGNATURE, if any line of either key fails, even beside a good
            one; MISSING_SIGNATURE, if no time is signed under both schemes.
    """
    signatures = parse_signature_lines(lines) if isinstance(lines, bytes) else lines
    times = cosigned_times(signatures, head, keys.ed25519_key) & cosigned_times(
        signatures, head, keys.mldsa44_key
    )
    if not times:
        raise VerificationError(
            f"cosignature of {keys.name} on {head.origin} at size {head.size}: not signed by "
            "both its keys at one time",
            code=MISSING_SIGNATURE,
        )
    return max(times)


def witness_lines(lines: bytes, keys: WitnessKeys, time_s: int) -> bytes:
    """Return the two lines of a witness that carry a time; what came beside them is left out.

    Args:
        lines: Lines that `verify_cosignatures` took.
        keys: Keys of the witness.
        time_s: The time that it returned.

    Raises:
        MalformedError: Not signature lines.
    """
    signatures = parse_signature_lines(lines)
    kept = ""
    for key in (keys.ed25519_key, keys.mldsa44_key):
        payload = next(one for one in key.payloads(signatures) if split_time(one, key)[0] == time_s)
        kept += NoteSignature(key.name, key.key_id, payload).line()
    return kept.encode()


def made_by(lines: bytes, keys: WitnessKeys) -> bool:
    """Tell whether a witness's own cosignature is by these keys of it, or by older ones.

    By the key ids alone: the lines were made here, and need no proof.

    Raises:
        MalformedError: Not signature lines.
    """
    signatures = parse_signature_lines(lines)
    return all(key.payloads(signatures) for key in (keys.ed25519_key, keys.mldsa44_key))


def cosigned_times(
    signatures: Sequence[NoteSignature], head: TreeHead, key: VerifierKey
) -> frozenset[int]:
    """Times, seconds, at which one key of a witness cosigned a head; empty if it did not.

    For auditors whose policy names single keys of witnesses outside SESN.

    Args:
        signatures: Lines of any keys.
        head: What they must be over.
        key: A key of type 0x04 or 0x06.

    Raises:
        VerificationError: BAD_SIGNATURE, if a line of this key fails or omits the time.
    """
    return frozenset(_verify(payload, head, key) for payload in key.payloads(signatures))


def _verify(payload: bytes, head: TreeHead, key: VerifierKey) -> int:
    if key.kind is SignatureType.MLDSA44:
        time_s = verify_subtree(payload, head, key)
    else:
        time_s, signature = split_time(payload, key)
        key.verify(cosignature_message(head, time_s), signature)
    # tlog-witness, "add-checkpoint": with time 0 it does not say that this was the largest tree.
    if time_s == 0:
        raise VerificationError(f"cosignature of {key.name}: without time", code="BAD_SIGNATURE")
    return time_s
