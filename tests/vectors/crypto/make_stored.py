"""Vectors of what a node stores: wrapped content keys and the key file."""

from __future__ import annotations

import json

from sesn_node.crypto.kdf import KdfParams
from sesn_node.crypto.keyring import Keyring, encrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.storage import StorageCipher
from tests.vectors.crypto.material import Vector, flip, record, seed

_CHEAP = KdfParams(memory_kib=64, iterations=1, lanes=1)
_PASSPHRASE = "correct horse battery staple"


def storage() -> list[Vector]:
    """Return the vectors of `StorageCipher.unwrap`."""
    key, row, content = seed("storage"), seed("row", 16), seed("stored content key")
    good = StorageCipher(key).wrap(content, table="inbox", row=row)
    shifted = ("inbo", b"x" + row)
    rows: list[tuple[str, str, bytes, tuple[str, bytes], bytes, str]] = [
        ("good", "a content key of the inbox", key, ("inbox", row), good, "ok"),
        ("another row", "moved to another message", key, ("inbox", seed("r", 16)), good, ""),
        ("another table", "moved to the outbox", key, ("outbox", row), good, ""),
        ("shifted boundary", "the same letters, split elsewhere", key, shifted, good, ""),
        ("another storage key", "of another node", seed("other"), ("inbox", row), good, ""),
        ("altered nonce", "one bit", key, ("inbox", row), flip(good, 0), ""),
        ("altered box", "one bit", key, ("inbox", row), flip(good, 20), ""),
        ("altered tag", "one bit", key, ("inbox", row), flip(good, -1), ""),
        ("truncated", "59 bytes", key, ("inbox", row), good[:-1], "MALFORMED"),
        ("oversized", "61 bytes", key, ("inbox", row), good + b"\0", "MALFORMED"),
        (
            "short storage key",
            "AES-128 is not on offer",
            key[:16],
            ("inbox", row),
            good,
            "MALFORMED",
        ),
    ]
    return [
        {
            "name": name,
            "comment": comment,
            "key": storage_key.hex(),
            "table": table,
            "row": row_id.hex(),
            "wrapped": wrapped.hex(),
            "content_key": content.hex() if outcome == "ok" else "",
            "outcome": outcome or "UNDECRYPTABLE",
        }
        for name, comment, storage_key, (table, row_id), wrapped, outcome in rows
    ]


def keyring() -> list[Vector]:
    """Return the vectors of `decrypt_keyring`."""
    ring = Keyring(tuple(record(kind, f"keyring {kind}") for kind in KeyKind))
    full = encrypt_keyring(ring, _PASSPHRASE.encode(), _CHEAP).decode()
    small = Keyring((record(KeyKind.STORAGE, "keyring storage"),))
    good = encrypt_keyring(small, _PASSPHRASE.encode(), _CHEAP).decode()
    empty = encrypt_keyring(Keyring(), _PASSPHRASE.encode(), _CHEAP).decode()
    ids = ",".join(r.key_id.hex() for r in ring.records)
    box = json.loads(good)["box"]
    kdf = '"name": "argon2id"'
    rows = [
        ("costlier header", "the header is authenticated", _swap(good, ": 64,", ": 65,"), ""),
        ("altered box", "one character", _swap(good, box[:8], _turn(box[:8])), ""),
        ("truncated box", "no tag", _swap(good, box, box[:16]), ""),
        (
            "huge memory",
            "1 TiB: refused before it is asked for",
            _swap(good, ": 64,", f": {2**30},"),
            "M",
        ),
        ("no memory", "under 8 KiB a lane", _swap(good, ": 64,", ": 7,"), "M"),
        (
            "many iterations",
            "a day's work",
            _swap(good, '"iterations": 1', '"iterations": 99'),
            "M",
        ),
        ("boolean", "true is not 1", _swap(good, '"lanes": 1', '"lanes": true'), "M"),
        ("fraction", "1.0 is not 1", _swap(good, '"lanes": 1', '"lanes": 1.0'), "M"),
        ("another kdf", "none but Argon2id", _swap(good, kdf, '"name": "scrypt"'), "M"),
        ("another format", "version 2", _swap(good, "keyring-v1", "keyring-v2"), "M"),
        ("unknown member", "in the header", _swap(good, "{", '{"hint": "horse",'), "M"),
        ("unknown member of kdf", "in the kdf", _swap(good, kdf, kdf + ', "hint": 1'), "M"),
        ("twice the same name", "the first or the last?", _swap(good, "{", '{"salt": "",'), "M"),
        ("missing member", "no box", _swap(good, '"box"', '"fox"'), "M"),
        (
            "base64 not canonical",
            "no padding",
            _swap(good, '==",\n  "nonce"', '",\n  "nonce"'),
            "M",
        ),
        ("not an object", "a list", f"[{good}]", "M"),
        ("not JSON", "cut off", good[:-3], "M"),
        ("deeply nested", "a stack overflow elsewhere", "[" * 20_000, "M"),
        ("empty", "no bytes", "", "M"),
    ]
    outcomes = {"": "WRONG_PASSPHRASE", "M": "MALFORMED"}
    return [
        _keyring("all kinds", "one key of each", full, ids, "ok"),
        _keyring("no keys", "a new agency", empty, "", "ok"),
        {
            **_keyring("wrong passphrase", "one letter", good, "", "WRONG_PASSPHRASE"),
            "passphrase": _PASSPHRASE.upper(),
        },
        *(_keyring(name, why, text, "", outcomes[o]) for name, why, text, o in rows),
    ]


def _keyring(name: str, comment: str, document: str, key_ids: str, outcome: str) -> Vector:
    return {
        "name": name,
        "comment": comment,
        "document": document,
        "passphrase": _PASSPHRASE,
        "key_ids": key_ids,
        "outcome": outcome,
    }


def _swap(text: str, old: str, new: str) -> str:
    if old not in text:
        raise LookupError(old)
    return text.replace(old, new, 1)


def _turn(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]
