"""Tracking: where a container or a ship was, by what several agencies say, in one line of time.

Pure: what was said comes in, places in order and what does not fit come out. The rules and their
reasons stand in docs/tracking.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from sesn_node.domain.conversation import Confidence, SightingBasis
from sesn_node.domain.ids import AgencyId, MessageId

MAX_GAP: Final = timedelta(days=30)
"""A longer silence is a finding."""
MAX_KNOTS: Final = 60.0
"""Faster than any ship, train or lorry that carries a container, over a whole journey."""
TOLERANCE_NM: Final = 60.0
"""How far apart two places may be by the error of their positions alone, nautical miles."""

_EARTH_NM: Final = 3440.065
"""Mean radius of the Earth, 6,371 km."""


class Happening(StrEnum):
    """What a message says of an object at a place."""

    LOADING = "LOADING"
    TRANSHIPMENT = "TRANSHIPMENT"
    DISCHARGE = "DISCHARGE"
    SIGHTED = "SIGHTED"
    LEFT = "LEFT"
    """In a return-to-origin case, as the next two: SHIP, ARRIVE and RECEIVE."""
    ARRIVED = "ARRIVED"
    RECEIVED = "RECEIVED"


class Doubt(StrEnum):
    """What does not fit in a line of places."""

    JUMP = "impossible-jump"
    """It cannot have been at both places: the way is too long for the time between."""
    PLAN = "plan-not-kept"
    """The same, but one of the two was only expected when it was written."""
    GAP = "gap"
    """Nothing is told of it for long."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a place is, degrees: north and east are positive."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What one message says of where the object was.

    Args:
        source: The agency that says so.
        via: Who passed it on to us; empty if the source told us.
        message_id: The source's message.
        written: When the source wrote it.
        place: As observed; empty if nobody said.
        port: Its normal form, a UN/LOCODE; empty if it is none.
        at: When; None if nobody said.
        what: What happened there.
        basis: How the source knows; None of a call in an alert and of a step of a case, where it
            does not say.
        confidence: How sure it is; None as above.
        text: Remarks.
        outdated: The source has replaced what it said here.
        case_id: The case that it is told in; None if in none.
    """

    source: AgencyId
    via: tuple[AgencyId, ...] = ()
    message_id: MessageId
    written: datetime
    place: str
    port: str
    at: datetime | None
    what: Happening
    basis: SightingBasis | None = None
    confidence: Confidence | None = None
    text: str = ""
    outdated: bool = False
    case_id: MessageId | None = None

    @property
    def planned(self) -> bool:
        """Whether it lay in the future when it was written."""
        return self.at is not None and self.at > self.written


@dataclass(frozen=True, slots=True)
class Trouble:
    """What does not fit.

    Args:
        doubt: What it is.
        before: The earlier stop.
        after: The later one.
        reason: In words, with the figures.
    """

    doubt: Doubt
    before: Stop
    after: Stop
    reason: str


@dataclass(frozen=True, slots=True)
class Track:
    """Where an object was.

    Args:
        stops: What is told with a time, in order of time.
        undated: What is told without.
        troubles: What does not fit, in order of time.
        unplaced: Ports whose positions nobody here knows: jumps to them are not judged.
    """

    stops: tuple[Stop, ...]
    undated: tuple[Stop, ...]
    troubles: tuple[Trouble, ...]
    unplaced: tuple[str, ...]


def track(stops: Sequence[Stop], positions: Mapping[str, Position]) -> Track:
    """Put what is told of an object in order, and say what does not fit.

    Args:
        stops: What is told of it, in any order.
        positions: Where ports are, by UN/LOCODE.
    """
    dated = sorted((one for one in stops if one.at is not None), key=_order)
    undated = sorted((one for one in stops if one.at is None), key=_order)
    valid = [one for one in dated if not one.outdated]
    troubles = [*_jumps(valid, positions), *_gaps(valid)]
    troubles.sort(key=lambda one: (_order(one.before), _order(one.after), one.doubt))
    named = [one for one in valid if one.place.strip()]
    unplaced = {one.port or one.place for one in named if one.port not in positions}
    return Track(tuple(dated), tuple(undated), tuple(troubles), tuple(sorted(unplaced)))


def distance_nm(one: Position, other: Position) -> float:
    """Return the great-circle distance, nautical miles: no way on Earth is shorter."""
    north, south = math.radians(one.latitude), math.radians(other.latitude)
    east = math.radians(other.longitude - one.longitude)
    half = math.sin((south - north) / 2) ** 2
    half += math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
    return 2 * _EARTH_NM * math.asin(min(1.0, math.sqrt(half)))


def _jumps(stops: Sequence[Stop], positions: Mapping[str, Position]) -> list[Trouble]:
    """Hold each stop against the one before it, of those whose positions are known."""
    placed = [one for one in stops if one.port in positions]
    found = []
    for before, after in pairwise(placed):
        far = distance_nm(positions[before.port], positions[after.port]) - TOLERANCE_NM
        hours = _between(before, after) / timedelta(hours=1)
        if before.port == after.port or far <= hours * MAX_KNOTS:
            continue
        doubt = Doubt.PLAN if before.planned or after.planned else Doubt.JUMP
        reason = (
            f"{before.port} and {after.port} are more than {far:,.0f} nautical miles apart, and "
            f"{_hours(hours)} lie between: nothing that carries a container makes "
            f"{MAX_KNOTS:.0f} knots"
        )
        if doubt is Doubt.PLAN:
            reason += "; one of the two was only expected when it was written"
        found.append(Trouble(doubt, before, after, reason))
    return found


def _gaps(stops: Sequence[Stop]) -> list[Trouble]:
    found = []
    for before, after in pairwise(stops):
        silence = _between(before, after)
        if silence > MAX_GAP:
            reason = f"nothing is told of {silence.days} days"
            found.append(Trouble(Doubt.GAP, before, after, reason))
    return found


def _between(before: Stop, after: Stop) -> timedelta:
    if before.at is None or after.at is None:
        raise AssertionError  # Only stops with a time are compared.
    return after.at - before.at


def _hours(hours: float) -> str:
    return f"{hours:,.0f} hours" if hours >= 1 else "less than an hour"


def _order(stop: Stop) -> tuple[datetime, datetime, str, bytes, str, str]:
    """Order stops the same way on every node, whatever order they came in."""
    at = stop.written if stop.at is None else stop.at
    return at, stop.written, stop.source, stop.message_id, stop.place, stop.what
