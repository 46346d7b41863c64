"""What of a node survives a crash: its database and its head file, both in memory.

The store and the head file on top are the node's own; these classes add the places where a thread
may be overtaken, where a process may end, and where a disk may refuse.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from sesn_node.errors import StorageError
from sesn_node.store import sql
from sesn_node.store.engine import Store
from sesn_node.store.headfile import HeadFile
from sesn_node.store.scrubbed import AT_MOST_BYTES, Scrubbed
from tests.simulation.database import Database
from tests.simulation.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sesn_node.store.engine import Transaction
    from sesn_node.store.leases import Lease, Leases

HEAD_FILE = "ledger.head"
KEY_FILE = "node.key"
_LOCK_S = 0.05

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",
    "PRAGMA trusted_schema = OFF",
)


class Host(Protocol):
    """The process that uses a disk."""

    alive: bool
    disk: Disk

    def pause(self, operation: str) -> None:
        """Let other threads overtake this one, or keep it waiting."""

    def sleep(self, seconds: float) -> None:
        """Let this thread wait."""

    def later(self, call: Callable[[], None]) -> None:
        """Do something at some time."""

    def strike(self, kind: Fault, operation: str) -> bool:
        """End here, or tell whether the fault happens.

        Raises:
            Crash: The process ends.
        """

    def operation(self) -> str:
        """Name what the transaction at hand is for."""


class Disk:
    """A database, a head file, and who of an agency's processes delivers to whom.

    One connection serves all: no strand waits within a transaction, so there is never more than
    one, and each sees what the ones before it have committed.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.versions: Counter[str] = Counter()
        self.connection = sqlite3.connect(":memory:", check_same_thread=False)
        self.connection.isolation_level = None
        self.engine = Database(self.connection)
        self.leases: dict[str, SharedLease] = {}
        self.listeners: dict[Host, Callable[[], None]] = {}
        self.locks: dict[str, Host] = {}
        self.inside = ""

    def load(self, database: bytes) -> None:
        """Put a database in place of the one that is there."""
        self.restart()
        self.connection.deserialize(database)
        for pragma in _PRAGMAS:
            self.connection.execute(pragma)

    def write(self, name: str, data: bytes) -> None:
        """Write a file."""
        self.files[name] = data
        self.versions[name] += 1

    def restart(self) -> None:
        """Forget what no crash leaves behind: transactions and locks of a process that ended."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.inside = ""

    def renew(self, database: bytes, files: Mapping[str, bytes]) -> None:
        """Become the disk of another history."""
        self.load(database)
        self.files = dict(files)
        self.leases.clear()
        self.listeners.clear()
        self.locks.clear()

    def copy(self) -> bytes:
        """Copy the database, as a backup does."""
        return self.connection.serialize()


class SimulatedStore(Store):
    """The node's store on a disk in memory."""

    def __init__(self, host: Host, url: str, **options: Any) -> None:  # noqa: ANN401 - handed on
        self._host = host
        super().__init__(url, **options)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        host = self._host
        writes = begin == sql.begin_write(sql.SQLITE)
        host.pause("write" if writes else "read")
        if host.strike(Fault.ERROR_BEFORE, "write" if writes else "read"):
            raise StorageError("simulated: the disk refuses")
        disk = host.disk
        assert not disk.inside, f"{disk.inside} waits while it holds a transaction"
        disk.inside = f"{host}"
        operation, notifies = "", False
        try:
            with super()._transaction(begin) as transaction:
                yield transaction
                if writes:
                    operation = host.operation()
                    host.strike(Fault.CRASH_WITHIN, operation)
                    if host.strike(Fault.ERROR_BEFORE, operation):
                        raise StorageError("simulated: the commit failed")
                    notifies = transaction.notifies
        finally:
            disk.inside = ""
        if writes:
            host.strike(Fault.CRASH_AFTER, operation)
            if notifies:
                _notify(host)
            if host.strike(Fault.ERROR_AFTER, operation):
                raise StorageError("simulated: the commit failed but is durable")
            host.pause("commit")

    def scrub(self, most_bytes: int = AT_MOST_BYTES) -> Scrubbed:
        """Nothing to do: this disk keeps rows, and no bytes of what they were."""
        del most_bytes
        return Scrubbed(done=True, remains=())

    def leases(self) -> Leases:
        """Return leases that all processes on this disk share out among themselves."""
        return SharedLeases(self._host)

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` when another process on this disk notified."""
        listeners = self._host.disk.listeners
        listeners[self._host] = wake
        try:
            yield
        finally:
            listeners.pop(self._host, None)

    def close(self) -> None:
        """Nothing to close: the connection is the disk's."""


def _notify(host: Host) -> None:
    for other, wake in list(host.disk.listeners.items()):
        if other is not host and other.alive:
            wake()


class SharedLeases:
    """Leases as PostgreSQL's session locks are: gone with the process that held them."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def acquire(self, agency: str) -> Lease | None:
        """Take the lease on a partner."""
        self._host.pause("lease")
        held = self._host.disk.leases.get(agency)
        if held is not None and held.host.alive:
            return None
        lease = SharedLease(self._host, agency)
        self._host.disk.leases[agency] = lease
        if self._host.strike(Fault.LEASE_LOST, "lease"):
            self._host.later(lease.lose)
        return lease

    def close(self) -> None:
        """Give everything back."""
        for lease in list(self._host.disk.leases.values()):
            if lease.host is self._host:
                lease.release()


class SharedLease:
    """Holds until it is given back or its process ends."""

    def __init__(self, host: Host, agency: str) -> None:
        self.host = host
        self._agency = agency
        self._unaware = False

    def valid(self) -> bool:
        """Whether it still holds, as far as its process knows."""
        held = self.host.disk.leases.get(self._agency) is self
        return self.host.alive and (held or self._unaware)

    def lose(self) -> None:
        """End it without telling its process."""
        self._unaware = True
        self.release()

    def release(self) -> None:
        """Give it back."""
        if self.host.disk.leases.get(self._agency) is self:
            del self.host.disk.leases[self._agency]


class SimulatedHeadFile(HeadFile):
    """The node's head file on a disk in memory."""

    __slots__ = ("_host",)

    def __init__(self, host: Host) -> None:
        # It asks a path for little: whether it exists, and for a neighbour to lock.
        super().__init__(MemoryPath(host, HEAD_FILE))  # type: ignore[arg-type]
        self._host = host

    def raise_to(self, note: bytes, size: int, witnessed: int, timeline: str = "") -> None:
        """Replace the file, unless the process or the disk fails."""
        host = self._host
        host.pause("head file")
        host.strike(Fault.CRASH_BEFORE, "head file")
        if host.strike(Fault.ERROR_BEFORE, "head file"):
            raise StorageError("simulated: the head file cannot be written")
        super().raise_to(note, size, witnessed, timeline)
        host.strike(Fault.CRASH_AFTER, "head file")
        if host.strike(Fault.ERROR_AFTER, "head file"):
            raise StorageError("simulated: the head file was written, its folder not synced")
        host.pause("head file")


class MemoryPath:
    """As much of a path as the node's small files need.

    Args:
        host: Who has it open.
        name: Name of the file.
    """

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def disk(self) -> Disk:
        """Where the file is."""
        return self.host.disk

    def with_name(self, name: str) -> MemoryPath:
        """Return a neighbour."""
        return MemoryPath(self.host, name)

    @property
    def parent(self) -> str:
        """The home, for messages."""
        return "HOME"

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.name in self.disk.files

    def stat(self) -> SimpleNamespace:
        """Tell one version of the file from the next."""
        version = self.disk.versions[self.name]
        return SimpleNamespace(st_ino=version, st_mtime_ns=version, st_size=0)

    def read(self) -> bytes:
        """Return what the file holds."""
        return self.disk.files[self.name]

    def replace(self, data: bytes) -> None:
        """Replace the file, unless the process or the disk fails."""
        # The head file has opportunities of its own, around what decides whether to write it.
        if self.name == HEAD_FILE:
            self.disk.write(self.name, data)
            return
        self.host.strike(Fault.CRASH_BEFORE, self.name)
        if self.host.strike(Fault.ERROR_BEFORE, self.name):
            raise StorageError(f"simulated: {self.name} cannot be written")
        self.disk.write(self.name, data)
        self.host.strike(Fault.CRASH_AFTER, self.name)
        if self.host.strike(Fault.ERROR_AFTER, self.name):
            raise StorageError(f"simulated: {self.name} was written, its folder not synced")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold a lock that ends with its process; wait for it as a thread does."""
        locks = self.disk.locks
        while (holder := locks.get(self.name)) is not None and holder.alive:
            self.host.sleep(_LOCK_S)
        locks[self.name] = self.host
        try:
            yield
        finally:
            if locks.get(self.name) is self.host:
                del locks[self.name]

    def __str__(self) -> str:
        return self.name
