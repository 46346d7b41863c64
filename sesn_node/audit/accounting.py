"""Giving account of cases: all that follows from marks, headers and entries that verified.

Dates of steps are their senders' word, as everywhere; when the authority of export was informed is
proven by its receipt, where a bundle shows that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.audit.case_account import (
    CaseAccount,
    Deadline,
    LaterDate,
    NoticeAccount,
    Recorded,
    Shown,
    StepAccount,
    View,
)
from sesn_node.audit.casebook import histories_of, informed_of
from sesn_node.domain.case_clock import (
    ClockState,
    awaited,
    clock_of,
    due_of,
    last_moment,
    missed_before,
    missed_by,
)
from sesn_node.domain.case_history import Standing
from sesn_node.domain.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.audit.casebook import Notice, ShownStep
    from sesn_node.audit.docket import Docket
    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.ids import AgencyId, MessageId


def accounts(dockets: Sequence[Docket]) -> tuple[CaseAccount, ...]:
    """Give an account of every case, the one that was requested first at the beginning.

    A case with more steps than are derived has none; check 24 says so.

    Args:
        dockets: The bundles that were audited; what did not verify there is not used here.
    """
    found: list[CaseAccount] = []
    for case_id in sorted({one for docket in dockets for one in docket.cases.case_ids}):
        shown = [(docket, one) for docket in dockets for one in docket.cases.of(case_id)]
        for founder, history in histories_of(one.step for _, one in shown).items():
            found.append(_account(dockets, case_id, founder, history, shown))
    return tuple(found)


def _account(
    dockets: Sequence[Docket],
    case_id: MessageId,
    founder: AgencyId | None,
    history: History,
    shown: Sequence[tuple[Docket, ShownStep]],
) -> CaseAccount:
    recorded: dict[bytes, list[Recorded]] = {}
    for docket, one in shown:
        where = Recorded(docket.agency, one.recorded_ms, one.origin, one.index, one.filed)
        held = recorded.setdefault(one.step.step_id, [])
        if where not in held:
            held.append(where)
    case = history.case
    # What waits may belong to a case of somebody else under the same id.
    steps = tuple(
        StepAccount(
            one,
            history.standing[one.step_id],
            history.why.get(one.step_id, ""),
            tuple(recorded[one.step_id]),
        )
        for one in history.steps
        if case is None or history.standing[one.step_id] is not Standing.WAITING
    )
    views = tuple(_view(docket, case_id, founder, steps) for docket in dockets)
    if case is None:
        return CaseAccount(case_id=case_id, founder=founder, steps=steps, notices=(), views=views)
    return CaseAccount(
        case_id=case_id,
        founder=founder,
        members=case.members,
        state=case.state,
        ground=case.ground,
        regime=case.regime,
        days=case.days,
        deadline=_deadline(dockets, history, case),
        awaited=awaited(case),
        incidents=tuple(one.code for one in case.open_incidents),
        steps=steps,
        notices=_notices(dockets, case),
        views=views,
    )


def _view(
    docket: Docket, case_id: MessageId, founder: AgencyId | None, steps: Sequence[StepAccount]
) -> View:
    ids = {one.step.step_id for one in steps}
    shown = [one.step for one in docket.cases.of(case_id) if one.step.step_id in ids]
    missing = ids - {one.step_id for one in shown}
    history = histories_of(shown).get(founder) if shown else None
    case = None if history is None else history.case
    state = None if case is None else case.state
    return View(docket.agency, state, tuple(sorted(missing)))


def _notices(dockets: Sequence[Docket], case: Case) -> tuple[NoticeAccount, ...]:
    found: dict[tuple[str, int], Notice] = {
        (one.origin, one.index): one
        for docket in dockets
        for one in docket.cases.notices(case.case_id)
        if one.request == case.line.steps[0]
    }
    return tuple(
        NoticeAccount(one.code, Recorded(one.agency, one.time_ms, one.origin, one.index))
        for one in sorted(found.values(), key=lambda one: (one.time_ms, one.origin, one.index))
    )


def _deadline(dockets: Sequence[Docket], history: History, case: Case) -> Deadline:
    as_of_ms = max(docket.bundle.manifest.created_ms for docket in dockets)
    # How early an agency wants to be warned, is its own setting, and in no bundle.
    clock = clock_of(case, as_of_ms, warn_days=0)
    due_ms, met_ms = due_of(case), case.line.met_ms
    ended_ms = as_of_ms
    if met_ms is not None:
        ended_ms = met_ms
    elif clock.state is ClockState.STOPPED:
        ended_ms = case.line.since_ms
    late = None if due_ms is None else max(0, -((due_ms - ended_ms) // DAY_MS))
    informed = case.informed_ms
    return Deadline(
        as_of_ms=as_of_ms,
        clock=clock.state,
        informed_ms=informed,
        shown=_shown(dockets, history, informed),
        first_due_ms=None if informed is None else last_moment(informed, case.days),
        due_ms=due_ms,
        later=tuple(
            LaterDate(one.by, one.due_ms, case.agreed(one))
            for one in sorted(case.extensions, key=lambda one: (one.due_ms, one.step_id))
        ),
        met_ms=met_ms,
        days_late=late,
        missed_by=missed_by(history) if late else (),
        missed_before=missed_before(history),
    )


def _shown(dockets: Sequence[Docket], history: History, informed_ms: int | None) -> Shown:
    if informed_ms is None:
        return Shown.NOT_YET
    found = informed_of(history, [one.cases for one in dockets])
    by = {one.by_receipt for one in found if one.time_ms == informed_ms}
    if not by:
        return Shown.WORD
    return Shown.RECEIPT if all(by) else Shown.LEDGER
