"""What can be done to the steps of a case, by who holds the file, and by owners of ledgers."""

from __future__ import annotations

from dataclasses import replace

from sesn_node.audit import subjects
from sesn_node.audit.codes import Code
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.times import DAY_MS
from sesn_node.wire.cases import decode_mark, encode_mark
from tests.support.bundling import Draft
from tests.support.case_scribes import CaseScribes, place, record
from tests.vectors.tamper.of_files import flipped
from tests.vectors.tamper.world import World, enter


def case_of(world: World) -> CaseScribes:
    """Let the Dutch agency request a return; nothing is delivered, which makes small bundles."""
    return CaseScribes(world.nl, world.gh, posted=False)


def with_step(draft: Draft, at: int, **changes: object) -> Draft:
    """Change fields of a step."""
    # `replace` takes whatever fields the caller names; the constructor checks them.
    draft.cases[at] = replace(draft.cases[at], **changes)  # type: ignore[arg-type]
    return draft


@enter(subjects.CASES, Code.CASE_STEP_MISSING, quiet=True)
def a_step_left_out(world: World) -> Draft:
    """A step of a case is removed, and its entry is not."""
    case_of(world)
    draft = world.draft()
    del draft.cases[-1]
    return draft


@enter(subjects.CASES, Code.CASE_STEP_MISSING, quiet=True)
def a_step_that_no_entry_commits_to(world: World) -> Draft:
    """A step stands twice, the second time beside an entry that is not of a case."""
    case_of(world)
    draft = world.draft()
    first = draft.cases[0]
    draft.cases.insert(0, replace(first, entry_index=first.entry_index - 1))
    return draft


@enter(subjects.CASES, Code.CASE_STEP_MISMATCH, quiet=True)
def a_period_made_longer(world: World) -> Draft:
    """The mark of the request says 60 days, where it said 30."""
    case_of(world)
    draft = world.draft()
    mark = replace(decode_mark(draft.cases[0].mark), days=60)
    return with_step(draft, 0, mark=encode_mark(mark))


@enter(subjects.CASES, Code.SEAL_INVALID, quiet=True)
def a_step_with_a_broken_seal(world: World) -> Draft:
    """One bit of the seal of a step, whose message is left as it was."""
    case_of(world)
    draft = world.draft()
    return with_step(draft, 0, seal=flipped(draft.cases[0].seal, -1))


@enter(subjects.CASES, Code.CONTRADICTION, quiet=True)
def a_clock_started_late(world: World) -> Draft:
    """The authority of detection states a later day than the exporter's receipt, which it has."""
    case = CaseScribes(world.nl, world.gh)
    world.nl.now_ms += 2 * DAY_MS
    case.inform(case.informed_ms + DAY_MS)
    return world.draft()


@enter(subjects.CASES, Code.CASE_STEP_MISMATCH, quiet=True)
def a_reminder_of_another_request(world: World) -> Draft:
    """An entry says that a due date has passed, and names another header than the request's."""
    case = case_of(world)
    letter = case.request.letter
    other = replace(letter, data=letter.data + b"\x00")
    world.nl.about(
        EntryKind.CASE, other, answers=place(world.nl, letter), code=CaseCode.OVERDUE.value
    )
    world.nl.checkpoint()
    return world.draft()


@enter(subjects.SAME_CASES, Code.CASE_STEP_MISMATCH, quiet=True)
def a_step_told_differently(world: World) -> list[Draft]:
    """The ledger of who received the request commits to another mark than that of its sender."""
    nl, gh = world.nl, world.gh
    request = case_of(world).request
    nl.deliver(gh, [request.letter])
    mark = replace(decode_mark(request.mark), days=60)
    record(gh, replace(request, mark=encode_mark(mark)), gh.received[-1][0])
    gh.checkpoint()
    return [Draft.of(nl), Draft.of(gh)]
