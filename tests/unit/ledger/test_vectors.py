"""The frozen vectors end as they say, here and in an independent implementation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import tests.vectors.ledger.generate
from sesn_node.domain.ids import Origin
from sesn_node.errors import SesnError
from sesn_node.ledger.checkpoint import LogKeys, verify_checkpoint
from sesn_node.ledger.cosignature import WitnessKeys, verify_cosignatures
from sesn_node.ledger.head import TreeHead, parse_checkpoint_text
from sesn_node.ledger.merkle import verify_consistency, verify_inclusion
from sesn_node.ledger.note import format_note, parse_note, parse_vkey
from sesn_node.ledger.witness import judge
from tests.vectors.ledger import independent
from tests.vectors.ledger.make_signed import Vector

FOLDER = Path(tests.vectors.ledger.generate.__file__).parent


def load(name: str) -> list[Vector]:
    """Read a file of vectors."""
    vectors: list[Vector] = json.loads((FOLDER / name).read_text(encoding="ascii"))
    return vectors


KEYS = {vector["name"]: vector for vector in load("keys.json")}


def of(name: str) -> pytest.MarkDecorator:
    """Run a test for every vector of a file."""
    vectors = load(name)
    return pytest.mark.parametrize("vector", vectors, ids=[each["name"] for each in vectors])


def outcome(verify: Callable[[], object]) -> str:
    """Return how a verification ends, in the words of the vectors."""
    try:
        verify()
    except SesnError as error:
        return error.code
    return "ok"


def log_keys(origin: str) -> LogKeys:
    """Return the keys of a ledger."""
    vector = KEYS[origin]
    ed25519, mldsa44 = parse_vkey(vector["ed25519"]), parse_vkey(vector["mldsa44"])
    return LogKeys(Origin(origin), ed25519.public, mldsa44.public)


def hashes(text: str) -> list[bytes]:
    """Read hashes in hex with spaces between."""
    return [bytes.fromhex(value) for value in text.split()]


def test_the_vectors_are_the_frozen_ones() -> None:
    """No vector was changed, added or taken away without freezing it anew."""
    sums = (FOLDER / "SHA256SUMS").read_text(encoding="ascii")
    files = sorted(path.name for path in FOLDER.glob("*.json"))
    assert sums.splitlines() == [
        f"{hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()}  {name}" for name in files
    ]


@of("keys.json")
def test_keys(vector: Vector) -> None:
    """Verifier keys are read, written again as they were, and have the id that C2SP says."""
    for field in ("ed25519", "mldsa44"):
        key = parse_vkey(vector[field])
        assert key.vkey() == vector[field]
        name, key_id, kind, public = independent.key_of(vector[field])
        assert (key.name, key.key_id, key.kind, key.public) == (name, key_id, kind, public)


@of("notes.json")
def test_notes(vector: Vector) -> None:
    """Well-formed notes are read and written again byte for byte; others are malformed."""
    data = bytes.fromhex(vector["note"])
    assert outcome(lambda: parse_note(data)) == vector["outcome"]
    if vector["outcome"] == "ok":
        assert format_note(parse_note(data)) == data


@of("checkpoints.json")
def test_checkpoints(vector: Vector) -> None:
    """Checkpoints verify, or fail with the code that they must."""
    note = vector["note"]
    keys = log_keys(vector["ledger"])
    assert outcome(lambda: verify_checkpoint(note.encode(), keys)) == vector["outcome"]
    if vector["outcome"] == "ok":
        text, _, lines = note.partition("\n\n")
        head = verify_checkpoint(note.encode(), keys)
        assert [head.origin, str(head.size)] == text.split("\n")[:2]
        for field in ("ed25519", "mldsa44"):
            independent.verify_line(KEYS[vector["ledger"]][field], f"{text}\n", lines)


@of("cosignatures.json")
def test_cosignatures(vector: Vector) -> None:
    """Cosignatures tell their time, or fail with the code that they must."""
    named = KEYS[vector["witness"]]
    ed25519, mldsa44 = parse_vkey(named["ed25519"]), parse_vkey(named["mldsa44"])
    keys = WitnessKeys(vector["witness"], ed25519.public, mldsa44.public)
    head = parse_checkpoint_text(vector["text"])
    lines = vector["lines"]
    assert outcome(lambda: verify_cosignatures(lines.encode(), head, keys)) == vector["outcome"]
    if vector["outcome"] == "ok":
        assert verify_cosignatures(lines.encode(), head, keys) == int(vector["time_s"])
        for field in ("ed25519", "mldsa44"):
            time_s = independent.verify_line(named[field], vector["text"], lines)
            assert time_s == int(vector["time_s"])


@of("add_checkpoints.json")
def test_add_checkpoints(vector: Vector) -> None:
    """A witness answers with the status of tlog-witness, and sees the forks."""
    keys = log_keys(vector["ledger"])
    size = int(vector["recorded_size"])
    recorded = TreeHead(keys.origin, size, bytes.fromhex(vector["recorded_root"]))
    verdict = judge(vector["body"].encode(), keys, recorded if size else None)
    fork = " fork" if verdict.fork else ""
    assert f"{verdict.status.value}{fork}" == vector["outcome"]


@of("inclusion.json")
def test_inclusions(vector: Vector) -> None:
    """Inclusion proofs hold, or are refused."""
    leaf, root = bytes.fromhex(vector["leaf"]), bytes.fromhex(vector["root"])
    index, size, proof = int(vector["index"]), int(vector["size"]), hashes(vector["proof"])
    verify = outcome(lambda: verify_inclusion(leaf, index, size, proof, root))
    assert verify == vector["outcome"]
    if vector["outcome"] == "ok":
        assert independent.root_by_inclusion(leaf, index, size, proof) == root


@of("consistency.json")
def test_consistencies(vector: Vector) -> None:
    """Consistency proofs hold, or are refused."""
    old_root, root = bytes.fromhex(vector["old_root"]), bytes.fromhex(vector["root"])
    old, size, proof = int(vector["old"]), int(vector["size"]), hashes(vector["proof"])
    verify = outcome(lambda: verify_consistency(old, old_root, size, root, proof))
    assert verify == vector["outcome"]
    if vector["outcome"] == "ok" and 0 < old < size:
        roots = independent.roots_by_consistency(old, old_root, size, proof)
        assert roots == (old_root, root)
