"""Free disk space, looked at before anything large is accepted.

A database on a full disk fails in the middle of what it does, receipts for messages that left long
ago included. So new messages stop while there is still room for those: the floor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from sesn_node.errors import StorageError

MIB: Final = 1 << 20

DISK_FLOOR: Final = "DISK_FLOOR"
"""Code of the error that says: too little room for new messages."""

Statvfs: TypeAlias = Callable[[Path], os.statvfs_result]


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system that this node writes to.

    Args:
        name: What of ours is there: `home` or `database`.
        folder: Where.
        free_bytes: What is left for this process.
        problem: Why nothing new may be written; empty if it may.
    """

    name: str
    folder: Path
    free_bytes: int
    problem: str


class Disk:
    """The file systems of one node.

    Args:
        folders: Where this node writes, by name.
        floor_bytes: What must stay free; 0 to look at nothing.
        statvfs: Asks the system.
    """

    __slots__ = ("_folders", "_statvfs", "floor_bytes")

    def __init__(
        self, folders: Mapping[str, Path], floor_bytes: int, statvfs: Statvfs = os.statvfs
    ) -> None:
        self._folders = dict(folders)
        self._statvfs = statvfs
        self.floor_bytes = floor_bytes

    def volumes(self) -> tuple[Volume, ...]:
        """Look at each of them."""
        return tuple(self._look(name, folder) for name, folder in self._folders.items())

    def problem(self) -> str:
        """Say why no new message may be written; empty if there is room."""
        if not self.floor_bytes:
            return ""
        return next((one.problem for one in self.volumes() if one.problem), "")

    def require_room(self) -> None:
        """Refuse to begin what writes a new message.

        Raises:
            StorageError: Code `DISK_FLOOR`: there is too little room, or the disk is read-only.
        """
        problem = self.problem()
        if problem:
            raise StorageError(
                f"{problem}. No new messages are taken until there is room again; receipts for "
                "what was sent already still are.",
                code=DISK_FLOOR,
            )

    def _look(self, name: str, folder: Path) -> Volume:
        try:
            found = self._statvfs(folder)
        except OSError as error:
            return Volume(name, folder, 0, f"{folder} cannot be looked at: {error.strerror}")
        # What an ordinary user may take: file systems keep a part for root.
        free = found.f_bavail * found.f_frsize
        if found.f_flag & os.ST_RDONLY:
            problem = f"the file system of {folder} is read-only"
        elif free < self.floor_bytes:
            problem = (
                f"the file system of {folder} has {free // MIB:,} MiB left, less than "
                f"limits.disk_floor_mib, {self.floor_bytes // MIB:,}"
            )
        else:
            problem = ""
        return Volume(name, folder, free, problem)
