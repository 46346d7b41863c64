"""Return-to-origin cases in the words of `sesn audit verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from sesn_node.cli.show import console, facts, iso, say, table
from sesn_node.domain.case_clock import ClockState
from sesn_node.domain.checks import printable
from sesn_node.domain.counting import many
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from sesn_node.audit.case_account import CaseAccount, Deadline

_MAX_CASES: Final = 20
_LONG: Final = 60


def print_cases(cases: Sequence[CaseAccount]) -> None:
    """Print what the bundles show of each case: its dates, its steps, and who was waited for."""
    for case in cases[:_MAX_CASES]:
        say(f"Case {show_message_id(case.case_id)}", "bold")
        _print_facts(case)
        _print_steps(case)
    if len(cases) > _MAX_CASES:
        say(f"and {many(len(cases) - _MAX_CASES, 'case')} more: see --report or --json", "yellow")


def _print_facts(case: CaseAccount) -> None:
    listing = facts()
    if case.state is None:
        listing.add_row("state", "not known: its request is not in these bundles")
    else:
        listing.add_row("state", case.state.value)
        members = (f"{one.agency} ({', '.join(one.roles)})" for one in case.members)
        listing.add_row("members", ", ".join(members))
        listing.add_row("ground", case.ground)
        listing.add_row("rules", f"{case.regime}, {many(case.days, 'day')}")
    if case.deadline is not None:
        _add_clock(listing, case.deadline)
    for notice in case.notices:
        when = iso(notice.recorded.time_ms)
        listing.add_row("reminder", f"{notice.code} {when}, ledger of {notice.recorded.agency}")
    for view in case.views:
        if view.missing:
            state = "no case" if view.state is None else view.state.value
            lacks = many(len(view.missing), "step")
            listing.add_row("differs", f"{view.agency} lacks {lacks}; by itself {state}")
    console().print(listing)
    say()


def _add_clock(listing: Table, clock: Deadline) -> None:
    add = listing.add_row
    if clock.informed_ms is None:
        add("informed", "no step says when")
        return
    shown = clock.shown.value.lower()
    add("informed", f"{iso(clock.informed_ms)} (shown by: {shown})")
    add("due", f"{iso(clock.due_ms)}, {many(sum(one.agreed for one in clock.later), 'extension')}")
    add("stands", f"{clock.clock.value}{_by_how_much(clock)}")
    for one in clock.missed_before:
        add(
            "missed",
            f"{iso(one.due_ms)}, before a later date was agreed on, by {', '.join(one.by)}",
        )
    if clock.missed_by:
        add("missed", f"{iso(clock.due_ms)}, by {', '.join(clock.missed_by)}")


def _by_how_much(clock: Deadline) -> str:
    if clock.days_late:
        return f", {many(clock.days_late, 'day')} late"
    if clock.clock is ClockState.MET and clock.due_ms is not None and clock.met_ms is not None:
        return f", {many((clock.due_ms - clock.met_ms) // DAY_MS, 'day')} before"
    return ""


def _print_steps(case: CaseAccount) -> None:
    listing = table("when", "who", "as", "step", "counts", flexible=("step",))
    for one in case.steps:
        mark = one.step.mark
        listing.add_row(
            iso(one.step.created_ms),
            one.step.sender,
            mark.role.value,
            # Whoever took the step chose its word; only the table says which there are.
            Text(f"{mark.action.value} {printable(mark.code[:_LONG])}".strip()),
            one.standing.value,
        )
    console().print(listing)
    say()
