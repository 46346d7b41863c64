"""What goes wrong in a history, drawn from its seed, and the count of what did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Fault(StrEnum):
    """Kinds of faults; the words of the coverage table."""

    CRASH_BEFORE = "crash before"
    """The process ends, and nothing of the operation is durable."""
    CRASH_WITHIN = "crash within"
    """It ends in a transaction that has done its work and is about to commit."""
    CRASH_AFTER = "crash after"
    """It ends once the operation is durable, or sent, and before anybody is told."""
    ERROR_BEFORE = "error before"
    """The disk refuses; nothing is durable."""
    ERROR_AFTER = "error after"
    """The disk did it, and says that it failed."""
    SLOW = "slow"
    """A thread waits for its disk or its processor, for seconds or for a minute."""
    LOST = "lost"
    """The connection breaks with the message on its way."""
    CUT_AFTER = "cut after"
    """The connection breaks once the message has arrived."""
    TWICE = "twice"
    """The message arrives again: a request over a stream of its own, an answer in its stream."""
    LATE = "late"
    """The message takes seconds, or longer than anybody waits for it."""
    BLACK_HOLE = "black hole"
    """From this message on, the connection carries nothing and nobody is told."""
    LEASE_LOST = "lease lost"
    """The session with the database that held a delivery lease is gone, and its holder not told."""
    UNREACHABLE = "unreachable"
    """A dial finds nobody."""


CRASHES = frozenset({Fault.CRASH_BEFORE, Fault.CRASH_WITHIN, Fault.CRASH_AFTER})
ERRORS = frozenset({Fault.ERROR_BEFORE, Fault.ERROR_AFTER})
NETWORK = frozenset({
    Fault.LOST, Fault.CUT_AFTER, Fault.TWICE, Fault.LATE, Fault.BLACK_HOLE, Fault.UNREACHABLE,
})  # fmt: skip

_MOST_CRASHES = 4
# Operations that carry the promises; the rest is bookkeeping and happens far more often.
_WEIGHTS = {"share": 3.0, "receive": 4.0, "settle": 4.0, "peers": 2.0, "links": 0.5}


@dataclass(slots=True)
class Faults:
    """Decides at every opportunity.

    Args:
        chance: The history's.
        active: Whether anything goes wrong now.
        rates: Chance of each kind at one opportunity.
        seen: How often each kind met each operation.
        opportunities: How often each operation could have been met.
    """

    chance: Random
    active: bool = False
    rates: dict[Fault, float] = field(default_factory=dict)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    opportunities: Counter[str] = field(default_factory=Counter)
    crashes: int = 0

    def draw_rates(self) -> None:
        """Choose what this history suffers from, and how often."""
        chance = self.chance
        crash = chance.choice((0.0, 0.01, 0.02, 0.05))
        error = chance.choice((0.0, 0.0, 0.01, 0.04))
        network = chance.choice((0.0, 0.01, 0.03, 0.08))
        for kinds, rate in ((CRASHES, crash), (ERRORS, error), (NETWORK, network)):
            for kind in kinds:
                self.rates[kind] = rate * chance.choice((0.0, 0.5, 1.0, 1.0))
        self.rates[Fault.LEASE_LOST] = chance.choice((0.0, 0.0, 0.0, 0.2))
        self.rates[Fault.SLOW] = chance.choice((0.0, 0.0, 0.02))

    def strikes(self, kind: Fault, operation: str) -> bool:
        """Draw whether a fault happens at this opportunity; count it if it does."""
        if not self.active:
            return False
        self.opportunities[operation] += 1
        rate = self.rates.get(kind, 0.0) * _WEIGHTS.get(operation, 1.0)
        if not rate or self.chance.random() >= rate:
            return False
        if kind in CRASHES:
            if self.crashes >= _MOST_CRASHES:
                return False
            self.crashes += 1
        self.happened(kind, operation)
        return True

    def happened(self, kind: str, operation: str) -> None:
        """Count something that a history does on purpose."""
        self.seen[str(kind), operation] += 1
