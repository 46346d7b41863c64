"""A store and a head file that fail when they are told to."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.errors import StorageError
from sesn_node.store.engine import Store
from sesn_node.store.headfile import HeadFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.store.engine import Transaction


class WriteFault(StrEnum):
    """How one write ends badly."""

    COMMIT_FAILED = "commit failed"
    """Nothing reached the disk."""
    COMMIT_PERSISTED = "commit failed but persisted"
    """All of it did, and nobody was told."""
    HEAD_FILE_FAILED = "head file failed"
    """The commit is durable, the head file still holds the checkpoint before."""
    HEAD_FILE_PERSISTED = "head file failed but persisted"
    """The head file was replaced, and its folder could not be synced."""


class Faults:
    """What goes wrong at one office.

    `step` is what the scenario is doing; `writes` lists the step of every write so far.
    """

    def __init__(self) -> None:
        self.step = "start"
        self.writes: list[str] = []
        self.head_file_broken = False
        self._planned: dict[int, WriteFault] = {}

    def plan(self, number: int, fault: WriteFault) -> None:
        """Let one write fail: the `number`-th from now on, counted from 1."""
        self._planned[len(self.writes) + number] = fault

    @property
    def pending(self) -> bool:
        """Whether a planned fault has not happened yet."""
        return bool(self._planned)

    def begin(self) -> int:
        """Count a write, and return its number."""
        self.writes.append(self.step)
        return len(self.writes)

    def strike(self, number: int, fault: WriteFault) -> None:
        """Fail if this fault is planned for this write.

        Raises:
            StorageError: It is.
        """
        if self._planned.get(number) is fault:
            del self._planned[number]
            raise StorageError(f"injected: {fault.value}")

    def strike_head_file(self, fault: WriteFault) -> None:
        """Fail if this fault is planned for the head file after the newest write.

        Raises:
            StorageError: It is, or the head file is broken for good.
        """
        if self.head_file_broken and fault is WriteFault.HEAD_FILE_FAILED:
            raise StorageError("injected: the head file cannot be written")
        self.strike(len(self.writes), fault)


class FaultyStore(Store):
    """A real store whose commits fail as planned."""

    def __init__(self, faults: Faults, url: str) -> None:
        super().__init__(url)
        self._faults = faults

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open the write transaction; fail before or after its commit."""
        number = self._faults.begin()
        with super().write() as transaction:
            yield transaction
            self._faults.strike(number, WriteFault.COMMIT_FAILED)
        self._faults.strike(number, WriteFault.COMMIT_PERSISTED)


class FaultyHeadFile(HeadFile):
    """A real head file that cannot be replaced, or not durably, as planned."""

    __slots__ = ("_faults",)

    def __init__(self, faults: Faults, path: Path) -> None:
        super().__init__(path)
        self._faults = faults

    def raise_to(self, note: bytes, size: int) -> None:
        """Fail before or after replacing the file."""
        self._faults.strike_head_file(WriteFault.HEAD_FILE_FAILED)
        super().raise_to(note, size)
        self._faults.strike_head_file(WriteFault.HEAD_FILE_PERSISTED)
