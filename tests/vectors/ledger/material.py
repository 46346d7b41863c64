"""Ledgers and witnesses that the ledger's tests and vectors share. The keys protect nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sesn_node.crypto.keys import KeyKind, KeyRecord, public_of
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.domain.ids import Origin
from sesn_node.ledger.checkpoint import LogKeys, sign_checkpoint
from sesn_node.ledger.cosignature import WitnessKeys, cosign
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import EMPTY_ROOT, consistency_proof, root_at
from sesn_node.ledger.note import NoteSignature
from tests.support.trees import StoredTree, entries

TIME_S: Final = 1_767_225_600
LARGEST: Final = 64


def signer(kind: KeyKind, name: str) -> Signer:
    """Return the signer of a kind and name; its private key is SHAKE-256 of the name."""
    private = hashlib.shake_256(b"sesn ledger vectors: " + name.encode()).digest(32)
    return signer_for(KeyRecord(kind, public_of(kind, private), private, 0, 0, 1))


@dataclass(frozen=True, slots=True)
class TestLedger:
    """A ledger of up to 64 entries whose every head can be signed and proven."""

    __test__ = False  # Not a test, whatever pytest makes of its name.

    keys: LogKeys
    ed25519: Signer
    mldsa44: Signer
    tree: StoredTree

    def head(self, size: int) -> TreeHead:
        """Return the head at a size."""
        root = root_at(size, self.tree.read) if size else EMPTY_ROOT
        return TreeHead(self.keys.origin, size, root)

    def sign(self, head: TreeHead) -> bytes:
        """Sign any head, honest or not, with both keys."""
        return sign_checkpoint(head, self.ed25519, self.mldsa44, TIME_S)

    def checkpoint(self, size: int) -> bytes:
        """Return the signed checkpoint at a size."""
        return self.sign(self.head(size))

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """Return the consistency proof between two sizes."""
        return consistency_proof(old, size, self.tree.read)


@dataclass(frozen=True, slots=True)
class TestWitness:
    """A witness that cosigns whatever it is given."""

    __test__ = False

    keys: WitnessKeys
    ed25519: Signer
    mldsa44: Signer

    def cosign(self, head: TreeHead, time_s: int = TIME_S) -> bytes:
        """Cosign a head with both keys."""
        return cosign(head, self.keys.name, self.ed25519, self.mldsa44, time_s)


def ledger(origin: str, *, label: str = "entry", keys: str = "") -> TestLedger:
    """Return a ledger; another label gives other entries, under the same keys."""
    ed25519 = signer(KeyKind.LOG_ED25519, f"{keys or origin} Ed25519")
    mldsa44 = signer(KeyKind.LOG_MLDSA44, f"{keys or origin} ML-DSA-44")
    return TestLedger(
        LogKeys(Origin(origin), ed25519.public, mldsa44.public),
        ed25519,
        mldsa44,
        StoredTree(entries(LARGEST, label)),
    )


def witness(name: str) -> TestWitness:
    """Return a witness."""
    ed25519 = signer(KeyKind.WITNESS_ED25519, f"{name} Ed25519")
    mldsa44 = signer(KeyKind.WITNESS_MLDSA44, f"{name} ML-DSA-44")
    return TestWitness(WitnessKeys(name, ed25519.public, mldsa44.public), ed25519, mldsa44)


def flip(data: bytes, at: int) -> bytes:
    """Return `data` with the lowest bit of one byte turned."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def flip_payload(line: NoteSignature, at: int) -> NoteSignature:
    """Return a signature line with one bit of its payload turned."""
    return NoteSignature(line.name, line.key_id, flip(line.payload, at))


DUTCH: Final = ledger("nl.customs.sesn/ledger/1")
FORKED: Final = ledger(DUTCH.keys.origin, label="forged")
BELGIAN: Final = ledger("be.police.sesn/ledger/1")
GERMAN_WITNESS: Final = witness("de.zoll.sesn/witness")
FRENCH_WITNESS: Final = witness("fr.douane.sesn/witness")
