"""Steps of return-to-origin cases, and what this node did about cases by itself.

A step stays when what its message says is erased: the state of a case never depends on content.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from sesn_node.store.schema import case_filed, case_notice, case_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


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
