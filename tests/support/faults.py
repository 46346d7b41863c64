"""A store and a head file that fail when they are told to."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import event

from sesn_node.errors import StorageError
from sesn_node.store.engine import Store
from sesn_node.store.headfile import HeadFile
from sesn_node.store.sql import POSTGRESQL, SQLITE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from sqlite3 import Connection as SqliteConnection

    from sqlalchemy.engine import Dialect
    from sqlalchemy.pool import ConnectionPoolEntry

    from sesn_node.store.engine import Transaction


_ALL_PAGES = 2**32 - 2
"""The most pages that SQLite allows."""


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


class WireFault(StrEnum):
    """What the network does to one exchange of a batch and its answer."""

    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    REQUEST_TWICE = "request twice"
    ANSWER_TWICE = "answer twice"


class Faults:
    """What goes wrong in a network of offices, and a journal of what could have.

    `writes` lists every write as "agency: what it was for", `sends` every exchange likewise.
    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.sends: list[str] = []
        self.broken_head_files: set[str] = set()
        self.full_disks: set[str] = set()
        self._purpose: list[str] = []
        self._newest: dict[str, int] = {}
        self._writes: dict[int, WriteFault] = {}
        self._sends: dict[int, WireFault] = {}

    @contextmanager
    def during(self, purpose: str) -> Iterator[None]:
        """Say in the journal what the writes and sends of the body are for."""
        self._purpose.append(purpose)
        try:
            yield
        finally:
            self._purpose.pop()

    def plan_write(self, number: int, fault: WriteFault) -> None:
        """Let one write fail: the `number`-th from now on, counted from 1."""
        self._writes[len(self.writes) + number] = fault

    def plan_send(self, number: int, fault: WireFault) -> None:
        """Let one exchange go wrong: the `number`-th from now on, counted from 1."""
        self._sends[len(self.sends) + number] = fault

    @property
    def pending(self) -> bool:
        """Whether something that was planned has not happened yet."""
        return bool(self._writes or self._sends)

    def begin_write(self, agency: str) -> int:
        """Enter a write in the journal, and return its number."""
        self.writes.append(self._entry(agency))
        self._newest[agency] = len(self.writes)
        return len(self.writes)

    def newest_write(self, agency: str) -> int:
        """Return the number of an agency's newest write; 0 before its first."""
        return self._newest.get(agency, 0)

    def begin_send(self, agency: str) -> WireFault | None:
        """Enter an exchange in the journal, and return what happens to it."""
        self.sends.append(self._entry(agency))
        return self._sends.pop(len(self.sends), None)

    def strikes(self, number: int, fault: WriteFault) -> bool:
        """Say whether this fault is planned for this write; if so, it has happened now."""
        if self._writes.get(number) is not fault:
            return False
        del self._writes[number]
        return True

    def strike(self, number: int, fault: WriteFault) -> None:
        """Fail if this fault is planned for this write.

        Raises:
            StorageError: It is.
        """
        if self.strikes(number, fault):
            raise StorageError(f"injected: {fault.value}")

    def strike_head_file(self, agency: str, fault: WriteFault) -> None:
        """Fail if this fault is planned for the head file after the agency's newest write.

        Raises:
            StorageError: It is, or the agency's head file is broken for good.
        """
        if fault is WriteFault.HEAD_FILE_FAILED and agency in self.broken_head_files:
            raise StorageError("injected: the head file cannot be written")
        self.strike(self.newest_write(agency), fault)

    def _entry(self, agency: str) -> str:
        return f"{agency}: {', '.join(self._purpose)}"


class FaultyStore(Store):
    """A real store whose commits fail as planned.

    Made for speed: it does not wait for the disk (no test pulls the plug), and the statements that
    one store has compiled serve all of them.
    """

    _compiled: ClassVar[dict[object, object]] = {}
    _dialects: ClassVar[dict[str, Dialect]] = {}

    def __init__(self, faults: Faults, agency: str, url: str, *, create: bool) -> None:
        super().__init__(url, create=create)
        self._faults = faults
        self._agency = agency
        if self._dialect == SQLITE:
            event.listen(self._engine, "connect", _do_not_wait)
            # The connection that looked at the schema was made before the line above.
            self._engine.dispose()
        # Compiled statements are found again by statement and dialect.
        self._engine.dialect = self._dialects.setdefault(self._dialect, self._engine.dialect)
        self._engine.update_execution_options(compiled_cache=self._compiled)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open the write transaction; fail before or after its commit."""
        number = self._faults.begin_write(self._agency)
        with super().write() as transaction:
            run = transaction._connection.exec_driver_sql  # noqa: SLF001 - no table offers this
            full = self._agency in self._faults.full_disks
            for statement in _before(self._dialect, full=full):
                run(statement)
            yield transaction
            if self._dialect == POSTGRESQL:
                if full:
                    run(_ROOM_AGAIN)
                if self._faults.strikes(number, WriteFault.COMMIT_FAILED):
                    # Nothing needs to be pretended: the server ends the connection.
                    run("SELECT pg_terminate_backend(pg_backend_pid())")
            self._faults.strike(number, WriteFault.COMMIT_FAILED)
        self._faults.strike(number, WriteFault.COMMIT_PERSISTED)


def _before(dialect: str, *, full: bool) -> Sequence[str]:
    """Give the database a disk that is full, or one that is not."""
    if dialect == SQLITE:
        # It takes 1 for the pages that the database has already.
        return (f"PRAGMA max_page_count = {1 if full else _ALL_PAGES}",)
    # Of a server's disk nothing can be filled but what all tests share. This says what it would.
    return _NO_ROOM if full else ()


_NO_ROOM = (
    (
        "CREATE FUNCTION pg_temp.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
        "EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; "
        "END $$"
    ),
    "CREATE TRIGGER no_room BEFORE INSERT ON ledger_entry EXECUTE FUNCTION pg_temp.no_room()",
)
_ROOM_AGAIN = "DROP FUNCTION pg_temp.no_room CASCADE"


def _do_not_wait(connection: SqliteConnection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA synchronous = OFF")


class FaultyHeadFile(HeadFile):
    """A real head file that cannot be replaced, or not durably, as planned."""

    __slots__ = ("_agency", "_faults")

    def __init__(self, faults: Faults, agency: str, path: Path) -> None:
        super().__init__(path)
        self._faults = faults
        self._agency = agency

    def raise_to(self, note: bytes, size: int, witnessed: int, timeline: str = "") -> None:
        """Fail before or after replacing the file."""
        self._faults.strike_head_file(self._agency, WriteFault.HEAD_FILE_FAILED)
        super().raise_to(note, size, witnessed, timeline)
        self._faults.strike_head_file(self._agency, WriteFault.HEAD_FILE_PERSISTED)
