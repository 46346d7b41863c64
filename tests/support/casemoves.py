"""What a member of a case can do next, in its own view: read from the table, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case import TABLE, Rule
from sesn_node.domain.case_clock import last_moment
from sesn_node.domain.case_messages import Details
from sesn_node.domain.case_terms import Action, Member, Role, SealCheck, State
from sesn_node.exchange.casework import Move
from tests.support.casework import details_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from sesn_node.domain.case_state import Case
    from sesn_node.domain.ids import AgencyId

_WEIGHTS: Final = {
    Action.WITHDRAW: 2,
    Action.DISPUTE: 10,
    Action.ASK: 8,
    Action.PROPOSE: 10,
    Action.DECLINE: 6,
    Action.EXTEND: 2,
    Action.INVITE: 2,
    Action.INCIDENT: 1,
    Action.RESOLVE: 2,
}
_USUAL: Final = 24
"""How likely each step is; what ends a case early, or leads nowhere, is rare."""
_MOST_INCIDENTS: Final = 3


@dataclass(frozen=True, slots=True)
class View:
    """A case as one agency sees it.

    Args:
        us: The agency.
        case: The case.
        around: Agencies that are not in it yet may be in it later.
        now_ms: The agency's time.
        order: Sorts steps in the order in which they were taken: hashes differ with every run.
    """

    us: AgencyId
    case: Case
    around: Sequence[AgencyId]
    now_ms: int
    order: Callable[[bytes], int]

    @property
    def roles(self) -> tuple[Role, ...]:
        """What we are in it."""
        return self.case.roles_of(self.us)


def draw(view: View, chance: Random) -> Move | None:
    """Draw a step that the table allows; None if there is none."""
    found: dict[Action, list[Move]] = {}
    for rule in TABLE:
        if view.case.state in rule.source and set(view.roles) & set(rule.by):
            moves = _moves(view, rule, chance)
            if moves:
                found.setdefault(rule.action, []).extend(moves)
    if not found:
        return None
    actions = list(found)
    (action,) = chance.choices(actions, [_WEIGHTS.get(one, _USUAL) for one in actions])
    move = chance.choice(found[action])
    if move.details == Details():
        move = replace(move, details=details_for(action, view.now_ms))
    return move


def likelihood(action: Action) -> float:
    """Return how likely somebody takes a step who could, 0 to 1."""
    return _WEIGHTS.get(action, _USUAL) / _USUAL


def _moves(view: View, rule: Rule, chance: Random) -> list[Move]:
    """Return what a row allows, one for each thing that it can be about."""
    action = rule.action
    code = "" if rule.codes is None else chance.choice([one.value for one in rule.codes])
    # REQUEST begins the case; INFORM is the node's own.
    never = action in {Action.REQUEST, Action.INFORM}
    enough = action is Action.INCIDENT and len(view.case.incidents) >= _MOST_INCIDENTS
    treats = Role.FAC in rule.by and not rule.action.is_fact
    elsewhere = treats and not _is_facility(view)
    found: list[Move] = []
    if never or enough or elsewhere:
        return found
    if action in {Action.AGREE, Action.DECLINE}:
        found = [Move(action=action, about=one) for one in _votes(view, rule)]
    elif action is Action.RESOLVE:
        resolvable = sorted(_resolvable(view), key=view.order)
        found = [Move(action=action, about=one) for one in resolvable]
    elif action is Action.EXTEND:
        found = _extensions(view, chance)
    elif action is Action.INVITE:
        found = _invitations(view)
    elif rule.facility:
        found = _with_facility(view, rule)
    elif action is Action.ARRIVE:
        found = [_arrival(view, chance)]
    else:
        found = [Move(action=action, code=code)]
    return found


def _votes(view: View, rule: Rule) -> list[bytes]:
    case = view.case
    found = set(case.asked_of(view.us))
    if rule.action is Action.DECLINE:
        found |= set(case.proposed_by(view.us))
    proposal = case.line.proposal
    on_line = set() if proposal is None else {proposal.step_id}
    if rule.target is None and rule.source[0] is not State.ALTERNATIVE_PROPOSED:
        found -= on_line
    elif rule.action is Action.DECLINE:
        found &= on_line if rule.source == (case.line.state,) else set()
    else:
        found &= on_line if proposal is not None and rule.target is proposal.target else set()
    return sorted(found, key=view.order)


def _resolvable(view: View) -> set[bytes]:
    return {
        one.step_id
        for one in view.case.open_incidents
        if Role.DET in view.roles[:1] or one.by == view.us
    }


def _extensions(view: View, chance: Random) -> list[Move]:
    pending = {one.step_id for one in view.case.extensions} & {*view.case.proposed_by(view.us)}
    if pending:
        return []
    days = chance.choice((30, 60, 90))
    return [Move(action=Action.EXTEND, due_ms=last_moment(view.now_ms, days))]


def _invitations(view: View) -> list[Move]:
    return [
        Move(action=Action.INVITE, members=(Member(agency, (role,)),))
        for agency in view.around
        for role in (Role.TRN, Role.FAC)
        if (agency, role) not in view.case.roles
    ]


def _with_facility(view: View, rule: Rule) -> list[Move]:
    again = rule.action is Action.DOCUMENT and view.case.state is State.REJECTED
    return [
        Move(action=rule.action, facility=agency)
        for agency in view.around
        if not (again and agency == view.case.facility)
    ]


def _is_facility(view: View) -> bool:
    case = view.case
    if case.state is State.CONSIGNEE_TREATMENT:
        certifies = {(view.us, Role.DET) in case.roles, (view.us, Role.FAC) in case.named}
        return any(certifies)
    return case.facility in {None, view.us}


def _arrival(view: View, chance: Random) -> Move:
    """Let the node compare the seal, or say how it was found."""
    details = details_for(Action.ARRIVE, view.now_ms)
    seal = chance.choice((details.seal, "XX0000"))
    code = chance.choice(("", "", SealCheck.BROKEN.value))
    return Move(action=Action.ARRIVE, code=code, details=replace(details, seal=seal))
