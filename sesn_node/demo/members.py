"""The members of a case, looked at from outside: what each makes of it from its own ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.case_clock import due_of, missed_by
from sesn_node.domain.delivery import DeliveryState
from sesn_node.errors import VerificationError
from sesn_node.exchange.casesteps import find_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.demo.bureau import Bureau, Served
    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.entries import CaseCode
    from sesn_node.domain.ids import AgencyId, MessageId


class Members:
    """Waits until all of them know something, and compares what they make of it.

    Args:
        bureaus: They.
        running: Their nodes.
    """

    def __init__(self, bureaus: Sequence[Bureau], running: Served) -> None:
        self._bureaus = bureaus
        self._running = running

    def know(self, case_id: MessageId, message_id: MessageId) -> None:
        """Wait until a step stands in all ledgers."""

        def everywhere() -> bool:
            for bureau in self._bureaus:
                with bureau.office.store.read() as transaction:
                    rows = transaction.cases.steps(case_id)
                if message_id not in {row.message_id for row in rows}:
                    return False
            return True

        self._running.wait_until(everywhere, "a step reaches all members")

    def know_the_date(self, case_id: MessageId) -> None:
        """Wait until it is proven to all when the authority of export was informed.

        The node of whoever requested the return does that by itself, once it has the receipt.
        """

        def everywhere() -> bool:
            return all(due_of(_case(one, case_id)) is not None for one in self._bureaus)

        self._running.wait_until(
            everywhere, "all learn when the authority of export was informed", by_themselves=True
        )

    def note(self, case_id: MessageId, code: CaseCode) -> None:
        """Wait until all ledgers say that the due date is near, or has passed."""

        def everywhere() -> bool:
            return all(code in _notices(one, case_id) for one in self._bureaus)

        self._running.wait_until(everywhere, f"all nodes note {code.value}", by_themselves=True)

    def have_receipts(self) -> None:
        """Wait until every copy of every message is acknowledged."""

        def everywhere() -> bool:
            for bureau in self._bureaus:
                with bureau.office.store.read() as transaction:
                    copies = transaction.copies.every()
                if any(one.state is not DeliveryState.ACKNOWLEDGED for one in copies):
                    return False
            return True

        self._running.wait_until(everywhere, "all receipts arrive")

    def agreed(self, case_id: MessageId) -> Case:
        """Return the case that all nodes derive.

        Raises:
            VerificationError: They do not make the same of it.
        """
        found = [_case(one, case_id) for one in self._bureaus]
        if any(one != found[0] for one in found):
            states = ", ".join(one.state.value for one in found)
            raise VerificationError(f"the nodes do not derive the same case: {states}")
        return found[0]

    def late(self, case_id: MessageId) -> tuple[AgencyId, ...]:
        """Return who missed the due date, as all nodes say.

        Raises:
            VerificationError: They do not name the same agencies.
        """
        said = {missed_by(_history(one, case_id)) for one in self._bureaus}
        if len(said) > 1:
            raise VerificationError("the nodes do not agree on who missed the due date")
        (found,) = said
        return found

    def steps(self, case_id: MessageId) -> int:
        """Return how many steps a case has."""
        return len(_history(self._bureaus[0], case_id).steps)


def _history(bureau: Bureau, case_id: MessageId) -> History:
    with bureau.office.store.read() as transaction:
        return find_history(transaction, case_id)


def _case(bureau: Bureau, case_id: MessageId) -> Case:
    case = _history(bureau, case_id).case
    if case is None:
        raise VerificationError(f"{bureau.agency} has a case without its request")
    return case


def _notices(bureau: Bureau, case_id: MessageId) -> set[str]:
    founder = _history(bureau, case_id).steps[0].sender
    with bureau.office.store.read() as transaction:
        return {code for code, _ in transaction.cases.noticed(case_id, founder)}
