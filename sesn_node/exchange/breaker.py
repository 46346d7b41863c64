"""The circuit breaker of one partner: how much is sent to somebody who keeps failing."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

THRESHOLD: Final = 3
"""Failures in a row that open a circuit."""


class Circuit(StrEnum):
    """How a partner's circuit stands."""

    CLOSED = "closed"
    """Whole batches flow."""
    OPEN = "open"
    """The partner kept failing. After each wait it is greeted, and then sent a single message."""


def circuit(failures: int) -> Circuit:
    """Tell how a circuit stands after so many failures in a row."""
    return Circuit.OPEN if failures >= THRESHOLD else Circuit.CLOSED


class Breaker:
    """Counts the failures of one partner in a row.

    While the circuit is open, every attempt is a probe: a greeting and one message. A partner
    that accepts and never answers so costs one message each time and not 4 MiB; and a message
    that its node cannot stand is found, set aside, and does not hold up the others.
    """

    __slots__ = ("_failures",)

    def __init__(self) -> None:
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    @property
    def probing(self) -> bool:
        """Whether the next batch is a probe."""
        return circuit(self._failures) is Circuit.OPEN

    def failed(self) -> int:
        """Count a failure, and return how many there were in a row."""
        self._failures += 1
        return self._failures

    def succeeded(self) -> None:
        """Close the circuit: an answer was settled, or the link stood with nothing to send."""
        self._failures = 0
