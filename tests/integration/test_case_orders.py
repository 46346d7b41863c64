"""A case in any order of arrival, with steps taken at once: the same on all nodes in the end.

`make case-orders` plays thousands of interleavings; docs/testing.md tells how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sesn_node.domain.case_terms import Action, Member, Role, State
from sesn_node.domain.delivery import DeliveryState
from sesn_node.exchange.caseduties import do_case_duties
from tests.support.casechecks import check_case
from tests.support.caseorders import Told, play
from tests.support.casestages import Stages
from tests.support.engines import POSTGRESQL, SQLITE
from tests.support.homes import BE, GH, NL

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.support.engines import Engine
    from tests.support.homes import Homes

_SHARE = {SQLITE: 36, POSTGRESQL: 4}
"""How many interleavings are played on each database."""


@pytest.fixture(scope="module")
def stages(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """Homes in each state, made when they are first wanted."""
    return Stages(homes, tmp_path_factory.mktemp("stages"))


def test_all_nodes_agree_in_the_end(stages: Stages, engine: Engine, tmp_path: Path) -> None:
    """Whatever came late, twice, at once, or the wrong way round."""

    @settings(
        max_examples=_SHARE[engine.name],
        # Playing one again takes as long as playing another; its seed is in the report.
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms())
    def agree(chance: Random) -> None:
        play(stages, chance, tmp_path / "offices", Told())

    agree()


@pytest.mark.engine(SQLITE)
def test_a_case_file_that_overtakes_the_step_that_brings_its_reader_in(
    stages: Stages, tmp_path: Path
) -> None:
    """It is put off, not refused for good: nobody would send it again."""
    with stages.opened(stages.begin, tmp_path / "offices") as work:
        case_id = work.request(NL, GH)
        work.post()
        told = Told()
        told.before = len(work.history(NL, case_id).steps)
        members = (Member(BE, (Role.TRN,)),)
        invited = work.step(NL, case_id, Action.INVITE, members=members)
        office = work.net[NL].office
        # The invitation is held up; what the node does by itself is not.
        with office.store.write() as transaction:
            transaction.outbox.defer(
                invited, BE, until_ms=office.clock() + 1_000_000, code="LATE", detail=None
            )
        assert do_case_duties(office).filed == 1
        assert work.net.wire(NL, BE).turn() is not None
        with office.store.read() as transaction:
            (file,) = (one for one in transaction.outbox.queued_for(BE) if one != invited)
        assert work.net[NL].copies(file)[BE].state is DeliveryState.QUEUED
        with work.net[BE].office.store.read() as transaction:
            assert transaction.cases.steps(case_id) == []
        work.post()
        told.actions["INVITE"] += 1
        check_case(work, case_id, told)
        assert work.case(BE, case_id).state is State.REQUESTED
