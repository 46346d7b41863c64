"""The keyring and its file. Hostile files, one by one, are in the vectors."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from sesn_node.crypto import primitives
from sesn_node.crypto.documents import encode_bytes
from sesn_node.crypto.kdf import DEFAULT_KDF, KdfParams
from sesn_node.crypto.keyring import Keyring, decrypt_keyring, encrypt_keyring, unlock_keyring
from sesn_node.crypto.keys import KeyKind, KeyRecord
from sesn_node.errors import ConfigError, ConflictError, MalformedError, VerificationError
from tests.vectors.crypto.material import record

CHEAP = KdfParams(memory_kib=8, iterations=1, lanes=1)
PASSPHRASE = b"correct horse battery staple"


def storage(name: str, not_before_ms: int = 0, not_after_ms: int = 1_000) -> KeyRecord:
    """Return a storage key with a validity."""
    key = record(KeyKind.STORAGE, name)
    return replace(key, not_before_ms=not_before_ms, not_after_ms=not_after_ms)


OLD, NEW, LATER = storage("old"), storage("new", 100), storage("later", 500)
ALL = Keyring(tuple(record(kind, f"ring {kind}") for kind in KeyKind))


def test_newest_in_force() -> None:
    """Of the keys in force, the one whose validity began last is taken."""
    ring = Keyring((LATER, OLD, NEW))
    assert ring.newest(KeyKind.STORAGE, 99) == OLD
    assert ring.newest(KeyKind.STORAGE, 100) == NEW
    assert ring.newest(KeyKind.STORAGE, 500) == LATER


@pytest.mark.parametrize(("kind", "at_ms"), [(KeyKind.STORAGE, 1_000), (KeyKind.SEAL, 500)])
def test_no_key_in_force(kind: KeyKind, at_ms: int) -> None:
    """The error names the kind and the way out."""
    with pytest.raises(ConfigError, match=f"no {kind} key.*issue a new card") as caught:
        Keyring((OLD,)).newest(kind, at_ms)
    assert caught.value.code == "KEY_MISSING"


def test_of_kind_is_ordered_by_age() -> None:
    """Keys come oldest first, in whatever order they were given."""
    assert Keyring((LATER, OLD, NEW)).of_kind(KeyKind.STORAGE) == (OLD, NEW, LATER)
    assert Keyring((LATER, OLD, NEW)) == Keyring((NEW, LATER, OLD))
    assert Keyring().of_kind(KeyKind.STORAGE) == ()


def test_find() -> None:
    """A key is found by its id, in force or not."""
    assert ALL.find(ALL.records[0].key_id) == ALL.records[0]
    assert ALL.find(bytes(32)) is None


def test_add() -> None:
    """Adding gives a new keyring and leaves the old one; the same key twice is a conflict."""
    ring = Keyring((OLD,))
    assert ring.add(NEW).records == (OLD, NEW)
    assert ring.records == (OLD,)
    with pytest.raises(ConflictError, match="there already"):
        ring.add(replace(OLD, not_after_ms=5))


def test_replace() -> None:
    """Replacing changes the validity of a key that is there."""
    ended = replace(OLD, not_after_ms=50)
    assert Keyring((OLD, NEW)).replace(ended).records == (ended, NEW)
    with pytest.raises(ConflictError, match="no such storage key"):
        Keyring((NEW,)).replace(ended)


def test_replace_keeps_the_kind() -> None:
    """A seal key does not become the root by a replacement."""
    seal = record(KeyKind.SEAL, "one key")
    with pytest.raises(ConflictError, match="no such root key"):
        Keyring((seal,)).replace(replace(seal, kind=KeyKind.ROOT))


def test_remove() -> None:
    """A removed key is gone; removing it again is a conflict."""
    ring = Keyring((OLD, NEW)).remove(OLD.key_id)
    assert ring.records == (NEW,)
    with pytest.raises(ConflictError, match=OLD.key_id.hex()):
        ring.remove(OLD.key_id)


def test_two_records_of_one_key_are_refused() -> None:
    """One key has one validity."""
    with pytest.raises(MalformedError, match="two records"):
        Keyring((OLD, replace(OLD, not_after_ms=5)))


def test_no_secret_is_shown() -> None:
    """The repr counts keys and shows none."""
    assert repr(Keyring((OLD, NEW))) == "Keyring(storage: 2)"
    assert all(key.private.hex() not in repr(ALL) for key in ALL.records)


def test_file_round_trip() -> None:
    """A key file gives back every record, and differs at each write."""
    first, second = (encrypt_keyring(ALL, PASSPHRASE, CHEAP) for _ in range(2))
    assert first != second
    assert first.isascii()
    assert first.endswith(b"}\n")
    assert decrypt_keyring(first, PASSPHRASE) == ALL
    assert decrypt_keyring(second, PASSPHRASE) == ALL


def test_file_with_the_default_cost() -> None:
    """The defaults are RFC 9106's second recommendation, and they work."""
    assert (DEFAULT_KDF.memory_kib, DEFAULT_KDF.iterations, DEFAULT_KDF.lanes) == (65_536, 3, 4)
    data = encrypt_keyring(Keyring((OLD,)), PASSPHRASE)
    assert json.loads(data)["kdf"]["memory_kib"] == 65_536
    assert decrypt_keyring(data, PASSPHRASE).records == (OLD,)


def test_no_secret_is_in_the_file() -> None:
    """Neither kinds nor keys can be read from the file without the passphrase."""
    data = encrypt_keyring(ALL, PASSPHRASE, CHEAP)
    assert set(json.loads(data)) == {"format", "kdf", "salt", "nonce", "box"}
    assert b"seal" not in data


@pytest.mark.parametrize("passphrase", [b"", b"correct horse", PASSPHRASE + b"\n"])
def test_wrong_passphrase(passphrase: bytes) -> None:
    """The error says that the file may be altered too, and not which."""
    with pytest.raises(VerificationError, match="wrong passphrase, or") as caught:
        decrypt_keyring(encrypt_keyring(ALL, PASSPHRASE, CHEAP), passphrase)
    assert caught.value.code == "WRONG_PASSPHRASE"


def test_an_empty_passphrase_is_refused() -> None:
    """A file that anybody can open is not written."""
    with pytest.raises(MalformedError, match="passphrase"):
        encrypt_keyring(ALL, b"", CHEAP)


@pytest.mark.parametrize(
    ("memory_kib", "iterations", "lanes", "field"),
    [
        (7, 1, 1, "memory_kib"),
        (31, 1, 4, "memory_kib"),
        (1_048_577, 1, 1, "memory_kib"),
        (64, 0, 1, "iterations"),
        (64, 17, 1, "iterations"),
        (1_024, 1, 0, "lanes"),
        (1_024, 1, 17, "lanes"),
    ],
)
def test_costs_are_bounded(memory_kib: int, iterations: int, lanes: int, field: str) -> None:
    """Neither a hostile file nor a slip of the hand asks for everything."""
    with pytest.raises(MalformedError, match=field):
        KdfParams(memory_kib, iterations, lanes)


def forge(plaintext: bytes) -> bytes:
    """Write a key file with any content in its box."""
    document = json.loads(encrypt_keyring(Keyring(), PASSPHRASE, CHEAP))
    header = {name: document[name] for name in ("format", "kdf", "salt", "nonce")}
    aad = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    salt, nonce = (base64.b64decode(document[name]) for name in ("salt", "nonce"))
    key = primitives.argon2id(PASSPHRASE, salt, memory_kib=8, iterations=1, lanes=1)
    box = primitives.aes_gcm_encrypt(key, nonce, plaintext, b"sesn/v1/keyring\0" + aad)
    document["box"] = encode_bytes(box)
    return json.dumps(document).encode()


GOOD = {
    "kind": "storage",
    "public": "",
    "private": "",
    "created_ms": 0,
    "not_before_ms": 0,
    "not_after_ms": 1,
}


@pytest.mark.parametrize(
    ("plaintext", "problem"),
    [
        (b"", "not a JSON document"),
        (b"\xff", "not a JSON document"),
        (b"[]", "expected an object"),
        (b"{}", "box.keys: missing"),
        (b'{"keys": {}}', "box.keys: expected a list"),
        (b'{"keys": [1]}', r"keys\[0\]: expected an object"),
        (b'{"keys": [], "more": 1}', "unknown member 'more'"),
        (json.dumps({"keys": [{**GOOD, "kind": "master"}]}).encode(), "kind of key 'master'"),
        (json.dumps({"keys": [GOOD]}).encode(), "expected 32 bytes, found 0"),
        (json.dumps({"keys": [{**GOOD, "created_ms": "0"}]}).encode(), "expected an integer"),
        (json.dumps({"keys": [{**GOOD, "private": 7}]}).encode(), "expected a string"),
        (json.dumps({"keys": [{**GOOD, "private": "A"}]}).encode(), "expected base64"),
        (json.dumps({"keys": [{**GOOD, "private": "é"}]}).encode(), "expected base64"),
    ],
)
def test_a_malformed_box_is_refused(plaintext: bytes, problem: str) -> None:
    """What a faulty writer put into a box, with the right passphrase, is named."""
    with pytest.raises(MalformedError, match=problem):
        decrypt_keyring(forge(plaintext), PASSPHRASE)


def test_a_record_with_an_unknown_member_is_refused() -> None:
    """A member of a record that this release does not know may matter; it is not skipped."""
    key = record(KeyKind.STORAGE, "extra")
    item = GOOD | {
        "public": encode_bytes(key.public),
        "private": encode_bytes(key.private),
    }
    assert decrypt_keyring(forge(json.dumps({"keys": [item]}).encode()), PASSPHRASE).records
    item["revoked"] = True
    with pytest.raises(MalformedError, match="unknown member 'revoked'"):
        decrypt_keyring(forge(json.dumps({"keys": [item]}).encode()), PASSPHRASE)


@pytest.mark.parametrize(("name", "text"), [("salt", "AAAA"), ("nonce", "AAAA")])
def test_other_lengths_in_the_header_are_refused(name: str, text: str) -> None:
    """Salt and nonce have one length each."""
    document = json.loads(encrypt_keyring(Keyring(), PASSPHRASE, CHEAP))
    document[name] = text
    with pytest.raises(MalformedError, match=f"{name}: expected"):
        decrypt_keyring(json.dumps(document).encode(), PASSPHRASE)


def test_an_oversized_file_is_refused() -> None:
    """Nobody has 4 MiB of keys."""
    with pytest.raises(MalformedError, match="longer than"):
        decrypt_keyring(b" " * (4 * 1024 * 1024 + 1), PASSPHRASE)


def test_a_later_version_of_a_file_opens_without_the_passphrase() -> None:
    """Whoever opened a file once reads and writes later versions of it, as the passphrase does."""
    key, ring = unlock_keyring(encrypt_keyring(Keyring((OLD,)), PASSPHRASE, CHEAP), PASSPHRASE)
    assert ring.records == (OLD,)
    later = key.seal(Keyring((OLD, NEW)))
    assert later != key.seal(Keyring((OLD, NEW)))
    assert key.open(later).records == (OLD, NEW)
    assert decrypt_keyring(later, PASSPHRASE).records == (OLD, NEW)
    assert "FileKey()" in repr(key)


def test_a_file_under_another_passphrase_says_so() -> None:
    """It has another salt, even if the passphrase is the same: the process must start again."""
    key, _ = unlock_keyring(encrypt_keyring(ALL, PASSPHRASE, CHEAP), PASSPHRASE)
    with pytest.raises(VerificationError, match="start the process again") as caught:
        key.open(encrypt_keyring(ALL, PASSPHRASE, CHEAP))
    assert caught.value.code == "PASSPHRASE_CHANGED"


def test_a_file_key_refuses_an_altered_file() -> None:
    """A later version is held against its tag like the first one."""
    key, _ = unlock_keyring(encrypt_keyring(ALL, PASSPHRASE, CHEAP), PASSPHRASE)
    document = json.loads(key.seal(ALL))
    box = base64.b64decode(document["box"])
    document["box"] = encode_bytes(box[:-1] + bytes([box[-1] ^ 1]))
    with pytest.raises(VerificationError) as caught:
        key.open(json.dumps(document).encode())
    assert caught.value.code == "WRONG_PASSPHRASE"


def test_a_certificate_stays_with_its_key() -> None:
    """A TLS key and its leaf are written together; no other key has one."""
    tls = replace(record(KeyKind.TLS, "tls"), certificate=b"a leaf")
    assert decrypt_keyring(
        encrypt_keyring(Keyring((tls,)), PASSPHRASE, CHEAP), PASSPHRASE
    ).records == (tls,)
    with pytest.raises(MalformedError, match="only a TLS key has a certificate"):
        replace(record(KeyKind.SEAL, "seal"), certificate=b"a leaf")


def test_without() -> None:
    """Several keys are left out at once, whether they are there or not."""
    assert Keyring((OLD, NEW)).without([OLD.key_id, bytes(32)]).records == (NEW,)


def test_more_keys_than_a_file_holds_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that could not be read back is not written: its keys would be lost."""
    data = encrypt_keyring(ALL, PASSPHRASE, CHEAP)
    monkeypatch.setattr("sesn_node.crypto.keyring.KEY_FILE_BYTES", len(data) - 1)
    with pytest.raises(MalformedError, match="remove old keys"):
        encrypt_keyring(ALL, PASSPHRASE, CHEAP)
