"""Rules of handling, set by the originator of a message.

Mirrors `Markings` of `proto/sesn/v1/payload.proto`. The axes are separate, and what the strictest
says, holds. Every class raises `MalformedError` with the path of the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from sesn_node.domain.checks import check_count, check_instant, check_line, check_text
from sesn_node.domain.ids import AgencyId, agency_id
from sesn_node.errors import MalformedError

MAX_ONWARD = 100
ANY_AGENCY: Final = "*"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_ANY_OF_COUNTRY = re.compile(r"(?:int|[a-z]{2})\.\*", re.ASCII)


class Tlp(StrEnum):
    """FIRST Traffic Light Protocol 2.0, strictest first: how far a message may be passed on."""

    RED = "RED"
    AMBER_STRICT = "AMBER+STRICT"
    AMBER = "AMBER"
    GREEN = "GREEN"
    CLEAR = "CLEAR"


class HandlingCode(StrEnum):
    """Restrictions of the Europol handling codes.

    H0, to be used for preventing and combating crime and under no further restriction, is the
    absence of all.
    """

    H1 = "H1"
    """Not to be disclosed in judicial proceedings without the originator's permission."""
    H2 = "H2"
    """Not to be passed on without the originator's permission."""
    H3 = "H3"
    """Other restrictions, told in words."""


class Passing(StrEnum):
    """Whether recipients may pass a message on to another agency; strictest first."""

    NEVER = "never"
    """Not even if its originator were asked: who should have it, gets it from the originator."""
    ASK = "ask"
    """Where the originator has granted it beforehand, or consents."""
    FREE = "free"
    """To anybody, without asking."""


class EvaluationScheme(StrEnum):
    """Schemes in which police forces evaluate sources and information."""

    EUROPOL_4X4 = "4x4"
    BRITISH_3X5X2 = "3x5x2"
    BRITISH_5X5X5 = "5x5x5"


_GRADES: Final = {
    EvaluationScheme.EUROPOL_4X4: ("ABCX", "1234", ""),
    EvaluationScheme.BRITISH_3X5X2: ("123", "ABCDE", "PC"),
    EvaluationScheme.BRITISH_5X5X5: ("ABCDE", "12345", "12345"),
}
"""Source, information and handling grades of each scheme.

4x4: Regulation (EU) 2016/794, Article 29. 3x5x2: College of Policing, Authorised Professional
Practice, Intelligence report (from 2016). 5x5x5: its predecessor, in the National Intelligence
Model.
"""
_CONDITIONS: Final = {
    # Lawful sharing permitted, with conditions.
    (EvaluationScheme.BRITISH_3X5X2, "C"): Passing.ASK,
    # 2: to British agencies that do not prosecute; 3: to police outside the European Economic
    # Area; 4: within the originating agency only; 5: no further, ask the originator.
    (EvaluationScheme.BRITISH_5X5X5, "2"): Passing.ASK,
    (EvaluationScheme.BRITISH_5X5X5, "3"): Passing.ASK,
    (EvaluationScheme.BRITISH_5X5X5, "4"): Passing.NEVER,
    (EvaluationScheme.BRITISH_5X5X5, "5"): Passing.ASK,
}
"""What a scheme's own handling condition says of passing on; the others do not restrict it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation in the words of its scheme; schemes are never converted into each other.

    Args:
        scheme: Whose letters and digits these are.
        source: Grade of the source, one character.
        information: Grade of the information, one character.
        handling: The scheme's own handling condition; empty in a scheme that has none.
    """

    scheme: EvaluationScheme
    source: str
    information: str
    handling: str = ""

    def __post_init__(self) -> None:
        grades = _GRADES[self.scheme]
        for name, allowed in zip(("source", "information", "handling"), grades, strict=True):
            given = getattr(self, name)
            if not allowed and given:
                raise MalformedError(f"{name}: {self.scheme} has none; leave it out")
            if allowed and (len(given) != 1 or given not in allowed):
                raise MalformedError(
                    f"{name}: {self.scheme} knows {', '.join(allowed)}, got {given[:20]!a}"
                )

    @property
    def passing(self) -> Passing:
        """What the scheme's own handling condition says of passing on."""
        return _CONDITIONS.get((self.scheme, self.handling), Passing.FREE)


@dataclass(frozen=True, slots=True)
class Markings:
    """Rules of handling.

    Args:
        tlp: How far the message may be passed on.
        handling: Europol handling codes, ascending, each once.
        handling_text: What H3 restricts, at most 500 characters; set with H3, or not.
        evaluation: How good the source and the information are.
        purpose: What the content may be used for, at most 200 characters.
        legal_basis: The law that it is shared under, at most 500 characters.
        retain_until: From then on no node keeps the content, aware, in UTC.
        onward: Whom recipients may pass it on to without asking; see `covers`. Not where
            `passing` says never.
    """

    tlp: Tlp
    handling: tuple[HandlingCode, ...] = ()
    handling_text: str = ""
    evaluation: Evaluation | None = None
    purpose: str = ""
    legal_basis: str = ""
    retain_until: datetime | None = None
    onward: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if list(self.handling) != sorted(set(self.handling)):
            raise MalformedError("handling: the codes must be ascending, each once")
        check_text("handling_text", self.handling_text, 500)
        if (HandlingCode.H3 in self.handling) != bool(self.handling_text.strip()):
            raise MalformedError("handling_text: H3 and the words that explain it go together")
        check_line("purpose", self.purpose, 200)
        check_text("legal_basis", self.legal_basis, 500)
        check_instant("retain_until", self.retain_until)
        check_onward("onward", self.onward)
        if self.onward and self.passing is Passing.NEVER:
            raise MalformedError(
                "onward: the other marks keep the message to its recipients alone (RED, or 4 of "
                "5x5x5); take the grant away"
            )

    @property
    def passing(self) -> Passing:
        """Whether recipients may pass it on: what the strictest axis says."""
        says = {_TLP_PASSING[self.tlp]}
        if not {HandlingCode.H2, HandlingCode.H3}.isdisjoint(self.handling):
            # What H3 restricts, only a person can read.
            says.add(Passing.ASK)
        if self.evaluation is not None:
            says.add(self.evaluation.passing)
        return min(says, key=list(Passing).index)

    @property
    def retain_ms(self) -> int | None:
        """From then on no node keeps the content: Unix milliseconds, rounded up."""
        if self.retain_until is None:
            return None
        return -((_EPOCH - self.retain_until) // _MILLISECOND)

    def for_reply(self) -> Markings:
        """Return the marks of an answer to what bears these.

        As strict as these; but what only its originator can say is not repeated: how good it is,
        and whom the answer may be passed on to.
        """
        return replace(self, evaluation=None, onward=())

    @property
    def stays_with_recipients(self) -> bool:
        """Whether nobody but its recipients may ever get it: TLP:RED, or H2."""
        return self.tlp is Tlp.RED or HandlingCode.H2 in self.handling

    def weaker_than(self, other: Markings) -> str | None:
        """Name the axis on which these are less strict than others; None if on none.

        Marks of a message that repeats another's content must not be. Where no order exists
        (words, grades), they must be the same, or stand where nothing stood.
        """
        if _STRICTNESS[self.tlp] > _STRICTNESS[other.tlp]:
            return "tlp"
        if not set(self.handling) >= set(other.handling):
            return "handling"
        if other.retain_until is not None and (
            self.retain_until is None or self.retain_until > other.retain_until
        ):
            return "retain_until"
        for axis in ("handling_text", "evaluation", "purpose", "legal_basis"):
            before = getattr(other, axis)
            if before and getattr(self, axis) != before:
                return axis
        if other.passing is not Passing.FREE and not _within(self.onward, other.onward):
            return "onward"
        return None


_STRICTNESS: Final = {tlp: place for place, tlp in enumerate(Tlp)}
# FIRST's TLP 2.0: wider than the label says only with the explicit permission of the source. GREEN
# would let it go to the community; which agencies that is, a node cannot know.
_TLP_PASSING: Final = {
    Tlp.RED: Passing.NEVER,
    Tlp.AMBER_STRICT: Passing.ASK,
    Tlp.AMBER: Passing.ASK,
    Tlp.GREEN: Passing.ASK,
    Tlp.CLEAR: Passing.FREE,
}


def check_onward(path: str, onward: tuple[str, ...], low: int = 0) -> None:
    """Refuse a grant that names nobody clearly.

    Raises:
        MalformedError: Fewer than `low`, more than 100, not ascending, or no agency.
    """
    check_count(path, onward, low, MAX_ONWARD)
    if list(onward) != sorted(set(onward)):
        raise MalformedError(f"{path}: must be ascending, each once")
    for index, one in enumerate(onward):
        if one == ANY_AGENCY or _ANY_OF_COUNTRY.fullmatch(one):
            continue
        try:
            agency_id(one)
        except MalformedError as error:
            raise MalformedError(
                f'{path}[{index}]: expected an agency id, a country with ".*" ("nl.*"), or "*", '
                f"got {one[:40]!a}"
            ) from error


def as_strict_as(said: Sequence[Markings], now: datetime) -> Markings:
    """Return the marks of what follows others: as strict as all of them together.

    The strictest TLP label and what goes with it, every handling code, the earliest retention date
    of those to come: with one that has passed, nobody takes a message.

    Args:
        said: The marks of what was said before, at least one.
        now: Aware, in UTC.
    """
    strictest = min(said, key=lambda one: _STRICTNESS[one.tlp]).for_reply()
    texts = (one.handling_text for one in (strictest, *said) if one.handling_text)
    return replace(
        strictest,
        handling=tuple(sorted({code for one in said for code in one.handling})),
        handling_text=next(texts, ""),
        retain_until=min(
            (one.retain_until for one in said if one.retain_until and one.retain_until > now),
            default=None,
        ),
    )


def covers(onward: Iterable[str], agency: AgencyId) -> bool:
    """Say whether a grant names an agency: by itself, by its country, or with everybody."""
    return _within((agency,), onward)


def _within(narrow: Iterable[str], wide: Iterable[str]) -> bool:
    """Say whether a grant names nobody whom another does not name."""
    names = set(wide)
    return all(
        not names.isdisjoint({one, f"{one.partition('.')[0]}.*", ANY_AGENCY}) for one in narrow
    )
