"""Bugs of cases that are planted on purpose: interleavings that do not find them find nothing.

Each takes one rule away from the node's own code, as a careless change would.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sesn_node.domain import case_history, case_steps
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Action
from sesn_node.exchange import caseduties, casesteps, casework, share, taking
from tests.support.planting import Mutants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.casesteps import SealedStep
    from sesn_node.store.engine import Transaction


MUTANTS: Final = Mutants()
_mutant = MUTANTS.named

# Parts of the node that have no name outside of their module, and are what the bugs are about.
_Derivation: Any = case_history._Derivation  # noqa: SLF001 - see above


@_mutant("of steps taken at the same time, the earlier by its own date counts")
def _dated_siblings() -> Iterator[tuple[object, str, object]]:
    def rank(self: Any, step_id: bytes, _built_on: int) -> tuple[int, bytes]:  # noqa: ANN401 - no name
        return self._steps[step_id].created_ms, step_id

    yield _Derivation, "_rank", rank


@_mutant("what the author itself built on wins, too")
def _own_building() -> Iterator[tuple[object, str, object]]:
    genuine = _Derivation._rank  # noqa: SLF001 - as above

    def rank(self: Any, step_id: bytes, built_on: int) -> tuple[bool, int, bytes]:  # noqa: ANN401
        for one, base in self._base.items():
            if not self._steps[one].mark.action.is_fact:
                built_on |= self._through[base]
        found: tuple[bool, int, bytes] = genuine(self, step_id, built_on)
        return found

    yield _Derivation, "_rank", rank


@_mutant("what is said beside the line counts only if it was said of a step that counts")
def _competing_facts() -> Iterator[tuple[object, str, object]]:
    def merge(self: Any, members: int) -> Case:  # noqa: ANN401 - it has no name
        inside = [one for one, bit in self._bit.items() if members >> bit & 1]
        line = self._line[self._head(inside)]
        case = replace(self._requests[inside[0]], line=line)
        kept = (one for one in inside[1:] if self._base[one] in line.steps)
        return case_steps.with_facts(case, (self._steps[one] for one in kept))

    yield _Derivation, "_merge", merge


@_mutant("a step is judged by all that is known, and not by what its sender knew")
def _everything_known() -> Iterator[tuple[object, str, object]]:
    genuine = _Derivation._view  # noqa: SLF001 - as above

    def view(self: Any, step: Step) -> tuple[int, Case | None]:  # noqa: ANN401 - it has no name
        past, case = genuine(self, step)
        if case is None:
            return past, case
        known = (1 << len(self._bit)) - 1
        return known, self._merge(known)

    yield _Derivation, "_view", view


@_mutant("a step goes to those who were there when it began, and nobody checks to whom it goes")
def _forgotten_member() -> Iterator[tuple[object, str, object]]:
    genuine_draft, genuine_apply = casework.step_draft, case_steps.apply

    def apply(case: Case | None, step: Step) -> Case:
        if case is None:
            return genuine_apply(case, step)
        named = step.mark.members, step.mark.facility
        members = {one.agency for one in (*case.members, *named[0])}
        members |= set() if named[1] is None else {named[1]}
        return genuine_apply(case, replace(step, recipients=frozenset(members - {step.sender})))

    def step_draft(*args: Any, **parts: Any) -> share.Draft:  # noqa: ANN401 - whatever it takes
        draft = genuine_draft(*args, **parts)
        office, case_id = args[0], args[1]
        with office.store.read() as transaction:
            first = casesteps.steps_of(transaction, case_id)
        for step in first:
            if step.mark.action is Action.REQUEST:
                there = {step.sender, *step.recipients}
                to = tuple(one for one in draft.to if one in there) or draft.to
                return replace(draft, to=to)
        return draft

    yield case_history, "apply", apply
    yield casework, "apply", apply
    yield casework, "step_draft", step_draft


@_mutant("a step whose past is not here yet is refused")
def _impatient() -> Iterator[tuple[object, str, object]]:
    genuine = casesteps.obstacle

    def obstacle(transaction: Transaction, sealed: SealedStep) -> str | None:
        steps = casesteps.steps_of(transaction, sealed.step.case_id)
        history = case_history.derive([*steps, sealed.step])
        if history.standing[sealed.step.step_id] is Standing.WAITING:
            return "something that it builds on is not here"
        return genuine(transaction, sealed)

    yield taking, "obstacle", obstacle


@_mutant("a step names only one of the steps that its sender knew")
def _one_parent() -> Iterator[tuple[object, str, object]]:
    genuine = case_history.parents
    yield casework, "parents", lambda history: genuine(history)[:1]


@_mutant("who joins does not get what was said before")
def _no_case_file() -> Iterator[tuple[object, str, object]]:
    def lacking(*_: object) -> dict[AgencyId, list[Step]]:
        return {}

    yield caseduties, "_lacking", lacking


@_mutant("a case file is handed over once, and what overlapped with it never")
def _one_case_file() -> Iterator[tuple[object, str, object]]:
    genuine: Any = caseduties._lacking  # noqa: SLF001 - as above

    def lacking(
        office: Any,  # noqa: ANN401 - as it is
        transaction: Transaction,
        history: History,
        *more: object,
    ) -> dict[AgencyId, list[Step]]:
        filed = transaction.cases.filed([one.step_id for one in history.steps])
        had = {agency for agency, _ in filed}
        found: dict[AgencyId, list[Step]] = genuine(office, transaction, history, *more)
        return {agency: steps for agency, steps in found.items() if agency not in had}

    yield caseduties, "_lacking", lacking


@_mutant("nobody looks again whether the case went on while a step was written")
def _late_step() -> Iterator[tuple[object, str, object]]:
    yield share, "check_own", lambda *_: None
