# ruff: noqa: INP001 - a script, not a package
"""Print the worked example of `example.md`: one message, its entries, proofs and signatures.

Run it from the root of the repository: `.venv/bin/python docs/spec/example.py`.

The sealed content is the frozen vector "first recipient" of `tests/vectors/crypto/seal.json`;
every other key and salt is SHAKE-256 of its name, so that anybody can make it again. Each formula
is worked out here with `hashlib` and `struct` and compared with what the node's own code gives.
Signatures of ML-DSA-44 are hedged, hence different each time: what they sign is printed instead.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sesn_node.crypto.keys import KeyKind, KeyRecord, load_encryption_private, public_of
from sesn_node.crypto.primitives import aes_gcm_decrypt
from sesn_node.crypto.seal import MessageContext, open_content, open_wrapped_key
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.crypto.signing import ObjectKind, verify_object
from sesn_node.domain.entries import Entry, EntryKind, EntryRef, KeyCode, PeerCode
from sesn_node.domain.ids import AgencyId, MessageId, ledger_origin, witness_name
from sesn_node.domain.messages import Header, Priority, Recipient
from sesn_node.ledger import checkpoint, cosignature, merkle, note, witness
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.ledger.subtree import subtree_message
from sesn_node.trust.fingerprint import fingerprint, words
from sesn_node.wire.entries import encode_entry
from sesn_node.wire.envelopes import encode_header

VECTORS: Final = Path(__file__).parents[2] / "tests" / "vectors" / "crypto" / "seal.json"
NL: Final = AgencyId("nl.customs")
BE: Final = AgencyId("be.customs")
ORIGIN: Final = ledger_origin(NL, 1)
TIME_S: Final = 1_755_000_000
SALT_BYTES: Final = 32
COLUMNS: Final = 92


def seed(name: str) -> bytes:
    """Make 32 bytes that anybody can make again."""
    return hashlib.shake_256(b"sesn vectors: " + name.encode()).digest(32)


def sha256(*parts: bytes) -> bytes:
    """Hash without the node's help."""
    return hashlib.sha256(b"".join(parts)).digest()


def framed(*parts: bytes) -> bytes:
    """Put a big-endian 16-bit length before each part."""
    return b"".join(struct.pack(">H", len(part)) + part for part in parts)


def title(text: str) -> None:
    """Begin a section."""
    sys.stdout.write(f"\n# {text}\n")


def show(name: str, value: bytes | str) -> None:
    """Print bytes as hex, or text as it is; a long value goes below its name."""
    if isinstance(value, str) or len(value) <= SALT_BYTES:
        shown = value if isinstance(value, str) else value.hex()
        sys.stdout.write(f"{name:<24} {shown}\n")
    else:
        lines = textwrap.wrap(value.hex(), COLUMNS)
        sys.stdout.write("\n    ".join([f"{name}, {len(value)} bytes", *lines]) + "\n")


def same(name: str, node: bytes, formula: bytes) -> bytes:
    """Print a value after holding the node's against the formula's."""
    if node != formula:
        raise SystemExit(f"{name}: the node's code does not give what the formula gives")
    show(name, node)
    return node


def signer(kind: KeyKind, name: str) -> Signer:
    """Make the signer of a name."""
    private = seed(name)
    return signer_for(KeyRecord(kind, public_of(kind, private), private, 0, 0, 1))


def print_message() -> Header:
    """Print how the content is sealed, and the header with its seal."""
    vectors = {one["name"]: one for one in json.loads(VECTORS.read_text(encoding="utf-8"))}
    first, second = vectors["first recipient"], vectors["second recipient"]
    message_id, ciphertext, payload, wrapped, key_id = (
        bytes.fromhex(first[name])
        for name in ("message_id", "ciphertext", "payload", "wrapped", "key_id")
    )
    commitment = bytes.fromhex(first["commitment"])
    title("Content")
    show("message id", message_id)
    show("payload", payload.decode())
    digest = same(
        "ciphertext_sha256", bytes.fromhex(first["ciphertext_sha256"]), sha256(ciphertext)
    )
    info = b"sesn/v1/wrap\0" + framed(
        b"SESN-1", message_id, NL.encode(), BE.encode(), key_id, digest, commitment
    )
    show("HPKE info", info)
    context = MessageContext("SESN-1", message_id, NL)
    private = load_encryption_private(bytes.fromhex(first["private"]))
    key = open_wrapped_key(wrapped, context, BE, key_id, private, digest, commitment)
    show("content key", key)
    plaintext = aes_gcm_decrypt(key, bytes(12), ciphertext, b"sesn/v1/content\0" + message_id)
    salt = plaintext[:SALT_BYTES]
    show("salt", salt)
    same("commitment", commitment, sha256(b"sesn/v1/commit\0", salt, payload))
    same("opened", open_content(ciphertext, key, context, digest, commitment), payload)

    title("Header and seal")
    seal_key = ec.derive_private_key(int.from_bytes(seed("example seal"), "big"), ec.SECP256R1())
    spki = seal_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    show("seal key", spki)
    created_ms = int.from_bytes(message_id[:6], "big")
    header = Header(
        message_id=MessageId(message_id),
        sender=NL,
        recipients=tuple(
            Recipient(
                AgencyId(one["recipient"]),
                bytes.fromhex(one["key_id"]),
                sha256(bytes.fromhex(one["wrapped"])),
            )
            for one in (first, second)
        ),
        created_ms=created_ms,
        expires_ms=created_ms + 30 * 86_400_000,
        conversation_id=MessageId(message_id),
        priority=Priority.URGENT,
        seal_key_id=sha256(spki),
        ciphertext_sha256=digest,
        commitment=commitment,
    )
    data = encode_header(header)
    show("header", data)
    show("header_sha256", sha256(data))
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    made = seal_key.sign(b"sesn/v1/envelope\0" + data, algorithm)
    show("seal (RFC 6979)", made)
    verify_object(spki, ObjectKind.ENVELOPE, data, made)
    return header


def print_ledger(header: Header) -> EntryRef:
    """Print the sender's three entries, its tree and its checkpoint; name the SHARED entry."""
    title(f"Ledger of {NL}")
    made = (
        Entry(
            kind=EntryKind.KEY,
            time_ms=TIME_S * 1000,
            salt=seed("salt 0"),
            object_sha256=seed("card of nl.customs"),
            code=KeyCode.CARD_ISSUED.value,
        ),
        Entry(
            kind=EntryKind.PEER,
            time_ms=TIME_S * 1000,
            salt=seed("salt 1"),
            object_sha256=seed("card of be.customs"),
            agency=BE,
            code=PeerCode.TRUSTED.value,
        ),
        Entry(
            kind=EntryKind.SHARED,
            time_ms=TIME_S * 1000,
            salt=seed("salt 2"),
            message_id=header.message_id,
            object_sha256=sha256(encode_header(header)),
            commitment=header.commitment,
        ),
    )
    leaves = []
    tree = merkle.Appender()
    for index, data in enumerate(map(encode_entry, made)):
        show(f"entry {index}", data)
        leaves.append(same(f"leaf hash {index}", merkle.leaf_hash(data), sha256(b"\0", data)))
        tree.append(leaves[index])
    nodes = tree.nodes
    pair = sha256(b"\1", leaves[0], leaves[1])
    same("position 2 holds", nodes[2], pair)
    same("position 3 holds", nodes[3], leaves[2])
    root = same("root of size 3", tree.root(), sha256(b"\1", pair, leaves[2]))

    def read(positions: Sequence[int]) -> dict[int, bytes]:
        return {at: nodes[at] for at in positions}

    same("inclusion of 2 in 3", b"".join(merkle.inclusion_proof(2, 3, read)), pair)
    growth = merkle.consistency_proof(2, 3, read)
    same("consistency of 2 and 3", b"".join(growth), leaves[2])
    print_checkpoint(TreeHead(ORIGIN, 3, root), growth, pair)
    return EntryRef(ORIGIN, 2, leaves[2])


def print_checkpoint(head: TreeHead, growth: tuple[bytes, ...], before: bytes) -> None:
    """Print what signs a head, as its ledger and as a witness, and how a witness is asked."""
    title(f"Checkpoint of {NL}, and the cosignature of {BE}")
    text = checkpoint_text(head)
    root = base64.b64encode(head.root).decode()
    same("text", text.encode(), f"{ORIGIN}\n3\n{root}\n".encode())
    ed25519 = signer(KeyKind.LOG_ED25519, "nl log Ed25519")
    mldsa44 = signer(KeyKind.LOG_MLDSA44, "nl log ML-DSA-44")
    show("Ed25519 key", ed25519.public)
    show("SHA-256 of ML-DSA-44 key", sha256(mldsa44.public))
    signed = checkpoint.sign_checkpoint(head, ed25519, mldsa44, TIME_S)
    checkpoint.verify_checkpoint(signed, checkpoint.LogKeys(ORIGIN, ed25519.public, mldsa44.public))
    by_ed25519, by_mldsa44 = note.parse_note(signed).signatures
    same(
        "key id, type 0x01",
        by_ed25519.key_id,
        sha256(ORIGIN.encode(), b"\n\x01", ed25519.public)[:4],
    )
    same(
        "key id, type 0x06",
        by_mldsa44.key_id,
        sha256(ORIGIN.encode(), b"\n\x06", mldsa44.public)[:4],
    )
    sys.stdout.write(by_ed25519.line())
    name = ORIGIN.encode()
    same(
        "type 0x06 signs",
        subtree_message(head, ORIGIN, TIME_S),
        b"subtree/v1\n\0"
        + bytes([len(name)])
        + name
        + struct.pack(">Q", TIME_S)
        + bytes([len(name)])
        + name
        + struct.pack(">QQ", 0, 3)
        + head.root,
    )
    body = witness.format_add_checkpoint(2, growth, signed)
    show("add-checkpoint begins", body.partition(b"\n\n")[0].decode().replace("\n", " | "))
    recorded = TreeHead(ORIGIN, 2, before)
    keys = checkpoint.LogKeys(ORIGIN, ed25519.public, mldsa44.public)
    show("a witness at 2 answers", str(int(witness.judge(body, keys, recorded).status)))
    one, two = signer(KeyKind.WITNESS_ED25519, "be Ed25519"), signer(KeyKind.WITNESS_MLDSA44, "be")
    lines = cosignature.cosign(head, witness_name(BE), one, two, TIME_S)
    show("witness Ed25519 key", one.public)
    same(
        "type 0x04 signs",
        cosignature.cosignature_message(head, TIME_S),
        f"cosignature/v1\ntime {TIME_S}\n{text}".encode(),
    )
    sys.stdout.write(note.parse_signature_lines(lines)[0].line())


def main() -> None:
    """Print the example."""
    header = print_message()
    shared = print_ledger(header)
    title(f"Receipt of {BE}")
    receipt = Entry(
        kind=EntryKind.RECEIVED,
        time_ms=TIME_S * 1000 + 250,
        salt=seed("salt 3"),
        message_id=header.message_id,
        object_sha256=sha256(encode_header(header)),
        commitment=header.commitment,
        answers=shared,
        agency=NL,
    )
    show("RECEIVED entry", encode_entry(receipt))
    title("Names and keys at rest")
    row = NL.encode() + b"\0" + header.message_id
    show("AAD of its inbox row", b"sesn/v1/storage\0" + framed(b"inbox", row))
    der = bytes.fromhex("3003020101")
    formula = sha256(b"sesn/v1/fingerprint\0", framed(NL.encode()), der)
    same("fingerprint of 3003020101", fingerprint(NL, der), formula)
    show("in words", " ".join(words(formula)))


if __name__ == "__main__":
    main()
