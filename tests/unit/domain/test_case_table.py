"""The table of cases, over every state, step and role: what has no row is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.case import OPEN, TABLE, rules_of, two_people
from sesn_node.domain.case_clock import EXPECTED, awaited
from sesn_node.domain.case_messages import Details
from sesn_node.domain.case_steps import apply
from sesn_node.domain.case_terms import Action, Role, State
from sesn_node.errors import PolicyError
from tests.support.cases import (
    DETECTOR_TREATS,
    EXPORTER_TREATS,
    FIVE,
    NEW,
    NOTHING,
    TWO,
    Roles,
    Situation,
    candidate,
    follow,
    situations,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.case import Rule
    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.ids import AgencyId

ALL = pytest.mark.parametrize(
    "roles",
    [FIVE, EXPORTER_TREATS, DETECTOR_TREATS, TWO],
    ids=["five", "exporter-treats", "detector-treats", "two"],
)
VOTES = (Action.AGREE, Action.DECLINE)


def _rows(situation: Situation, action: Action, role: Role) -> list[Rule]:
    state = situation.case.state
    return [one for one in rules_of(action) if state in one.source and role in one.by]


def _tried(situation: Situation, sender: AgencyId, role: Role, action: Action) -> Iterator[Step]:
    """Write the step, with everything that it can be about."""
    case = situation.case
    if action not in VOTES:
        yield candidate(situation, sender, role, action)
        return
    proposal = () if case.line.proposal is None else (case.line.proposal.step_id,)
    for about in (*proposal, *(one.step_id for one in case.extensions), NOTHING):
        yield candidate(situation, sender, role, action, about=about)


def _vote_leads_to(situation: Situation, step: Step, rows: list[Rule]) -> State | None:
    """Return what a vote leads to, by the rows that are open to it; None: it is refused."""
    case, agrees = situation.case, step.mark.action is Action.AGREE
    for later in case.extensions:
        if later.step_id == step.mark.about:
            mine = step.sender == later.asked or (step.sender == later.by and not agrees)
            everywhere = any(one.source == OPEN for one in rows)
            return case.state if mine and everywhere else None
    proposal = case.line.proposal
    if proposal is None or proposal.step_id != step.mark.about:
        return None
    said = {one.agency for one in case.votes if one.about == proposal.step_id}
    asked = step.sender in proposal.asked - said
    taken_back = not agrees and step.sender == proposal.by
    if case.state is not case.line.state or not (asked or taken_back):
        return None
    if agrees:
        fits = any(one.target is proposal.target for one in rows)
        last = proposal.asked <= {*said, step.sender}
        return (proposal.target if last else case.state) if fits else None
    # A dispute is not declined: it is settled.
    fits = any(one.source == (case.state,) for one in rows)
    return proposal.back if fits else None


def _leads_to(situation: Situation, step: Step) -> State | None:
    """Return the state after a step, by the table; None: it is refused."""
    case, mark = situation.case, step.mark
    rows = _rows(situation, mark.action, mark.role)
    if mark.role not in case.roles_of(step.sender) or not rows:
        return None
    if mark.action in VOTES:
        return _vote_leads_to(situation, step, rows)
    if mark.action is Action.EXTEND and any(one.by == step.sender for one in case.extensions):
        return None
    if mark.action is Action.RESOLVE and not case.open_incidents:
        return None
    treats_elsewhere = case.facility not in {None, step.sender}
    if (
        mark.role is Role.FAC
        and mark.action in {Action.RECEIVE, Action.REJECT, Action.TREAT}
        and case.state is not State.CONSIGNEE_TREATMENT
        and treats_elsewhere
    ):
        return None
    return rows[0].target or case.state


def _everything(roles: Roles) -> Iterator[tuple[Situation, Step]]:
    for situation in situations(roles).values():
        for sender in dict.fromkeys([*(one.agency for one in situation.case.members), NEW]):
            for role in Role:
                for action in Action:
                    for step in _tried(situation, sender, role, action):
                        yield situation, step


@ALL
def test_whole_table(roles: Roles) -> None:
    """Every situation, step, member and role, held or not: allowed as the table says, or refused.

    Allowed steps lead where it says.
    """
    allowed = set()
    for situation, step in _everything(roles):
        expected = _leads_to(situation, step)
        mark = step.mark
        what = f"{situation.label}: {step.sender} as {mark.role} {mark.action}"
        if expected is None:
            with pytest.raises(PolicyError):
                apply(situation.case, step)
            continue
        found = apply(situation.case, step)
        assert found.state is expected, what
        moved = found.line.steps != situation.case.line.steps
        assert moved == (not mark.action.is_fact), what
        allowed.add((situation.case.state, mark.action, mark.role))
    ends = {one for one in State if not one.is_open}
    assert not {state for state, _, _ in allowed} & {*ends, State.DRAFT}
    if roles == FIVE:
        assert allowed == _pairs_of_the_table()


def _pairs_of_the_table() -> set[tuple[State, Action, Role]]:
    """Return state, step and role of every row, without what no situation has."""
    pairs = {
        (state, rule.action, role) for rule in TABLE for state in rule.source for role in rule.by
    }
    return {
        (state, action, role)
        for state, action, role in pairs
        # An agency that has a part requests nothing; and no incident is open here.
        if action not in {Action.REQUEST, Action.RESOLVE}
    }


@ALL
def test_every_state_is_reached_and_goes_on(roles: Roles) -> None:
    """All but DRAFT; and in every open one those who are awaited can do what is expected."""
    reached = {one.case.state for one in situations(roles).values()}
    assert reached == set(State) - {State.DRAFT}
    for situation in situations(roles).values():
        case = situation.case
        expected = EXPECTED.get(case.state, ())
        assert bool(awaited(case)) == bool(expected) == case.state.is_open, situation.label
        for agency in awaited(case):
            able = {
                action
                for action in expected
                for role in case.roles_of(agency)
                if _leads_to(situation, candidate(situation, agency, role, action)) is not None
            }
            assert able, f"{situation.label}: {agency} is awaited, and can do nothing"


@ALL
def test_every_case_can_end(roles: Roles) -> None:
    """DET can withdraw whatever is open, and nobody else can."""
    for situation in situations(roles).values():
        if situation.case.state.is_open:
            detector = situation.case.agency_of(Role.DET)
            step = candidate(situation, detector, Role.DET, Action.WITHDRAW)
            assert follow(situation, step).case.state is State.WITHDRAWN


def test_rows_are_complete() -> None:
    """Fields that a step has; one list of words per step; no row from an end, or into DRAFT."""
    known = {one.split("|")[0] for one in Details.__slots__}
    for rule in TABLE:
        assert {name for need in rule.needs for name in need.split("|")} <= known
        assert all(state.is_open for state in rule.source)
        assert rule.target is not State.DRAFT
        assert len({one.codes for one in rules_of(rule.action)}) == 1
        assert len({one.facility for one in rules_of(rule.action)}) == 1
    assert {rule.action for rule in TABLE} == set(Action)
    assert {one for one in Action if two_people(one)} == {Action.REQUEST, Action.ACCEPT}
    assert set(EXPECTED) == set(OPEN)
