"""Files that people name on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from sesn_node.errors import MalformedError, StorageError
from sesn_node.store.newfile import FILE_EXISTS

_READABLE = 0o644
_OWNERS_ONLY = 0o600


def input_file(path: Path, *, limit: int, what: str) -> bytes:
    """Read a file that is about to be judged.

    Raises:
        StorageError: It cannot be read.
        MalformedError: Longer than `limit` bytes, so it cannot be what it should be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > limit:
        raise MalformedError(f"{path}: longer than {limit:,} bytes, so this is no {what}")
    return data


def write_output(path: Path, data: bytes, *, force: bool, private: bool = False) -> None:
    """Write a new file; replace an old one only if that was asked for.

    Args:
        path: The file.
        data: What it is to hold.
        force: Replace what is there.
        private: Nobody but its owner may read a new file: it says what messages say.

    Raises:
        StorageError: It cannot be written, or it exists and `force` is not set.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, _OWNERS_ONLY if private else _READABLE), "wb") as file:
            file.write(data)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from error


def check_new(path: Path, *, force: bool) -> None:
    """Refuse a file that `write_output` would refuse, before anything is done for it.

    Raises:
        StorageError: It exists, and `force` is not set.
    """
    if path.exists() and not force:
        raise _exists(path)


def _exists(path: Path) -> StorageError:
    return StorageError(
        f"{path} exists already; name another file, or add --force to replace it",
        code=FILE_EXISTS,
    )
