"""Deriving a case from its messages: the same on every node, in whatever order they came.

A step names what its sender knew: the steps that nobody had built on yet. So each step has a past
of its own, which never changes, and is judged by that alone: by the case as its sender saw it. Of
steps made at the same time, that is from the same step of the line, one counts; the rule looks at
roles and hashes, and never at a date or an id that an author chose. An agency that seals two
requests under one id makes two histories, of which one counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_steps import apply, with_facts
from sesn_node.domain.case_terms import MAX_PARENTS, Action, Role
from sesn_node.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sesn_node.domain.case_state import Case, Line
    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.ids import AgencyId


class Standing(StrEnum):
    """What became of a step."""

    COUNTS = "COUNTS"
    """It is part of the case."""
    SUPERSEDED = "SUPERSEDED"
    """Its sender could take it, and another that was taken at the same time counts instead."""
    WAITING = "WAITING"
    """Something that it builds on is not here yet."""
    NOT_ALLOWED = "NOT_ALLOWED"
    """Its sender could not take it."""


@dataclass(frozen=True, slots=True)
class History:
    """A case and its steps.

    Args:
        case: The case as all steps make it; None if its request is not here.
        steps: All, each after what it builds on; those that wait come last.
        standing: What became of each, by id.
        seen: The case as its sender saw it, by id; not of REQUEST, and of none that waits.
        why: Why a step is not allowed, by id.
        tips: Ids of the allowed steps of the case that nobody has built on.
        pasts: Of each tip, its id and those of all that it builds on.
    """

    case: Case | None
    steps: tuple[Step, ...]
    standing: dict[bytes, Standing]
    seen: dict[bytes, Case]
    why: dict[bytes, str]
    tips: tuple[bytes, ...]
    pasts: dict[bytes, frozenset[bytes]]

    @property
    def allowed(self) -> tuple[Step, ...]:
        """The steps that their senders could take, whether another counts instead or not."""
        kept = {Standing.COUNTS, Standing.SUPERSEDED}
        return tuple(one for one in self.steps if self.standing[one.step_id] in kept)


def derive(steps: Iterable[Step], founder: AgencyId | None = None) -> History:
    """Derive a case from its steps, in any order; the same step twice counts once.

    Args:
        steps: All that bear the id of the case.
        founder: Who requested the return. Two agencies may have used one id: theirs are two cases,
            and a step belongs to the one that it builds on. None: the first by agency id.
    """
    found = {step.step_id: step for step in steps}
    requests = [one for one in found.values() if one.mark.action is Action.REQUEST]
    whose = founder or min((one.sender for one in requests), default=None)
    for one in requests:
        if one.sender != whose:
            del found[one.step_id]
    return _Derivation(found).run()


def parents(history: History) -> tuple[bytes, ...]:
    """Return what a new step names: a tip that the line goes through, then tips by turns.

    Each agency has its turn, so that one that makes many tips at once hides none of the others'.
    An agency that names what it knows has only one.

    Raises:
        PolicyError: The request is not here.
    """
    if history.case is None:
        raise PolicyError("the request of this case is not here")
    head = history.case.line.head
    sender = {step.step_id: step.sender for step in history.steps}
    tips = sorted(history.tips, key=lambda one: (head not in history.pasts[one], one))
    had: Counter[AgencyId] = Counter()
    turns: list[tuple[int, int]] = []
    for place, one in enumerate(tips):
        turns.append((had[sender[one]] if place else -1, place))
        had[sender[one]] += 1
    return tuple(sorted(tips[place] for _, place in sorted(turns)[:MAX_PARENTS]))


def seen_by(history: History) -> Case | None:
    """Return the case as a new step will show that its sender saw it: by the tips that it names."""
    if history.case is None or len(history.tips) <= MAX_PARENTS:
        return history.case
    past = frozenset[bytes]().union(*(history.pasts[one] for one in parents(history)))
    inside = [step for step in history.steps if step.step_id in past]
    return derive(inside, history.case.agency_of(Role.DET)).case


_ROLES: Final = tuple(Role)


class _Derivation:
    """One derivation. A set of steps is a bit mask: bit n is the n-th step that was allowed."""

    def __init__(self, steps: dict[bytes, Step]) -> None:
        self._steps = steps
        self._order: list[Step] = []
        self._bit: dict[bytes, int] = {}
        self._past: dict[bytes, int] = {}
        """Of each step that its sender could take: everything that it builds on."""
        self._of: defaultdict[AgencyId, int] = defaultdict(int)
        """Of each agency: the steps that it could take."""
        self._line: dict[bytes, Line] = {}
        """Of each such step that changes the state: the line up to it."""
        self._through: dict[bytes, int] = {}
        """The steps of that line."""
        self._base: dict[bytes, bytes] = {}
        """Of each such step, and of each fact: the step of the line that it was taken from."""
        self._seen: dict[bytes, Case] = {}
        self._why: dict[bytes, str] = {}
        self._requests: dict[bytes, Case] = {}
        self._request: dict[bytes, bytes] = {}
        """Of each step that its sender could take: the request that it builds on."""
        self._merged: dict[int, Case] = {}

    def run(self) -> History:
        """Judge every step whose past is known, in an order in which pasts come first."""
        missing = {step_id: set(step.mark.after) for step_id, step in self._steps.items()}
        followers: dict[bytes, list[bytes]] = {}
        for step_id, named in missing.items():
            for one in named:
                followers.setdefault(one, []).append(step_id)
        ready = sorted(step_id for step_id, named in missing.items() if not named)
        while ready:
            step_id = heappop(ready)
            del missing[step_id]
            self._judge(self._steps[step_id])
            for one in followers.get(step_id, ()):
                missing[one].remove(step_id)
                if not missing[one]:
                    heappush(ready, one)
        return self._history(sorted(missing))

    def _history(self, waiting: list[bytes]) -> History:
        """Make the case of the request that counts."""
        root = min(self._requests, key=self._rank_of_request, default=None)
        members = [one for one, request in self._request.items() if request == root]
        case = self._merge(self._mask(members)) if members else None
        inside = frozenset(members)
        built_on = {one for step_id in members for one in self._steps[step_id].mark.after}
        tips = tuple(sorted(inside - built_on))
        on_line = frozenset() if case is None else frozenset(case.line.steps)
        return History(
            case=case,
            steps=(*self._order, *(self._steps[one] for one in waiting)),
            standing=dict.fromkeys(waiting, Standing.WAITING)
            | {one.step_id: self._standing(one, inside, on_line) for one in self._order},
            seen=self._seen,
            why=self._why,
            tips=tips,
            pasts={one: self._ids(self._past[one] | 1 << self._bit[one]) for one in tips},
        )

    def _judge(self, step: Step) -> None:
        """Decide whether a step counts, by its own past."""
        self._order.append(step)
        try:
            past, seen = self._view(step)
            case = apply(seen, step)
        except PolicyError as error:
            self._why[step.step_id] = str(error)
            return
        bit = 1 << len(self._bit)
        self._bit[step.step_id] = len(self._bit)
        self._past[step.step_id] = past
        self._of[step.sender] |= bit
        if seen is None:
            self._requests[step.step_id] = case
            self._request[step.step_id] = step.step_id
        else:
            self._seen[step.step_id] = seen
            self._base[step.step_id] = seen.line.head
            self._request[step.step_id] = seen.line.steps[0]
        if not step.mark.action.is_fact:
            self._line[step.step_id] = case.line
            self._through[step.step_id] = bit | (self._through[seen.line.head] if seen else 0)
        self._merged[past | bit] = case

    def _view(self, step: Step) -> tuple[int, Case | None]:
        """Return what a step builds on, and the case that this makes.

        Raises:
            PolicyError: It builds on what does not count, or on two requests.
        """
        if step.mark.action is Action.REQUEST:
            return 0, None
        if any(one in self._why for one in step.mark.after):
            raise PolicyError("it builds on a step that its sender could not take")
        if len({self._request[one] for one in step.mark.after}) > 1:
            raise PolicyError("it builds on two requests, and they begin two cases")
        past = self._mask(step.mark.after)
        for one in step.mark.after:
            past |= self._past[one]
        return past, self._merge(past)

    def _merge(self, members: int) -> Case:
        """Return the case that steps make: the line that counts, and all facts.

        Args:
            members: A request, and steps that build on it, with all that they build on.
        """
        known = self._merged.get(members)
        if known is None:
            inside = [one for one, bit in self._bit.items() if members >> bit & 1]
            begun = replace(self._requests[inside[0]], line=self._line[self._head(inside)])
            known = with_facts(begun, (self._steps[one] for one in inside[1:]))
            self._merged[members] = known
        return known

    def _head(self, inside: Sequence[bytes]) -> bytes:
        """Walk from REQUEST to the end of the line: at each fork, the one that counts."""
        children: dict[bytes, list[bytes]] = {}
        built_on = 0
        for one in inside[1:]:
            step = self._steps[one]
            if step.mark.action.is_fact and not step.mark.action.is_vote:
                continue
            base = self._base[one]
            built_on |= self._through[base] & ~self._of[step.sender]
            if not step.mark.action.is_fact:
                children.setdefault(base, []).append(one)
        head = inside[0]
        while head in children:
            head = min(children[head], key=lambda one: self._rank(one, built_on))
        return head

    def _rank(self, step_id: bytes, built_on: int) -> tuple[bool, int, bytes]:
        """Order siblings: those that another agency built on, then roles, then the smaller hash."""
        role = _ROLES.index(self._steps[step_id].mark.role)
        return not built_on >> self._bit[step_id] & 1, role, step_id

    def _rank_of_request(self, step_id: bytes) -> tuple[int, bytes]:
        """Order requests under one id: by how many agencies built on them, then by hash."""
        found = {self._steps[o].sender for o, one in self._request.items() if one == step_id}
        return -len(found), step_id

    def _mask(self, step_ids: Iterable[bytes]) -> int:
        mask = 0
        for one in step_ids:
            mask |= 1 << self._bit[one]
        return mask

    def _ids(self, members: int) -> frozenset[bytes]:
        return frozenset(one for one, bit in self._bit.items() if members >> bit & 1)

    def _standing(
        self, step: Step, inside: frozenset[bytes], on_line: frozenset[bytes]
    ) -> Standing:
        if step.step_id in self._why:
            return Standing.NOT_ALLOWED
        counts = step.step_id in (inside if step.mark.action.is_fact else on_line)
        return Standing.COUNTS if counts else Standing.SUPERSEDED
