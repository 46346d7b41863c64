"""What a case waits for: by whom, until when, and what its members could do now.

Functions of the case alone: the table of `sesn_node.domain.case` is asked about every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case import rules_of
from sesn_node.domain.case_clock import EXPECTED, awaited
from sesn_node.domain.case_steps import answers_proposal, find_rule
from sesn_node.domain.case_terms import Action, Mark, Role, Step
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import PolicyError

if TYPE_CHECKING:
    from sesn_node.domain.case import Rule
    from sesn_node.domain.case_clock import Clock
    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case

_UNSENT: Final = b"\0" * 32
"""Names a step that nobody took, to ask the table about it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A step that could be taken: its row of the table, by whom, and what it would be about."""

    rule: Rule
    role: Role
    about: bytes = b""


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that waits for the answers of members.

    Args:
        step_id: The step that proposes it.
        action: What that is: PROPOSE, SETTLE, DISPUTE or EXTEND.
        by: Who proposed it.
        of: Who has not answered yet, by agency.
        due_ms: The later due date, of EXTEND; else None.
    """

    step_id: bytes
    action: Action
    by: AgencyId
    of: tuple[AgencyId, ...]
    due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What a case waits for.

    Args:
        who: Whose step, by agency; nobody if the case has ended.
        moves: What is expected of them: rows of the table.
        due_ms: The last moment for the return; None if the clock does not run, or has stopped.
    """

    who: tuple[AgencyId, ...]
    moves: tuple[Rule, ...]
    due_ms: int | None


def next_of(case: Case, clock: Clock) -> Next:
    """Return what a case waits for, and until when."""
    stopped = case.line.met_ms is not None or not case.state.is_open
    rules = []
    for action in EXPECTED.get(case.state, ()):
        for rule in rules_of(action):
            if case.state in rule.source and (not action.is_vote or answers_proposal(case, rule)):
                rules.append(rule)
                break
    return Next(awaited(case), tuple(rules), None if stopped else clock.due_ms)


def asked_in(history: History, case: Case) -> tuple[Asked, ...]:
    """Return what waits for answers in a case: proposals, and later dates."""
    actions = {one.step_id: one.mark.action for one in history.steps}
    proposal = case.line.proposal
    found = [] if proposal is None else [(proposal.step_id, proposal.by, proposal.asked, None)]
    by_date = sorted(case.extensions, key=lambda one: (one.due_ms, one.step_id))
    dates = [(one.step_id, one.by, frozenset({one.asked}), one.due_ms) for one in by_date]
    waiting = []
    for step_id, by, asked, due_ms in (*found, *dates):
        of = tuple(one for one in sorted(asked) if step_id in case.asked_of(one))
        if of:
            waiting.append(Asked(step_id, actions[step_id], by, of, due_ms))
    return tuple(waiting)


def possible_for(us: AgencyId, case: Case) -> tuple[Choice, ...]:
    """Return what an agency could do in a case now, in the order of `Action`.

    What its node does by itself is left out.
    """
    found = []
    for action in Action:
        if action in {Action.REQUEST, Action.INFORM}:
            continue
        for about in _abouts(us, case, action):
            choice = _choice(us, case, action, about)
            if choice is not None:
                found.append(choice)
    return tuple(found)


def _abouts(us: AgencyId, case: Case, action: Action) -> tuple[bytes, ...]:
    """Return what a step of an agency could be about; one empty name if it is about nothing."""
    if action is Action.AGREE:
        return case.asked_of(us)
    if action is Action.DECLINE:
        return tuple(sorted({*case.asked_of(us), *case.proposed_by(us)}))
    if action is Action.RESOLVE:
        is_founder = Role.DET in case.roles_of(us)
        return tuple(one.step_id for one in case.open_incidents if is_founder or one.by == us)
    waits = {one.step_id for one in case.extensions} & {*case.proposed_by(us)}
    return () if action is Action.EXTEND and waits else (b"",)


def _choice(us: AgencyId, case: Case, action: Action, about: bytes) -> Choice | None:
    """Return the row by which an agency could take a step; None if there is none."""
    for role in case.roles_of(us):
        if role is Role.FAC and not (action.is_fact or case.speaks_for_facility(us)):
            continue
        mark = Mark(action=action, role=role, after=(_UNSENT,), about=about)
        step = Step(_UNSENT, case.case_id, case.case_id, us, frozenset(), 1, mark)
        try:
            return Choice(find_rule(case, step), role, about)
        except PolicyError:
            continue
    return None
