"""Alarms about partners' ledgers: what was found, and whether somebody has dealt with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from sesn_node.store.schema import ledger_alarm
from sesn_node.store.sql import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection

CLOSING: Final = "closing"
"""A card that ends a ledger with less than we cosigned of it, or with another root."""
FORK: Final = "fork"
"""Two signed roots of one size."""
REPLACED: Final = "replaced"
"""As `FORK`, but of one of them the signatures are by keys that the owner has replaced."""
UNPROVEN: Final = "unproven"
"""Two signed checkpoints, of which the owner has not proven that one continues the other."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm about one ledger.

    Args:
        origin: The ledger.
        size: Size of the checkpoint that was shown.
        kind: `CLOSING`, `FORK`, `REPLACED` or `UNPROVEN`.
        agency: Owner of the ledger.
        shown_by: Who showed that checkpoint.
        found_ms: When.
        held_size: Size of the checkpoint that it is held against; of a fork, the same.
        held_note: That checkpoint, signed.
        shown_note: The one that was shown, signed; of a closing the sealed card that states it.
        settled_ms: When the owner proved it, or an operator put the alarm down; None while it
            stands.
    """

    origin: str
    size: int
    kind: str
    agency: str
    shown_by: str
    found_ms: int
    held_size: int
    held_note: bytes
    shown_note: bytes
    settled_ms: int | None = None


# In the order of the table's columns.
_SELECT = select(ledger_alarm)
_STANDS = ledger_alarm.c.settled_ms.is_(None)


class AlarmTable:
    """Alarms as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: AlarmRow) -> bool:
        """Keep an alarm; tell whether it is the first of its kind about this ledger and size."""
        insert = upsert(self._connection.dialect.name, ledger_alarm).on_conflict_do_nothing()
        kept = self._connection.execute(
            insert.execution_options(preserve_rowcount=True),
            {name: getattr(row, name) for name in row.__slots__},
        )
        return kept.rowcount == 1

    def get(self, origin: str, size: int, kind: str) -> AlarmRow | None:
        """Return an alarm, settled or not."""
        row = self._connection.execute(
            _SELECT.where(
                ledger_alarm.c.origin == origin,
                ledger_alarm.c.size == size,
                ledger_alarm.c.kind == kind,
            )
        ).one_or_none()
        return None if row is None else AlarmRow(*row)

    def standing(self) -> list[AlarmRow]:
        """Return the alarms that nobody has settled: by kind, ledger and size."""
        rows = self._connection.execute(
            _SELECT.where(_STANDS).order_by(
                ledger_alarm.c.kind, ledger_alarm.c.origin, ledger_alarm.c.size
            )
        )
        return [AlarmRow(*row) for row in rows]

    def settle(self, agency: str, now_ms: int) -> None:
        """Settle all alarms about an agency's ledgers."""
        self._connection.execute(
            update(ledger_alarm)
            .where(ledger_alarm.c.agency == agency, _STANDS)
            .values(settled_ms=now_ms)
        )

    def settle_one(self, origin: str, size: int, kind: str, now_ms: int) -> None:
        """Settle one alarm."""
        self._connection.execute(
            update(ledger_alarm)
            .where(
                ledger_alarm.c.origin == origin,
                ledger_alarm.c.size == size,
                ledger_alarm.c.kind == kind,
                _STANDS,
            )
            .values(settled_ms=now_ms)
        )
