"""A second implementation of what the ledger verifies, to check the frozen vectors against.

It shares no code with the node and knows no malformed input: only good vectors are shown to it.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey


def key_of(vkey: str) -> tuple[str, bytes, int, bytes]:
    """Split a verifier key into name, key id, type and public key."""
    name, key_id, encoded = vkey.split("+", 2)
    data = base64.b64decode(encoded)
    assert hashlib.sha256(name.encode() + b"\n" + data).hexdigest()[:8] == key_id
    return name, bytes.fromhex(key_id), data[0], data[1:]


def verify_line(vkey: str, text: str, lines: str) -> int:
    """Verify the first line of a key over a checkpoint's text; return its time, 0 for type 1.

    Raises whatever `cryptography` raises if the signature is bad.
    """
    name, key_id, kind, public = key_of(vkey)
    payload = next(
        data[4:]
        for line in lines.splitlines()
        if line.startswith(f"— {name} ")
        and (data := base64.b64decode(line.rsplit(" ", 1)[1]))[:4] == key_id
    )
    if kind == 1:
        Ed25519PublicKey.from_public_bytes(public).verify(payload, text.encode())
        return 0
    (time_s,) = struct.unpack(">Q", payload[:8])
    if kind == 4:
        message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
        Ed25519PublicKey.from_public_bytes(public).verify(payload[8:], message)
    else:
        MLDSA44PublicKey.from_public_bytes(public).verify(
            payload[8:], _cosigned_message(name, time_s, text)
        )
    return int(time_s)


def _cosigned_message(name: str, time_s: int, text: str) -> bytes:
    origin, size, root = text.splitlines()
    return struct.pack(
        f">12sB{len(name)}sQB{len(origin)}sQQ32s",
        b"subtree/v1\n\0",
        len(name),
        name.encode(),
        time_s,
        len(origin),
        origin.encode(),
        0,
        int(size),
        base64.b64decode(root),
    )


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Root to which an inclusion proof leads, as RFC 9162 section 2.1.3.2 computes it.

    Raises:
        IndexError: Too many or too few hashes.
    """
    fn, sn, node = index, size - 1, leaf
    for sibling in proof:
        _expect(sn > 0)
        if fn & 1 or fn == sn:
            node = _node(sibling, node)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = _node(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    _expect(sn == 0)
    return node


def roots_by_consistency(
    old: int, old_root: bytes, size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Both roots to which a consistency proof leads, as RFC 9162 section 2.1.4.2 does it.

    Raises:
        IndexError: Too many or too few hashes.
    """
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for sibling in path[1:]:
        _expect(sn > 0)
        if fn & 1 or fn == sn:
            first, second = _node(sibling, first), _node(sibling, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = _node(second, sibling)
        fn, sn = fn >> 1, sn >> 1
    _expect(sn == 0)
    return first, second


def _expect(enough: bool) -> None:
    if not enough:
        raise IndexError


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
