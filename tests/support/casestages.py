"""Homes of five agencies in the middle of a case, one set for each state, to be copied.

Each state is reached once, from the one before it, through the real use cases.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from sesn_node.domain.case_terms import Action, State
from sesn_node.domain.ids import AgencyId
from sesn_node.exchange import office
from tests.support.casework import Casework
from tests.support.engines import current
from tests.support.homes import BE, DE, GH, NL, Homes
from tests.support.network import HOUR_MS, Network
from tests.support.view import open_card_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from sesn_node.exchange.operators import Actor

FR: Final = AgencyId("fr.epa")
AGENCIES: Final = (NL, GH, BE, DE, FR)
"""DET, EXP, TRN, TRN and FAC of every staged case."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How a state is reached: from which, by whose steps."""

    after: State
    action: Action
    by: tuple[AgencyId, ...]
    parts: Mapping[str, Any]


def _way(after: State, action: Action, *by: AgencyId, **parts: object) -> _Way:
    return _Way(after, action, by, parts)


_WAYS: Final = {
    State.ACKNOWLEDGED: _way(State.REQUESTED, Action.ACKNOWLEDGE, GH),
    State.INFO_REQUESTED: _way(State.ACKNOWLEDGED, Action.ASK, GH),
    State.ACCEPTED: _way(State.ACKNOWLEDGED, Action.ACCEPT, GH),
    State.DISPUTED: _way(State.ACKNOWLEDGED, Action.DISPUTE, GH, code="NOT_WASTE"),
    State.SETTLEMENT_PROPOSED: _way(State.DISPUTED, Action.SETTLE, NL, code="CONSIGNEE"),
    State.CONSIGNEE_TREATMENT: _way(State.SETTLEMENT_PROPOSED, Action.AGREE, GH),
    State.ALTERNATIVE_PROPOSED: _way(State.ACCEPTED, Action.PROPOSE, NL, facility=FR),
    State.ALTERNATIVE_AGREED: _way(State.ALTERNATIVE_PROPOSED, Action.AGREE, GH, BE, DE, FR),
    State.DOCUMENTED: _way(State.ACCEPTED, Action.DOCUMENT, GH, facility=FR),
    State.SHIPPED: _way(State.DOCUMENTED, Action.SHIP, NL),
    State.ARRIVED: _way(State.SHIPPED, Action.ARRIVE, GH),
    State.RECEIVED: _way(State.ARRIVED, Action.RECEIVE, FR),
    State.REJECTED: _way(State.ARRIVED, Action.REJECT, FR, code="NO_CAPACITY"),
    State.TREATED: _way(State.RECEIVED, Action.TREAT, FR),
    State.CLOSED: _way(State.TREATED, Action.CLOSE, NL),
    State.WITHDRAWN: _way(State.REQUESTED, Action.WITHDRAW, NL, code="MISTAKE"),
}
STAGES: Final = (State.REQUESTED, *_WAYS)
"""Every state but DRAFT, which nobody else sees."""


class QuietNetwork(Network):
    """A network whose invariants somebody else checks, in the end: each check takes long."""

    def check(self) -> None:
        """Check nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Homes in one state of a case.

    Args:
        homes: By agency.
        now_ms: The time there.
        case_id: The case; None before there is one.
        steps: How many it has.
    """

    homes: Mapping[AgencyId, Path]
    now_ms: int
    case_id: MessageId | None = None
    steps: int = 0


class Stages:
    """Makes each stage when it is first wanted.

    Args:
        homes: Where founded homes come from.
        folder: Keeps the stages.
    """

    def __init__(self, homes: Homes, folder: Path) -> None:
        self._folder = folder
        founded = homes.copy(AGENCIES, folder / "begin")
        issued_ms = max(homes.card(agency).card.issued_ms for agency in AGENCIES)
        # After every card was issued, so that none is of the future.
        net = QuietNetwork(founded, issued_ms + HOUR_MS)
        self._people: Mapping[AgencyId, tuple[Actor, Actor]] = Casework(net).people
        net.rest()
        net.close()
        self.begin = Stage(founded, issued_ms + 2 * HOUR_MS)
        self._made: dict[State, Stage] = {}

    def prepare(self) -> None:
        """Make all stages now."""
        for state in STAGES:
            self.stage(state)

    def stage(self, state: State) -> Stage:
        """Return the stage of a state."""
        if state not in self._made:
            self._made[state] = self._make(state)
        return self._made[state]

    @contextmanager
    def opened(self, stage: Stage, folder: Path) -> Iterator[Casework]:
        """Open copies of all homes in a folder, which is removed when the body ends."""
        try:
            with self._copied(stage, folder) as work:
                yield work
        finally:
            current().discard(folder)
            shutil.rmtree(folder)

    @contextmanager
    def _copied(self, stage: Stage, folder: Path) -> Iterator[Casework]:
        homes = {agency: folder / agency for agency in AGENCIES}
        for agency, home in homes.items():
            current().copy(stage.homes[agency], home)
        # Opening a card tries every key in it, and is pure: once is enough for all.
        with patch.object(office, "open_card", open_card_once):
            net = QuietNetwork(homes, stage.now_ms)
            try:
                yield Casework(net, self._people)
                net.rest()
            finally:
                net.close()

    def _make(self, state: State) -> Stage:
        way = _WAYS.get(state)
        before = self.begin if way is None else self.stage(way.after)
        folder = self._folder / state.value
        with self._copied(before, folder) as work:
            if way is None:
                case_id = work.request(NL, GH, transit=(BE, DE), facility=(FR,))
            else:
                assert before.case_id is not None
                case_id = before.case_id
                for agency in way.by:
                    work.step(agency, case_id, way.action, **way.parts)
            work.post()
            assert work.case(FR, case_id).state is state
            return Stage(
                {agency: folder / agency for agency in AGENCIES},
                work.net.clock.now_ms + HOUR_MS,
                case_id,
                len(work.history(NL, case_id).steps),
            )
