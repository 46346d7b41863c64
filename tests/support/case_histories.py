"""Histories of cases among members who know different things, and one of whom may cheat.

A history is played from numbers: any numbers make one, so that a test can draw them and make a
failing one small.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from sesn_node.domain.case import rules_of
from sesn_node.domain.case_history import derive, parents
from sesn_node.domain.case_steps import apply
from sesn_node.domain.case_terms import Action, Member, Role, Step
from sesn_node.domain.ids import AgencyId, new_message_id
from sesn_node.errors import PolicyError
from tests.support.cases import (
    CASE_ID,
    DET,
    FIVE,
    NEW,
    NOTHING,
    addressees,
    mark_of,
    request_of,
    situations,
    step_id_of,
)
from tests.support.objects import NOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case

AGENCIES: Final = tuple(agency for agency, _ in FIVE)
SEATS: Final = (*AGENCIES, *AGENCIES[:2], *AGENCIES[:2])
"""Whose turn it can be: most steps are those of DET and EXP."""
STARTS: Final = tuple(situations(FIVE).values())
"""Where a history can begin: all members know how the case came there."""


class Turn(NamedTuple):
    """One step of somebody.

    Args:
        who: Which member.
        hears: Of which steps it hears before, as bits: those, and all that they build on.
        choice: Which of the steps that it can take it takes.
        cheats: How: 0 not; 1 as if it knew only what it hears now; 2 a step that it cannot take;
            3 a second request; 4 upon a step that there is not; 5 addressed to nobody.
    """

    who: int
    hears: int
    choice: int
    cheats: int = 0


@dataclass
class World:
    """All steps that were taken.

    Args:
        steps: They, in the order in which they were taken.
        honest: Ids of those that were taken by the rules.
        refused: Ids of those that must not count.
        known: Of each member: ids of the steps that it knows.
    """

    steps: list[Step]
    honest: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)
    known: dict[AgencyId, set[bytes]] = field(default_factory=dict)

    def with_past(self, step_ids: Iterable[bytes]) -> set[bytes]:
        """Return steps, and all that they build on, as far as it is here."""
        named = {step.step_id: step.mark.after for step in self.steps}
        found: set[bytes] = set()
        todo = list(step_ids)
        while todo:
            one = todo.pop()
            if one in named and one not in found:
                found.add(one)
                todo.extend(named[one])
        return found

    def of(self, step_ids: Iterable[bytes]) -> list[Step]:
        """Return steps by id, in the order in which they were taken."""
        wanted = set(step_ids)
        return [step for step in self.steps if step.step_id in wanted]

    def play(self, turn: Turn) -> None:
        """Let a member take its turn."""
        sender = SEATS[turn.who % len(SEATS)]
        heard = {one.step_id for at, one in enumerate(self.steps) if turn.hears >> at & 1}
        known = self.known[sender]
        forgets = bool(heard) and turn.cheats == 1
        view = self.with_past(heard | ({self.steps[0].step_id} if forgets else known))
        history = derive(self.of(view))
        assert history.case is not None
        step = self._step(sender, history, history.case, turn)
        if step is None or step.step_id in self.with_past([step.step_id]):
            return
        self.steps.append(step)
        known |= view | {step.step_id}
        if turn.cheats == 0:
            self.honest.add(step.step_id)
        if turn.cheats in {2, 4, 5}:
            self.refused.add(step.step_id)

    def _step(self, sender: AgencyId, history: History, case: Case, turn: Turn) -> Step | None:
        if turn.cheats == 3:
            return request_of(FIVE, created_ms=NOW_MS + turn.choice) if sender == DET else None
        wanted = [
            step
            for step in self._thinkable(sender, parents(history), case)
            if _holds(case, step) != (turn.cheats == 2)
        ]
        if not wanted:
            return None
        step = wanted[turn.choice % len(wanted)]
        if turn.cheats == 4:
            after = (*step.mark.after[1:], step_id_of("nobody took this"))
            return replace(step, mark=replace(step.mark, after=tuple(sorted(after))))
        return replace(step, recipients=frozenset()) if turn.cheats == 5 else step

    def _thinkable(self, sender: AgencyId, after: tuple[bytes, ...], case: Case) -> Iterator[Step]:
        """Write what a member can think of; to withdraw comes last."""
        number = len(self.steps)
        for action in sorted(Action, key=lambda one: one is Action.WITHDRAW):
            if action is Action.REQUEST:
                continue
            for role in case.roles_of(sender):
                for parts in _variants(case, sender, action):
                    mark = mark_of(case, role, action, after=after, **parts)  # type: ignore[arg-type]  # parts of a mark
                    yield Step(
                        step_id=step_id_of(number, sender, action, parts),
                        case_id=CASE_ID,
                        message_id=new_message_id(NOW_MS + number, sender.encode().rjust(10)[:10]),
                        sender=sender,
                        recipients=addressees(case, mark, sender),
                        created_ms=NOW_MS + number,
                        mark=mark,
                    )


def played(start: int, turns: Iterable[Turn]) -> World:
    """Play a history: from one of `STARTS` on, each turn after the other."""
    begun = STARTS[start % len(STARTS)].steps
    ids = {step.step_id for step in begun}
    world = World(list(begun), set(ids), known={agency: set(ids) for agency in AGENCIES})
    for turn in turns:
        world.play(turn)
    return world


def some_turns(chance: Random, most: int) -> list[Turn]:
    """Draw turns; half of the histories have a cheating member, always the same."""
    cheater = chance.choice((*AGENCIES, *[None] * len(AGENCIES)))
    found = []
    for _ in range(chance.randint(1, most)):
        who = chance.randrange(len(SEATS))
        cheats = chance.choice((0, 1, 1, 1, 1, 2, 3, 4, 5)) if SEATS[who] == cheater else 0
        hears = sum(1 << at for at in range(64) if chance.random() < 0.04)
        choice = chance.randrange(3 if chance.random() < 0.7 else 1000)
        found.append(Turn(who, hears, choice, cheats))
    return found


def _variants(case: Case, sender: AgencyId, action: Action) -> Iterator[dict[str, object]]:
    """Return the words and aims that a step can have."""
    if action in {Action.AGREE, Action.DECLINE}:
        taken_back = case.proposed_by(sender) if action is Action.DECLINE else ()
        for about in (*case.asked_of(sender), *taken_back) or (NOTHING,):
            yield {"about": about}
        return
    if action is Action.INVITE:
        yield {"members": (Member(NEW, (Role.FAC,)),)}
        return
    words = rules_of(action)[0].codes
    codes = [""] if words is None else [one.value for one in words]
    several = {Action.SETTLE: len(codes), Action.DISPUTE: len(codes), Action.ARRIVE: 2}
    for code in codes[: several.get(action, 1)]:
        yield {"code": code}


def _holds(case: Case, step: Step) -> bool:
    try:
        apply(case, step)
    except PolicyError:
        return False
    return True
