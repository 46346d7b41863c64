"""A return to origin, from request to closed, through the real use cases and ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.case_clock import due_of, last_moment
from sesn_node.domain.case_terms import Action, Member, Role, State
from tests.support.casework import Casework
from tests.support.homes import BE, DE, GH, NL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network


@pytest.fixture
def work(connect: Callable[..., Network]) -> Casework:
    """Three agencies that trust each other."""
    return Casework(connect(NL, GH, BE))


def test_a_case_runs_from_request_to_closed_on_all_nodes(work: Casework) -> None:
    """Ten steps of two agencies, and a third that looks on: one case, one due date."""
    case_id = work.request(NL, GH, transit=(BE,), facility=(GH,))
    work.post()
    for agency, action in (
        (GH, Action.ACKNOWLEDGE),
        (GH, Action.ASK),
        (NL, Action.ANSWER),
        (GH, Action.ACCEPT),
        (GH, Action.DOCUMENT),
        (NL, Action.SHIP),
        (GH, Action.ARRIVE),
        (GH, Action.RECEIVE),
        (GH, Action.TREAT),
        (NL, Action.CLOSE),
    ):
        work.step(agency, case_id, action)
        work.post()
    cases = [work.case(agency, case_id) for agency in (NL, GH, BE)]
    assert cases[0] == cases[1] == cases[2]
    assert cases[0].state is State.CLOSED
    assert cases[0].open_incidents == ()
    informed_ms = cases[0].informed_ms
    assert informed_ms is not None
    assert due_of(cases[0]) == last_moment(informed_ms, 30)


def test_who_joins_gets_the_case_so_far(connect: Callable[..., Network]) -> None:
    """One joins by invitation, one as the facility's authority: both see, vote and act."""
    work = Casework(connect(NL, GH, BE, DE))
    case_id = work.request(NL, GH)
    work.post()
    work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.post()
    work.step(GH, case_id, Action.INVITE, members=(Member(BE, (Role.TRN,)),))
    work.post()
    work.step(NL, case_id, Action.PROPOSE, facility=DE)
    work.post()
    for agency in (GH, BE, DE):
        # At the same time: votes do not compete.
        work.step(agency, case_id, Action.AGREE)
    work.post()
    cases = [work.case(agency, case_id) for agency in (NL, GH, BE, DE)]
    assert all(case == cases[0] for case in cases)
    assert cases[0].state is State.ALTERNATIVE_AGREED
    work.step(DE, case_id, Action.TREAT)
    work.post()
    assert work.case(BE, case_id).state is State.TREATED


def test_a_step_that_did_not_reach_somebody_who_joins_meanwhile_is_handed_over(
    work: Casework,
) -> None:
    """Two steps at the same time, one of which brings somebody in who is not told of the other."""
    case_id = work.request(NL, GH)
    work.post()
    work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.post()
    work.step(GH, case_id, Action.INVITE, members=(Member(BE, (Role.TRN,)),))
    work.step(NL, case_id, Action.EXTEND, due_ms=last_moment(work.net.clock.now_ms, 60))
    work.post()
    work.step(GH, case_id, Action.AGREE)
    work.post()
    cases = [work.case(agency, case_id) for agency in (NL, GH, BE)]
    assert cases[0] == cases[1] == cases[2]
    assert due_of(cases[2]) == last_moment(work.net.clock.now_ms, 60)
