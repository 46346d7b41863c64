"""What members are told that they could do in a case: what the table lets them, and all of that."""

from __future__ import annotations

import pytest

from sesn_node.domain.case_terms import Action, Member, Role, State
from sesn_node.errors import PolicyError
from sesn_node.exchange.casenext import possible_for
from tests.support.cases import (
    DET,
    DETECTOR_TREATS,
    EXP,
    EXPORTER_TREATS,
    FAC,
    FIVE,
    NEW,
    Roles,
    Situation,
    candidate,
    follow,
    situations,
    state_reached,
)

BY_NODE = {Action.REQUEST, Action.INFORM}
NAMES_ITSELF = {Action.AGREE, Action.DECLINE, Action.RESOLVE}
"""Actions about one of several things: what is listed is tried, and nothing else."""


def _tried(situation: Situation, agency: str) -> set[Action]:
    """Return what an agency can do in some role, by trying it."""
    found = set()
    for member in situation.case.members:
        if member.agency != agency:
            continue
        for action in set(Action) - BY_NODE - NAMES_ITSELF:
            # Who is invited must not take part yet.
            invited = {"members": (Member(NEW, (Role.TRN,)),)} if action is Action.INVITE else {}
            for role in member.roles:
                try:
                    follow(situation, candidate(situation, member.agency, role, action, **invited))
                except PolicyError:
                    continue
                found.add(action)
    return found


@pytest.mark.parametrize("roles", [FIVE, EXPORTER_TREATS, DETECTOR_TREATS])
def test_what_is_listed_is_what_can_be_done(roles: Roles) -> None:
    """In every state, to every member: nothing that fails, and nothing kept quiet."""
    for situation in situations(roles).values():
        for member in situation.case.members:
            listed = possible_for(member.agency, situation.case)
            plain = {one.rule.action for one in listed} - NAMES_ITSELF
            assert plain == _tried(situation, member.agency), (situation.case.state, member)
            for one in listed:
                if one.rule.action in NAMES_ITSELF:
                    step = candidate(
                        situation, member.agency, one.role, one.rule.action, about=one.about
                    )
                    follow(situation, step)


def test_only_a_facility_that_the_request_named_is_told_to_treat_at_the_consignee() -> None:
    """Whoever was brought in later could not certify that."""
    start = state_reached(FIVE, State.CONSIGNEE_TREATMENT)
    invited = (Member(NEW, (Role.FAC,)),)
    joined = follow(start, candidate(start, EXP, Role.EXP, Action.INVITE, members=invited))
    for agency, can in ((DET, True), (FAC, True), (NEW, False)):
        listed = {one.rule.action for one in possible_for(agency, joined.case)}
        assert (Action.TREAT in listed) is can
