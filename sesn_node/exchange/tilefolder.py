"""A folder with the tiles of one ledger: files that are written once, and one checkpoint.

Every file is written under another name in the same folder, synced and renamed, so that under its
own name it is whole or not there. Before the checkpoint is replaced, the folders are synced too:
whoever can read a checkpoint can read all that it covers, whenever the power failed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sesn_node.errors import ConflictError, StorageError
from sesn_node.ledger.bundles import MAX_BUNDLE_BYTES
from sesn_node.ledger.note import MAX_NOTE_BYTES
from sesn_node.ledger.tiles import CHECKPOINT, ENTRIES
from sesn_node.store.files import locked, read_file, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.ledger.tiles import Tile

DIFFERS: Final = "EXPORT_DIFFERS"
"""Code of a folder that holds other bytes under a name whose bytes never change."""
FOREIGN: Final = "NOT_AN_EXPORT"
"""Code of a folder that holds something else."""

_TILES = "tile"
_PART = ".export.part"
_LOCK = ".export.lock"
# A web server that reads it runs as somebody else.
_READABLE = 0o644


class TileFolder:
    """One folder; see `tile_folder` for writing to it."""

    __slots__ = ("_path", "_touched")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._touched: set[Path] = set()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def checkpoint(self) -> bytes | None:
        """Return the checkpoint, or None if there is none yet.

        Raises:
            StorageError: It cannot be read, or is absurdly long.
        """
        path = self._path / CHECKPOINT
        return read_file(path, limit=MAX_NOTE_BYTES) if os.path.lexists(path) else None

    def has(self, tile: Tile) -> bool:
        """Tell whether a tile or bundle is there."""
        return os.path.lexists(self._path / tile.path())

    def fetch(self, tile: Tile) -> bytes:
        """Return the bytes of a tile or bundle: a `TileFetch`. Verifies nothing.

        Raises:
            StorageError: Missing, unreadable, or longer than it can be.
        """
        limit = MAX_BUNDLE_BYTES if tile.level == ENTRIES else tile.bytes
        return read_file(self._path / tile.path(), limit=limit)

    def put(self, tile: Tile, data: bytes) -> bool:
        """Make sure that a tile or bundle is there, and has these bytes.

        Returns:
            Whether it was written; else it was there, and was compared.

        Raises:
            ConflictError: EXPORT_DIFFERS: it is there with other bytes, and stays as it is.
            StorageError: It cannot be read or written.
        """
        path = self._path / tile.path()
        if os.path.lexists(path):
            if read_file(path, limit=MAX_BUNDLE_BYTES) != data:
                raise ConflictError(
                    f"{path} holds other bytes than our ledger, though it never changes: it is "
                    "damaged, or of another history. Compare it with 'sesn ledger export --verify' "
                    "before you export to an empty folder",
                    code=DIFFERS,
                )
            return False
        self._write(path, data)
        return True

    def replace_checkpoint(self, note: bytes) -> None:
        """Put a checkpoint in place, after all that it covers is on the disk.

        Raises:
            StorageError: It cannot be written; the old one stands.
        """
        with _refusals(self._path):
            self._sync()
        self._write(self._path / CHECKPOINT, note)
        with _refusals(self._path):
            sync_folder(self._path)

    def claim(self) -> None:
        """Make the folder, or make sure that it is one of ours or empty.

        Raises:
            StorageError: NOT_AN_EXPORT: it holds something else; or it cannot be made.
        """
        with _refusals(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            names = {one.name for one in self._path.iterdir()} - {_LOCK, _PART}
        if names and not names & {CHECKPOINT, _TILES}:
            raise StorageError(
                f"{self._path} is not empty and holds no export; name an empty folder",
                code=FOREIGN,
            )

    def _write(self, path: Path, data: bytes) -> None:
        part = self._path / _PART
        with _refusals(path):
            self._touch(path.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(part, flags, _READABLE), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)

    def _touch(self, folder: Path) -> None:
        """Make a folder, and remember that names were made in it, and above it."""
        if folder in self._touched:
            return
        folder.mkdir(parents=True, exist_ok=True)
        while folder != self._path:
            self._touched.add(folder)
            folder = folder.parent

    def _sync(self) -> None:
        for folder in sorted(self._touched, reverse=True):
            sync_folder(folder)
        sync_folder(self._path)
        self._touched.clear()


@contextmanager
def tile_folder(path: Path) -> Iterator[TileFolder]:
    """Open a folder for writing; one process at a time.

    Raises:
        StorageError: As `TileFolder.claim`; or another export is writing there.
    """
    folder = TileFolder(path)
    folder.claim()
    try:
        with locked(path / _LOCK, wait=False):
            yield folder
            with suppress(OSError):
                (path / _PART).unlink()
    except BlockingIOError as error:
        raise StorageError(f"{path}: another export is being written there; wait for it") from error


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}. Check free space and permissions; what "
            "is there is whole, and the same command goes on from it."
        ) from error
