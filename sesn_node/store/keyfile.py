"""The key file of a node, held open: read again when it was replaced, changed one at a time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sesn_node.crypto.keyring import KEY_FILE_BYTES, unlock_keyring
from sesn_node.errors import StorageError
from sesn_node.store.files import locked, naming, read_file, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.crypto.keyring import Keyring


class KeyFile:
    """One key file, shared by the processes of a home.

    The passphrase is not kept: what was derived from it opens this file, and no other. Safe to
    use from several threads.
    """

    def __init__(self, path: Path, passphrase: bytes) -> None:
        """Open the file.

        Raises:
            VerificationError: Wrong passphrase, or an altered file.
            MalformedError: Not a key file.
            StorageError: The file cannot be read.
        """
        self._path = path
        self._lock = threading.Lock()
        self._mark = self._look()
        data = read_file(path, limit=KEY_FILE_BYTES)
        with naming(path):
            self._key, self._ring = unlock_keyring(data, passphrase)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def ring(self) -> Keyring:
        """The keys as they were last read."""
        return self._ring

    def refresh(self) -> Keyring:
        """Read the file again if it was replaced since, by this process or another.

        Raises:
            VerificationError: It was written under another passphrase, or altered.
            MalformedError: It is no key file any more.
            StorageError: It cannot be read.
        """
        with self._lock:
            mark = self._look()
            if mark != self._mark:
                self._ring = self._read()
                self._mark = mark
            return self._ring

    def change(self, edit: Callable[[Keyring], Keyring]) -> Keyring:
        """Replace the keys, durably: when this returns, they are on the disk.

        Args:
            edit: Makes the new keys from those that the file holds now. If it returns what it
                was given, nothing is written.

        Raises:
            SesnError: As `refresh`, or what `edit` raises; nothing was changed then.
            StorageError: The file cannot be written; nothing was changed.
        """
        with self._lock, locked(self._beside("lock")):
            held = self._read()
            ring = edit(held)
            if ring != held:
                replace_file(self._path, self._key.seal(ring))
            self._mark = self._look()
            self._ring = ring
            return ring

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Keep other processes of this home from rotating keys until the block ends.

        Raises:
            StorageError: The lock file cannot be opened.
        """
        with locked(self._beside("rotation.lock")):
            yield

    def _read(self) -> Keyring:
        return self._key.open(read_file(self._path, limit=KEY_FILE_BYTES))

    def _look(self) -> tuple[int, int, int]:
        """Tell one version of the file from the next: each is a file of its own."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _beside(self, what: str) -> Path:
        return self._path.with_name(f".{self._path.name}.{what}")
