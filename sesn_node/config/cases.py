"""Settings of return-to-origin cases: the periods of each body of law, and reminders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from sesn_node.domain import case_policy
from sesn_node.domain.case_terms import MAX_DAYS, check_regime
from sesn_node.domain.checks import check_distinct
from sesn_node.errors import MalformedError
from sesn_node.settings import Section, Setting

MAX_REGIMES: Final = 20
MAX_REMINDERS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime(Section):
    """The periods of one body of law."""

    name: Annotated[str, Setting("Its name, as requests bear it.", check=check_regime)]
    illegal_days: Annotated[int, Setting("Days for illegal traffic.", low=1, high=MAX_DAYS)]
    consented_days: Annotated[
        int,
        Setting("Days for what was consented, and cannot be completed.", low=1, high=MAX_DAYS),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases(Section):
    """How return-to-origin cases are counted here, and when officers are reminded."""

    regimes: Annotated[
        tuple[Regime, ...],
        Setting(
            "Bodies of law that a request can come under; the first is the usual one: {name, "
            "illegal_days, consented_days}, in days from when the authority of export was "
            "informed. A case keeps the days that its request names. Basel Convention Art. 9(2) "
            "and 8; Regulation (EU) 2024/1157 Art. 25(5) and 22(2).",
            low=1,
            high=MAX_REGIMES,
        ),
    ] = tuple(
        Regime(name=one.name, illegal_days=one.illegal_days, consented_days=one.consented_days)
        for one in case_policy.REGIMES
    )
    warn_days: Annotated[
        int,
        Setting(
            "How many days before its due date a case is shown as near it.", low=0, high=MAX_DAYS
        ),
    ] = case_policy.WARN_DAYS
    remind_days: Annotated[
        tuple[int, ...],
        Setting(
            "How many days before the due date the log and the ledger say that it is near, once "
            "each. An overdue case is told of in any case, and then once a day in the log.",
            high=MAX_REMINDERS,
        ),
    ] = case_policy.REMIND_DAYS[::-1]

    def verify(self) -> None:
        """Check that no regime is there twice, and that reminders come before the due date."""
        check_distinct("regimes", (one.name for one in self.regimes))
        for index, days in enumerate(self.remind_days):
            if not 1 <= days <= MAX_DAYS:
                raise MalformedError(
                    f"remind_days[{index}]: expected 1 to {MAX_DAYS} days, got {days}"
                )

    def policy(self) -> case_policy.CasePolicy:
        """Give the settings as the use cases take them."""
        return case_policy.CasePolicy(
            regimes=tuple(
                case_policy.Regime(one.name, one.illegal_days, one.consented_days)
                for one in self.regimes
            ),
            warn_days=self.warn_days,
            remind_days=tuple(sorted(self.remind_days)),
        )
