"""What a process remembers of cases, so that it reads and does again only what has changed.

Nothing of it is needed: a process that starts knows nothing, and finds everything in the tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from sesn_node.domain.ids import AgencyId, MessageId

if TYPE_CHECKING:
    from sesn_node.domain.case_state import Case

CaseKey: TypeAlias = tuple[MessageId, AgencyId]
"""Id of a case, and who requested the return: two agencies may have used one id."""


@dataclass(frozen=True, slots=True)
class KnownCase:
    """A case as this process has read it.

    Args:
        case: The case; None if its request does not hold.
        newest: Our entry of its newest step, as tables call it.
        gaps: Whether some step was not addressed to some member.
    """

    case: Case | None
    newest: int
    gaps: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What decides whether somebody lacks a step.

    Args:
        newest: Our entry of the newest step.
        undelivered: (message, recipient) of our steps that will not arrive.
        directory: Version of the directory of partners.
    """

    newest: int
    undelivered: frozenset[tuple[bytes, str]]
    directory: int


@dataclass(frozen=True, slots=True)
class Look:
    """When this process last looked after a case, and what it saw.

    Args:
        seen: What it saw.
        at_ms: When, Unix milliseconds.
        again_ms: When something is due if nothing happens meanwhile; None: never.
        failures: How often in a row it failed.
        waits_for_receipt: Whether nobody has proven yet when the exporter's authority was informed,
            and that is for us to do.
    """

    seen: Seen
    at_ms: int
    again_ms: int | None
    failures: int = 0
    waits_for_receipt: bool = False

    def moved(self, seen: Seen, now_ms: int) -> bool:
        """Tell whether more than time has passed since, or a failure has to be made good.

        Whoever sets a clock back has not missed anything, and does not wait for it either.
        """
        if self.seen != seen or now_ms < self.at_ms:
            return True
        return self.failures > 0 and self.is_time(now_ms)

    def is_time(self, now_ms: int) -> bool:
        """Tell whether the time has come that was known then."""
        return self.again_ms is not None and now_ms >= self.again_ms

    def is_due(self, now_ms: int) -> bool:
        """Tell whether to look again, although nothing was heard of the case."""
        return self.is_time(now_ms) or (self.waits_for_receipt and not self.failures)


@dataclass(slots=True)
class CaseDesk:
    """What a process remembers.

    Args:
        lock: Held by who reads the cases anew.
        newest: Our newest entry of a step that was read.
        steps: How many steps of each case were read.
        known: The cases under each id.
        looks: When each case was looked after; belongs to the one who does that.
    """

    lock: Lock = field(default_factory=Lock)
    newest: int = -1
    steps: dict[MessageId, int] = field(default_factory=dict)
    known: dict[MessageId, dict[CaseKey, KnownCase]] = field(default_factory=dict)
    looks: dict[CaseKey, Look] = field(default_factory=dict)
