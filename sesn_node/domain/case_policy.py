"""How an agency counts: the day counts of each regime, and when it wants to be reminded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.findings import Field, Rule
from sesn_node.errors import PolicyError

if TYPE_CHECKING:
    from sesn_node.domain.case_terms import Ground
    from sesn_node.domain.findings import Finding


@dataclass(frozen=True, slots=True)
class Regime:
    """The periods of one body of law, in days from when the authority of export was informed.

    Args:
        name: A word of a-z, 0-9 and hyphens.
        illegal_days: For illegal traffic.
        consented_days: For what was consented, and cannot be completed.
    """

    name: str
    illegal_days: int
    consented_days: int

    def days(self, ground: Ground) -> int:
        """Return the period that a ground gives."""
        return self.illegal_days if ground.is_illegal else self.consented_days


REGIMES: Final = (Regime("basel", 30, 90), Regime("eu-2024-1157", 30, 90))
"""Basel Convention Art. 9(2) and 8; Regulation (EU) 2024/1157 Art. 25(5) and 22(2)."""


WARN_DAYS: Final = 7
REMIND_DAYS: Final = (2, 7)


@dataclass(frozen=True, slots=True)
class CasePolicy:
    """How this agency counts.

    Args:
        regimes: Those that it knows; the first is the usual one.
        warn_days: From how many days before the due date on a case is near it.
        remind_days: How many days before the due date somebody is reminded of it; ascending.
    """

    regimes: tuple[Regime, ...] = REGIMES
    warn_days: int = WARN_DAYS
    remind_days: tuple[int, ...] = REMIND_DAYS

    def regime(self, name: str | None) -> Regime:
        """Return a regime by its name; the usual one without.

        Raises:
            PolicyError: It is none of the settings.
        """
        if name is None:
            return self.regimes[0]
        for regime in self.regimes:
            if regime.name == name:
                return regime
        known = ", ".join(regime.name for regime in self.regimes)
        raise PolicyError(f"regime: {name[:40]!a} is none of the settings; they have {known}")


def check_days(policy: CasePolicy, regime: str, ground: Ground, days: int) -> Finding:
    """Hold the days that a request names against our own settings for its regime and ground.

    They count all the same: every member counts what the request says. A doubt is for people.
    """
    field = Field("days", str(days))
    own = next((one for one in policy.regimes if one.name == regime), None)
    if own is None:
        reason = f"the request names the regime {regime}, which is none of our settings"
        return field.warn(Rule.CASE_REGIME, reason, field.observed)
    expected = own.days(ground)
    if expected != days:
        reason = f"the request names {days} days; our settings have {expected} for {own.name}"
        return field.warn(Rule.CASE_DAYS, reason, field.observed)
    return field.ok(field.observed)
