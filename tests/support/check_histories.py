"""What must hold of any history of a case, however its steps came and whoever cheats."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node.domain.case_history import Standing, derive, parents
from sesn_node.domain.case_steps import apply
from sesn_node.domain.case_terms import MAX_PARENTS, Action
from sesn_node.domain.ids import new_message_id
from tests.support.objects import DAY_MS, NOW_MS

if TYPE_CHECKING:
    from random import Random

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_terms import Step
    from tests.support.case_histories import World

_JUDGED = (Standing.COUNTS, Standing.SUPERSEDED)


def check_history(world: World, chance: Random) -> History:
    """Check everything of one history, and return it."""
    whole = derive(world.steps)
    check_order(world, whole, chance)
    check_part(world, whole, chance)
    check_winner(world, whole, chance)
    check_parents(whole)
    for one in world.honest:
        assert whole.standing[one] in _JUDGED, whole.why.get(one)
    for one in world.refused:
        assert whole.standing[one] not in _JUDGED
    return whole


def check_order(world: World, whole: History, chance: Random) -> None:
    """Any order, and some of them twice: the same case, standings, reasons and tips."""
    steps = world.steps + chance.sample(world.steps, chance.randint(0, len(world.steps)))
    chance.shuffle(steps)
    other = derive(steps)
    assert other.case == whole.case
    assert other.standing == whole.standing
    assert (other.why, other.seen, other.tips) == (whole.why, whole.seen, whole.tips)
    assert other.steps == whole.steps
    places = {step.step_id: place for place, step in enumerate(whole.steps)}
    for step in whole.steps:
        assert all(places.get(one, -1) < places[step.step_id] for one in _past(whole, step))


def _past(whole: History, step: Step) -> tuple[bytes, ...]:
    waits = whole.standing[step.step_id] is Standing.WAITING
    return () if waits else step.mark.after


def check_part(world: World, whole: History, chance: Random) -> None:
    """Whoever has a part of the steps judges them as all others do, as soon as it can."""
    some = chance.sample(world.steps, chance.randint(0, len(world.steps)))
    here = {step.step_id for step in some}
    part = derive(some)
    judged: set[bytes] = set()
    for step in whole.steps:
        if step.step_id in here and judged.issuperset(step.mark.after):
            judged.add(step.step_id)
    for step in some:
        waits = part.standing[step.step_id] is Standing.WAITING
        assert waits == (step.step_id not in judged)
    for one in judged:
        assert (part.standing[one] in _JUDGED) == (whole.standing[one] in _JUDGED)
        assert part.why.get(one) == whole.why.get(one)
        assert part.seen.get(one) == whole.seen.get(one)
    _check_growth(part, whole)


def _check_growth(part: History, whole: History) -> None:
    """What was proven, signed or told once stays so, unless another request counts instead."""
    few, all_ = part.case, whole.case
    if few is None or all_ is None or few.line.steps[0] != all_.line.steps[0]:
        return
    assert few.roles <= all_.roles
    assert few.votes <= all_.votes
    assert few.incidents <= all_.incidents
    assert few.resolved <= all_.resolved
    assert {one for one in few.extensions if few.agreed(one)} <= {
        one for one in all_.extensions if all_.agreed(one)
    }
    if few.informed_ms is not None:
        assert all_.informed_ms is not None
        assert all_.informed_ms <= few.informed_ms
    proposal = few.line.proposal
    if proposal is not None and few.line.steps == all_.line.steps and few.state is proposal.target:
        assert all_.state is proposal.target


def check_winner(world: World, whole: History, chance: Random) -> None:
    """Dates and ids that an author chose decide nothing."""

    def otherwise(step: Step) -> Step:
        at_ms = NOW_MS + chance.randint(-400, 400) * DAY_MS
        if step.mark.action is Action.INFORM:
            # Nobody was informed after it was proven: that a date does decide.
            at_ms = max(at_ms, step.mark.at_ms)
        if step.mark.action is Action.REQUEST:
            return replace(step, created_ms=at_ms)
        return replace(
            step, created_ms=at_ms, message_id=new_message_id(at_ms, chance.randbytes(10))
        )

    other = derive([otherwise(step) for step in world.steps])
    assert other.standing == whole.standing
    assert other.why == whole.why
    assert other.case is not None
    assert whole.case is not None
    assert other.case.line.steps == whole.case.line.steps
    assert other.case.state is whole.case.state


def check_parents(whole: History) -> None:
    """At most 16, one through the head; of each agency one, before a second of any other."""
    case = whole.case
    assert case is not None
    named = parents(whole)
    assert 1 <= len(named) <= MAX_PARENTS
    assert set(named) <= set(whole.tips)
    assert list(named) == sorted(named)
    assert any(case.line.head in whole.pasts[one] for one in named)
    if len(whole.tips) <= MAX_PARENTS:
        assert set(named) == set(whole.tips)
    sender = {step.step_id: step.sender for step in whole.steps}
    if len({sender[one] for one in whole.tips}) < MAX_PARENTS:
        assert {sender[one] for one in named} == {sender[one] for one in whole.tips}


def check_seen(whole: History) -> None:
    """What is said of each step is what the table says of the case that its sender saw."""
    steps = {step.step_id: step for step in whole.steps}
    for step_id, seen in whole.seen.items():
        case = apply(seen, steps[step_id])
        assert case.line.steps[0] == seen.line.steps[0]
