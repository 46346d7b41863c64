"""The key file, held open by several processes that change it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto import primitives
from sesn_node.crypto.kdf import KdfParams
from sesn_node.crypto.keyring import Keyring, decrypt_keyring, encrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.errors import ConflictError, StorageError, VerificationError
from sesn_node.store.files import replace_file
from sesn_node.store.keyfile import KeyFile
from tests.vectors.crypto.material import record

if TYPE_CHECKING:
    from pathlib import Path

CHEAP = KdfParams(memory_kib=8, iterations=1, lanes=1)
PASSPHRASE = b"correct horse battery staple"
FIRST, SECOND = record(KeyKind.STORAGE, "first"), record(KeyKind.STORAGE, "second")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A key file with one key."""
    made = tmp_path / "node.key"
    replace_file(made, encrypt_keyring(Keyring((FIRST,)), PASSPHRASE, CHEAP))
    return made


def test_a_change_by_another_process_is_seen(path: Path) -> None:
    """The other's change is read at the next refresh, and not before."""
    one, other = KeyFile(path, PASSPHRASE), KeyFile(path, PASSPHRASE)
    other.change(lambda ring: ring.add(SECOND))
    assert one.ring.records == (FIRST,)
    assert set(one.refresh().records) == {FIRST, SECOND}
    assert one.ring is one.refresh()


def test_a_change_is_on_the_disk_and_for_its_owner_alone(path: Path) -> None:
    """Old and new keys are in the file, which nobody else can read."""
    KeyFile(path, PASSPHRASE).change(lambda ring: ring.add(SECOND))
    assert set(decrypt_keyring(path.read_bytes(), PASSPHRASE).records) == {FIRST, SECOND}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_starts_from_what_the_file_holds(path: Path) -> None:
    """Two processes that change it one after the other lose nothing of each other."""
    one, other = KeyFile(path, PASSPHRASE), KeyFile(path, PASSPHRASE)
    other.change(lambda ring: ring.add(SECOND))
    assert one.change(lambda ring: ring.without([FIRST.key_id])).records == (SECOND,)
    assert other.refresh().records == (SECOND,)


def test_changes_of_many_threads_are_all_there(path: Path) -> None:
    """Changes at the same moment queue up."""
    files = [KeyFile(path, PASSPHRASE) for _ in range(3)]
    made = [record(KeyKind.STORAGE, f"thread {number}") for number in range(6)]
    threads = [
        threading.Thread(target=file.change, args=(lambda ring, key=key: ring.add(key),))
        for file, key in zip(files * 2, made, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(files[0].refresh().records) == {FIRST, *made}


def test_a_change_that_changes_nothing_writes_nothing(path: Path) -> None:
    """The file keeps its place on the disk."""
    before = path.stat().st_ino
    KeyFile(path, PASSPHRASE).change(lambda ring: ring)
    assert path.stat().st_ino == before


def test_a_change_that_fails_changes_nothing(path: Path) -> None:
    """The file and the keys in memory stay as they were."""
    file, before = KeyFile(path, PASSPHRASE), path.read_bytes()
    with pytest.raises(ConflictError):
        file.change(lambda ring: ring.add(FIRST))
    assert path.read_bytes() == before
    assert file.ring.records == (FIRST,)


def test_the_passphrase_is_derived_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and writing later versions asks for no passphrase and costs no derivation."""
    file, other = KeyFile(path, PASSPHRASE), KeyFile(path, PASSPHRASE)

    def again(*_: object, **__: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(primitives, "argon2id", again)
    other.change(lambda ring: ring.add(SECOND))
    assert len(file.refresh().records) == 2
    assert PASSPHRASE not in repr(vars(file)).encode()


def test_a_file_under_another_passphrase_is_not_taken(path: Path) -> None:
    """The process says that it has to be started again, and keeps the keys that it has."""
    file = KeyFile(path, PASSPHRASE)
    replace_file(path, encrypt_keyring(Keyring((SECOND,)), b"another passphrase", CHEAP))
    with pytest.raises(VerificationError, match="start the process again"):
        file.refresh()
    with pytest.raises(VerificationError, match="start the process again"):
        file.change(lambda ring: ring.add(SECOND))
    assert file.ring.records == (FIRST,)


def test_a_file_that_is_gone(path: Path) -> None:
    """The error names it; the keys in memory stay."""
    file = KeyFile(path, PASSPHRASE)
    path.unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        file.refresh()
    with pytest.raises(StorageError, match="cannot be read"):
        file.change(lambda ring: ring.add(SECOND))
    assert file.ring.records == (FIRST,)
    with pytest.raises(StorageError):
        KeyFile(path, PASSPHRASE)
