r"""The first line of a backup: what it is a backup of, for people, and how it is encrypted.

    {"format": "sesn-backup-v1", "agency": "nl.customs",
     "origin": "nl.customs.sesn/ledger/1", "size": 6, "root": base64, "witnessed": 20,
     "schema": "0001", "time": "2026-11-23T07:01:09Z",
     "kdf": {"name": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4},
     "salt": base64, "nonce": base64, "prefix": base64, "key": base64}

All of it stands in one line; `chunks` follow. `key` is the key of the chunks, drawn for this file:
AES-256-GCM under Argon2id(passphrase, salt), with the additional data "sesn/v1/backup\0" and the
line without `key`. So the file's key opens only with the line as it was written, and whoever has
not the passphrase can change nothing in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sesn_node.crypto import primitives
from sesn_node.crypto.chunks import PREFIX_BYTES, ChunkOpener, ChunkSealer
from sesn_node.crypto.documents import Document, encode_bytes, read_document
from sesn_node.crypto.kdf import (
    DEFAULT_KDF,
    SALT_BYTES,
    KdfParams,
    derive_key,
    kdf_members,
    read_kdf,
)
from sesn_node.crypto.keyring import WRONG_PASSPHRASE
from sesn_node.errors import MalformedError, VerificationError

FORMAT: Final = "sesn-backup-v1"

MAX_LINE_BYTES: Final = 4 * 1024
"""No first line is longer, its line feed included."""

_PREFIX: Final = b"sesn/v1/backup\0"
_ROOT_BYTES: Final = 32
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_MAX_TIME_S: Final = 253_402_300_799
"""The last second that has four digits for its year."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a backup is a backup of, as its first line tells everybody.

    Args:
        agency: Whose.
        origin: Its ledger.
        size: Entries of the ledger.
        root: Root hash of the ledger.
        witnessed: How far others' ledgers were witnessed; see `ledger.head`.
        schema: Version of the database's schema.
        time_s: When it was made, POSIX seconds.
    """

    agency: str
    origin: str
    size: int
    root: bytes
    witnessed: int
    schema: str
    time_s: int


@dataclass(frozen=True, slots=True)
class FirstLine:
    """A first line that was read, and proves nothing yet."""

    facts: Facts
    params: KdfParams
    salt: bytes
    nonce: bytes
    prefix: bytes
    key: bytes


def begin_backup(
    facts: Facts, passphrase: bytes, params: KdfParams = DEFAULT_KDF
) -> tuple[bytes, ChunkSealer]:
    """Draw the key of a new backup; returns its first line and what seals its chunks.

    Raises:
        MalformedError: An empty passphrase, or facts that make too long a line.
    """
    if not passphrase:
        raise MalformedError("passphrase: empty")
    salt = primitives.random_bytes(SALT_BYTES)
    nonce = primitives.random_bytes(primitives.AES_NONCE_BYTES)
    prefix = primitives.random_bytes(PREFIX_BYTES)
    key = primitives.random_bytes(primitives.AES_KEY_BYTES)
    bare = _members(facts, params, salt, nonce, prefix)
    wrapped = primitives.aes_gcm_encrypt(
        derive_key(passphrase, salt, params), nonce, key, _PREFIX + _line(bare)
    )
    line = _line({**bare, "key": encode_bytes(wrapped)}) + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise MalformedError(f"backup: the first line is longer than {MAX_LINE_BYTES} bytes")
    return line, ChunkSealer(key, prefix)


def read_first_line(line: bytes) -> FirstLine:
    """Read a first line, its line feed included, without a passphrase: what it claims.

    Raises:
        MalformedError: Not the first line of a backup, or in another spelling than ours.
    """
    if not line.endswith(b"\n"):
        raise MalformedError(f"backup: no line of at most {MAX_LINE_BYTES} bytes begins it")
    document = read_document(line[:-1], "backup", limit=MAX_LINE_BYTES)
    if document.text("format") != FORMAT:
        raise MalformedError(f"backup.format: expected {FORMAT}")
    facts = Facts(
        agency=document.text("agency"),
        origin=document.text("origin"),
        size=_count(document, "size"),
        root=_bytes(document, "root", _ROOT_BYTES),
        witnessed=_count(document, "witnessed"),
        schema=document.text("schema"),
        time_s=_time_s(document.text("time")),
    )
    found = FirstLine(
        facts=facts,
        params=read_kdf(document),
        salt=_bytes(document, "salt", SALT_BYTES),
        nonce=_bytes(document, "nonce", primitives.AES_NONCE_BYTES),
        prefix=_bytes(document, "prefix", PREFIX_BYTES),
        key=_bytes(document, "key", primitives.AES_KEY_BYTES + primitives.AES_TAG_BYTES),
    )
    document.end()
    # The additional data is written anew, so another spelling of the same would open as well.
    if _line({**_bare(found), "key": encode_bytes(found.key)}) + b"\n" != line:
        raise MalformedError("backup: the first line is not spelled as this program writes it")
    return found


def open_backup(line: FirstLine, passphrase: bytes) -> ChunkOpener:
    """Open the key of a backup; from then on its first line is true.

    Raises:
        VerificationError: `WRONG_PASSPHRASE`; an altered first line looks the same.
    """
    try:
        key = primitives.aes_gcm_decrypt(
            derive_key(passphrase, line.salt, line.params),
            line.nonce,
            line.key,
            _PREFIX + _line(_bare(line)),
        )
    except VerificationError as exc:
        raise VerificationError(
            "backup: wrong passphrase (it is the one that the key files had when the backup was "
            "made), or its first line was altered",
            code=WRONG_PASSPHRASE,
        ) from exc
    return ChunkOpener(key, line.prefix)


def _bare(line: FirstLine) -> dict[str, object]:
    return _members(line.facts, line.params, line.salt, line.nonce, line.prefix)


def _members(
    facts: Facts, params: KdfParams, salt: bytes, nonce: bytes, prefix: bytes
) -> dict[str, object]:
    return {
        "format": FORMAT,
        "agency": facts.agency,
        "origin": facts.origin,
        "size": facts.size,
        "root": encode_bytes(facts.root),
        "witnessed": facts.witnessed,
        "schema": facts.schema,
        "time": datetime.fromtimestamp(facts.time_s, UTC).strftime(_TIME),
        "kdf": kdf_members(params),
        "salt": encode_bytes(salt),
        "nonce": encode_bytes(nonce),
        "prefix": encode_bytes(prefix),
    }


def _line(members: dict[str, object]) -> bytes:
    return json.dumps(members).encode("ascii")


def _count(document: Document, name: str) -> int:
    value = document.integer(name)
    if not 0 <= value < 1 << 63:
        raise MalformedError(f"backup.{name}: expected 0 to 2^63 - 1")
    return value


def _bytes(document: Document, name: str, length: int) -> bytes:
    value = document.data(name)
    if len(value) != length:
        raise MalformedError(f"backup.{name}: expected {length} bytes")
    return value


def _time_s(text: str) -> int:
    try:
        time_s = int(datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp())
    except ValueError as exc:
        raise MalformedError("backup.time: expected a time such as 2026-11-23T07:01:09Z") from exc
    if not 0 <= time_s <= _MAX_TIME_S:
        raise MalformedError("backup.time: not between 1970 and 9999")
    return time_s
