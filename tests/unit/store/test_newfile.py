"""A file that gets its name when it is whole, and takes it from nobody."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import PolicyError, StorageError
from sesn_node.store.files import locked
from sesn_node.store.newfile import FILE_EXISTS, new_file

if TYPE_CHECKING:
    from pathlib import Path


def _write(target: Path, *, force: bool = False) -> None:
    with new_file(target, force=force, what="report") as file:
        with file.part.open("wb") as part:
            part.write(b"new")
            file.sync(part)
        assert target.exists() == force
        file.put()


def test_it_is_there_at_once(tmp_path: Path) -> None:
    """Whole, for its owner alone, and nothing else is left."""
    _write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_scratch_has_no_name(tmp_path: Path) -> None:
    """It is in the same folder, where there is room, and is gone with whoever has it."""
    with new_file(tmp_path / "file", force=False, what="report") as file, file.scratch() as scratch:
        scratch.write(b"much")
        scratch.seek(0)
        assert scratch.read() == b"much"
        assert [path.name for path in tmp_path.iterdir()] == ["file.part"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_name_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Before the work, or while it is done; on file systems without links, too."""
    target = tmp_path / "file"
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    with new_file(target, force=False, what="report") as file:
        file.part.write_bytes(b"new")
        target.write_bytes(b"old")
        with pytest.raises(StorageError) as error:
            file.put()
    assert error.value.code == FILE_EXISTS
    with pytest.raises(StorageError, match="exists already"):
        _write(target)
    assert target.read_bytes() == b"old"
    _write(target, force=True)
    assert target.read_bytes() == b"new"


def test_memory_stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without links."""
    monkeypatch.setattr(os, "link", _no_links)
    _write(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    """Whatever it is; errors of files are those of the store."""
    for error, expected in ((PolicyError("no"), PolicyError), (OSError(5, "bad"), StorageError)):
        with pytest.raises(expected):
            _fail(tmp_path / "file", error)
    assert list(tmp_path.iterdir()) == []


def test_two_at_once(tmp_path: Path) -> None:
    """The second one says what the first one is."""
    with (
        locked(tmp_path / "file.part"),
        pytest.raises(StorageError, match="another report is being written"),
    ):
        _write(tmp_path / "file")


def _fail(target: Path, error: Exception) -> None:
    with new_file(target, force=False, what="report") as file:
        file.part.write_bytes(b"half")
        raise error


def _no_links(*_: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
