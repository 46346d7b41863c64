"""Return-to-origin cases as steps alone, without messages: who takes part, and how cases get on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case import rules_of
from sesn_node.domain.case_history import derive, parents
from sesn_node.domain.case_steps import apply
from sesn_node.domain.case_terms import Action, Mark, Member, Role, State, Step
from sesn_node.domain.ids import AgencyId, MessageId, new_message_id
from sesn_node.errors import PolicyError
from tests.support.objects import DAY_MS, NOW_MS, changed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case

Roles = tuple[tuple[AgencyId, tuple[Role, ...]], ...]

DET: Final = AgencyId("nl.ilt")
EXP: Final = AgencyId("gh.epa")
TRN: Final = AgencyId("be.police")
OTHER_TRN: Final = AgencyId("ma.customs")
FAC: Final = AgencyId("tg.env")
NEW: Final = AgencyId("zz.new")
"""Takes no part."""

FIVE: Final[Roles] = (
    (DET, (Role.DET,)),
    (EXP, (Role.EXP,)),
    (TRN, (Role.TRN,)),
    (OTHER_TRN, (Role.TRN,)),
    (FAC, (Role.FAC,)),
)
EXPORTER_TREATS: Final[Roles] = ((DET, (Role.DET,)), (EXP, (Role.EXP, Role.FAC)))
DETECTOR_TREATS: Final[Roles] = (
    (DET, (Role.DET, Role.FAC)),
    (EXP, (Role.EXP,)),
    (TRN, (Role.TRN,)),
)
TWO: Final[Roles] = ((DET, (Role.DET,)), (EXP, (Role.EXP,)))

CASE_ID: Final = new_message_id(NOW_MS, b"take back ")
NOTHING: Final = b"\xee" * 32
"""Id of a step that nobody took."""


def members_of(roles: Roles) -> tuple[Member, ...]:
    """Write who takes part as a request states it."""
    return tuple(Member(agency, held) for agency, held in sorted(roles))


def addressees(case: Case, mark: Mark, sender: AgencyId) -> frozenset[AgencyId]:
    """Return whom a step has to go to: all members, with those that it brings."""
    found = {one.agency for one in (*case.members, *mark.members)}
    if mark.facility is not None:
        found.add(mark.facility)
    return frozenset(found) - {sender}


def step_id_of(*parts: object) -> bytes:
    """Return a header hash: any 32 bytes will do, the same on every run."""
    return sha256(repr(parts).encode()).digest()


def request_of(roles: Roles = FIVE, created_ms: int = NOW_MS, **mark: object) -> Step:
    """Return a request of the first agency."""
    detector = roles[0][0]
    written = Mark(
        action=Action.REQUEST,
        role=Role.DET,
        code="NO_NOTIFICATION",
        members=members_of(roles),
        regime="basel",
        days=30,
    )
    return Step(
        step_id=step_id_of("request", roles, created_ms),
        case_id=CASE_ID,
        message_id=CASE_ID,
        sender=detector,
        recipients=frozenset(agency for agency, _ in roles) - {detector},
        created_ms=created_ms,
        mark=changed(written, **mark),
    )


def mark_of(
    case: Case,
    role: Role,
    action: Action,
    *,
    after: Iterable[bytes] = (),
    code: str | None = None,
    about: bytes | None = None,
    **mark: object,
) -> Mark:
    """Write a mark as the action wants it: every part there, with a value that is right."""
    rule = rules_of(action)[0]
    words = [""] if rule.codes is None else [one.value for one in rule.codes]
    facility = None
    if rule.facility:
        facilities = [one.agency for one in case.members if Role.FAC in one.roles]
        others = (*facilities, NEW, case.agency_of(Role.EXP))
        facility = next(one for one in others if one != case.facility)
    aims = {
        Action.INFORM: case.line.steps[0],
        Action.RESOLVE: case.open_incidents[0].step_id if case.open_incidents else NOTHING,
        Action.AGREE: case.line.proposal.step_id if case.line.proposal else NOTHING,
        Action.DECLINE: case.line.proposal.step_id if case.line.proposal else NOTHING,
    }
    joins = {
        Action.INVITE: (Member(NEW, (Role.TRN,)),),
        Action.INFORM: (Member(case.agency_of(Role.EXP), (Role.EXP,)),),
    }
    begins = action is Action.REQUEST
    dates = {Action.INFORM: NOW_MS, Action.EXTEND: NOW_MS + 60 * DAY_MS}
    written = Mark(
        action=action,
        role=role,
        after=() if begins else tuple(sorted(after)) or (case.line.head,),
        code=words[0] if code is None else code,
        about=aims.get(action, b"") if about is None else about,
        members=joins.get(action, ()),
        facility=facility,
        regime="basel" if begins else "",
        days=30 if begins else 0,
        at_ms=dates.get(action, 0),
    )
    return changed(written, **mark)


@dataclass
class Story:
    """A case as one observer who knows everything sees it; steps are added one by one.

    Args:
        roles: Who takes part, the detecting authority first.
        start_ms: When the return was requested.
    """

    roles: Roles = FIVE
    start_ms: int = NOW_MS

    def __post_init__(self) -> None:
        self.steps: list[Step] = [request_of(self.roles, self.start_ms)]

    @property
    def history(self) -> History:
        """All of it, derived."""
        return derive(self.steps)

    @property
    def case(self) -> Case:
        """The case, which there is since its request is."""
        case = self.history.case
        assert case is not None
        return case

    def write(
        self,
        sender: AgencyId,
        action: Action,
        *,
        role: Role | None = None,
        knows: Iterable[Step] | None = None,
        created_ms: int | None = None,
        to: frozenset[AgencyId] | None = None,
        step_id: bytes | None = None,
        **mark: object,
    ) -> Step:
        """Write a step as its sender would who knows some of the others: all, if not told."""
        history = derive(self.steps if knows is None else knows)
        case = history.case
        assert case is not None
        wanted = role or _role_for(case, sender, action)
        said = {"after": parents(history), **mark}
        written = mark_of(case, wanted, action, **said)  # type: ignore[arg-type]  # fields of a mark
        number = len(self.steps)
        return Step(
            step_id=step_id or step_id_of(number, sender, action, written),
            case_id=CASE_ID,
            message_id=new_message_id(self.start_ms + number, sender.encode()[:6].rjust(10)),
            sender=sender,
            recipients=addressees(case, written, sender) if to is None else to,
            created_ms=self.start_ms + number if created_ms is None else created_ms,
            mark=written,
        )

    def take(self, sender: AgencyId, action: Action, **parts: object) -> Step:
        """Take a step, allowed or not, and return it."""
        step = self.write(sender, action, **parts)  # type: ignore[arg-type]  # any part of a step
        self.steps.append(step)
        return step

    def go(self, *moves: tuple[AgencyId, Action]) -> Story:
        """Take steps one after the other, each of which must be allowed."""
        for sender, action in moves:
            step = self.take(sender, action)
            assert step.step_id not in self.history.why, self.history.why[step.step_id]
        return self


def _role_for(case: Case, sender: AgencyId, action: Action) -> Role:
    rows = [rule for rule in rules_of(action) if case.state in rule.source]
    held = case.roles_of(sender) or tuple(Role)
    return next((one for one in held if any(one in rule.by for rule in rows)), held[0])


@dataclass(frozen=True)
class Situation:
    """A case that was reached step by step, and the steps that led there.

    Args:
        case: The case.
        steps: They, oldest first.
    """

    case: Case
    steps: tuple[Step, ...]

    @property
    def label(self) -> str:
        """What is particular about it."""
        proposal, case = self.case.line.proposal, self.case
        label = str(case.state)
        if proposal is not None:
            said = sum(one.about == proposal.step_id for one in case.votes)
            waits = case.state is case.line.state
            label += f" ({proposal.by}: {proposal.back}>{proposal.target} {said if waits else ''})"
        return label + "".join(f" later date of {one.by}" for one in case.extensions)


def candidate(
    situation: Situation, sender: AgencyId, role: Role, action: Action, **mark: object
) -> Step:
    """Write a step that says all that its action wants, whether it is allowed or not."""
    case = situation.case
    after = (situation.steps[-1].step_id,)
    written = mark_of(case, role, action, after=after, **mark)  # type: ignore[arg-type]  # any field of a mark
    return Step(
        step_id=step_id_of(len(situation.steps), sender, written),
        case_id=CASE_ID,
        message_id=MessageId(new_message_id(NOW_MS + len(situation.steps), b"0123456789")),
        sender=sender,
        recipients=addressees(case, written, sender),
        created_ms=NOW_MS + len(situation.steps),
        mark=written,
    )


def follow(situation: Situation, step: Step) -> Situation:
    """Return what a step leads to; `PolicyError` if it is not allowed."""
    return Situation(apply(situation.case, step), (*situation.steps, step))


@lru_cache
def situations(roles: Roles) -> dict[str, Situation]:
    """Reach everything that can be, each by a shortest way, breadth first.

    Two are the same if state and proposal are, how many voted, and the later dates that wait.
    """
    request = request_of(roles)
    first = Situation(apply(None, request), (request,))
    found = {first.label: first}
    queue = deque([first])
    while queue:
        situation = queue.popleft()
        for step in _ahead(situation):
            try:
                reached = follow(situation, step)
            except PolicyError:
                continue
            if reached.label not in found:
                found[reached.label] = reached
                queue.append(reached)
    for situation in list(found.values()):
        if situation.case.state.is_open:
            for role in (Role.DET, Role.EXP):
                step = candidate(situation, situation.case.agency_of(role), role, Action.EXTEND)
                later = follow(situation, step)
                found[later.label] = later
    return found


def state_reached(roles: Roles, state: State) -> Situation:
    """Return a case in a state, reached by a shortest way."""
    return next(one for one in situations(roles).values() if one.case.state is state)


def _ahead(situation: Situation) -> Iterator[Step]:
    """Write every step of every member, with every word; facts that change no state aside."""
    case = situation.case
    for member in case.members:
        for role in member.roles:
            for action in Action:
                if action.is_fact and action not in {Action.AGREE, Action.DECLINE}:
                    continue
                codes = rules_of(action)[0].codes
                if action is Action.REQUEST:
                    continue
                for code in ("",) if codes is None else codes:
                    yield candidate(situation, member.agency, role, action, code=code)
