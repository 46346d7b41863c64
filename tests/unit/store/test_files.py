"""Small files that are never seen half written, the head file first of all."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import MalformedError, StorageError
from sesn_node.store.files import locked, read_file, replace_file
from sesn_node.store.headfile import HeadFile, Released

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_S = 60.0


def _note(size: int) -> bytes:
    return f"nl.customs.sesn/ledger/1\n{size}\nroot\n\n".encode()


@pytest.fixture
def head_file(tmp_path: Path) -> HeadFile:
    """A head file at size 7."""
    head_file = HeadFile(tmp_path / "ledger.head")
    head_file.raise_to(_note(7), 7, 5)
    return head_file


def test_replaced_file(tmp_path: Path) -> None:
    """The new content is there whole, readable by its owner alone, and nothing else is left."""
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        replace_file(path, content)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_file_that_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """When a step fails, the old content stands, and no temporary file is left."""
    path = tmp_path / "file"
    replace_file(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(StorageError, match="No space left"):
        replace_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_is_synced_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rename itself is made durable: file first, then folder."""
    synced: list[bool] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        synced.append(os.path.isdir(f"/proc/self/fd/{descriptor}"))  # noqa: PTH112 - a link
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    replace_file(tmp_path / "file", b"content")
    assert synced == [False, True]


def test_missing_folder(tmp_path: Path) -> None:
    """A file in a folder that is not there cannot be written, and says so."""
    with pytest.raises(StorageError, match="cannot be written"):
        replace_file(tmp_path / "missing" / "file", b"")


@pytest.mark.parametrize(("size", "fits"), [(10, True), (11, False)])
def test_length_limit(tmp_path: Path, size: int, *, fits: bool) -> None:
    """A file is read up to its limit and not beyond."""
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    if fits:
        assert len(read_file(path, limit=10)) == size
    else:
        with pytest.raises(StorageError, match="longer than 10"):
            read_file(path, limit=10)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there cannot be read, and says so."""
    with pytest.raises(StorageError, match="cannot be read"):
        read_file(tmp_path / "file", limit=10)


def test_lock_is_exclusive(tmp_path: Path) -> None:
    """Whoever does not want to wait learns that another holds the lock."""
    path = tmp_path / "lock"
    with locked(path), pytest.raises(BlockingIOError), locked(path, wait=False):
        pass
    with locked(path, wait=False):
        pass


def test_lock_is_not_made_behind_a_link(tmp_path: Path) -> None:
    """Whoever else writes in the folder chose the target: a file elsewhere, to be overwritten."""
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "lock"
    path.symlink_to(elsewhere)
    with pytest.raises(StorageError, match="cannot be opened"), locked(path):
        pass
    assert not elsewhere.exists()


def test_lock_is_waited_for(tmp_path: Path) -> None:
    """A second holder comes in when the first has left."""
    path = tmp_path / "lock"
    order: list[str] = []

    def second() -> None:
        with locked(path):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(path):
        thread.start()
        order.append("first")
    thread.join(_PATIENCE_S)
    assert order == ["first", "second"]


def test_no_head_file(tmp_path: Path) -> None:
    """Without a file there is no head, and the first one is taken."""
    head_file = HeadFile(tmp_path / "ledger.head")
    assert head_file.read() is None
    head_file.raise_to(_note(0), 0, 0)
    assert head_file.read() == Released(_note(0), 0, 0)


@pytest.mark.parametrize(
    ("size", "witnessed", "taken"),
    [(6, 5, False), (6, 4, False), (7, 5, False), (7, 4, False), (7, 6, True), (8, 5, True)],
)
def test_head_file_never_goes_back(
    head_file: HeadFile, size: int, witnessed: int, taken: bool
) -> None:
    """Two processes may commit in one order and arrive in the other: the later commit stays."""
    head_file.raise_to(_note(size), size, witnessed)
    new = Released(_note(size), size, witnessed)
    assert head_file.read() == (new if taken else Released(_note(7), 7, 5))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"no lines",
        b"witnessed 5\norigin\nmany\nroot\n",
        _note(7),
        b"witnessed -1\n" + _note(7),
        b"witnessed 05\n" + _note(7),
        b"witnessed \n" + _note(7),
        b"5\n" + _note(7),
    ],
)
def test_head_file_of_garbage(head_file: HeadFile, content: bytes) -> None:
    """A file that holds no checkpoint is not overwritten: an operator has to look."""
    head_file.path.write_bytes(content)
    with pytest.raises(StorageError, match="Put back the one"):
        head_file.raise_to(_note(8), 8, 5)
    assert head_file.path.read_bytes() == content


def test_head_file_of_absurd_length(head_file: HeadFile) -> None:
    """A file that is no checkpoint is not read to its end."""
    head_file.path.write_bytes(bytes(64 * 1024 + 1))
    with pytest.raises(StorageError, match="longer than"):
        head_file.raise_to(_note(8), 8, 5)


def test_head_file_that_cannot_be_locked(tmp_path: Path) -> None:
    """Without its folder the head file cannot be raised, and nothing may be released."""
    with pytest.raises(StorageError, match="cannot be opened"):
        HeadFile(tmp_path / "missing" / "ledger.head").raise_to(_note(8), 8, 5)


def test_timeline_of_the_server(tmp_path: Path) -> None:
    """It is kept with the rest, adopted where it was not known, and left alone otherwise."""
    head_file = HeadFile(tmp_path / "ledger.head")
    head_file.raise_to(_note(7), 7, 5)
    head_file.raise_to(_note(7), 7, 5, "00000001")
    held = head_file.read()
    assert held is not None
    assert (held.size, held.witnessed, held.timeline) == (7, 5, "00000001")
    assert head_file.path.read_bytes().startswith(b"witnessed 5 timeline 00000001\n")
    head_file.raise_to(_note(7), 7, 5, "00000002")
    assert head_file.read() == held


def test_confirming_never_lowers_the_size(tmp_path: Path) -> None:
    """What was witnessed may be forgotten by an operator's word; what was signed may not."""
    head_file = HeadFile(tmp_path / "ledger.head")
    head_file.confirm(_note(7), 7, 9, "00000001")
    head_file.confirm(_note(7), 7, 5, "0000000A")
    held = head_file.read()
    assert held is not None
    assert (held.size, held.witnessed, held.timeline) == (7, 5, "0000000A")
    with pytest.raises(StorageError, match="stays as it is"):
        head_file.confirm(_note(6), 6, 9, "0000000A")
    head_file.path.write_bytes(b"nonsense")
    with pytest.raises(StorageError, match="stays as it is"):
        head_file.confirm(_note(7), 7, 9, "0000000A")
    assert head_file.path.read_bytes() == b"nonsense"


@pytest.mark.parametrize(
    "line",
    [
        b"witnessed 5 timeline",
        b"witnessed 5 timeline \n",
        b"witnessed 5  timeline 00000001",
        b"witnessed \xff timeline 1",
    ],
)
def test_first_line_that_is_none(tmp_path: Path, line: bytes) -> None:
    """A first line that nobody wrote is malformed."""
    head_file = HeadFile(tmp_path / "ledger.head")
    head_file.path.write_bytes(line + b"\n" + _note(7))
    with pytest.raises(MalformedError):
        head_file.read()
