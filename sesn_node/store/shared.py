"""What processes that share one PostgreSQL have between them: leases, and a way to wake each other.

A lease is a session advisory lock (PostgreSQL manual, 13.3.5): the server frees it the moment that
the process which holds it is gone.
"""

from __future__ import annotations

import os
import select
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, LiteralString

import psycopg

from sesn_node.crypto.primitives import sha256
from sesn_node.errors import StorageError
from sesn_node.store import postgres
from sesn_node.store.sql import NOTIFY_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sesn_node.store.leases import Lease

_LABEL = b"sesn/v1/lease\0"
_KEY_BYTES = 8

# How long a shutdown waits for a listener that is just connecting, seconds.
_FAREWELL_S = 1.0

# Waits before connecting again, seconds; the last one stays.
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)


class SharedLeases:
    """Leases of one of several processes, on one session with the database.

    The session belongs to these leases alone. When its connection is gone, so are they, and the
    next `acquire` opens another.
    """

    __slots__ = ("_closed", "_held", "_lock", "_session", "_url")

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._closed = False
        # One session may take an advisory lock twice, so what is held is noted here too.
        self._held: set[str] = set()

    def acquire(self, agency: str) -> Lease | None:
        """Take the lease on a partner; None if any process holds it.

        Raises:
            StorageError: The database cannot be reached.
        """
        with self._lock:
            if self._closed:
                return None
            if self._session is None or not self._session.alive():
                self._drop()
                self._session = _Session(self._url)
            if agency in self._held or not self._session.take(lease_key(agency)):
                return None
            self._held.add(agency)
            return _SharedLease(self, self._session, agency)

    def close(self) -> None:
        """Close the session, which gives everything back; take nothing any more."""
        with self._lock:
            self._closed = True
            self._drop()

    def give_back(self, session: _Session, agency: str) -> None:
        """End a lease; one of a session that is gone has ended with it."""
        with self._lock:
            if session is self._session and agency in self._held:
                self._held.discard(agency)
                session.give_back(lease_key(agency))

    def _drop(self) -> None:
        self._held.clear()
        if self._session is not None:
            self._session.close()
            self._session = None


class _SharedLease:
    """A lease that ends with its session."""

    __slots__ = ("_agency", "_leases", "_released", "_session")

    def __init__(self, leases: SharedLeases, session: _Session, agency: str) -> None:
        self._leases = leases
        self._session = session
        self._agency = agency
        self._released = False

    def valid(self) -> bool:
        return not self._released and self._session.alive()

    def release(self) -> None:
        if not self._released:
            self._released = True
            self._leases.give_back(self._session, self._agency)


class _Session:
    """A session whose end is noticed without asking over the network."""

    __slots__ = ("_connection", "_gone", "_lock", "_poll")

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._gone = False
        try:
            self._connection = postgres.connect(url)
        except psycopg.Error as error:
            raise StorageError(
                f"the database cannot be asked who delivers: {error}. Deliveries wait for it."
            ) from error
        self._poll = select.poll()
        self._poll.register(self._connection.fileno(), select.POLLIN)

    def alive(self) -> bool:
        """Whether the session lives, as far as this machine knows."""
        if not self._lock.acquire(blocking=False):
            # Somebody talks to the database right now, and will find out.
            return not self._gone
        try:
            # Nothing is awaited: what has come is the end, or some notice of the server.
            if not self._gone and self._poll.poll(0):
                with suppress(StorageError):
                    self._execute("SELECT true")
            return not self._gone
        finally:
            self._lock.release()

    def take(self, key: int) -> bool:
        """Try to lock a key.

        Raises:
            StorageError: The session is gone.
        """
        with self._lock:
            return self._execute("SELECT pg_try_advisory_lock(%s)", key)

    def give_back(self, key: int) -> None:
        """Unlock a key; a session that is gone holds none."""
        with self._lock, suppress(StorageError):
            self._execute("SELECT pg_advisory_unlock(%s)", key)

    def close(self) -> None:
        """End the session."""
        with self._lock:
            self._gone = True
            self._connection.close()

    def _execute(self, statement: LiteralString, *values: int) -> bool:
        if self._gone:
            raise StorageError("the session with the database that holds the leases is gone")
        try:
            row = self._connection.execute(statement, values).fetchone()
        except psycopg.Error as error:
            self._gone = True
            self._connection.close()
            raise StorageError(
                f"the session with the database that holds the leases ended: {error}"
            ) from error
        return row is not None and row[0] is True


def lease_key(agency: str) -> int:
    """The 64-bit key of a partner's lease."""
    digest = sha256(_LABEL, agency.encode())
    return int.from_bytes(digest[:_KEY_BYTES], "big", signed=True)


@contextmanager
def listening(url: str, own: str, wake: Callable[[], None]) -> Iterator[None]:
    """Call `wake` whenever another process has changed something, and after each connection.

    From a thread of its own, which connects again by itself: what was told meanwhile is lost, so
    everything may have changed then.

    Args:
        url: Address of the database.
        own: What our own notifications bear; they wake nobody here.
        wake: Must return at once and not raise.
    """
    listener = _Listener(url, own, wake)
    listener.start()
    try:
        yield
    finally:
        listener.stop()


class _Listener:
    """The thread that waits for notifications."""

    def __init__(self, url: str, own: str, wake: Callable[[], None]) -> None:
        self._url = url
        self._own = own
        self._wake = wake
        self._stopping = threading.Event()
        # Read by the thread beside its connection, so that it ends at once.
        self._ears, self._mouth = os.pipe()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        os.write(self._mouth, b"\n")
        self._thread.join(_FAREWELL_S)
        if not self._thread.is_alive():
            os.close(self._mouth)
            os.close(self._ears)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            # What goes wrong here, delivery and health meet as well, and tell.
            with suppress(psycopg.Error), postgres.connect(self._url) as connection:
                failures = 0
                self._listen(connection)
            self._stopping.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    def _listen(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        told = threading.Event()

        def hear(notification: psycopg.Notify) -> None:
            if notification.payload != self._own:
                told.set()

        connection.add_notify_handler(hear)
        connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
        self._wake()
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        poll.register(self._ears, select.POLLIN)
        while True:
            poll.poll()
            if self._stopping.is_set():
                return
            # Takes in what has come; fails if that is the end.
            connection.execute("SELECT true")
            if told.is_set():
                told.clear()
                self._wake()
