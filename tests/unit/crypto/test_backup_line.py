"""The first line of a backup: readable by everybody, changed by nobody without the passphrase."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto.backup import (
    MAX_LINE_BYTES,
    Facts,
    begin_backup,
    open_backup,
    read_first_line,
)
from sesn_node.crypto.kdf import KdfParams
from sesn_node.crypto.keyring import WRONG_PASSPHRASE
from sesn_node.errors import MalformedError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSPHRASE = b"five words are quite enough"
CHEAP = KdfParams(64, 1, 1)
FACTS = Facts(
    agency="nl.customs",
    origin="nl.customs.sesn/ledger/1",
    size=6,
    root=bytes(range(32)),
    witnessed=20,
    schema="0001",
    time_s=1_795_417_269,
)


def _line(facts: Facts = FACTS) -> bytes:
    return begin_backup(facts, PASSPHRASE, CHEAP)[0]


def _changed(line: bytes, changes: Mapping[str, object]) -> bytes:
    """Write a line anew, in our own spelling, with other members."""
    return json.dumps(json.loads(line) | changes).encode() + b"\n"


def test_everybody_can_read_it() -> None:
    """It is one line of JSON in ASCII that says what it is a backup of."""
    line = _line()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found = json.loads(line.decode("ascii"))
    assert found["format"] == "sesn-backup-v1"
    assert (found["agency"], found["size"], found["witnessed"]) == ("nl.customs", 6, 20)
    assert found["time"] == "2026-11-23T07:01:09Z"
    assert read_first_line(line).facts == FACTS


def test_round_trip() -> None:
    """Who has the passphrase opens what was sealed behind the line."""
    line, sealer = begin_backup(FACTS, PASSPHRASE, CHEAP)
    sealed = sealer.seal(b"content", last=True)
    opener = open_backup(read_first_line(line), PASSPHRASE)
    assert opener.open(sealed, last=True) == b"content"


def test_every_backup_has_a_key_of_its_own() -> None:
    """Two backups of the same have nothing in common but what their lines say."""
    one, other = (json.loads(_line()) for _ in range(2))
    for name in ("salt", "nonce", "prefix", "key"):
        assert one[name] != other[name]


def test_another_passphrase() -> None:
    """It does not open under another passphrase, nor under none."""
    line = read_first_line(_line())
    for passphrase in (b"another", b"", PASSPHRASE + b"\n"):
        with pytest.raises(VerificationError) as error:
            open_backup(line, passphrase)
        assert error.value.code == WRONG_PASSPHRASE


@pytest.mark.parametrize(
    "changes",
    [
        {"agency": "gh.epa"},
        {"origin": "nl.customs.sesn/ledger/2"},
        {"size": 7},
        {"root": "A" * 43 + "="},
        {"witnessed": 19},
        {"schema": "0002"},
        {"time": "2026-11-23T07:01:10Z"},
        {"kdf": {"name": "argon2id", "memory_kib": 64, "iterations": 2, "lanes": 1}},
        {"salt": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"nonce": "AAAAAAAAAAAAAAAA"},
        {"prefix": "AAAAAAAAAA=="},
    ],
)
def test_changed_claim(changes: dict[str, object]) -> None:
    """Whatever the line says was said by whoever had the passphrase."""
    changed = _changed(_line(), changes)
    with pytest.raises(VerificationError) as error:
        open_backup(read_first_line(changed), PASSPHRASE)
    assert error.value.code == WRONG_PASSPHRASE


def test_another_spelling() -> None:
    """Even what a reader of JSON would not notice is refused."""
    line = _line()
    members = json.loads(line)
    for other in (
        line.replace(b": ", b":", 1),
        line.replace(b", ", b",  ", 1),
        line.replace(b"nl.customs", b"nl.custom\\u0073", 1),
        b" " + line,
        json.dumps(dict(reversed(members.items()))).encode() + b"\n",
        json.dumps(members, indent=1).encode().replace(b"\n", b"") + b"\n",
    ):
        with pytest.raises(MalformedError):
            read_first_line(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "sesn-backup-v2"},
        {"format": 1},
        {"size": -1},
        {"size": 1 << 63},
        {"size": True},
        {"witnessed": -1},
        {"root": "AAAA"},
        {"time": "yesterday"},
        {"time": "2026-11-23 07:01:09"},
        {"time": "1969-12-31T23:59:59Z"},
        {"kdf": {"name": "scrypt", "memory_kib": 64, "iterations": 1, "lanes": 1}},
        {"kdf": {"name": "argon2id", "memory_kib": 1 << 30, "iterations": 1, "lanes": 1}},
        {"kdf": {"name": "argon2id", "memory_kib": 64, "iterations": 1 << 30, "lanes": 1}},
        {"kdf": {"name": "argon2id", "memory_kib": 64, "iterations": 1, "lanes": 1, "more": 1}},
        {"salt": "AAAA"},
        {"nonce": ""},
        {"prefix": "AAAA"},
        {"key": "AAAA"},
        {"more": 1},
    ],
)
def test_not_a_first_line(changes: dict[str, object]) -> None:
    """What is not a first line is refused before a passphrase is tried, however costly it asks."""
    with pytest.raises(MalformedError):
        read_first_line(_changed(_line(), changes))


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{}\n", b"[]\n", b"null\n", bytes(4096), b"SQLite format 3\0\n", b"\xff\n"],
)
def test_not_json(data: bytes) -> None:
    """Any other file is told from a backup."""
    with pytest.raises(MalformedError):
        read_first_line(data)


def test_line_cut_off() -> None:
    """A line without its end is none."""
    with pytest.raises(MalformedError, match="no line"):
        read_first_line(_line()[:-1])


def test_empty_passphrase() -> None:
    """A backup under no passphrase would not be encrypted."""
    with pytest.raises(MalformedError, match="empty"):
        begin_backup(FACTS, b"", CHEAP)


def test_line_longer_than_any() -> None:
    """A line that no reader takes is not written."""
    long = Facts("a" * MAX_LINE_BYTES, "o", 0, bytes(32), 0, "0001", 1)
    with pytest.raises(MalformedError, match="longer"):
        begin_backup(long, PASSPHRASE, CHEAP)
