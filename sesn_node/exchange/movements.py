"""Movements: how what has to go back went on its way, as the steps of its case tell it.

The step that ships a container names it. Those that say that it arrived, and that a facility
received it, need not: they build on the step that shipped it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sesn_node.codes.places import check_port
from sesn_node.domain.case_history import derive
from sesn_node.domain.case_terms import Action
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.terms import Term, TermField, normalised
from sesn_node.domain.tracking import Happening
from sesn_node.exchange.casesteps import founders_of, step_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from collections.abc import Set as AbstractSet

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_messages import CaseStep, Details
    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.tracking import Stop
    from sesn_node.store.engine import Transaction

Named = tuple[AgencyId, MessageId]
"""A message, by sender and id."""

HAPPENINGS: Final[Mapping[Action, Happening]] = {
    Action.SHIP: Happening.LEFT,
    Action.ARRIVE: Happening.ARRIVED,
    Action.RECEIVE: Happening.RECEIVED,
}


def ships(body: CaseStep, wanted: AbstractSet[Term]) -> bool:
    """Tell whether a step sends a container on its way that somebody looks for."""
    container = Term(TermField.CONTAINER, normalised(body.details.container))
    return body.mark.action is Action.SHIP and container in wanted


def following(
    transaction: Transaction, case_ids: Collection[MessageId], shipped: AbstractSet[Named]
) -> dict[Named, Named]:
    """Find the steps that say where something went on that others shipped.

    Args:
        transaction: A snapshot.
        case_ids: Cases that it was shipped in.
        shipped: The steps that did.

    Returns:
        By each such step the message that it is in: itself, or the case file that it came in.
    """
    found = {}
    for case_id in case_ids:
        rows = transaction.cases.steps(case_id)
        steps = [step_of(row) for row in rows]
        by_id = {row.step_id: row for row in rows}
        for founder in founders_of(steps):
            history = derive(steps, founder)
            known = {one.step_id: one for one in history.steps}
            for step in history.steps:
                before = _shipped_before(history, known, step)
                if before is not None and (before.sender, before.message_id) in shipped:
                    sender, message_id = by_id[step.step_id].held_in
                    found[step.sender, step.message_id] = AgencyId(sender), MessageId(message_id)
    return found


def stops_of(body: CaseStep, stop: Stop) -> Iterator[Stop]:
    """Say where something was, by a step that moves it; nothing by another.

    Args:
        body: The step.
        stop: What is known of whoever says so.
    """
    details = body.details
    what = HAPPENINGS.get(body.mark.action)
    if what is not None:
        yield replace(
            stop,
            place=details.place,
            port=check_port(details.place).normalised,
            at=details.at,
            what=what,
            text=_remarks(body.mark.code, details),
        )


def _shipped_before(history: History, known: Mapping[bytes, Step], step: Step) -> Step | None:
    """Return the step that shipped what a step says the arrival or receipt of."""
    seen = history.seen.get(step.step_id)
    if seen is None or step.mark.action not in {Action.ARRIVE, Action.RECEIVE}:
        return None
    line = (known[one] for one in reversed(seen.line.steps))
    return next((one for one in line if one.mark.action is Action.SHIP), None)


def _remarks(code: str, details: Details) -> str:
    """Say what was moved, on what, and how its seal was found."""
    amount = f"{details.quantity} {details.unit}" if details.quantity else ""
    found = f" {code.lower()}" if code else ""
    parts = (
        f"container {details.container}" if details.container else "",
        f"IMO {details.imo}" if details.imo else "",
        f"vehicle {details.vehicle}" if details.vehicle else "",
        f"seal {details.seal}{found}" if details.seal else f"seal{found}" if found else "",
        amount,
        details.text,
    )
    return ", ".join(part for part in parts if part)
