"""Signatures of type 0x06 (C2SP tlog-cosignature): ML-DSA-44 over a tree head, with the time.

A ledger signs its own heads so, and a witness those of others; the name tells which it was.
"""

from __future__ import annotations

from sesn_node.crypto.signers import Signer
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.note import (
    NoteSignature,
    SignatureType,
    VerifierKey,
    check_key_name,
    note_key_id,
)

MAX_NAME_BYTES = 255
"""Longest origin or cosigner name that the u8 length of a type 0x06 message can hold."""

_TIME_BYTES = 8
# The last second of the year 9999, the last that calendars can show. tlog-cosignature, "Format",
# allows 2^63 - 1.
_MAX_TIME_S = 253_402_300_799
_SUBTREE_LABEL = b"subtree/v1\n\0"


def subtree_message(head: TreeHead, name: str, time_s: int) -> bytes:
    """What a signature of type 0x06 covers: `cosigned_message` of tlog-cosignature.

    For a checkpoint, `start` is 0 and `end` the size. The fixed label keeps these bytes apart
    from everything else that a key may sign.

    Raises:
        MalformedError: Name or origin over 255 bytes, or the time is out of range.
    """
    return b"".join(
        (
            _SUBTREE_LABEL,
            _name_bytes(name),
            encode_time(time_s),
            _name_bytes(head.origin),
            bytes(8),
            head.size.to_bytes(8, "big"),
            head.root,
        )
    )


def sign_subtree(head: TreeHead, name: str, mldsa44: Signer, time_s: int) -> NoteSignature:
    """Sign a head by type 0x06, as its own ledger (`name` is the origin) or as a witness.

    Raises:
        MalformedError: The name cannot name a key, or the time is 0 or out of range.
    """
    check_name(name)
    check_time(time_s)
    signature = mldsa44.sign(subtree_message(head, name, time_s))
    key_id = note_key_id(name, SignatureType.MLDSA44, mldsa44.public)
    return NoteSignature(name, key_id, encode_time(time_s) + signature)


def verify_subtree(payload: bytes, head: TreeHead, key: VerifierKey) -> int:
    """Verify the payload of a type 0x06 line and return its time, seconds.

    0 means that the signer says nothing about time, which tlog-cosignature allows.

    Raises:
        VerificationError: BAD_SIGNATURE.
    """
    time_s, signature = split_time(payload, key)
    key.verify(subtree_message(head, key.name, time_s), signature)
    return time_s


def check_name(name: str) -> None:
    """Check an origin or witness name that is to sign.

    Raises:
        MalformedError: Not a key name (`note.check_key_name`), or over 255 bytes.
    """
    check_key_name(name)
    _name_bytes(name)


def check_time(time_s: int) -> None:
    """Check a time to sign at: 0 would mean "no statement", which SESN never makes.

    Raises:
        MalformedError: Not between 1 and the end of the year 9999.
    """
    if not 1 <= time_s <= _MAX_TIME_S:
        raise MalformedError(f"time {time_s} s: not between 1 and {_MAX_TIME_S}")


def encode_time(time_s: int) -> bytes:
    """Write the timestamp of a `timestamped_signature`: 8 bytes, big-endian."""
    return time_s.to_bytes(_TIME_BYTES, "big")


def split_time(payload: bytes, key: VerifierKey) -> tuple[int, bytes]:
    """Split a `timestamped_signature` into time and signature.

    The line names a known key, so what is wrong with it is a bad signature, not a bad format.

    Raises:
        VerificationError: BAD_SIGNATURE: too short, or a time after the year 9999.
    """
    time_s = int.from_bytes(payload[:_TIME_BYTES], "big")
    if len(payload) <= _TIME_BYTES or time_s > _MAX_TIME_S:
        raise VerificationError(
            f"signature of {key.name}: no valid timestamp in it", code="BAD_SIGNATURE"
        )
    return time_s, payload[_TIME_BYTES:]


def _name_bytes(name: str) -> bytes:
    try:
        data = name.encode()
    except UnicodeEncodeError as exc:
        raise MalformedError(f"name {name!r}: cannot be written in UTF-8") from exc
    if not 1 <= len(data) <= MAX_NAME_BYTES:
        raise MalformedError(f"name {name[:60]!r}: {len(data)} bytes, expected 1 to 255")
    return bytes([len(data)]) + data
