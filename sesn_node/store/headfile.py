"""The head file: the newest checkpoint that this node signed, kept outside the database.

A database put back from a backup looks complete. Held against this file it shows itself as an
old copy, and the node refuses to append to it: a second history under the same keys would be a
fork, and partners would rightly call it one. The first line does the same for what the node
cosigned of others' ledgers without an entry of its own:

    witnessed 20
    nl.customs.sesn/ledger/1
    6
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    (two signature lines)

Of PostgreSQL it ends in `timeline 00000001`: which of its histories the server wrote. A standby
that was promoted writes another one, and may lack what was committed last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sesn_node.domain.ids import parse_origin
from sesn_node.errors import MalformedError, StorageError
from sesn_node.store.files import locked, read_file, replace_file

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT = 64 * 1024
_MARK = "witnessed "
_TIMELINE = " timeline "


@dataclass(frozen=True, slots=True)
class Released:
    """What a head file holds.

    Args:
        note: The checkpoint, signed.
        origin: The ledger that it is of, as its first line says.
        size: Its tree size, as its second line says.
        witnessed: `HeadRow.witnessed` when it was written.
        timeline: `HeadRow.timeline` then; empty if it is not known.
    """

    note: bytes
    size: int
    witnessed: int
    timeline: str = ""
    origin: str = field(default="", compare=False)


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

    def written_ms(self) -> int | None:
        """Return when the file was last written, Unix milliseconds; None if it is not there."""
        try:
            return self._path.stat().st_mtime_ns // 1_000_000
        except OSError:
            return None

    def read(self) -> Released | None:
        """Return what the file holds, or None if there is no head file.

        The signatures are not verified here, but where the checkpoint is relied on.

        Raises:
            MalformedError: It does not hold a checkpoint.
            StorageError: Unreadable, or absurdly long.
        """
        data = self._data()
        if data is None:
            return None
        first, _, note = data.partition(b"\n")
        try:
            origin, size = _claims(note)
            numbers, _, timeline = first.decode("ascii").partition(_TIMELINE)
            witnessed = int(numbers.removeprefix(_MARK))
        except (IndexError, ValueError) as error:
            raise MalformedError(f"{self._path} does not hold a checkpoint") from error
        if first != _first_line(witnessed, timeline) or witnessed < 0:
            raise MalformedError(f"{self._path} does not say what was witnessed")
        return Released(note, size, witnessed, timeline, origin)

    def as_it_is(self) -> HeadFile:
        """Return this file as it is now: whatever is written later, it reads the same."""
        try:
            return _Kept(self._path, self._data(), None)
        except StorageError as error:
            return _Kept(self._path, None, error)

    def _data(self) -> bytes | None:
        return read_file(self._path, limit=_LIMIT) if self._path.exists() else None

    def raise_to(self, note: bytes, size: int, witnessed: int, timeline: str = "") -> None:
        """Replace the file durably, unless it already holds this or something later.

        Two processes of one home may commit in one order and arrive here in the other. A ledger of
        a later epoch is later than anything of the one before.

        Args:
            note: Signed checkpoint that was just committed.
            size: Its tree size.
            witnessed: How far others' ledgers were witnessed then. Both only grow, and in the
                order of the commits.
            timeline: `HeadRow.timeline`; another one than the file's was confirmed before.

        Raises:
            StorageError: The file cannot be written, or does not hold a checkpoint; nothing may
                be released then.
        """
        with locked(self._lock):
            try:
                held = self.read()
            except MalformedError as error:
                raise StorageError(
                    f"{error}. Put back the one that belongs to this node; do not remove it."
                ) from error
            if held is None or (
                (_epoch(held.note), held.size, held.witnessed) < (_epoch(note), size, witnessed)
            ):
                self._replace(note, witnessed, timeline)
            elif timeline and not held.timeline:
                self._replace(held.note, held.witnessed, timeline)

    def confirm(self, note: bytes, size: int, witnessed: int, timeline: str) -> None:
        """Replace the file by what an operator, or the partners, have said to be the newest state.

        What was witnessed may be less than the file says: it is forgotten.

        Args:
            note: Signed checkpoint of the database.
            size: Its tree size.
            witnessed: `HeadRow.witnessed`.
            timeline: `HeadRow.timeline`.

        Raises:
            StorageError: The file holds a later checkpoint or none at all, or cannot be written.
        """
        with locked(self._lock):
            try:
                held = self.read()
            except MalformedError as error:
                raise StorageError(f"{error}, and stays as it is") from error
            if held is not None and (_epoch(held.note), held.size) > (_epoch(note), size):
                raise StorageError(
                    f"{self._path} shows that this node has signed {held.size:,} entries, and not "
                    f"{size:,}; it stays as it is"
                )
            self._replace(note, witnessed, timeline)

    def _replace(self, note: bytes, witnessed: int, timeline: str) -> None:
        replace_file(self._path, _first_line(witnessed, timeline) + b"\n" + note)


def _claims(note: bytes) -> tuple[str, int]:
    """Return the ledger and the size that a note names; raises `ValueError` if it names none."""
    origin, size, _ = note.split(b"\n", 2)
    return origin.decode("ascii"), int(size)


def _epoch(note: bytes) -> int:
    """Return the epoch of the ledger that a note names; 0 if it names none."""
    try:
        return parse_origin(_claims(note)[0])[1]
    except (MalformedError, ValueError):
        # Whether the note is one of ours is asked where it is relied on.
        return 0


def _first_line(witnessed: int, timeline: str) -> bytes:
    return f"{_MARK}{witnessed}{_TIMELINE if timeline else ''}{timeline}".encode()


class _Kept(HeadFile):
    """A head file as it was at one moment, or why it could not be read."""

    __slots__ = ("_error", "_kept")

    def __init__(self, path: Path, kept: bytes | None, error: StorageError | None) -> None:
        super().__init__(path)
        self._kept = kept
        self._error = error

    def _data(self) -> bytes | None:
        if self._error is not None:
            raise self._error
        return self._kept
