"""Backups that somebody got at: nothing that was altered is believed, and nothing is restored."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto.backup import begin_backup, open_backup, read_first_line
from sesn_node.crypto.chunks import ALTERED, SEALED_CHUNK_BYTES
from sesn_node.crypto.keyring import WRONG_PASSPHRASE
from sesn_node.errors import MalformedError, SesnError, StorageError, VerificationError
from sesn_node.exchange.backup import opened, read_facts, verify_backup
from sesn_node.exchange.restore import restore
from sesn_node.store.dump import MAX_RECORD_BYTES
from sesn_node.store.sealedfile import SealedWriter
from tests.support.backups import backed_up, place_for, restored
from tests.support.engines import current
from tests.support.homes import CHEAP, GH, NL, PASSPHRASE
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.crypto.backup import Facts
    from tests.support.network import Network

SEED = 20_261_123
_FLIPS = 60


@pytest.fixture
def backup(connect: Callable[..., Network], tmp_path: Path) -> Path:
    """A backup of nl.customs, some chunks long."""
    net = connect(NL, GH)
    for _ in range(12):
        net.share(NL, GH, payload=alert("Large", narrative="x" * 20_000))
    net.deliver(NL, GH)
    path = tmp_path / "nl.sesnbackup"
    backed_up(net[NL], path)
    assert path.stat().st_size > 3 * SEALED_CHUNK_BYTES
    return path


def _parts(backup: Path) -> tuple[bytes, list[bytes]]:
    """The first line, and the chunks."""
    line, mark, rest = backup.read_bytes().partition(b"\n")
    step = SEALED_CHUNK_BYTES
    return line + mark, [rest[at : at + step] for at in range(0, len(rest), step)]


def _refused(backup: Path, folder: Path, *codes: str) -> None:
    """It does not verify, and restoring it leaves nothing behind."""
    with pytest.raises(SesnError) as error:
        verify_backup(backup, PASSPHRASE)
    assert not codes or error.value.code in codes, error.value
    place = place_for(current(), folder / f"new-{random.randrange(1 << 60)}")
    with pytest.raises(SesnError):
        restored(backup, place)
    assert place.path is not None
    assert list(place.path.parent.iterdir()) == []


def test_any_flipped_bit(backup: Path) -> None:
    """Whichever bit is flipped, of the first line or behind it, the backup is not believed."""
    data = backup.read_bytes()
    chance = random.Random(SEED)
    end = data.index(b"\n") + 1
    places = [chance.randrange(end) for _ in range(_FLIPS)]
    places += [chance.randrange(end, len(data)) for _ in range(_FLIPS)]
    for at in [*places, end - 1, end, len(data) - 1]:
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        backup.write_bytes(flipped)
        with pytest.raises((VerificationError, MalformedError)):
            verify_backup(backup, PASSPHRASE)


def test_cut_off_at_any_chunk(backup: Path, tmp_path: Path) -> None:
    """No beginning of a backup passes for a smaller one, not even at the end of a chunk."""
    line, chunks = _parts(backup)
    for count in range(len(chunks)):
        backup.write_bytes(line + b"".join(chunks[:count]))
        _refused(backup, tmp_path, ALTERED)
    for size in (0, 1, len(line) - 1):
        backup.write_bytes(line[:size])
        _refused(backup, tmp_path, MalformedError.code)


def test_something_behind_the_end(backup: Path, tmp_path: Path) -> None:
    """Nothing can be added to a backup, neither bytes nor another backup's chunks."""
    line, chunks = _parts(backup)
    for more in (b"\0", chunks[-1], b"".join(chunks)):
        backup.write_bytes(line + b"".join(chunks) + more)
        _refused(backup, tmp_path, ALTERED)


def test_chunks_of_an_older_backup(
    connect: Callable[..., Network], backup: Path, tmp_path: Path
) -> None:
    """Under one passphrase, too, the beginning of one backup and the end of another do not fit."""
    line, chunks = _parts(backup)
    other = connect(NL, GH)
    for _ in range(12):
        other.share(NL, GH, payload=alert("Large", narrative="y" * 20_000))
    older = tmp_path / "older.sesnbackup"
    backed_up(other[NL], older)
    older_line, older_chunks = _parts(older)
    for mixed in (
        line + b"".join([*chunks[:1], *older_chunks[1:]]),
        line + b"".join(older_chunks),
        older_line + b"".join(chunks),
        line + b"".join([chunks[1], chunks[0], *chunks[2:]]),
        line + b"".join([*chunks[:1], *chunks]),
    ):
        backup.write_bytes(mixed)
        _refused(backup, tmp_path, ALTERED)


def test_first_line_of_another_ledger(backup: Path, tmp_path: Path) -> None:
    """Who has not the passphrase cannot let a backup pass for a newer or another one."""
    line, chunks = _parts(backup)
    members = json.loads(line)
    for changes in (
        {"size": members["size"] + 1},
        {"agency": "gh.epa"},
        {"time": "2030-01-01T00:00:00Z"},
    ):
        changed = json.dumps(members | changes).encode() + b"\n"
        backup.write_bytes(changed + b"".join(chunks))
        _refused(backup, tmp_path, WRONG_PASSPHRASE)


def test_another_passphrase(backup: Path) -> None:
    """Without the passphrase nothing but the first line can be read."""
    with pytest.raises(VerificationError) as error:
        verify_backup(backup, b"another passphrase")
    assert error.value.code == WRONG_PASSPHRASE


def test_costs_that_take_all_memory(backup: Path, tmp_path: Path) -> None:
    """A first line that asks for a terabyte of memory is refused before a passphrase is tried."""
    line, chunks = _parts(backup)
    members = json.loads(line)
    members["kdf"]["memory_kib"] = 1 << 30
    backup.write_bytes(json.dumps(members).encode() + b"\n" + b"".join(chunks))
    _refused(backup, tmp_path, MalformedError.code)


def test_database_of_a_newer_program(backup: Path, tmp_path: Path) -> None:
    """A backup of another schema is refused with the way out, before anything is written."""
    facts = read_facts(backup)
    _forge(backup, _with(facts, schema="9999"), b"")
    _refused(backup, tmp_path, StorageError.code)
    with pytest.raises(StorageError, match="install this one"):
        verify_backup(backup, PASSPHRASE)


def _with(facts: Facts, **changes: object) -> Facts:
    members = {name: getattr(facts, name) for name in facts.__dataclass_fields__}
    return type(facts)(**(members | changes))


def _forge(backup: Path, facts: Facts, stream: bytes) -> None:
    """Write a backup as somebody can who knows the passphrase."""
    line, sealer = begin_backup(facts, PASSPHRASE, CHEAP)
    with backup.open("wb") as file:
        file.write(line)
        writer = SealedWriter(file, sealer)
        writer.write(stream)
        writer.finish()


def _stream(backup: Path) -> bytes:
    """What is behind the first line, in clear."""
    line, chunks = _parts(backup)
    opener = open_backup(read_first_line(line), PASSPHRASE)
    last = len(chunks) - 1
    return b"".join(opener.open(one, last=at == last) for at, one in enumerate(chunks))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 1},
        {"root": bytes(32)},
        {"witnessed": 0},
        {"origin": "nl.customs.sesn/ledger/2"},
        {"origin": "gh.epa.sesn/ledger/1"},
        {"origin": "nonsense"},
        {"agency": "gh.epa"},
    ],
)
def test_first_line_that_lies(backup: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    """Whoever knows the passphrase still cannot sign for the ledger: the line must be true."""
    stream = _stream(backup)
    facts = read_facts(backup)
    _forge(backup, facts, stream)
    assert verify_backup(backup, PASSPHRASE).facts == facts
    _forge(backup, _with(facts, **changes), stream)
    _refused(backup, tmp_path)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"S",
        b"S\xff\xff\xff\xff",
        b"S" + (MAX_RECORD_BYTES + 1).to_bytes(4, "big"),
        b"S\0\0\0\0",
        b"S\0\0\0\0Z\0\0\0\0",
        b"Z\0\0\0\0",
        bytes(100),
    ],
)
def test_hostile_stream(backup: Path, tmp_path: Path, stream: bytes) -> None:
    """Records that claim to be huge, or are none, are refused before memory is taken for them."""
    _forge(backup, read_facts(backup), stream)
    _refused(backup, tmp_path, MalformedError.code)


def test_records_behind_the_end(backup: Path, tmp_path: Path) -> None:
    """After the last record there is nothing more, sealed or not."""
    stream = _stream(backup)
    _forge(backup, read_facts(backup), stream + b"R\0\0\0\0")
    _refused(backup, tmp_path, MalformedError.code)


def test_not_a_file(tmp_path: Path) -> None:
    """A folder, a missing file and an empty one are told apart from a backup."""
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StorageError, match="cannot be read"):
            read_facts(path)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(MalformedError):
        read_facts(tmp_path / "empty")


def test_a_backup_is_read_once(backup: Path, tmp_path: Path) -> None:
    """What was read is what is restored: there is no second look that could differ."""
    place = place_for(current(), tmp_path / "new")
    with opened(backup, PASSPHRASE) as found:
        backup.write_bytes(b"")
        with pytest.raises(SesnError):
            restore(found, place, lambda _: None)
    assert place.path is not None
    assert list(place.path.parent.iterdir()) == []
