"""The trace file: appended to by all processes of a home, renamed when it is full.

`traces.jsonl` is the newest, then `traces.jsonl.1`, `traces.jsonl.2` and so on; the oldest goes. So
the disk that traces take is bounded, whatever happens.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20

_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A file and its predecessors.

    Args:
        path: The newest.
        most_bytes: A file that has more after a line was added is the last one of its name.
        keep: How many files there are at most.
    """

    path: Path
    most_bytes: int
    keep: int

    def append(self, line: bytes) -> None:
        """Add a line; begin a new file first if it does not fit.

        Raises:
            OSError: It could not be written; a part of the line may have been.
        """
        with self._locked():
            self._make_room(len(line))
            # Opened each time: another process may have renamed the file.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _PRIVATE)
            try:
                # What a full disk cut off stays on a line of its own.
                whole = line if _ends_line(self.path) else b"\n" + line
                written = os.write(descriptor, whole)
            finally:
                os.close(descriptor)
            if written != len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def existing(self) -> tuple[Path, ...]:
        """Return the files that are there, the newest first."""
        return tuple(path for path in map(self._numbered, range(self.keep)) if path.exists())

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def _make_room(self, size: int) -> None:
        try:
            held = self.path.stat().st_size
        except FileNotFoundError:
            return
        if held == 0 or held + size <= self.most_bytes:
            return
        for number in range(self.keep - 1, 0, -1):
            newer = self._numbered(number - 1)
            if newer.exists():
                newer.replace(self._numbered(number))
        if self.keep == 1:
            self.path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep the other processes of the home out."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _ends_line(path: Path) -> bool:
    """Tell whether a file ends with a line feed, or is empty."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
