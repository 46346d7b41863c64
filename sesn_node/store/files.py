"""Small files that must never be seen half written."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sesn_node.errors import SesnError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PRIVATE = 0o600


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file's content atomically and durably: old or new, never a mixture.

    The file is readable by its owner alone. It is written beside the target, synced, renamed
    over it, and the folder is synced, since the rename itself is only durable then.

    Raises:
        StorageError: The folder is missing, full or read-only; the old content stands.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}. Check free space and permissions."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames within a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let what is found wrong with the content of a file name the file."""
    try:
        yield
    except SesnError as error:
        if error.message.startswith(str(path)):
            raise
        raise type(error)(f"{path}: {error.message}", code=error.code) from error


def read_file(path: Path, *, limit: int) -> bytes:
    """Read a small file whole.

    Raises:
        StorageError: Missing, unreadable, or longer than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise StorageError(f"{path} is longer than {limit} bytes: this is not the expected file")
    return data


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock between processes, on a file made for it.

    The kernel drops the lock with the process, however it ends.

    Raises:
        BlockingIOError: `wait` is false and another process holds the lock.
        StorageError: The lock file cannot be opened.
    """
    try:
        # Whoever can make names in the folder must not choose which file is made, and written.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, _PRIVATE)
    except OSError as error:
        raise StorageError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
