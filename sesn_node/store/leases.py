"""Leases: which process of an agency delivers to which partner.

A lease is taken, held and given back, and it is lost when the database says so, never because a
clock does. `store/shared.py` has those of processes that share one database.
"""

from __future__ import annotations

import threading
from typing import Protocol, TypeAlias


class Lease(Protocol):
    """The right of this process to deliver to one partner."""

    def valid(self) -> bool:
        """Whether the lease still holds, as far as this machine knows. Waits for nobody."""

    def release(self) -> None:
        """Give the lease back; one that is lost or given back already stays so."""


class Leases(Protocol):
    """The leases of one process. Safe to use from several threads."""

    def acquire(self, agency: str) -> Lease | None:
        """Take the lease on a partner; None if anybody holds it, this very process included.

        Raises:
            StorageError: The database cannot be asked.
        """

    def close(self) -> None:
        """Give everything back; from now on `acquire` returns None."""


class LocalLeases:
    """Leases of the only process that serves a home: a register in its memory.

    Args:
        held: The register; whoever has the same one excludes each other.
    """

    __slots__ = ("_closed", "_held", "_lock")

    def __init__(self, held: Held) -> None:
        self._held = held
        self._lock = threading.Lock()
        self._closed = False

    def acquire(self, agency: str) -> Lease | None:
        """Take the lease on a partner; None if it is taken."""
        with self._lock:
            if self._closed:
                return None
            lease = _LocalLease(self, agency)
            # One step, since others may have the same register.
            return lease if self._held.setdefault(agency, lease) is lease else None

    def close(self) -> None:
        """Give everything back, and take nothing any more."""
        with self._lock:
            self._closed = True
            for lease in list(self._held.values()):
                if lease.of(self):
                    self._held.pop(lease.agency, None)

    def holds(self, lease: _LocalLease) -> bool:
        """Whether a lease was not given back."""
        return self._held.get(lease.agency) is lease

    def give_back(self, lease: _LocalLease) -> None:
        """End a lease."""
        with self._lock:
            if self.holds(lease):
                del self._held[lease.agency]


class _LocalLease:
    """A lease that nothing but its release ends."""

    __slots__ = ("_leases", "agency")

    def __init__(self, leases: LocalLeases, agency: str) -> None:
        self._leases = leases
        self.agency = agency

    def of(self, leases: LocalLeases) -> bool:
        return self._leases is leases

    def valid(self) -> bool:
        return self._leases.holds(self)

    def release(self) -> None:
        self._leases.give_back(self)


Held: TypeAlias = dict[str, _LocalLease]
"""Who delivers to whom in this process."""
