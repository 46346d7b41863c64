"""The disk floor: when new messages stop, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesn_node.errors import StorageError
from sesn_node.store.disk import DISK_FLOOR, MIB, Disk
from tests.support.watching import Space

HOME, DATA = Path("/srv/sesn"), Path("/data")


def _disk(space: Space, floor_mib: int = 256) -> Disk:
    return Disk({"home": HOME, "database": DATA}, floor_mib * MIB, statvfs=space.statvfs)


def test_room_is_no_problem() -> None:
    """At the floor and above it, nothing is said and nothing refused."""
    disk = _disk(Space(256 * MIB))
    assert disk.problem() == ""
    disk.require_room()


def test_below_the_floor_is_told_with_figures() -> None:
    """The words name the folder, what is left, and the setting; the error has a code."""
    disk = _disk(Space(12 * MIB))
    words = "the file system of /srv/sesn has 12 MiB left, less than limits.disk_floor_mib, 256"
    assert disk.problem() == words
    with pytest.raises(StorageError, match="until there is room again") as caught:
        disk.require_room()
    assert caught.value.code == DISK_FLOOR
    assert words in str(caught.value)


def test_it_is_looked_at_each_time() -> None:
    """Room that somebody makes is noticed at the next look."""
    space = Space(0)
    disk = _disk(space)
    assert disk.problem()
    space.free_bytes = 512 * MIB
    assert not disk.problem()


def test_read_only_is_a_problem_however_much_is_free() -> None:
    """After an I/O error, kernels make a file system read-only."""
    space = Space(1 << 40)
    space.read_only = True
    assert _disk(space).problem() == "the file system of /srv/sesn is read-only"


def test_folder_that_is_gone_is_a_problem() -> None:
    """A mount that went away is not taken for room."""
    space = Space(1 << 40)
    space.gone = True
    assert _disk(space).problem() == ("/srv/sesn cannot be looked at: No such file or directory")
    assert [one.free_bytes for one in _disk(space).volumes()] == [0, 0]


def test_floor_of_zero_looks_at_nothing() -> None:
    """Whoever does not want it is left alone; the figures are there all the same."""
    disk = _disk(Space(0), floor_mib=0)
    assert disk.problem() == ""
    disk.require_room()
    assert [one.name for one in disk.volumes()] == ["home", "database"]


def test_every_volume_counts() -> None:
    """A full disk of the database is told, though the home has room."""
    full = {HOME: Space(1 << 40), DATA: Space(0)}
    disk = Disk(
        {"home": HOME, "database": DATA}, MIB, statvfs=lambda path: full[path].statvfs(path)
    )
    assert disk.problem().startswith("the file system of /data has 0 MiB left")


def test_real_file_system_is_asked(tmp_path: Path) -> None:
    """Without a seam the kernel answers: some figure for a folder, an error for none."""
    disk = Disk({"home": tmp_path, "database": tmp_path / "none"}, 1)
    there, missing = disk.volumes()
    assert there.free_bytes > 0
    assert "No such file" in missing.problem
