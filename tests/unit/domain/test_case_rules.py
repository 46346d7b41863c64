"""What of a step the table says nothing about: words, parts, recipients, facilities, votes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.case import rules_of
from sesn_node.domain.case_steps import MAX_SKEW_MS, apply, needed_by
from sesn_node.domain.case_terms import MAX_JOINING, Action, Member, Role, State
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import PolicyError
from tests.support.cases import (
    DET,
    EXP,
    FAC,
    FIVE,
    NEW,
    NOTHING,
    OTHER_TRN,
    TRN,
    TWO,
    Situation,
    candidate,
    follow,
    request_of,
    situations,
    state_reached,
)
from tests.support.objects import NOW_MS, changed

if TYPE_CHECKING:
    from sesn_node.domain.case_terms import Step

VOTES = (Action.AGREE, Action.DECLINE)


@pytest.mark.parametrize("action", [one for one in Action if one is not Action.REQUEST])
def test_words_are_those_of_the_list(action: Action) -> None:
    """Each word of it, and no other; a step without a list says none."""
    situation, sender, role = _where_possible(action)
    words = rules_of(action)[0].codes
    wrong = ["SOMETHING"] if words is None else ["", "SOMETHING", "intact"]
    for code in [""] if words is None else [one.value for one in words]:
        follow(situation, candidate(situation, sender, role, action, code=code))
    for code in wrong:
        step = candidate(situation, sender, role, action, code=code)
        with pytest.raises(PolicyError, match=f"{action} needs "):
            apply(situation.case, step)


@pytest.mark.parametrize("action", [one for one in Action if one is not Action.REQUEST])
def test_nothing_more_and_nothing_less(action: Action) -> None:
    """A part that the step does not have, or without one that it has."""
    situation, sender, role = _where_possible(action)
    step = candidate(situation, sender, role, action)
    mark = step.mark
    wrong: dict[str, object] = {
        "about": b"" if mark.about else NOTHING,
        "members": () if mark.members else (Member(TRN, (Role.TRN,)),),
        "facility": None if mark.facility else FAC,
        "at_ms": 0 if mark.at_ms else NOW_MS,
    }
    for name, value in wrong.items():
        with pytest.raises(PolicyError):
            apply(situation.case, replace(step, mark=changed(mark, **{name: value})))


@pytest.mark.parametrize("action", [one for one in Action if one is not Action.REQUEST])
def test_goes_to_who_needs_it_and_to_nobody_else(action: Action) -> None:
    """Without a party, or somebody who has taken a step; with a stranger, or its sender; to nobody.

    Another member can be left out: its sender may not trust it.
    """
    situation, sender, role = _where_possible(action)
    step = candidate(situation, sender, role, action)
    needed = needed_by(situation.case, sender)
    stranger = step.recipients | {"xx.else"}
    short = [step.recipients - {one} for one in needed]
    for to in (*short, stranger, frozenset(), step.recipients | {sender}):
        with pytest.raises(PolicyError, match="a step of a case goes to "):
            apply(situation.case, changed(step, recipients=frozenset(to)))
    assert needed < step.recipients
    follow(situation, changed(step, recipients=needed))


def test_somebody_who_does_not_exist_stops_nothing() -> None:
    """EXP names an authority that nobody knows: the others go on without it."""
    start = state_reached(FIVE, State.ACKNOWLEDGED)
    ghost = (Member(NEW, (Role.FAC,)),)
    joined = follow(start, candidate(start, EXP, Role.EXP, Action.INVITE, members=ghost))
    step = candidate(joined, DET, Role.DET, Action.WITHDRAW)
    assert follow(joined, changed(step, recipients=step.recipients - {NEW})).case.state is (
        State.WITHDRAWN
    )


def test_few_join_by_one_step() -> None:
    """As many as a step brings in, and one more."""
    start = state_reached(FIVE, State.ACKNOWLEDGED)
    many = tuple(Member(AgencyId(f"xx.a{at:02}"), (Role.TRN,)) for at in range(MAX_JOINING + 1))
    follow(start, candidate(start, EXP, Role.EXP, Action.INVITE, members=many[1:]))
    _refused(start, candidate(start, EXP, Role.EXP, Action.INVITE, members=many), "at most 16")


def test_consignee_treatment_is_certified_by_whom_the_request_named() -> None:
    """EXP cannot bring in an authority that certifies that all is done in the other country."""
    start = state_reached(FIVE, State.CONSIGNEE_TREATMENT)
    joined = follow(
        start, candidate(start, EXP, Role.EXP, Action.INVITE, members=(Member(NEW, (Role.FAC,)),))
    )
    _refused(joined, candidate(joined, NEW, Role.FAC, Action.TREAT), "its request named")
    assert (
        follow(joined, candidate(joined, FAC, Role.FAC, Action.TREAT)).case.state is State.TREATED
    )
    assert (
        follow(joined, candidate(joined, DET, Role.DET, Action.TREAT)).case.state is State.TREATED
    )


def test_nobody_was_informed_after_it_was_proven() -> None:
    """A receipt that is dated ahead would stretch the period: 15 minutes are clocks, no more."""
    start = state_reached(FIVE, State.REQUESTED)
    step = candidate(start, DET, Role.DET, Action.INFORM)
    late_ms = step.created_ms + MAX_SKEW_MS
    follow(start, replace(step, mark=changed(step.mark, at_ms=late_ms)))
    later = replace(step, mark=changed(step.mark, at_ms=late_ms + 1))
    _refused(start, later, "one of the clocks is wrong")


def _where_possible(action: Action) -> tuple[Situation, AgencyId, Role]:
    """Find where a step is allowed, and to whom."""
    if action is Action.RESOLVE:
        start = state_reached(FIVE, State.SHIPPED)
        told = candidate(start, TRN, Role.TRN, Action.INCIDENT)
        return follow(start, told), TRN, Role.TRN
    for situation in situations(FIVE).values():
        for member in situation.case.members:
            for role in member.roles:
                with suppress(PolicyError):
                    follow(situation, candidate(situation, member.agency, role, action))
                    return situation, member.agency, role
    raise AssertionError(f"nobody can {action} anywhere")


def _refused(situation: Situation, step: Step, match: str) -> None:
    with pytest.raises(PolicyError, match=match):
        apply(situation.case, step)


def test_requests_that_begin_no_case() -> None:
    """One DET, its sender; one EXP, another; all are addressed; its message names the case."""
    good = request_of(FIVE)
    assert apply(None, good).state is State.REQUESTED
    without = tuple(one for one in good.mark.members if one.agency != EXP)
    second = _with_roles(good, TRN, Role.EXP)
    both = _with_roles(replace(good, mark=changed(good.mark, members=without)), DET, *Role)
    wrong_marks: list[dict[str, object]] = [
        {"members": without},
        {"members": second},
        {"members": both},
        {"members": _with_roles(good, TRN, Role.DET)},
        {"members": tuple(one for one in good.mark.members if one.agency != DET)},
        {"role": Role.EXP},
        {"code": "BECAUSE"},
        {"facility": FAC},
        {"about": NOTHING},
        {"at_ms": NOW_MS},
    ]
    wrong = [replace(good, mark=changed(good.mark, **one)) for one in wrong_marks]
    wrong += [
        replace(good, sender=EXP),
        replace(good, recipients=good.recipients - {TRN}),
        replace(good, recipients=good.recipients | {NEW}),
        changed(good, message_id=b"another id here."),
        candidate(state_reached(FIVE, State.REQUESTED), EXP, Role.EXP, Action.ACKNOWLEDGE),
    ]
    for step in wrong:
        with pytest.raises(PolicyError):
            apply(None, step)


def _with_roles(request: Step, agency: AgencyId, *roles: Role) -> tuple[Member, ...]:
    return tuple(
        Member(agency, roles) if one.agency == agency else one for one in request.mark.members
    )


@pytest.mark.parametrize(
    ("members", "allowed"),
    [
        ((Member(NEW, (Role.TRN,)),), True),
        ((Member(NEW, (Role.TRN, Role.FAC)),), True),
        ((Member(EXP, (Role.FAC,)),), True),
        ((Member(NEW, (Role.DET,)),), False),
        ((Member(NEW, (Role.EXP,)),), False),
        ((Member(NEW, (Role.EXP, Role.TRN)),), False),
        ((Member(TRN, (Role.TRN,)),), False),
        ((Member(TRN, (Role.TRN, Role.FAC)),), False),
        ((Member(TRN, (Role.TRN,)), Member(NEW, (Role.TRN,))), False),
    ],
)
def test_who_may_join(members: tuple[Member, ...], *, allowed: bool) -> None:
    """As TRN or FAC, and as what it is not yet."""
    situation = state_reached(FIVE, State.ACKNOWLEDGED)
    step = candidate(situation, EXP, Role.EXP, Action.INVITE, members=members)
    if not allowed:
        _refused(situation, step, "others join as TRN or FAC")
        return
    case = follow(situation, step).case
    for one in members:
        assert set(one.roles) <= set(case.roles_of(one.agency))


def test_informed_of_the_request_and_once() -> None:
    """About the request, of the authority of export; a second proof is refused."""
    situation = state_reached(FIVE, State.ACKNOWLEDGED)
    good = candidate(situation, DET, Role.DET, Action.INFORM)
    informed = follow(situation, good)
    assert informed.case.informed_ms == NOW_MS
    _refused(informed, candidate(informed, DET, Role.DET, Action.INFORM), "proven already")
    other = (Member(TRN, (Role.TRN,)),)
    for wrong in ({"members": other}, {"about": situation.case.line.head}):
        step = candidate(situation, DET, Role.DET, Action.INFORM, **wrong)
        _refused(situation, step, "about the authority of export")


def test_who_resolves_an_incident() -> None:
    """Who told of it, or DET; once."""
    start = state_reached(FIVE, State.SHIPPED)
    told = candidate(start, TRN, Role.TRN, Action.INCIDENT)
    open_one = follow(start, told)
    assert [one.step_id for one in open_one.case.open_incidents] == [told.step_id]
    for sender, role in ((EXP, Role.EXP), (OTHER_TRN, Role.TRN), (FAC, Role.FAC)):
        step = candidate(open_one, sender, role, Action.RESOLVE)
        _refused(open_one, step, "by who told of it")
    for sender, role in ((TRN, Role.TRN), (DET, Role.DET)):
        closed = follow(open_one, candidate(open_one, sender, role, Action.RESOLVE))
        assert not closed.case.open_incidents
        again = candidate(closed, DET, Role.DET, Action.RESOLVE, about=told.step_id)
        _refused(closed, again, "no such open incident")


@pytest.mark.parametrize("code", ["INTACT", "MISMATCH", "BROKEN", "MISSING"])
def test_any_seal_but_the_one_that_left_is_an_incident(code: str) -> None:
    """On arrival; the goods are there all the same."""
    start = state_reached(FIVE, State.SHIPPED)
    case = follow(start, candidate(start, EXP, Role.EXP, Action.ARRIVE, code=code)).case
    assert case.state is State.ARRIVED
    assert [one.code for one in case.open_incidents] == ([] if code == "INTACT" else [code])


def test_only_the_named_facility_takes_it() -> None:
    """Another authority that is FAC cannot; after it rejects, another facility is named."""
    arrived = state_reached(FIVE, State.ARRIVED)
    joins = (Member(TRN, (Role.FAC,)),)
    two = follow(arrived, candidate(arrived, DET, Role.DET, Action.INVITE, members=joins))
    for action in (Action.RECEIVE, Action.REJECT):
        _refused(two, candidate(two, TRN, Role.FAC, action), f"in the country of {FAC}")
    rejected = follow(two, candidate(two, FAC, Role.FAC, Action.REJECT))
    same = candidate(rejected, EXP, Role.EXP, Action.DOCUMENT, facility=FAC)
    _refused(rejected, same, "another one has to be named")
    document = candidate(rejected, EXP, Role.EXP, Action.DOCUMENT, facility=TRN)
    assert follow(rejected, document).case.facility == TRN


def test_a_facility_joins_by_being_named() -> None:
    """It is a member at once, is asked like all others, and is the facility once all agreed."""
    start = state_reached(TWO, State.ACCEPTED)
    asked = follow(start, candidate(start, DET, Role.DET, Action.PROPOSE, facility=NEW))
    assert asked.case.roles_of(NEW) == (Role.FAC,)
    assert asked.case.facility is None
    one = follow(asked, candidate(asked, EXP, Role.EXP, Action.AGREE))
    assert one.case.state is State.ALTERNATIVE_PROPOSED
    _refused(one, candidate(one, EXP, Role.EXP, Action.AGREE), "not possible")
    both = follow(one, candidate(one, NEW, Role.FAC, Action.AGREE))
    assert both.case.state is State.ALTERNATIVE_AGREED
    assert both.case.facility == NEW
    back = follow(one, candidate(one, DET, Role.DET, Action.DECLINE))
    assert (back.case.state, back.case.facility) == (State.ACCEPTED, None)


def test_who_was_not_asked_has_no_vote() -> None:
    """An agency that joins after a proposal; and a transit authority on a later date."""
    start = state_reached(FIVE, State.ALTERNATIVE_PROPOSED)
    joined = follow(start, candidate(start, DET, Role.DET, Action.INVITE))
    for action in VOTES:
        _refused(joined, candidate(joined, NEW, Role.TRN, action), "not possible")
    later = follow(start, candidate(start, EXP, Role.EXP, Action.EXTEND))
    about = later.steps[-1].step_id
    for sender, role in ((TRN, Role.TRN), (EXP, Role.EXP)):
        step = candidate(later, sender, role, Action.AGREE, about=about)
        _refused(later, step, "not possible|cannot AGREE")


def test_one_later_date_at_a_time() -> None:
    """Of each side; the next after it was answered or taken back."""
    start = state_reached(FIVE, State.REQUESTED)
    first = follow(start, candidate(start, EXP, Role.EXP, Action.EXTEND))
    _refused(first, candidate(first, EXP, Role.EXP, Action.EXTEND), "not answered yet")
    about = first.steps[-1].step_id
    follow(first, candidate(first, DET, Role.DET, Action.EXTEND))
    for sender, role, action in (
        (DET, Role.DET, Action.AGREE),
        (DET, Role.DET, Action.DECLINE),
        (EXP, Role.EXP, Action.DECLINE),
    ):
        said = follow(first, candidate(first, sender, role, action, about=about))
        assert bool([one for one in said.case.extensions if said.case.agreed(one)]) == (
            action is Action.AGREE
        )
        again = candidate(said, DET, Role.DET, Action.AGREE, about=about)
        _refused(said, again, "not possible")
        follow(said, candidate(said, EXP, Role.EXP, Action.EXTEND))
