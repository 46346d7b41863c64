"""Return-to-origin cases: who did what when, until when it was due, and who was waited for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from sesn_node.audit.case_account import CaseAccount, Deadline, Shown, StepAccount
from sesn_node.audit.report_markup import (
    EMPTY,
    NONE,
    Html,
    bullets,
    code,
    facts,
    ident,
    join,
    listed,
    moment,
    quoted,
    table,
    tag,
)
from sesn_node.audit.report_words import CLOCKS, NOTICES, STANDINGS, STATES, STEPS
from sesn_node.domain.case_clock import ClockState
from sesn_node.domain.case_history import Standing
from sesn_node.domain.counting import many
from sesn_node.domain.ids import parse_origin, show_message_id
from sesn_node.domain.times import DAY_MS

if TYPE_CHECKING:
    from sesn_node.audit.case_account import Recorded
    from sesn_node.audit.verdict import Verdict
    from sesn_node.domain.ids import AgencyId

MAX_CASES: Final = 100
MAX_STEPS: Final = 200
"""Steps of one case that are shown."""
MAX_AGENCIES: Final = 40
_MAX_NAMED: Final = 8
_LONG: Final = 60


def cases_part(verdict: Verdict) -> Iterator[Html]:
    """Write the cases, one by one; nothing if there is none."""
    if not verdict.cases:
        return
    yield tag("h2", "Return-to-origin cases", id="cases")
    total, left_out = len(verdict.cases), len(verdict.cases) - MAX_CASES
    rest = f" The first {MAX_CASES} are shown; {left_out:,} are left out." if left_out > 0 else ""
    yield tag(
        "p",
        f"{many(total, 'case')}, made of what the steps do and when, and of no content.{rest}",
    )
    yield tag(
        "p",
        "All times are UTC. That of a step is by the clock of its sender; that of a ledger entry "
        "by the clock of the ledger's owner. A step counts by what its sender knew, whatever its "
        "date. A due date is the end of its day.",
        class_="note",
    )
    if any(check.failed for check in verdict.checks):
        text = "Some checks fail: what stands here is what the files say, and not established."
        yield tag("p", tag("strong", text), class_="warn")
    for number, one in enumerate(verdict.cases[:MAX_CASES], start=1):
        yield _case(number, one)


def _case(number: int, case: CaseAccount) -> Html:
    name = "its request is not in these bundles"
    if case.state is not None:
        name = STATES[case.state]
    return tag(
        "section",
        tag("h3", f"Case {number}: {name}", id=f"case{number}"),
        facts(_about(case)),
        EMPTY if case.deadline is None else _clock(case, case.deadline),
        _timeline(case),
        _views(case),
    )


def _about(case: CaseAccount) -> Iterator[tuple[str, str]]:
    if case.state is not None:
        yield "state", code(case.state.value)
        members = (
            join(ident(one.agency), f" ({', '.join(role.value for role in one.roles)})")
            for one in case.members[:MAX_AGENCIES]
        )
        yield "members", listed(members)
        yield "ground", code(case.ground)
        yield "rules", join(code(case.regime), f", {many(case.days, 'day')}")
        if case.awaited:
            yield "waits for", _agencies(case.awaited)
        if case.incidents:
            yield "open incidents", listed(code(one) for one in case.incidents)
    yield "id", code(show_message_id(case.case_id))


def _clock(case: CaseAccount, clock: Deadline) -> Html:
    lines = [*_informed(clock), *_due(clock)]
    lines += [
        join(
            tag("strong", "Missed: "),
            moment(one.due_ms),
            " passed before a later date was agreed on; waited for was ",
            _agencies(one.by),
            ".",
        )
        for one in clock.missed_before
    ]
    if clock.missed_by:
        lines.append(
            join(
                tag("strong", "Waited for as the due date passed: "),
                _agencies(clock.missed_by),
                ".",
            )
        )
    lines += [
        join(
            moment(one.recorded.time_ms),
            " UTC: the ledger of ",
            ident(one.recorded.agency),
            f" records that {NOTICES[one.code]} (",
            _place(one.recorded),
            ").",
        )
        for one in case.notices[:MAX_STEPS]
    ]
    if len(case.notices) > MAX_STEPS:
        lines.append(join(f"{len(case.notices) - MAX_STEPS:,} reminders more are left out."))
    word, css = CLOCKS[clock.clock]
    state = tag("span", word, class_=f"state {css}")
    return join(tag("h4", "Due date: ", state), bullets(lines))


def _informed(clock: Deadline) -> Iterator[Html]:
    if clock.informed_ms is None:
        yield join(
            "The clock has not started: no step states when the authority of export was informed."
        )
        return
    words = {
        Shown.LEDGER: "its own ledger, which is here, says so",
        Shown.RECEIPT: "its receipt, which is here, proves it",
        Shown.WORD: (
            "by the step of the authority of detection, which every member's node checked against "
            "the receipt as it came; the receipt itself is not in these bundles"
        ),
    }
    yield join(
        "The authority of export was informed ",
        moment(clock.informed_ms),
        f" UTC: {words[clock.shown]}.",
    )


def _due(clock: Deadline) -> Iterator[Html]:
    if clock.first_due_ms is None or clock.due_ms is None:
        return
    yield join("Due, by the period of its rules: ", moment(clock.first_due_ms), " UTC.")
    for one in clock.later[:MAX_AGENCIES]:
        agreed = "the other side agreed" if one.agreed else "the other side did not agree"
        yield join(
            ident(one.by), " proposed ", moment(one.due_ms), f" UTC as a later date; {agreed}."
        )
    if clock.due_ms != clock.first_due_ms:
        yield join("So it was due ", moment(clock.due_ms), " UTC.")
    late = many(clock.days_late or 0, "day")
    if clock.met_ms is not None:
        early = many((clock.due_ms - clock.met_ms) // DAY_MS, "day")
        word = f"{late} late" if clock.days_late else f"in time, {early} before"
        yield join("The waste was back, or treated, ", moment(clock.met_ms), f" UTC, {word}.")
    elif clock.clock is ClockState.OVERDUE:
        yield join(
            f"Not met: {late} overdue when the newest of these bundles was made, ",
            moment(clock.as_of_ms),
            " UTC.",
        )
    elif clock.clock is ClockState.STOPPED:
        word = f", {late} after the due date" if clock.days_late else " before the due date"
        yield join(f"The request was withdrawn{word}.")


def _timeline(case: CaseAccount) -> Html:
    rows = (
        (
            moment(one.step.created_ms),
            ident(one.step.sender),
            one.step.mark.role.value,
            _what(one),
            _standing(one),
            _recorded(one.recorded),
        )
        for one in case.steps[:MAX_STEPS]
    )
    heads = ("When (UTC)", "Who", "As", "What", "Counts", "Ledgers that have it")
    more = len(case.steps) - MAX_STEPS
    rest = tag("p", f"{many(more, 'step')} more left out.", class_="note") if more > 0 else EMPTY
    return join(table("Steps", heads, rows, "line"), rest)


def _what(one: StepAccount) -> Html:
    mark = one.step.mark
    parts: list[str] = [tag("strong", STEPS[mark.action]), " ", code(mark.action.value)]
    if mark.code:
        parts += [": ", quoted(mark.code, _LONG)]
    if mark.at_ms:
        parts += [", ", moment(mark.at_ms)]
    if mark.facility is not None:
        parts += [", facility under ", ident(mark.facility)]
    return join(*parts)


def _standing(one: StepAccount) -> Html:
    word, css = STANDINGS[one.standing]
    why = f": {one.why}" if one.standing is Standing.NOT_ALLOWED else ""
    return join(tag("span", word, class_=f"state {css}"), why)


def _recorded(places: Sequence[Recorded]) -> Html:
    shown = (
        join(
            _place(one),
            " (handed over by another member)" if one.filed else "",
        )
        for one in places[:MAX_AGENCIES]
    )
    return listed(shown) if places else join(NONE)


def _views(case: CaseAccount) -> Html:
    """Say which bundle lacks what, if any does."""
    lacking = [one for one in case.views if one.missing]
    if not lacking:
        return EMPTY
    steps = {one.step.step_id: one.step for one in case.steps}
    lines = []
    for one in lacking:
        named = [steps[step_id] for step_id in one.missing[:_MAX_NAMED]]
        named.sort(key=lambda step: (step.created_ms, step.step_id))
        more = len(one.missing) - len(named)
        by_itself = "no case" if one.state is None else f"“{STATES[one.state]}”"
        lines.append(
            join(
                "The bundle of ",
                ident(one.agency),
                f" lacks {many(len(one.missing), 'step')}: ",
                listed(
                    join(code(step.mark.action.value), " of ", ident(step.sender)) for step in named
                ),
                f" and {more:,} more" if more else "",
                f". By itself it makes {by_itself}.",
            )
        )
    return bullets(lines, "warn")


def _agencies(agencies: Sequence[AgencyId]) -> Html:
    return listed(ident(one) for one in agencies[:MAX_AGENCIES])


def _place(one: Recorded) -> Html:
    _, epoch = parse_origin(one.origin)
    return ident(f"{one.agency} {epoch} #{one.index}")
