"""Exports: a folder that was tampered with, a second history, a database that lies, a power cut."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.errors import ConflictError, MalformedError, SesnError, StorageError
from sesn_node.exchange.export import Exported, export_tiles, verify_export
from sesn_node.ledger.checkpoint import parse_checkpoint
from sesn_node.ledger.tiles import parse_tile_path
from sesn_node.store.engine import Store
from sesn_node.store.files import locked
from sesn_node.store.headfile import HeadFile
from tests.support.exports import Ledgers, make_ledgers

if TYPE_CHECKING:
    from tests.support.homes import Homes


@pytest.fixture(scope="module")
def ledgers(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    """One ledger at two sizes, and a fork of it."""
    return make_ledgers(homes, tmp_path_factory.mktemp("ledgers"))


@pytest.fixture(scope="module")
def exported(ledgers: Ledgers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the large one; copy it before it is changed."""
    folder = tmp_path_factory.mktemp("exported") / "large"
    _export(ledgers.large, folder)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of that."""
    return shutil.copytree(exported, tmp_path / "export")


def _export(home: Path, folder: Path, *, blind: bool = False, quick: bool = False) -> Exported:
    store = Store(f"sqlite:///{home}/node.db")
    try:
        return export_tiles(store, HeadFile(home / HEAD_FILE), folder, blind=blind, quick=quick)
    finally:
        store.close()


def _verify(home: Path, folder: Path) -> int:
    store = Store(f"sqlite:///{home}/node.db")
    try:
        return verify_export(store, HeadFile(home / HEAD_FILE), folder).size
    finally:
        store.close()


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _refused(home: Path, folder: Path, code: str, *, quick: bool = False) -> None:
    """An export is refused, and changes nothing that was there."""
    before = _files(folder)
    with pytest.raises(SesnError) as caught:
        _export(home, folder, quick=quick)
    assert caught.value.code == code
    after = _files(folder)
    assert {name: after[name] for name in before} == before
    assert after.get("checkpoint") == before.get("checkpoint")


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "tile/../../etc/passwd",
        "tile/entries/../../checkpoint",
        "/tile/0/000",
        "tile//0/000",
        "tile/0/x../000",
        "tile/0/000.p/../000",
        "tile/0/./000",
        "tile/0/000\0",
        "tile/0/000/",
        "TILE/0/000",
        "tile\\0\\000",
        "tile/0/%2e%2e",
    ],
)
def test_a_name_never_leaves_its_folder(name: str) -> None:
    """Whoever serves or fetches tiles makes file names of nothing else."""
    with pytest.raises(MalformedError):
        parse_tile_path(name)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/0/001", "tile/entries/002.p/*",
                                  "tile/0/002.p/*", "tile/1/000.p/2"])  # fmt: skip
@pytest.mark.parametrize("damage", [_cut, _extend, _flip])
def test_a_changed_file_is_neither_believed_nor_repaired(
    ledgers: Ledgers, folder: Path, name: str, damage: object
) -> None:
    """Verification fails, and the next export refuses: that file says what somebody did."""
    (path,) = folder.glob(name)
    assert callable(damage)
    damage(path)
    with pytest.raises(SesnError):
        _verify(ledgers.large, folder)
    _refused(ledgers.large, folder, "EXPORT_DIFFERS")


def test_a_changed_partial_tile_is_noticed_by_a_quick_export(
    ledgers: Ledgers, folder: Path
) -> None:
    """It looks at those, and then at everything."""
    (path,) = folder.glob("tile/0/002.p/*")
    _flip(path)
    _refused(ledgers.large, folder, "EXPORT_DIFFERS", quick=True)


def test_a_missing_file_is_written_again(ledgers: Ledgers, folder: Path) -> None:
    """Immutable means that the same bytes may come back."""
    (folder / "tile/0/001").unlink()
    done = _export(ledgers.large, folder)
    assert done.written == 1
    assert _verify(ledgers.large, folder) == done.head.size


def test_a_partial_tile_under_the_name_of_a_full_one(ledgers: Ledgers, folder: Path) -> None:
    """Promoted, it would hide the entries that came later."""
    (partial,) = folder.glob("tile/0/002.p/*")
    shutil.copy(partial, folder / "tile/0/000")
    with pytest.raises(MalformedError):
        _verify(ledgers.large, folder)
    _refused(ledgers.large, folder, "EXPORT_DIFFERS")


def test_a_partial_tile_hashed_into_the_level_above(ledgers: Ledgers, folder: Path) -> None:
    """The level above counts full tiles only; a third hash there is one too many."""
    path = folder / "tile/1/000.p/2"
    path.write_bytes(path.read_bytes() + bytes(32))
    with pytest.raises(SesnError):
        _verify(ledgers.large, folder)


def test_an_entry_of_another_place(ledgers: Ledgers, folder: Path) -> None:
    """Two bundles changed places: every entry is genuine, none where it belongs."""
    first, second = folder / "tile/entries/000", folder / "tile/entries/001"
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    with pytest.raises(SesnError) as caught:
        _verify(ledgers.large, folder)
    assert caught.value.code == "WRONG_TILE"


def test_a_fork_in_the_folder(ledgers: Ledgers, tmp_path: Path) -> None:
    """Two histories under one key: neither replaces the other's export."""
    _export(ledgers.forked, tmp_path / "forked")
    _refused(ledgers.large, tmp_path / "forked", "EXPORT_FORK")
    _refused(ledgers.large, tmp_path / "forked", "EXPORT_FORK", quick=True)
    with pytest.raises(ConflictError):
        _verify(ledgers.large, tmp_path / "forked")


def test_a_fork_of_the_same_files(ledgers: Ledgers, tmp_path: Path) -> None:
    """Without its checkpoint the other history still shows, in the first file that differs."""
    _export(ledgers.forked, tmp_path / "forked")
    (tmp_path / "forked" / "checkpoint").unlink()
    for path in tmp_path.rglob("tile/*/000.p/*"):
        # As if a fork had come as far as a full tile.
        full = path.parent.with_name("000")
        if not full.exists():
            shutil.copy(path, full)
    _refused(ledgers.large, tmp_path / "forked", "EXPORT_DIFFERS")


def test_a_larger_export_is_not_taken_back(ledgers: Ledgers, folder: Path) -> None:
    """An old copy of the database does not publish an older checkpoint."""
    _refused(ledgers.small, folder, "EXPORT_AHEAD")


def test_another_ledger_in_the_folder(ledgers: Ledgers, tmp_path: Path) -> None:
    """Two ledgers in one folder would destroy both."""
    other = ledgers.small.parent / "gh.epa"
    _export(other, tmp_path / "gh")
    _refused(ledgers.large, tmp_path / "gh", "OTHER_LEDGER")


def test_a_checkpoint_that_we_did_not_sign(ledgers: Ledgers, folder: Path) -> None:
    """In our name, larger or not: it is kept, and nothing is built on it."""
    path = folder / "checkpoint"
    size = parse_checkpoint(path.read_bytes()).claimed.size
    path.write_bytes(path.read_bytes().replace(f"\n{size}\n".encode(), b"\n7\n"))
    _refused(ledgers.large, folder, "BAD_SIGNATURE")
    path.write_bytes(b"not a checkpoint\n")
    _refused(ledgers.large, folder, "MALFORMED")


def test_a_folder_of_somebody_else(ledgers: Ledgers, tmp_path: Path) -> None:
    """A typing error does not fill somebody's home with tiles."""
    (tmp_path / "letter.txt").write_text("dear colleague")
    _refused(ledgers.large, tmp_path, "NOT_AN_EXPORT")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_two_exports_at_once(ledgers: Ledgers, folder: Path) -> None:
    """The second one is told to wait."""
    with locked(folder / ".export.lock"):
        _refused(ledgers.large, folder, "STORAGE")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET entry = x'00' WHERE entry_index = 300",
        "DELETE FROM ledger_entry WHERE entry_index = 300",
        "UPDATE ledger_node SET hash = zeroblob(32) WHERE position = 600",
        "DELETE FROM ledger_node WHERE position = 600",
        "DELETE FROM ledger_node WHERE position > 600",
    ],
)
def test_a_damaged_database_gets_no_checkpoint_out(
    ledgers: Ledgers, tmp_path: Path, statement: str
) -> None:
    """Nothing wrong is written under any name; what was written is right."""
    home = shutil.copytree(ledgers.large, tmp_path / "home")
    database = sqlite3.connect(home / "node.db")
    with database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(statement)
    database.close()
    folder = tmp_path / "export"
    with pytest.raises(StorageError):
        _export(home, folder)
    assert not (folder / "checkpoint").exists()
    # A good database goes on from there.
    assert _export(ledgers.large, folder).head.size == _verify(ledgers.large, folder)


class _PowerCutError(Exception):
    """The power is gone."""


def test_a_power_cut_between_any_two_steps(
    ledgers: Ledgers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each: whole files only, a checkpoint that is covered, and the next export goes on."""
    size = _export(ledgers.small, tmp_path / "start").head.size
    calls = left = 0

    def counted(do: object) -> object:
        def step(*arguments: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls > left:
                raise _PowerCutError
            assert callable(do)
            return do(*arguments, **named)

        return step

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    finished = False
    while not finished:
        folder = shutil.copytree(tmp_path / "start", tmp_path / f"cut-{left}")
        calls = 0
        try:
            _export(ledgers.large, folder)
            finished = True
        except _PowerCutError:
            reached, left_before = calls, left
            left = 10**9
            # What is there is whole: readers of the old or the new checkpoint find all of it.
            found = _verify(ledgers.large, folder)
            assert found >= size
            assert _export(ledgers.large, folder).head.size > 512
            assert _verify(ledgers.large, folder) > 512
            assert not (folder / ".export.part").exists()
            assert reached == left_before + 1
            left = left_before + 1
        shutil.rmtree(folder)
    assert left > 15
