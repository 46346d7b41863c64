"""The latest date among the first entries of a ledger, for each size that a time-stamp covers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sesn_node.domain.ids import Origin

if TYPE_CHECKING:
    from sesn_node.audit.own import Own


@dataclass(frozen=True, slots=True)
class Dated:
    """An entry, and when it was made by its owner's clock, Unix milliseconds."""

    index: int
    time_ms: int


@dataclass(slots=True)
class _Ledger:
    sizes: list[int] = field(default_factory=list)
    at: int = 0
    latest: Dated | None = None
    found: dict[int, Dated | None] = field(default_factory=dict)


class Dates:
    """Collects them in one pass over the entries; memory grows with the number of sizes."""

    __slots__ = ("_ledgers",)

    def __init__(self) -> None:
        self._ledgers: dict[Origin, _Ledger] = {}

    def want(self, origin: Origin, size: int) -> None:
        """Ask for a size, before the entries are met; sizes of a ledger come ascending."""
        sizes = self._ledgers.setdefault(origin, _Ledger()).sizes
        if not sizes or sizes[-1] != size:
            sizes.append(size)

    def meet(self, own: Own) -> None:
        """Take an entry into account; those of a ledger come in order."""
        ledger = self._ledgers.get(own.origin)
        if ledger is None:
            return
        while ledger.at < len(ledger.sizes) and ledger.sizes[ledger.at] <= own.index:
            ledger.found[ledger.sizes[ledger.at]] = ledger.latest
            ledger.at += 1
        if ledger.latest is None or own.entry.time_ms > ledger.latest.time_ms:
            ledger.latest = Dated(own.index, own.entry.time_ms)

    def latest(self, origin: Origin, size: int) -> Dated | None:
        """Return the latest-dated of the first `size` entries that were met; None without any."""
        ledger = self._ledgers.get(origin)
        return None if ledger is None else ledger.found.get(size, ledger.latest)
