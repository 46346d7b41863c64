"""Steps of return-to-origin cases, and what this node did about cases by itself.

A step stays when what its message says is erased: the state of a case never depends on content.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select, union_all

from sesn_node.store.schema import (
    HAS_ENDED,
    case_filed,
    case_notice,
    case_step,
    case_told,
    outbox,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection


_ROWS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class CaseStepRow:
    """A step of a case.

    Args:
        case_id: Id of the message that requested the return.
        step_id: SHA-256 of the step's header, 32 bytes.
        sender: Who took it.
        message_id: Id of its message.
        header: Its header, verbatim.
        seal: Its seal, DER.
        salt: What ledgers commit to its mark under, 32 bytes.
        mark: Its mark, serialised.
        carrier: Who handed it to us in a case file; None: it was sent by us, or to us.
        carrier_id: Id of the message that held the case file.
        entry_index: Our CASE entry of it.
    """

    case_id: bytes
    step_id: bytes
    sender: str
    message_id: bytes
    header: bytes
    seal: bytes
    salt: bytes
    mark: bytes
    carrier: str | None
    carrier_id: bytes | None
    entry_index: int

    @property
    def held_in(self) -> tuple[str, bytes]:
        """Sender and id of the message that holds what it says: its own, or a case file."""
        if self.carrier is None or self.carrier_id is None:
            return self.sender, self.message_id
        return self.carrier, self.carrier_id


@dataclass(frozen=True, slots=True)
class CaseNoticeRow:
    """A due date of a case that was near, or passed, and our CASE entry that says so."""

    case_id: bytes
    founder: str
    code: str
    due_ms: int
    entry_index: int


@dataclass(frozen=True, slots=True)
class CaseToldRow:
    """What officers were reminded of last, of one due date of a case.

    Args:
        due_ms: The last moment of the due date, Unix milliseconds.
        days: So many days before it; 0: that it has passed.
        told_ms: When, Unix milliseconds.
    """

    due_ms: int
    days: int
    told_ms: int


class CaseTable:
    """Cases, as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: CaseStepRow) -> None:
        """Store a step."""
        self._connection.execute(insert(case_step).values(asdict(row)))

    def steps(self, case_id: bytes) -> list[CaseStepRow]:
        """Return all steps of a case, in the order in which our ledger has them."""
        rows = self._connection.execute(
            select(case_step)
            .where(case_step.c.case_id == case_id)
            .order_by(case_step.c.entry_index)
        )
        return [CaseStepRow(*row) for row in rows]

    def count(self, case_id: bytes, sender: str) -> int:
        """Return how many steps of a case an agency has sent."""
        where = (case_step.c.case_id == case_id, case_step.c.sender == sender)
        found = self._connection.execute(select(func.count()).select_from(case_step).where(*where))
        return found.scalar_one()

    def known(self, case_id: bytes, step_ids: Sequence[bytes]) -> set[bytes]:
        """Return those of some steps that are here."""
        rows = self._connection.execute(
            select(case_step.c.step_id).where(
                case_step.c.case_id == case_id, case_step.c.step_id.in_(step_ids)
            )
        )
        return {row.step_id for row in rows}

    def ids(self) -> list[bytes]:
        """Return the ids of all cases, the one that went on last first."""
        rows = self._connection.execute(
            select(case_step.c.case_id)
            .group_by(case_step.c.case_id)
            .order_by(func.max(case_step.c.entry_index).desc())
        )
        return [row.case_id for row in rows]

    def changed(self, since: int) -> dict[bytes, int]:
        """Return the newest entry of each case that has one after another entry, by case id."""
        # Not grouped by the database: SQLite would then walk through all cases.
        rows = self._connection.execute(
            select(case_step.c.case_id, case_step.c.entry_index)
            .where(case_step.c.entry_index > since)
            .order_by(case_step.c.entry_index)
        )
        return {row.case_id: row.entry_index for row in rows}

    def count_all(self) -> int:
        """Count the steps of all cases."""
        # By the column of the smallest index: the rows themselves hold headers and seals.
        return self._connection.execute(select(func.count(case_step.c.entry_index))).scalar_one()

    def undelivered(self, sender: str) -> dict[bytes, set[tuple[bytes, str]]]:
        """Return (message, recipient) of an agency's steps that will not arrive, by case id."""
        # Outer, so that SQLite begins with the few copies that ended, and not with all steps.
        rows = self._connection.execute(
            select(case_step.c.case_id, case_step.c.sender, outbox.c.message_id, outbox.c.agency)
            .select_from(outbox)
            .outerjoin(case_step, case_step.c.message_id == outbox.c.message_id)
            .where(HAS_ENDED)
        )
        found: dict[bytes, set[tuple[bytes, str]]] = {}
        for case_id, step_sender, message_id, agency in rows:
            if step_sender == sender:
                found.setdefault(case_id, set()).add((message_id, agency))
        return found

    def every_step(self) -> Iterator[CaseStepRow]:
        """Yield the steps of all cases, in the order of our ledgers."""
        statement = select(case_step).order_by(case_step.c.entry_index)
        # The option stands on the statement: set on the connection, it would stay there.
        rows = self._connection.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE))
        for row in rows:
            yield CaseStepRow(*row)

    def every_notice(self) -> list[CaseNoticeRow]:
        """Return what the ledger says of due dates, in the order in which it does."""
        rows = self._connection.execute(select(case_notice).order_by(case_notice.c.entry_index))
        return [CaseNoticeRow(*row) for row in rows]

    def entry_numbers(self) -> set[int]:
        """Return which entries of our ledgers are about a step or a due date that is here."""
        steps = select(case_step.c.entry_index)
        rows = self._connection.execute(union_all(steps, select(case_notice.c.entry_index)))
        return {row.entry_index for row in rows}

    def noticed(self, case_id: bytes, founder: str) -> set[tuple[str, int]]:
        """Return (code, due date) of what the ledger says of a case's due dates."""
        rows = self._connection.execute(
            select(case_notice.c.code, case_notice.c.due_ms).where(
                case_notice.c.case_id == case_id, case_notice.c.founder == founder
            )
        )
        return {(row.code, row.due_ms) for row in rows}

    def add_notice(
        self, case_id: bytes, founder: str, code: str, due_ms: int, entry_index: int
    ) -> None:
        """Note that the ledger says that a due date is near, or has passed."""
        self._connection.execute(
            insert(case_notice).values(
                case_id=case_id, founder=founder, code=code, due_ms=due_ms, entry_index=entry_index
            )
        )

    def told(self, case_id: bytes, founder: str) -> list[CaseToldRow]:
        """Return what officers were reminded of last, of each due date of a case."""
        rows = self._connection.execute(
            select(case_told.c.due_ms, case_told.c.days, case_told.c.told_ms).where(
                case_told.c.case_id == case_id, case_told.c.founder == founder
            )
        )
        return [CaseToldRow(*row) for row in rows]

    def tell(self, case_id: bytes, founder: str, row: CaseToldRow) -> None:
        """Note that officers were reminded of a due date."""
        of = case_told.c
        self._connection.execute(
            delete(case_told).where(
                of.case_id == case_id, of.founder == founder, of.due_ms == row.due_ms
            )
        )
        self._connection.execute(
            insert(case_told).values(case_id=case_id, founder=founder, **asdict(row))
        )

    def filed(self, step_ids: Sequence[bytes]) -> set[tuple[str, bytes]]:
        """Return (agency, step) of those of some steps that we handed to a member."""
        rows = self._connection.execute(
            select(case_filed.c.agency, case_filed.c.step_id).where(
                case_filed.c.step_id.in_(step_ids)
            )
        )
        return {(row.agency, row.step_id) for row in rows}

    def add_filed(self, agency: str, step_ids: Sequence[bytes]) -> None:
        """Note that we handed steps to a member."""
        self._connection.execute(
            insert(case_filed),
            [{"agency": agency, "step_id": one} for one in step_ids],
        )
