"""The evidence folder: files that prove what a partner did, kept for whoever has to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.errors import StorageError
from sesn_node.store.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE = 0o700


class EvidenceFolder:
    """A folder of small files that are written once. Made when the first one is written."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def path_of(self, name: str) -> Path:
        """Say where a file is, or would be."""
        return self._path / name

    def write(self, name: str, data: bytes) -> Path:
        """Write a file atomically and durably, unless it is there; return where it is.

        Raises:
            StorageError: It cannot be written.
        """
        path = self._path / name
        try:
            if not path.exists():
                self._path.mkdir(mode=_PRIVATE, exist_ok=True)
                replace_file(path, data)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written: {error.strerror}. Check free space and permissions."
            ) from error
        return path
