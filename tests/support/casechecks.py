"""What must hold when every message of a case has arrived: on all nodes, and of the case itself.

The rules are said again here in other words than the node's, so that a node that is wrong
everywhere in the same way is found out too.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.seal import commit_mark
from sesn_node.domain.case_history import Standing, derive
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.case_terms import Action, Ground, Role, SealCheck
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.exchange.casesteps import steps_of
from tests.support.check_node import check_node, check_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_terms import Mark
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.share import Draft
    from sesn_node.store.cases import CaseStepRow
    from tests.support.caseorders import Told
    from tests.support.casework import Casework
    from tests.support.network import Member
    from tests.support.view import View

GROUNDS: Final = tuple(one for one in Ground)
_ROLES: Final = tuple(Role)
_VOTES: Final = {Action.AGREE, Action.DECLINE}


def action_of(draft: Draft) -> str:
    """Return the action of a step that was written."""
    body = draft.payload.body
    assert isinstance(body, CaseStep)
    return body.mark.action.value


def check_case(work: Casework, case_id: MessageId, told: Told) -> None:
    """Check everything, and tell what the case came to.

    Raises:
        AssertionError: Naming the agency, and what does not hold.
    """
    histories = {
        member.agency: work.history(member.agency, case_id)
        for member in work.net
        if _knows(member, case_id)
    }
    first = next(iter(histories.values()))
    case = first.case
    assert case is not None, "nobody knows the case"
    taken = told.before + sum(told.actions.values())
    members = {one.agency for one in case.members}
    for agency, found in histories.items():
        assert agency in members, f"{agency} knows steps of a case that it takes no part in"
        assert found.case == case, f"{agency}: {_difference(found, first)}"
        assert found.standing == first.standing, f"{agency}: standing"
        assert found.seen == first.seen, f"{agency}: what the senders saw"
        assert found.tips == first.tips, f"{agency}: tips"
        assert not found.why, f"{agency}: {found.why}"
        assert Standing.WAITING not in found.standing.values(), f"{agency}: a step waits"
        assert len(found.steps) == taken, f"{agency}: {len(found.steps)} of {taken} steps"
    assert set(histories) == members, f"members without the case: {members - set(histories)}"
    check_line(first)
    check_facts(first)
    check_blind(first)
    views = []
    for member in work.net:
        views.append(check_node(member.office))
        with member.office.store.read() as transaction:
            _check_ledger(views[-1], transaction.cases.steps(case_id))
        _check_delivered(views[-1])
    for one, other in permutations(views, 2):
        check_pair(one, other)
    told.state = case.state.value
    told.members = len(members)
    told.superseded = list(first.standing.values()).count(Standing.SUPERSEDED)


def check_line(history: History) -> None:
    """Of siblings, the one counts that another agency built on, then roles, then the hash.

    Whoever takes a step that changes the state, or votes, builds on the line that it saw.
    """
    assert history.case is not None
    built_on: defaultdict[bytes, set[AgencyId]] = defaultdict(set)
    siblings: defaultdict[bytes | None, list[bytes]] = defaultdict(list)
    marks = {step.step_id: step.mark for step in history.steps}
    sender = {step.step_id: step.sender for step in history.steps}
    for step in history.steps:
        seen = history.seen.get(step.step_id)
        if not step.mark.action.is_fact:
            siblings[None if seen is None else seen.line.head].append(step.step_id)
        if seen is not None and (not step.mark.action.is_fact or step.mark.action in _VOTES):
            for one in seen.line.steps:
                built_on[one].add(step.sender)
    line: list[bytes] = []
    while found := siblings.get(line[-1] if line else None):
        line.append(
            min(
                found,
                key=lambda one: (
                    not built_on[one] - {sender[one]},
                    _ROLES.index(marks[one].role),
                    one,
                ),
            )
        )
    assert history.case.line.steps == tuple(line), "another line counts than should"
    for step in history.steps:
        if not step.mark.action.is_fact:
            counts = history.standing[step.step_id] is Standing.COUNTS
            assert counts == (step.step_id in line), "a step counts off the line, or not on it"


def check_facts(history: History) -> None:
    """Nothing that is said beside the line is lost, whatever became of the steps around it."""
    case = history.case
    assert case is not None
    for step in history.steps:
        there = () if step.step_id not in history.seen else history.seen[step.step_id].members
        wanted = {one.agency for one in there} | _named(step.mark)
        assert step.recipients == wanted - {step.sender}, "somebody was left out who was trusted"
    facts = [step for step in history.steps if step.mark.action.is_fact]
    for step in facts:
        assert history.standing[step.step_id] is Standing.COUNTS, f"{step.mark.action} competes"
    of = {
        action: [step for step in history.steps if step.mark.action is action] for action in Action
    }
    assert {(one.about, one.agency, one.agrees) for one in case.votes} == {
        (step.mark.about, step.sender, action is Action.AGREE)
        for action in _VOTES
        for step in of[action]
    }, "votes"
    assert {one.step_id for one in case.extensions} == {
        step.step_id for step in of[Action.EXTEND]
    }, "extensions"
    broken = [step for step in of[Action.ARRIVE] if step.mark.code != SealCheck.INTACT]
    assert {one.step_id for one in case.incidents} == {
        step.step_id for step in (*of[Action.INCIDENT], *broken)
    }, "incidents"
    assert case.resolved == {step.mark.about for step in of[Action.RESOLVE]}, "resolved"
    named = {one for step in history.steps for one in _named(step.mark)}
    assert {agency for agency, _ in case.roles} == named, "members"


def _named(mark: Mark) -> set[AgencyId]:
    named = {one.agency for one in mark.members}
    return named if mark.facility is None else named | {mark.facility}


def check_blind(history: History) -> None:
    """No date and no message id that an author chose decides anything."""
    steps = list(history.steps)
    # The other way round, and all later: nobody is informed after it was proven.
    newest = max(one.created_ms for one in steps)
    dates = [2 * newest - one.created_ms for one in steps]
    ids = sorted((one.message_id for one in steps), reverse=True)
    changed = [
        one
        if one.mark.action is Action.REQUEST
        else replace(one, created_ms=date, message_id=other)
        for one, date, other in zip(steps, dates, ids, strict=True)
    ]
    again = derive(reversed(changed))
    assert again.standing == history.standing, "a date or an id decides what counts"
    assert again.case is not None
    assert history.case is not None
    assert again.case.line.steps == history.case.line.steps, "a date or an id decides the line"


def _knows(member: Member, case_id: MessageId) -> bool:
    with member.office.store.read() as transaction:
        return bool(steps_of(transaction, case_id))


def _difference(found: History, first: History) -> str:
    if found.case is None or first.case is None:
        return "no case"
    here = f"{found.case.state} with {len(found.steps)} steps"
    return f"{here}, others {first.case.state} with {len(first.steps)}"


def _check_ledger(seen: View, rows: Sequence[CaseStepRow]) -> None:
    """Every step that is here has one CASE entry, which commits to its mark."""
    entries = [
        entry
        for _, entry in seen.of_kind(EntryKind.CASE)
        if entry.code in {CaseCode.STEP, CaseCode.FILED}
    ]
    assert sorted((one.object_sha256, one.message_id) for one in entries) == sorted(
        (commit_mark(row.salt, row.mark), row.message_id) for row in rows
    ), f"{seen.agency}: CASE entries and steps"
    for row in rows:
        entry = seen.entries[row.entry_index]
        assert entry.object_sha256 == commit_mark(row.salt, row.mark), f"{seen.agency}: its entry"


def _check_delivered(seen: View) -> None:
    """Nobody refused anything, and nothing is left on the way."""
    refused = [f"{one.sender}: {one.code}" for one in seen.refusals]
    assert not refused, f"{seen.agency} refused {refused}"
    states = {one.state for one in seen.copies}
    assert states <= {DeliveryState.ACKNOWLEDGED}, f"{seen.agency}: {states}"
