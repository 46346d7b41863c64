"""Every step that the table of cases does not allow is refused, on sending and on receiving.

Every state is reached through real offices, with five agencies in it; then every action is tried by
every role. A node that skips its own check seals the step, and its partner refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from structlog.testing import capture_logs

from sesn_node.domain.case import TABLE
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.case_terms import Action, Role, State
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import PolicyError, SesnError
from sesn_node.exchange.casesteps import find_history
from sesn_node.exchange.casework import Move, step_draft
from sesn_node.exchange.endorsing import ApprovalNeeded
from sesn_node.exchange.informed import find_informed
from tests.support.casedrafts import ByHand, unchecked, written
from tests.support.casestages import AGENCIES, FR, STAGES, Stages
from tests.support.check_node import check_node
from tests.support.homes import BE, DE, GH, NL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sesn_node.domain.case_history import History
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.share import Draft
    from tests.support.casework import Casework
    from tests.support.homes import Homes

_ROLES: Final[Mapping[AgencyId, Role]] = {
    NL: Role.DET,
    GH: Role.EXP,
    BE: Role.TRN,
    FR: Role.FAC,
}
"""One agency of each role; DE is another TRN, and receives."""


@pytest.fixture(scope="module")
def stages(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """Homes in each state, made when they are first wanted."""
    return Stages(homes, tmp_path_factory.mktemp("stages"))


_ASKED: Final[Mapping[tuple[State, Action], frozenset[Role]]] = {
    (State.SETTLEMENT_PROPOSED, Action.AGREE): frozenset({Role.EXP}),
    (State.SETTLEMENT_PROPOSED, Action.DECLINE): frozenset({Role.DET, Role.EXP}),
    (State.ALTERNATIVE_PROPOSED, Action.AGREE): frozenset({Role.EXP, Role.TRN, Role.FAC}),
    (State.ALTERNATIVE_PROPOSED, Action.DECLINE): frozenset(Role),
}
"""Who can vote in these states: whoever is asked, and to decline, DET, which proposed it. Nothing
is proposed in the others."""


def _allowed(state: State, action: Action, role: Role) -> bool:
    """Tell whether the table allows a step in a staged case: no incident is open, t0 is proven."""
    if action in {Action.RESOLVE, Action.INFORM, Action.REQUEST}:
        return False
    rows = [rule for rule in TABLE if rule.action is action and state in rule.source]
    if not any(role in rule.by for rule in rows):
        return False
    if action in {Action.AGREE, Action.DECLINE}:
        return role in _ASKED.get((state, action), frozenset())
    return True


@pytest.fixture(params=STAGES, ids=str)
def state(request: pytest.FixtureRequest) -> State:
    """Every state but DRAFT, which only its author sees."""
    found: State = request.param
    return found


@pytest.fixture
def scene(stages: Stages, state: State, tmp_path: Path) -> Iterator[Scene]:
    """Five offices in a state."""
    stage = stages.stage(state)
    assert stage.case_id is not None
    with stages.opened(stage, tmp_path / "offices") as work:
        yield Scene(work, stage.case_id, state)


def test_what_the_table_does_not_allow_is_not_sent(scene: Scene) -> None:
    """Neither drafted by the use case, nor shared from a draft that somebody made by hand."""
    tried = 0
    for agency, role in _ROLES.items():
        for action in Action:
            draft = scene.write(agency, action)
            if _allowed(scene.state, action, role):
                # It is as good as it can be: if it were never allowed, nothing would be shown.
                scene.draft(agency, draft)
                continue
            with pytest.raises(SesnError) as drafting:
                scene.draft(agency, draft)
            with pytest.raises(PolicyError) as sending:
                scene.work.send(agency, draft)
            for found in (drafting.value, sending.value):
                assert not isinstance(found, ApprovalNeeded), action
            assert action is Action.REQUEST or isinstance(drafting.value, PolicyError), action
            tried += 1
    assert tried > len(Action)
    assert scene.unchanged(*AGENCIES)
    for agency in AGENCIES:
        for other in AGENCIES:
            assert not scene.queued(agency, other)


def test_what_the_table_does_not_allow_is_not_taken(scene: Scene) -> None:
    """A node that skips its own check seals it, and its partner refuses it."""
    scene.refused(
        [
            (agency, action, scene.write(agency, action))
            for agency, role in _ROLES.items()
            for action in Action
            if not _allowed(scene.state, action, role)
        ]
    )


def test_what_a_role_may_do_nobody_else_does_in_its_name(scene: Scene) -> None:
    """The role in the mark is one that the sender has."""
    roles = dict.fromkeys(_ROLES.values())
    pairs = [
        (agency, action, role)
        for role in roles
        for action in Action
        if _allowed(scene.state, action, role)
        for agency, own in _ROLES.items()
        if own is not role
    ]
    for agency, action, role in pairs:
        with pytest.raises(PolicyError, match=f"is not {role} in this case"):
            scene.work.send(agency, scene.write(agency, action, role))
    scene.refused(
        [(agency, action, scene.write(agency, action, role)) for agency, action, role in pairs]
    )
    assert bool(pairs) == scene.state.is_open


class Scene:
    """Five offices in one state of a case; DE keeps every rule, and gets what others send."""

    def __init__(self, work: Casework, case_id: MessageId, state: State) -> None:
        self.work = work
        self.state = state
        self._case_id = case_id
        self._before = {agency: work.case(agency, case_id) for agency in AGENCIES}
        with work.net[NL].office.store.read() as transaction:
            proof = find_informed(transaction, self._before[NL])
        assert proof is not None
        self._informed = Details(informed=proof[0])

    def write(self, agency: AgencyId, action: Action, role: Role | None = None) -> Draft:
        """Write a step by hand."""
        details = self._informed if action is Action.INFORM else None
        wanted = ByHand(action=action, role=role, details=details)
        return written(self.work, agency, self._case_id, wanted)

    def draft(self, agency: AgencyId, draft: Draft) -> Draft:
        """Write the same step as officers do."""
        body = draft.payload.body
        assert isinstance(body, CaseStep)
        mark = body.mark
        move = Move(
            action=mark.action,
            code=mark.code,
            about=mark.about or None,
            members=mark.members,
            facility=mark.facility,
            due_ms=mark.at_ms,
            details=body.details,
        )
        return step_draft(self.work.net[agency].office, self._case_id, move)

    def unchanged(self, *agencies: AgencyId) -> bool:
        """Tell whether agencies see the case as before."""
        return all(self._history(agency).case == self._before[agency] for agency in agencies)

    def _history(self, agency: AgencyId) -> History:
        with self.work.net[agency].office.store.read() as transaction:
            return find_history(transaction, self._case_id, NL)

    def queued(self, agency: AgencyId, other: AgencyId) -> list[bytes]:
        """Return what waits to be delivered."""
        with self.work.net[agency].office.store.read() as transaction:
            return transaction.outbox.queued_for(other)

    def refused(self, drafts: list[tuple[AgencyId, Action, Draft]]) -> None:
        """Send and deliver steps, and make sure that DE refuses each, and says so."""
        net = self.work.net
        steps = len(self._history(DE).steps)
        sent = [
            (agency, action, unchecked(self.work, agency, draft))
            for agency, action, draft in drafts
        ]
        with capture_logs() as logs:
            for agency in dict.fromkeys(one for one, _, _ in sent):
                net.deliver(agency, DE)
        for agency, action, message_id in sent:
            copy = net[agency].copies(message_id)[DE]
            assert (copy.state, copy.code) == (DeliveryState.REFUSED, RefusalCode.POLICY), (
                f"{agency} {action}"
            )
        seen = check_node(net[DE].office)
        assert {(one.sender, one.message_id, one.code) for one in seen.refusals} == {
            (agency, message_id, RefusalCode.POLICY) for agency, _, message_id in sent
        }
        logged = {(one["peer"], one["action"]) for one in logs if one["event"] == _REFUSED}
        by_content = {(agency, action) for agency, action, _ in sent if action in _BY_CONTENT}
        assert logged >= {(agency, action) for agency, action, _ in sent} - by_content
        # Neither who refused it nor who sent it makes anything of it.
        assert self.unchanged(*AGENCIES)
        assert len(self._history(DE).steps) == steps
        for agency in {one for one, _, _ in sent}:
            found = self._history(agency)
            assert list(found.standing.values()).count(Standing.COUNTS) == steps


_REFUSED: Final = "case-step-refused"
_BY_CONTENT: Final = {Action.REQUEST, Action.INFORM}
"""Refused already by what they say: one begins no case here, the other proves nothing."""
