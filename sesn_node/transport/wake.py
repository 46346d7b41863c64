"""Waking a serving node from another process: a named pipe in the node's home.

A pipe, not a socket: its path has no length limit, it needs no port, and file permissions guard
it. What is written does not matter, only that something was.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sesn_node.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PIPE_NAME = "wake"
_PRIVATE = 0o600
_READ_BYTES = 4096


@contextmanager
def listening(folder: Path, wake: Callable[[], None]) -> Iterator[None]:
    """Call `wake` in the running event loop whenever somebody pokes the pipe.

    Raises:
        StorageError: The pipe cannot be made.
    """
    path = folder / PIPE_NAME
    loop = asyncio.get_running_loop()
    try:
        path.unlink(missing_ok=True)
        os.mkfifo(path, _PRIVATE)
        # Opened for writing too: with no writer left, a reader would spin on end-of-file.
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"{path} cannot be made: {error.strerror}") from error

    def drain() -> None:
        with suppress(BlockingIOError):
            while os.read(descriptor, _READ_BYTES):
                pass
        wake()

    loop.add_reader(descriptor, drain)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()


def poke(folder: Path) -> bool:
    """Wake the node that serves this home; say whether one listens."""
    try:
        descriptor = os.open(folder / PIPE_NAME, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, b"\n")
    except BlockingIOError:
        pass  # Full of wakes that nobody has read yet: one more adds nothing.
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
