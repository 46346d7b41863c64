"""The head file: the newest checkpoint that this node signed, kept outside the database.

A database put back from a backup looks complete. Held against this file it shows itself as an
old copy, and the node refuses to append to it: a second history under the same keys would be a
fork, and partners would rightly call it one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.errors import StorageError
from sesn_node.store.files import locked, read_file, replace_file

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT = 64 * 1024


class HeadFile:
    """One file, shared by the processes of a home."""

    __slots__ = ("_lock", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(f".{path.name}.lock")

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def read(self) -> bytes | None:
        """Return the checkpoint note, or None if there is no head file.

        Raises:
            StorageError: Unreadable, or absurdly long.
        """
        if not self._path.exists():
            return None
        return read_file(self._path, limit=_LIMIT)

    def raise_to(self, note: bytes, size: int) -> None:
        """Replace the file durably, unless it already holds a checkpoint of this size or larger.

        Two processes of one home may commit in one order and arrive here in the other.

        Args:
            note: Signed checkpoint that was just committed.
            size: Its tree size.

        Raises:
            StorageError: The file cannot be written, or does not hold a checkpoint; nothing may
                be released then.
        """
        with locked(self._lock):
            held = self.read()
            if held is None or self._size_of(held) < size:
                replace_file(self._path, note)

    def _size_of(self, note: bytes) -> int:
        """Read the second line; its signatures are checked where the file is relied on."""
        try:
            return int(note.split(b"\n", 2)[1])
        except (IndexError, ValueError) as error:
            raise StorageError(
                f"{self._path} does not hold a checkpoint. Put back the one that belongs to this "
                "node; do not remove it."
            ) from error
