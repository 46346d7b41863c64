"""How our checkpoints' time-stamps stand, in facts and in words. Needs no key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.counting import many
from sesn_node.domain.times import utc_minute
from sesn_node.exchange.checkup import Diagnosis, Grade, steps

if TYPE_CHECKING:
    from sesn_node.store.engine import Transaction
    from sesn_node.store.timestamps import AskingRow, TokenRow


@dataclass(frozen=True, slots=True)
class TimestampStanding:
    """How time-stamps stand where authorities are configured.

    Args:
        size: Entries of our ledger.
        newest: The token over our largest checkpoint that has one; or None.
        asking: How asking goes; None before the first time.
        grace_ms: How long no authority may answer before it is an alarm.
        now_ms: When this was looked at.
    """

    size: int
    newest: TokenRow | None
    asking: AskingRow | None
    grace_ms: int
    now_ms: int

    @property
    def failing_ms(self) -> int | None:
        """Since when no authority has answered, Unix milliseconds; None while one does."""
        return None if self.asking is None else self.asking.failing_ms

    @property
    def grace_ends_ms(self) -> int | None:
        """When the grace period ends, or has ended; None while an authority answers."""
        return None if self.failing_ms is None else self.failing_ms + self.grace_ms

    @property
    def overdue(self) -> bool:
        """Whether no authority has answered for longer than the grace period."""
        return self.grace_ends_ms is not None and self.now_ms > self.grace_ends_ms

    @property
    def text(self) -> str:
        """How it stands, in a sentence."""
        covered = "no checkpoint has a time-stamp yet"
        if self.newest is not None:
            covered = (
                f"{self.newest.size:,} of {many(self.size, 'entry', 'entries')} existed at "
                f"{utc_minute(self.newest.time_ms)} UTC"
            )
        if self.asking is None or self.failing_ms is None or self.grace_ends_ms is None:
            return covered
        since = f"no authority has answered since {utc_minute(self.failing_ms)} UTC"
        grace = "the grace period ended at" if self.overdue else "grace until"
        return f"{since}, {grace} {utc_minute(self.grace_ends_ms)} UTC ({covered})"


def check_timestamps(found: TimestampStanding) -> Diagnosis:
    """Say whether a time-stamping authority answers."""
    if found.asking is None or found.failing_ms is None:
        return Diagnosis("timestamps", Grade.OK, found.text)
    return Diagnosis(
        "timestamps",
        Grade.FAILED if found.overdue else Grade.WARNING,
        f"{found.text}: {found.asking.error}",
        steps(
            "Ask each authority of [timestamps] in node.toml yourself: 'openssl ts -query -data "
            "FILE -cert' and curl. Is it reachable from here, and is its file of roots the right "
            "one?",
            "Name a second authority. The node goes on all the same; nobody else's clock bounds "
            "what it records meanwhile.",
        ),
    )


def timestamp_standing(transaction: Transaction, grace_ms: int, now_ms: int) -> TimestampStanding:
    """Say how time-stamps stand.

    Raises:
        StorageError: The database has no ledger.
    """
    head = transaction.ledger.require_head()
    return TimestampStanding(
        head.size,
        transaction.timestamps.newest(head.origin),
        transaction.timestamps.asking(),
        grace_ms,
        now_ms,
    )
