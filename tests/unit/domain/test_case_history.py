"""Steps taken at the same time, votes, joining late, and what a cheating member can do."""

from __future__ import annotations

from itertools import permutations

import pytest

from sesn_node.domain.case_history import Standing, derive, parents
from sesn_node.domain.case_terms import MAX_PARENTS, Action, Member, Role, State
from sesn_node.errors import PolicyError
from tests.support.cases import (
    DET,
    DETECTOR_TREATS,
    EXP,
    FAC,
    FIVE,
    NEW,
    NOTHING,
    OTHER_TRN,
    TRN,
    Story,
    request_of,
)
from tests.support.objects import NOW_MS

LOW, HIGH = b"\x01" * 32, b"\xf1" * 32


def _standing(story: Story, step_id: bytes) -> Standing:
    return story.history.standing[step_id]


def test_role_order_between_siblings() -> None:
    """Of two that nobody built on, DET's before EXP's, whatever the hashes and dates."""
    story = Story().go((EXP, Action.ACKNOWLEDGE), (EXP, Action.ACCEPT))
    before = list(story.steps)
    document = story.take(EXP, Action.DOCUMENT, knows=before, step_id=LOW, created_ms=NOW_MS)
    withdraw = story.take(DET, Action.WITHDRAW, knows=before, step_id=HIGH)
    assert story.case.state is State.WITHDRAWN
    assert _standing(story, withdraw.step_id) is Standing.COUNTS
    assert _standing(story, document.step_id) is Standing.SUPERSEDED


def test_what_another_built_on_stays() -> None:
    """EXP has told of the arrival: that the shipment never left cannot be said any more."""
    story = Story().go((EXP, Action.ACKNOWLEDGE), (EXP, Action.ACCEPT), (EXP, Action.DOCUMENT))
    before = list(story.steps)
    story.go((DET, Action.SHIP))
    old = story.take(DET, Action.WITHDRAW, knows=before, step_id=LOW)
    assert _standing(story, old.step_id) is Standing.COUNTS
    known = [step for step in story.steps if step is not old]
    story.take(EXP, Action.ARRIVE, knows=known)
    assert story.case.state is State.ARRIVED
    assert _standing(story, old.step_id) is Standing.SUPERSEDED


def test_building_on_its_own_does_not_help() -> None:
    """EXP has accepted and documented by itself; DET has proposed something else meanwhile."""
    story = Story().go((EXP, Action.ACKNOWLEDGE))
    before = list(story.steps)
    story.go((EXP, Action.ACCEPT), (EXP, Action.DOCUMENT))
    story.take(DET, Action.PROPOSE, knows=before)
    assert story.case.state is State.ALTERNATIVE_PROPOSED


def test_a_vote_builds_on_what_it_is_about() -> None:
    """EXP's proposal, which TRN agreed to, before DET's that was made at the same time."""
    story = Story().go((EXP, Action.ACKNOWLEDGE))
    before = list(story.steps)
    first = story.take(EXP, Action.PROPOSE, knows=before)
    story.take(TRN, Action.AGREE, about=first.step_id, knows=[*before, first])
    second = story.take(DET, Action.PROPOSE, knows=before)
    assert story.case.line.head == first.step_id
    assert _standing(story, second.step_id) is Standing.SUPERSEDED


def test_smaller_hash_between_two_of_one_agency() -> None:
    """An agency that takes two steps from one place: the smaller hash counts, not the date."""
    story = Story().go((EXP, Action.ACKNOWLEDGE))
    before = list(story.steps)
    story.take(EXP, Action.ASK, knows=before, step_id=HIGH, created_ms=NOW_MS)
    story.take(EXP, Action.ACCEPT, knows=before, step_id=LOW, created_ms=NOW_MS + 9)
    for steps in permutations(story.steps[1:]):
        case = derive([*steps, story.steps[0]]).case
        assert case is not None
        assert case.line.head == LOW


def test_what_else_was_known_decides_nothing_between_siblings() -> None:
    """The smaller hash counts, also if it builds on more than the other does."""
    story = Story().go((EXP, Action.ACKNOWLEDGE))
    before = list(story.steps)
    story.take(EXP, Action.ASK, knows=before, step_id=HIGH)
    told = story.take(TRN, Action.INCIDENT, knows=before, step_id=b"\xff" * 32)
    story.take(EXP, Action.ACCEPT, knows=[*before, told], step_id=LOW)
    assert story.case.line.head == LOW


def test_who_plays_two_roles_acts_as_the_one_it_says() -> None:
    """The order of roles looks at the role that a step was taken in."""
    story = Story(DETECTOR_TREATS).go(
        (EXP, Action.ACKNOWLEDGE),
        (EXP, Action.ACCEPT),
        (EXP, Action.DOCUMENT),
        (DET, Action.SHIP),
        (EXP, Action.ARRIVE),
    )
    before = list(story.steps)
    story.take(DET, Action.RECEIVE, role=Role.FAC, knows=before, step_id=LOW)
    story.take(DET, Action.WITHDRAW, role=Role.DET, knows=before, step_id=HIGH)
    assert story.case.state is State.WITHDRAWN


@pytest.mark.parametrize("undone_by", [DET, FAC])
def test_what_all_agreed_to_stays(undone_by: str) -> None:
    """Neither the proposer nor a voter can undo it, as if it did not know the last vote."""
    story = Story().go((EXP, Action.ACKNOWLEDGE), (DET, Action.PROPOSE))
    before = list(story.steps)
    for agency in (EXP, TRN, OTHER_TRN, FAC):
        story.go((agency, Action.AGREE))
    story.take(DET if undone_by == DET else FAC, Action.DECLINE, knows=before)
    assert not story.history.why
    assert story.case.state is State.ALTERNATIVE_AGREED


def test_one_who_declines_ends_a_proposal() -> None:
    """As long as not all have agreed; the votes of the others no longer count."""
    story = Story().go((EXP, Action.ACKNOWLEDGE), (EXP, Action.ACCEPT), (DET, Action.PROPOSE))
    story.go((TRN, Action.AGREE), (OTHER_TRN, Action.DECLINE))
    assert story.case.state is State.ACCEPTED
    assert story.case.facility is None
    late = story.take(EXP, Action.AGREE)
    assert late.step_id in story.history.why
    assert story.case.state is State.ACCEPTED


def test_two_requests_under_one_id() -> None:
    """Of one agency: that counts which more have built on; nothing builds on both."""
    story = Story()
    other = request_of(FIVE, NOW_MS + 7)
    both = [story.steps[0], other]
    smaller, larger = sorted(both, key=lambda one: one.step_id)
    answer = story.write(EXP, Action.ACKNOWLEDGE, knows=[larger])
    history = derive([*both, answer])
    assert history.case is not None
    assert history.case.line.steps == (larger.step_id, answer.step_id)
    assert history.standing[smaller.step_id] is Standing.SUPERSEDED
    assert history.tips == (answer.step_id,)
    alone = derive([larger, answer])
    assert alone.case == history.case
    assert alone.seen == history.seen
    named = tuple(sorted(one.step_id for one in both))
    on_both = story.take(EXP, Action.ACKNOWLEDGE, knows=[larger], after=named)
    assert "two requests" in derive([*both, on_both]).why[on_both.step_id]


def test_requests_of_two_agencies_under_one_id() -> None:
    """Two cases: each founder's own; what builds on the other waits for it."""
    ours = Story()
    turned = ((EXP, (Role.DET,)), (DET, (Role.EXP,)))
    theirs = Story(turned)
    mine = ours.take(EXP, Action.ACKNOWLEDGE)
    their_answer = theirs.take(DET, Action.ACKNOWLEDGE)
    everything = [*ours.steps, *theirs.steps]
    for founder, step, other in ((DET, mine, their_answer), (EXP, their_answer, mine)):
        history = derive(everything, founder)
        assert history.case is not None
        assert history.case.agency_of(Role.DET) == founder
        assert history.standing[step.step_id] is Standing.COUNTS
        assert history.standing[other.step_id] is Standing.WAITING
    first = derive(everything).case
    assert first is not None
    assert first.agency_of(Role.DET) == EXP


def test_steps_that_wait_or_build_on_what_is_not_allowed() -> None:
    """The first until its past is here; the second for ever."""
    story = Story()
    bad = story.take(DET, Action.ACKNOWLEDGE)
    on_bad = story.take(EXP, Action.ACKNOWLEDGE, after=(bad.step_id,))
    waits = story.take(EXP, Action.ACKNOWLEDGE, after=(NOTHING,))
    history = story.history
    assert history.why[bad.step_id] == "DET cannot ACKNOWLEDGE in state REQUESTED"
    assert history.why[on_bad.step_id] == "it builds on a step that its sender could not take"
    assert history.standing[waits.step_id] is Standing.WAITING
    assert history.steps[-1] is waits
    assert history.tips == (story.steps[0].step_id,)
    without = derive([one for one in story.steps if one is not bad])
    assert without.standing[on_bad.step_id] is Standing.WAITING
    assert without.case == history.case


def test_nothing_without_the_request() -> None:
    """All wait; and nobody can write a step."""
    story = Story().go((EXP, Action.ACKNOWLEDGE))
    history = derive(story.steps[1:])
    assert history.case is None
    assert set(history.standing.values()) == {Standing.WAITING}
    with pytest.raises(PolicyError, match="not here"):
        parents(history)
    assert derive([]).steps == ()


def test_many_tips_of_one_agency_hide_nobody_else() -> None:
    """A new step names one through the head and one of each agency, before a second of any."""
    story = Story().go((EXP, Action.ACKNOWLEDGE))
    before = list(story.steps)
    for number in range(3 * MAX_PARENTS):
        story.take(EXP, Action.INCIDENT, knows=before, step_id=number.to_bytes(32, "big"))
    others = [
        story.take(agency, Action.INCIDENT, knows=before, step_id=bytes([250 + at]) * 32)
        for at, agency in enumerate((TRN, OTHER_TRN, FAC))
    ]
    ask = story.take(EXP, Action.ASK, knows=before, step_id=b"\xff" * 32)
    named = parents(story.history)
    assert len(named) == MAX_PARENTS
    assert {ask.step_id, *(one.step_id for one in others)} <= set(named)
    answer = story.take(DET, Action.ANSWER)
    assert _standing(story, answer.step_id) is Standing.COUNTS
    while len(story.history.tips) > 1:
        story.take(TRN, Action.INCIDENT)
    assert not story.history.why


def test_joining_meanwhile() -> None:
    """A new member can be left out, by who does not know of it or trust it, until it has acted."""
    story = Story().go((EXP, Action.ACKNOWLEDGE))
    before = list(story.steps)
    story.take(DET, Action.INVITE)
    unaware = story.take(EXP, Action.ACCEPT, knows=before)
    assert NEW not in unaware.recipients
    assert _standing(story, unaware.step_id) is Standing.COUNTS
    aware = story.take(EXP, Action.DOCUMENT, to=unaware.recipients)
    assert _standing(story, aware.step_id) is Standing.COUNTS
    story.take(NEW, Action.INCIDENT)
    late = story.take(DET, Action.SHIP, to=unaware.recipients - {DET} | {EXP})
    assert "whoever has taken a step" in story.history.why[late.step_id]
    assert Member(NEW, (Role.TRN,)) in story.case.members
