"""Deriving a case from its messages: the same on every node, in whatever order they came.

A step names what its sender knew: the steps that nobody had built on yet. So each step has a past
of its own, which never changes, and is judged by that alone: by the case as its sender saw it. Of
steps made at the same time, that is from the same step of the line, one counts; the rule looks at
roles and hashes, and never at a date or an id that an author chose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_state import apply, with_facts
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
        tips: Ids of the allowed steps that nobody has built on.
        pasts: Of each tip, its id and those of all that it builds on.
    """

    case: Case | None
    steps: tuple[Step, ...]
    standing: dict[bytes, Standing]
    seen: dict[bytes, Case]
    why: dict[bytes, str]
    tips: tuple[bytes, ...]
    pasts: dict[bytes, frozenset[bytes]]


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
    """Return what a new step names: the tips, those first that the line goes through.

    Raises:
        PolicyError: The request is not here.
    """
    if history.case is None:
        raise PolicyError("the request of this case is not here")
    head = history.case.line.head
    tips = sorted(history.tips, key=lambda one: (head not in history.pasts[one], one))
    return tuple(sorted(tips[:MAX_PARENTS]))


_ROLES: Final = tuple(Role)


class _Derivation:
    """One derivation. A set of steps is a bit mask: bit n is the n-th step that was judged."""

    def __init__(self, steps: dict[bytes, Step]) -> None:
        self._steps = steps
        self._order: list[Step] = []
        self._bit: dict[bytes, int] = {}
        self._past: dict[bytes, int] = {}
        """Of each step that its sender could take: everything that it builds on."""
        self._line: dict[bytes, Line] = {}
        """Of each such step that changes the state: the line up to it."""
        self._base: dict[bytes, bytes] = {}
        """Of each such step, and of each vote: the step of the line that it was taken from."""
        self._seen: dict[bytes, Case] = {}
        self._why: dict[bytes, str] = {}
        self._root: Case | None = None
        self._merged: dict[int, Case] = {}

    def run(self) -> History:
        """Judge every step whose past is known, in an order in which pasts come first."""
        pending = dict(sorted(self._steps.items()))
        while True:
            ready = [
                step
                for step in pending.values()
                if all(one in self._past or one in self._why for one in step.mark.after)
            ]
            if not ready:
                break
            for step in ready:
                del pending[step.step_id]
                self._judge(step)
        everything = self._mask(self._past)
        case = None if self._root is None else self._merge(everything)
        standing = {
            step_id: self._standing(step_id, case, waits=step_id in pending)
            for step_id in self._steps
        }
        tips = self._tips()
        return History(
            case=case,
            steps=(*self._order, *pending.values()),
            standing=standing,
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
        if seen is None:
            self._root = case
        else:
            self._seen[step.step_id] = seen
            self._base[step.step_id] = seen.line.head
        self._bit[step.step_id] = len(self._bit)
        self._past[step.step_id] = past
        self._merged[past | 1 << self._bit[step.step_id]] = case
        if not step.mark.action.is_fact:
            self._line[step.step_id] = case.line

    def _view(self, step: Step) -> tuple[int, Case | None]:
        """Return what a step builds on, and the case that this makes.

        Raises:
            PolicyError: It builds on what does not count, or begins a case a second time.
        """
        if step.mark.action is Action.REQUEST:
            if self._root is not None:
                raise PolicyError("the case has begun already")
            return 0, None
        if any(one in self._why for one in step.mark.after):
            raise PolicyError("it builds on a step that its sender could not take")
        past = self._mask(step.mark.after)
        for one in step.mark.after:
            past |= self._past[one]
        return past, self._merge(past)

    def _merge(self, members: int) -> Case:
        """Return the case that a set of steps makes: the line that counts, and all facts."""
        known = self._merged.get(members)
        if known is not None:
            return known
        case = self._root
        if case is None:
            raise PolicyError("a case begins with REQUEST")
        inside = [one for one in self._past if members >> self._bit[one] & 1]
        case = replace(case, line=self._line[self._head(inside)])
        for step_id in inside:
            case = with_facts(case, self._steps[step_id])
        self._merged[members] = case
        return case

    def _head(self, inside: Sequence[bytes]) -> bytes:
        """Walk from REQUEST to the end of the line: at each fork, the one that counts."""
        children: dict[bytes, list[bytes]] = {}
        built_on: set[bytes] = set()
        for one in inside:
            step = self._steps[one]
            base = self._base.get(one)
            if base is None or (step.mark.action.is_fact and step.mark.action not in _DECISIONS):
                continue
            line = self._line[base].steps
            built_on.update(past for past in line if self._steps[past].sender != step.sender)
            if not step.mark.action.is_fact:
                children.setdefault(base, []).append(one)
        head = inside[0]
        while head in children:
            head = min(children[head], key=lambda one: self._rank(one, built_on))
        return head

    def _rank(self, step_id: bytes, built_on: set[bytes]) -> tuple[bool, int, bytes]:
        """Order siblings: those that another agency built on, then roles, then the smaller hash."""
        role = _ROLES.index(self._steps[step_id].mark.role)
        return step_id not in built_on, role, step_id

    def _mask(self, step_ids: Iterable[bytes]) -> int:
        return sum(1 << self._bit[one] for one in set(step_ids))

    def _ids(self, members: int) -> frozenset[bytes]:
        return frozenset(one for one in self._past if members >> self._bit[one] & 1)

    def _standing(self, step_id: bytes, case: Case | None, *, waits: bool) -> Standing:
        if waits:
            return Standing.WAITING
        if step_id in self._why:
            return Standing.NOT_ALLOWED
        on_line = case is not None and step_id in case.line.steps
        if self._steps[step_id].mark.action.is_fact or on_line:
            return Standing.COUNTS
        return Standing.SUPERSEDED

    def _tips(self) -> tuple[bytes, ...]:
        """Return steps that nobody has built on."""
        built_on = {one for step_id in self._past for one in self._steps[step_id].mark.after}
        return tuple(sorted(one for one in self._past if one not in built_on))


_DECISIONS: Final = frozenset({Action.AGREE, Action.DECLINE})
