"""Alarms about partners' ledgers, in words: what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.counting import many
from sesn_node.domain.times import utc_minute
from sesn_node.exchange.evidencefiles import WITHOUT_FILE, evidence_name, standing_alarms
from sesn_node.store.alarms import CLOSING, FORK, UNPROVEN, AlarmRow
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.store.engine import Transaction

_CAUSES: Final = (
    "Two databases under one set of keys, an old copy that was started again, or stolen keys make "
    "a fork; so does a lie."
)


@dataclass(frozen=True, slots=True)
class AlarmView:
    """A standing alarm.

    Args:
        row: What is kept of it.
        quarantined: Whether the owner of the ledger is cut off.
        file: Where the evidence is, or will be once a node of this home has run; None if this
            alarm has no file.
        command: How a command for this home begins.
    """

    row: AlarmRow
    quarantined: bool
    file: Path | None
    command: str

    @property
    def what(self) -> str:
        """What was found."""
        row = self.row
        when = utc_minute(row.found_ms)
        if row.kind == UNPROVEN:
            return (
                f"{row.agency} has not proven that {row.origin} at size {row.size:,}, which "
                f"{row.shown_by} showed at {when} UTC, and at size {row.held_size:,}, which we "
                "hold, are one history"
            )
        if row.kind == CLOSING:
            what = (
                f"we have cosigned {row.held_size:,} of it"
                if row.held_size > row.size
                else "we have cosigned another history of that size"
            )
            text = (
                f"{row.agency} showed a card at {when} UTC that ends {row.origin} at "
                f"{many(row.size, 'entry', 'entries')}, and {what}"
            )
            return f"{text}. {row.agency} is quarantined" if self.quarantined else text
        text = (
            f"{row.agency} signed two histories of {row.origin} at size {row.size:,}; "
            f"{row.shown_by} showed the second at {when} UTC"
        )
        if self.quarantined:
            return f"{text}. {row.agency} is quarantined: nothing goes to it or comes from it"
        if row.kind == FORK:
            return text
        return f"{text}. Keys signed it that {row.agency} has replaced, so it is not cut off"

    @property
    def steps(self) -> tuple[str, ...]:
        """What to do."""
        row, file = self.row, self.file
        call = f"Call {row.agency} over a known number."
        release = f"'{self.command} peer release {row.agency}'"
        revoke = f"'{self.command} peer revoke {row.agency}'"
        if row.kind == CLOSING:
            return (
                (
                    f"{call} Has it lost its database, and opened a new ledger? It does not answer "
                    "any more for what we cosigned beyond that end; our own ledger and the "
                    "receipts that we keep still prove it."
                ),
                (
                    f"If you accept that end: {release}; its new card is taken then, and what "
                    f"waits for it goes. If not: {revoke}."
                ),
            )
        if file is None:
            return (
                f"{call} Has its database been restored from an old copy? Is its node up to date?",
                f"Once it proves its ledger, this alarm ends. To end it now: {release}.",
                f"To cut the agency off: {revoke}.",
            )
        return (
            f"Keep {file}: it proves the fork. '{self.command} ledger fork {file}' verifies it.",
            f"{call} {_CAUSES}",
            f"If you trust it again: {release}; what waits for it goes then. If not: {revoke}.",
        )


def alarm_views(transaction: Transaction, evidence: Path, command: str) -> list[AlarmView]:
    """Return the standing alarms, forks first.

    Args:
        transaction: Where they are read.
        evidence: The evidence folder of this home.
        command: How a command for this home begins.
    """
    rows = standing_alarms(transaction)
    states = transaction.peers.standings(sorted({row.agency for row in rows}))
    return [
        AlarmView(
            row,
            states[row.agency][0] == PeerState.QUARANTINED.value,
            None if row.kind in WITHOUT_FILE else evidence / evidence_name(row),
            command,
        )
        for row in rows
    ]
