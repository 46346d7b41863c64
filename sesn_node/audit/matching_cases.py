"""Matching of cases: what several bundles show of one case, together and each by itself."""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING, Final

from sesn_node.audit import names
from sesn_node.audit.casebook import histories_of, inform_steps, informed_of
from sesn_node.audit.checks_cases import not_informed_then
from sesn_node.audit.codes import Code
from sesn_node.crypto.signing import body_hash
from sesn_node.domain.case_history import Standing
from sesn_node.domain.counting import many
from sesn_node.domain.ids import show_message_id
from sesn_node.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.audit.casebook import ShownStep
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.tally import Tally
    from sesn_node.domain.case_history import History
    from sesn_node.domain.ids import AgencyId, MessageId

_MAX_NAMED: Final = 8
"""Steps that are named as those that a bundle lacks."""


def check_same_cases(dockets: Sequence[Docket], tally: Tally) -> None:
    """Hold the steps of all bundles against each other: check 25.

    1. One step has one mark, and one message one header.
    2. Who has the message of a step in its ledger has the step there too.
    3. When the authority of export was informed is what its entry says, in whatever bundle.

    That a bundle lacks steps which another shows is a remark.
    """
    for one, other in combinations(dockets, 2):
        _compare(one, other, tally)
    every = {step_id: shown for one in dockets for step_id, shown in one.cases.steps.items()}
    for docket in dockets:
        _check_kept(docket, every, tally)
    for case_id in sorted({one for docket in dockets for one in docket.cases.case_ids}):
        _check_case(dockets, case_id, tally)


def _compare(one: Docket, other: Docket, tally: Tally) -> None:
    for step_id, shown in other.cases.steps.items():
        step = shown.step
        same = one.cases.at(step.sender, step.message_id)
        if same is None:
            continue
        tally.saw()
        what = f"{step.mark.action} of {step.sender}: {one.agency} and {other.agency} show"
        where = names.CASES, None, step.message_id
        if same.step.step_id != step_id:
            text = f"{what} different headers of one message, both sealed by its sender"
            tally.fail(Code.CASE_STEP_MISMATCH, text, *where)
        elif (same.salt, same.mark) != (shown.salt, shown.mark):
            text = f"{what} different marks of one step"
            tally.fail(Code.CASE_STEP_MISMATCH, text, *where)


def _check_kept(docket: Docket, every: dict[bytes, ShownStep], tally: Tally) -> None:
    """A node records a step in one transaction with its message: one without the other is odd."""
    lacks = {step_id: one for step_id, one in every.items() if step_id not in docket.cases.steps}
    if not lacks or docket.blind:
        return
    # Whoever reads them first has the finding if one cannot be read.
    with suppress(MalformedError):
        for place, message in enumerate(docket.bundle.messages()):
            found = lacks.get(body_hash(message.header))
            if found is None:
                continue
            tally.fail(
                Code.CASE_STEP_MISSING,
                f"{docket.agency} has the message, and no CASE entry; by other bundles it is "
                f"{found.step.mark.action} of {found.step.sender}",
                names.MESSAGES,
                place,
                found.step.message_id,
            )


def _check_case(dockets: Sequence[Docket], case_id: MessageId, tally: Tally) -> None:
    together = histories_of(one.step for docket in dockets for one in docket.cases.of(case_id))
    for founder, history in together.items():
        if founder is None:
            continue
        _check_informed(dockets, history, tally)
        for docket in dockets:
            _remark_lacking(docket, founder, history, tally)


def _check_informed(dockets: Sequence[Docket], history: History, tally: Tally) -> None:
    """Hold t0 against what the entries of the authority of export say, in whatever bundle."""
    shown = informed_of(history, [one.cases for one in dockets])
    for step in inform_steps(history):
        if shown and all(one.time_ms != step.mark.at_ms for one in shown):
            text = not_informed_then(step, shown[0])
            tally.fail(Code.CONTRADICTION, text, names.CASES, None, step.message_id)


def _remark_lacking(docket: Docket, founder: AgencyId, history: History, tally: Tally) -> None:
    case = history.case
    if case is None:
        return
    shown = {one.step.step_id for one in docket.cases.of(case.case_id)}
    # What waits may belong to a case of somebody else under the same id.
    lacks = [
        one
        for one in history.steps
        if one.step_id not in shown and history.standing[one.step_id] is not Standing.WAITING
    ]
    if not shown or not lacks:
        return
    own = histories_of(one.step for one in docket.cases.of(case.case_id)).get(founder)
    alone = None if own is None else own.case
    by_itself = "no case" if alone is None else alone.state.value
    listed = ", ".join(f"{one.mark.action} of {one.sender}" for one in lacks[:_MAX_NAMED])
    more = f" and {len(lacks) - _MAX_NAMED:,} more" if len(lacks) > _MAX_NAMED else ""
    tally.remark(
        Code.CASE_DIFFERS,
        f"case {show_message_id(case.case_id)}: the bundle of {docket.agency} lacks "
        f"{many(len(lacks), 'step')}: {listed}{more}. By itself it makes {by_itself}; all bundles "
        f"together make {case.state.value}",
        names.CASES,
        None,
        case.case_id,
    )
