r"""An agency's own keys, and the passphrase-protected file that they live in.

    {"format": "sesn-keyring-v1",
     "kdf":    {"name": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4},
     "salt":   base64, 16 bytes,
     "nonce":  base64, 12 bytes,
     "box":    base64, AES-256-GCM under Argon2id(passphrase, salt)}

The additional data is "sesn/v1/keyring\0" and the document without `box` as JSON with sorted
names and no spaces. The box holds `{"keys": [...]}`, one member per field of `KeyRecord`; the
certificate is left out where there is none.

A file keeps its salt as long as its passphrase stays, and every write draws a new nonce. So a
process that opened the file once can read and write later versions of it without keeping the
passphrase, which opens the root's file too. What the file protects is a copy of it, exactly as well
as the passphrase resists guessing; a node that runs holds its keys in memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sesn_node.crypto import primitives
from sesn_node.crypto.documents import Document, encode_bytes, read_document
from sesn_node.crypto.kdf import (
    DEFAULT_KDF,
    SALT_BYTES,
    KdfParams,
    derive_key,
    kdf_members,
    read_kdf,
)
from sesn_node.crypto.keys import KeyKind, KeyRecord
from sesn_node.errors import ConfigError, ConflictError, MalformedError, VerificationError

FORMAT: Final = "sesn-keyring-v1"
WRONG_PASSPHRASE: Final = "WRONG_PASSPHRASE"  # noqa: S105 - the name of an error, not a secret
PASSPHRASE_CHANGED: Final = "PASSPHRASE_CHANGED"  # noqa: S105 - as above
KEY_MISSING: Final = "KEY_MISSING"

_PREFIX: Final = b"sesn/v1/keyring\0"
KEY_FILE_BYTES: Final = 4 * 1024 * 1024
"""No key file of a home is longer."""


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """All keys of one agency: immutable, ordered by kind and start of validity.

    Raises:
        MalformedError: Two records of one key.
    """

    records: tuple[KeyRecord, ...] = ()

    def __post_init__(self) -> None:
        if len({record.key_id for record in self.records}) != len(self.records):
            raise MalformedError("keyring: two records of one key")
        ordered = tuple(sorted(self.records, key=lambda r: (r.kind, *_age(r))))
        object.__setattr__(self, "records", ordered)

    def __repr__(self) -> str:
        counts = Counter(record.kind.value for record in self.records)
        return f"Keyring({', '.join(f'{kind}: {n}' for kind, n in counts.items())})"

    def of_kind(self, kind: KeyKind) -> tuple[KeyRecord, ...]:
        """Return all keys of `kind`, oldest start of validity first."""
        return tuple(record for record in self.records if record.kind is kind)

    def newest(self, kind: KeyKind, at_ms: int) -> KeyRecord:
        """Return the key of `kind` in force at `at_ms` whose validity began last.

        Raises:
            ConfigError: `KEY_MISSING`: there is none.
        """
        in_force = [record for record in self.of_kind(kind) if record.in_force(at_ms)]
        if not in_force:
            raise ConfigError(
                f"key file: no {kind} key is in force at {at_ms} (Unix milliseconds); make one "
                "and issue a new card",
                code=KEY_MISSING,
            )
        return in_force[-1]

    def find(self, key_id: bytes) -> KeyRecord | None:
        """Return the key of that id, in force or not, or None."""
        return next((record for record in self.records if record.key_id == key_id), None)

    def add(self, record: KeyRecord) -> Keyring:
        """Return a keyring with one more key.

        Raises:
            ConflictError: The key is there already.
        """
        if self.find(record.key_id) is not None:
            raise ConflictError(f"keyring: the {record.kind} key is there already")
        return Keyring((*self.records, record))

    def replace(self, record: KeyRecord) -> Keyring:
        """Return a keyring where `record` stands for the same key, as when its validity ends.

        Raises:
            ConflictError: There is no such key of that kind.
        """
        old = self.find(record.key_id)
        if old is None or old.kind is not record.kind:
            raise ConflictError(f"keyring: there is no such {record.kind} key to replace")
        return Keyring((*self._others(record.key_id), record))

    def remove(self, key_id: bytes) -> Keyring:
        """Return a keyring without a key, as when its destruction is due.

        Raises:
            ConflictError: There is no such key.
        """
        if self.find(key_id) is None:
            raise ConflictError(f"keyring: there is no key {key_id.hex()} to remove")
        return Keyring(self._others(key_id))

    def without(self, key_ids: Collection[bytes]) -> Keyring:
        """Return a keyring that holds none of these keys, whether it held them or not."""
        return Keyring(tuple(one for one in self.records if one.key_id not in key_ids))

    def _others(self, key_id: bytes) -> tuple[KeyRecord, ...]:
        return tuple(record for record in self.records if record.key_id != key_id)


@dataclass(frozen=True, slots=True, repr=False)
class FileKey:
    """The key of one key file, derived once from its passphrase.

    Nonces are random, 96 bits, so one key may write 2^32 versions of its file (NIST SP 800-38D
    section 8.3).
    """

    params: KdfParams
    salt: bytes
    _key: bytes

    def __repr__(self) -> str:
        return "FileKey()"

    def open(self, data: bytes) -> Keyring:
        """Open a version of the file.

        1. The document is strict JSON of the one format, within bounds.
        2. It has the salt and the costs of this key.
        3. The box opens with the header as it stands.
        4. Every private key decodes and belongs to its public key.

        Raises:
            MalformedError: Steps 1 and 4.
            VerificationError: `PASSPHRASE_CHANGED`: step 2. `WRONG_PASSPHRASE`: step 3; an altered
                file looks the same.
        """
        return self._open(_read_file(data))

    def _open(self, file: _File) -> Keyring:
        if (file.params, file.salt) != (self.params, self.salt):
            raise VerificationError(
                "key file: it was written anew under another passphrase since this process opened "
                "it; start the process again",
                code=PASSPHRASE_CHANGED,
            )
        header = _aad(_header(file.params, file.salt, file.nonce))
        try:
            plaintext = primitives.aes_gcm_decrypt(self._key, file.nonce, file.box, header)
        except VerificationError as exc:
            raise VerificationError(
                "wrong passphrase, or the key file was altered. Try again; if the passphrase is "
                "right, put back the copy of keys/ that you keep apart: 'sesn restore' brings no "
                "keys back",
                code=WRONG_PASSPHRASE,
            ) from exc
        return _load_records(plaintext)

    def seal(self, keyring: Keyring) -> bytes:
        """Write a version of the file: JSON, ASCII, ending in a newline.

        Raises:
            MalformedError: More keys than a key file holds (4 MiB).
        """
        nonce = primitives.random_bytes(primitives.AES_NONCE_BYTES)
        header = _header(self.params, self.salt, nonce)
        box = primitives.aes_gcm_encrypt(self._key, nonce, _dump_records(keyring), _aad(header))
        data = json.dumps({**header, "box": encode_bytes(box)}, indent=2).encode("ascii") + b"\n"
        if len(data) > KEY_FILE_BYTES:
            raise MalformedError(f"key file: longer than {KEY_FILE_BYTES} bytes; remove old keys")
        return data


def new_file_key(passphrase: bytes, params: KdfParams = DEFAULT_KDF) -> FileKey:
    """Derive the key of a file that is to be written, from a fresh salt.

    Raises:
        MalformedError: An empty passphrase.
    """
    if not passphrase:
        raise MalformedError("passphrase: empty")
    salt = primitives.random_bytes(SALT_BYTES)
    return FileKey(params, salt, derive_key(passphrase, salt, params))


def unlock_keyring(data: bytes, passphrase: bytes) -> tuple[FileKey, Keyring]:
    """Open a key file, and keep what opens and writes later versions of it.

    Raises:
        MalformedError: As `FileKey.open`.
        VerificationError: `WRONG_PASSPHRASE`: or an altered file.
    """
    file = _read_file(data)
    key = FileKey(file.params, file.salt, derive_key(passphrase, file.salt, file.params))
    return key, key._open(file)  # noqa: SLF001 - a constructor of the class


def encrypt_keyring(keyring: Keyring, passphrase: bytes, params: KdfParams = DEFAULT_KDF) -> bytes:
    """Write a new key file: JSON, ASCII, ending in a newline.

    Raises:
        MalformedError: An empty passphrase, or more keys than a key file holds (4 MiB).
    """
    return new_file_key(passphrase, params).seal(keyring)


def decrypt_keyring(data: bytes, passphrase: bytes) -> Keyring:
    """Open a key file. Raises as `unlock_keyring` does."""
    return unlock_keyring(data, passphrase)[1]


@dataclass(frozen=True, slots=True)
class _File:
    """A key file as it was read; nothing in it is verified."""

    params: KdfParams
    salt: bytes
    nonce: bytes
    box: bytes


def _read_file(data: bytes) -> _File:
    document = read_document(data, "key file", limit=KEY_FILE_BYTES)
    if document.text("format") != FORMAT:
        raise MalformedError(f"key file: format: expected {FORMAT}")
    params = read_kdf(document)
    salt = _read_bytes(document, "salt", SALT_BYTES)
    nonce = _read_bytes(document, "nonce", primitives.AES_NONCE_BYTES)
    box = document.data("box")
    document.end()
    return _File(params, salt, nonce, box)


def _header(params: KdfParams, salt: bytes, nonce: bytes) -> dict[str, object]:
    return {
        "format": FORMAT,
        "kdf": kdf_members(params),
        "salt": encode_bytes(salt),
        "nonce": encode_bytes(nonce),
    }


def _aad(header: dict[str, object]) -> bytes:
    return _PREFIX + json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")


def _read_bytes(document: Document, name: str, length: int) -> bytes:
    value = document.data(name)
    if len(value) != length:
        raise MalformedError(f"key file: {name}: expected {length} bytes")
    return value


def _dump_records(keyring: Keyring) -> bytes:
    records = [_dump_record(record) for record in keyring.records]
    return json.dumps({"keys": records}).encode("ascii")


def _dump_record(record: KeyRecord) -> dict[str, object]:
    item: dict[str, object] = {
        "kind": record.kind.value,
        "public": encode_bytes(record.public),
        "private": encode_bytes(record.private),
        "created_ms": record.created_ms,
        "not_before_ms": record.not_before_ms,
        "not_after_ms": record.not_after_ms,
    }
    if record.certificate:
        item["certificate"] = encode_bytes(record.certificate)
    return item


def _load_records(plaintext: bytes) -> Keyring:
    document = read_document(plaintext, "key file box", limit=KEY_FILE_BYTES)
    records = tuple(_load_record(item) for item in document.documents("keys"))
    document.end()
    return Keyring(records)


def _load_record(item: Document) -> KeyRecord:
    kind = item.text("kind")
    try:
        parsed = KeyKind(kind)
    except ValueError as exc:
        raise MalformedError(f"key file: unknown kind of key {kind[:40]!a}") from exc
    record = KeyRecord(
        kind=parsed,
        public=item.data("public"),
        private=item.data("private"),
        created_ms=item.integer("created_ms"),
        not_before_ms=item.integer("not_before_ms"),
        not_after_ms=item.integer("not_after_ms"),
        certificate=item.data("certificate") if item.has("certificate") else b"",
    )
    item.end()
    return record


def _age(record: KeyRecord) -> tuple[int, int, bytes]:
    return record.not_before_ms, record.created_ms, record.key_id
