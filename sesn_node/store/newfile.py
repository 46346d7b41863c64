"""A file that is written beside its place, and put there when it is whole."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from sesn_node.errors import StorageError
from sesn_node.store.files import locked, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_EXISTS: Final = "FILE_EXISTS"


class NewFile:
    """A file that has no name yet.

    Args:
        part: Where it is meanwhile.
        target: Where it belongs.
        force: Whether it may replace a file that is there.
    """

    __slots__ = ("_force", "_target", "part")

    def __init__(self, part: Path, target: Path, *, force: bool) -> None:
        self.part = part
        self._target = target
        self._force = force

    def scratch(self) -> BinaryIO:
        """Open an empty file without a name, where there is room for the new one; close it."""
        # Its type depends on the system; where that is not its own, it only wraps one of these.
        return cast("BinaryIO", tempfile.TemporaryFile(dir=self._target.parent))

    def sync(self, file: BinaryIO) -> None:
        """Make durable what was written, so that what is read back comes from the disk."""
        file.flush()
        os.fsync(file.fileno())
        # Where the system lets us say so.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def put(self) -> None:
        """Give the finished file its name, without taking it from another one unasked.

        Raises:
            StorageError: `FILE_EXISTS`.
        """
        if self._force:
            self.part.replace(self._target)
        else:
            try:
                os.link(self.part, self._target)
            except FileExistsError as error:
                raise _exists(self._target) from error
            except OSError:
                # A file system without links, such as that of a memory stick.
                require_free(self._target, force=False)
                self.part.replace(self._target)
        sync_folder(self._target.parent)


@contextmanager
def new_file(target: Path, *, force: bool, what: str) -> Iterator[NewFile]:
    """Write a file of which nobody ever sees a part.

    What is at `target` stands until the body calls `put`; whatever else happens, only the lock of
    a process that was killed in between is left, under a name that the next one takes again.

    Args:
        target: Where the file belongs.
        force: Replace a file that is there.
        what: What is written, for messages: "backup".

    Raises:
        StorageError: The file fails, another process writes one there, or with the code
            `FILE_EXISTS`, it is there.
    """
    if not target.parent.is_dir():
        raise StorageError(
            f"{target}: cannot be written, since there is no folder {target.parent}; make it, or "
            "name another place"
        )
    require_free(target, force=force)
    part = target.with_name(f"{target.name}.part")
    try:
        with locked(part, wait=False):
            try:
                yield NewFile(part, target, force=force)
            finally:
                with suppress(OSError):
                    part.unlink()
    except BlockingIOError as error:
        raise StorageError(
            f"{target}: another {what} is being written there; wait for it"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{target}: cannot be written ({error.strerror}). Check free space and permissions."
        ) from error


def require_free(target: Path, *, force: bool) -> None:
    """Make sure that no file is there, unless it may be replaced.

    Raises:
        StorageError: `FILE_EXISTS`.
    """
    if target.exists() and not force:
        raise _exists(target)


def _exists(target: Path) -> StorageError:
    return StorageError(
        f"{target} exists already; name another file, or add --force to replace it",
        code=FILE_EXISTS,
    )
