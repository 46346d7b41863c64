"""A case for people: how it stands, what happened, what is next and why. All is text, no markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.handling_text import marks_text
from sesn_node.cli.show import facts, short_ids
from sesn_node.cli.step_text import add_said, case_words, mark_facts
from sesn_node.codes.zones import find_zone, zoned
from sesn_node.domain.case import Rule
from sesn_node.domain.case_clock import ClockState
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.case_state import Incident
from sesn_node.domain.case_terms import Action, SealCheck
from sesn_node.domain.counting import many
from sesn_node.domain.entries import CaseCode
from sesn_node.domain.ids import AgencyId, show_message_id
from sesn_node.domain.markings import Markings
from sesn_node.domain.people import Act
from sesn_node.domain.times import DAY_MS, utc_minute
from sesn_node.exchange.casenext import Asked, Choice
from sesn_node.exchange.caseviews import CaseView, MemberView, StepView

STEP_DIGITS: Final = 8
"""Digits of a step's name that are shown, and that `--about` needs."""
CLOCK_WORDS: Final = {
    ClockState.NOT_STARTED: "not started: nobody has proven that the exporter's authority got it",
    ClockState.RUNNING: "running",
    ClockState.WARNING: "due soon",
    ClockState.OVERDUE: "overdue",
    ClockState.MET: "met in time",
    ClockState.MET_LATE: "met late",
    ClockState.STOPPED: "stopped: the request was withdrawn",
}
CLOCK_STYLES: Final = {
    ClockState.WARNING: "bold yellow",
    ClockState.OVERDUE: "bold red",
    ClockState.MET: "green",
    ClockState.MET_LATE: "yellow",
}
STANDING_WORDS: Final = {
    Standing.SUPERSEDED: "superseded: another step taken at the same time counts instead",
    Standing.WAITING: "waiting: something that it builds on is not here yet",
    Standing.NOT_ALLOWED: "not allowed, and counts for nothing",
}
NOTICE_WORDS: Final = {
    CaseCode.DUE_SOON.value: "is near",
    CaseCode.OVERDUE.value: "has passed",
}
_STANDING_STYLES: Final = {
    Standing.SUPERSEDED: "yellow",
    Standing.WAITING: "yellow",
    Standing.NOT_ALLOWED: "red",
}
_OPTIONS: Final = {
    "reference|text": "--reference .. or --text ..",
    "imo|vehicle": "--imo .. --bill-of-lading ..",
    "bill_of_lading|vehicle": "or --vehicle ..",
    "seal|text": "--seal ..",
}
_CODE_OPTIONS: Final = {
    Action.SETTLE: "--way",
    Action.INCIDENT: "--kind",
    Action.DISPUTE: "--reason",
    Action.REJECT: "--reason",
    Action.WITHDRAW: "--reason",
}


def show_text(view: CaseView, us: AgencyId, now_ms: int, command: str) -> Group:
    """Show one case: a timeline, then what is next, by whom, until when, and why."""
    parts: list[RenderableType] = [_facts(view, now_ms)]
    parts += ["", Text("What happened, in UTC", "bold")]
    before: Markings | None = None
    for one in view.steps:
        payload = one.content.payload
        parts += [Padding(step_head(one), (0, 2)), Padding(_inside(one, before), (0, 4, 1, 4))]
        before = before if payload is None else payload.markings
    parts += [Text("What is next", "bold"), Padding(_next(view, now_ms), (0, 2))]
    if view.possible:
        words = Text.assemble((f"What {us} can do", "bold"), f", with '{command} ..'")
        parts += ["", words, Padding(_possible(view), (0, 2))]
    return Group(*parts)


def next_line(view: CaseView) -> str:
    """Say in a line how a case stands, what is wrong, who is waited for, and until when."""
    found = view.next
    stands = f"The case stands at {view.line.case.state}."
    wrong = [incident_line(one) for one in view.line.case.open_incidents]
    if wrong:
        stands = f"{stands} Not resolved: {'; '.join(wrong)}."
    if not found.who:
        return f"{stands} Nothing is expected any more."
    until = "" if found.due_ms is None else f", by {day_of(found.due_ms)}"
    return f"{stands} Next: {', '.join(found.who)}, {expected(view)}{until}."


def expected(view: CaseView) -> str:
    """Name the steps that are expected next: `ACCEPT, DISPUTE or ASK`."""
    *others, last = [rule.action.value for rule in view.next.moves]
    return f"{', '.join(others)} or {last}" if others else last


def until_words(view: CaseView, now_ms: int) -> str:
    """Say until when the return is due, or why no date runs."""
    due_ms = view.next.due_ms
    if due_ms is not None:
        return f"by {day_of(due_ms)} ({remaining(due_ms, now_ms)})"
    started = view.line.clock.due_ms is not None
    return "the due date is met already" if started else "the clock has not started"


def day_of(time_ms: int) -> str:
    """Write the day, in UTC, that a due date is the last moment of."""
    return utc_minute(time_ms)[:10]


def remaining(due_ms: int, now_ms: int) -> str:
    """Say how long it is to the last moment of a due date, or how long it is past."""
    days = (due_ms - now_ms) // DAY_MS
    if days >= 0:
        return "today" if days == 0 else f"in {many(days, 'day')}"
    return f"{many(-days, 'day')} late"


def local_times(time_ms: int, members: Iterable[MemberView]) -> tuple[str, ...]:
    """Write a moment as clocks of members show it, each zone once; unknown zones are left out."""
    zones = sorted({one.time_zone for one in members if one.time_zone})
    return tuple(
        f"{zoned(time_ms, zone)} in {zone}" for zone in zones if find_zone(zone) is not None
    )


def why_text(rule: Rule) -> str:
    """Say what a row of the table needs, and what it rests on."""
    return "; ".join(part for part in (needs_text(rule), articles(rule)) if part)


def articles(rule: Rule) -> str:
    """Name the articles that a row of the table rests on."""
    if not rule.basel and not rule.eu:
        return "a rule of this system"
    parts = [f"Basel Art. {rule.basel}"] if rule.basel else []
    parts += [f"Reg. (EU) 2024/1157 Art. {rule.eu}"] if rule.eu else []
    return ", ".join(parts)


def asked_line(one: Asked) -> str:
    """Say what waits for whose answer."""
    what = one.action.value
    if one.due_ms is not None:
        what = f"the due date {day_of(one.due_ms)}"
    return f"{', '.join(one.of)} to answer {one.by}: {what} (step {name_of(one.step_id)})"


def incident_line(one: Incident) -> str:
    """Say what went wrong, and who told of it."""
    return f"{incident_words(one.code)}, by {one.by} (step {name_of(one.step_id)})"


def incident_words(code: str) -> str:
    """Name an incident: a word of `IncidentKind`, or of `SealCheck` on arrival."""
    return f"seal {case_words(code)}" if code in set(SealCheck) else case_words(code)


def name_of(step_id: bytes) -> str:
    """Write the name of a step in short."""
    return step_id.hex()[:STEP_DIGITS]


def endorsed_lines(one: StepView) -> list[str]:
    """Say who of its sender's people stands behind a step."""
    lines = [
        f"{'written' if who.act is Act.AUTHORED else 'approved'} by {who.operator}, {who.role}, "
        f"{utc_minute(who.at_ms)}"
        for who in one.endorsed
    ]
    return [*lines, f"its endorsements cannot be verified: {one.doubt}"] if one.doubt else lines


def unread(one: StepView) -> str:
    """Say why what a step says cannot be shown."""
    if one.erased is not None:
        return f"what it says was erased {utc_minute(one.erased.erased_ms)}: {one.erased.reason}"
    return f"what it says cannot be read: {one.content.problem}"


def step_head(one: StepView) -> Text:
    """Say in a line when a step was taken, what it is, by whom, and its name."""
    step = one.step
    style = "" if one.standing is Standing.COUNTS else "dim"
    return Text.assemble(
        (f"{utc_minute(step.created_ms)}  ", "dim"),
        (step.mark.action.value, f"bold {style}".strip()),
        (f"  {step.sender}, as {step.mark.role}  ", style),
        (name_of(step.step_id), "dim"),
    )


def _facts(view: CaseView, now_ms: int) -> Table:
    case, clock = view.line.case, view.line.clock
    listing = facts()
    listing.add_row("case", show_message_id(case.case_id))
    if view.subject:
        listing.add_row("about", Text(view.subject, "bold"))
    state = Text(case.state.value, "bold")
    listing.add_row("state", state.append(f", since {utc_minute(case.line.since_ms)} UTC"))
    listing.add_row("ground", case_words(case.ground))
    rules = Text(f"{case.regime}: {many(case.days, 'day')}")
    if view.days.reason:
        rules.append(f"; {view.days.reason}", "yellow")
    listing.add_row("rules", rules)
    listing.add_row("members", _members(view.members))
    informed = clock.informed_ms
    shown = (
        "not proven yet"
        if informed is None
        else f"{utc_minute(informed)} UTC, proven by its ledger"
    )
    listing.add_row("informed", shown)
    listing.add_row("due", _whole_due(view, now_ms))
    for one in view.missed_before:
        words = f"{day_of(one.due_ms)}, by {', '.join(one.by)}; a later date came afterwards"
        listing.add_row("missed", Text(words, "bold red"))
    if view.missed:
        listing.add_row("missed by", Text(", ".join(view.missed), "bold red"))
    for incident in case.open_incidents:
        listing.add_row("incident", Text(incident_line(incident), "bold red"))
    for code, due_ms in view.notices:
        words = f"the ledger says that {day_of(due_ms)} {NOTICE_WORDS.get(code, code)}"
        listing.add_row("notice", Text(words, "yellow"))
    return listing


def _members(members: Sequence[MemberView]) -> Table:
    listing = Table.grid(padding=(0, 2))
    for one in members:
        known = ", ".join(part for part in (one.name, one.country, one.time_zone) if part)
        listing.add_row(Text(one.agency), ", ".join(one.roles), Text(known))
    return listing


def _whole_due(view: CaseView, now_ms: int) -> Text:
    clock = view.line.clock
    words = Text(CLOCK_WORDS[clock.state], CLOCK_STYLES.get(clock.state, ""))
    if clock.due_ms is None:
        return words
    shown = Text.assemble((day_of(clock.due_ms), "bold"), " 24:00 UTC, ", words)
    if view.next.due_ms is not None:
        shown.append(f", {remaining(clock.due_ms, now_ms)}")
    met_ms = view.line.case.line.met_ms
    if met_ms is not None:
        shown.append(f" on {day_of(met_ms)}")
    if clock.extensions:
        shown.append(f", extended {many(clock.extensions, 'time')}")
    for local in local_times(clock.due_ms, view.members):
        shown.append(f"\n{local}", "dim")
    return shown


def _inside(one: StepView, before: Markings | None) -> Group:
    """Show what a step says; how it is handled only where that changes."""
    listing = facts()
    parts: list[RenderableType] = []
    payload = one.content.payload
    if one.standing is not Standing.COUNTS:
        style = _STANDING_STYLES[one.standing]
        words = STANDING_WORDS[one.standing]
        why = f": {one.why}" if one.why else ""
        listing.add_row("stands", Text(f"{words}{why}", style))
    body = None if payload is None else payload.body
    if payload is not None and isinstance(body, CaseStep):
        for text in add_said(body, listing):
            if text:
                parts += [Text(text)]
        if payload.markings != before:
            listing.add_row("handling", marks_text(payload.markings))
    else:
        for label, value in mark_facts(one.step.mark):
            listing.add_row(label, value)
        listing.add_row("content", Text(unread(one), "yellow"))
    for line in endorsed_lines(one):
        listing.add_row("people", Text(line, "red" if one.doubt else ""))
    if one.carrier is not None:
        listing.add_row("came", Text(f"in a case file of {one.carrier}"))
    return Group(*([listing, ""] if listing.row_count and parts else [listing]), *parts)


def _next(view: CaseView, now_ms: int) -> Group:
    found = view.next
    if not found.who:
        return Group(Text(f"Nothing: the case is {view.line.case.state}."))
    line = Text.assemble((", ".join(found.who), "bold"), f"; {until_words(view, now_ms)}")
    listing = Table.grid(padding=(0, 2))
    for rule in found.moves:
        listing.add_row(Text(rule.action.value, "bold"), Text(why_text(rule)))
    parts: list[RenderableType] = [line, Padding(listing, (0, 2))]
    parts += [Text(asked_line(one), "yellow") for one in view.asked]
    return Group(*parts)


def _possible(view: CaseView) -> Table:
    several = [one.rule.action for one in view.possible]
    case_id = view.line.case.case_id
    shown = short_ids([case_id])[case_id]
    listing = Table.grid(padding=(0, 2))
    for one in view.possible:
        about = f" --about {name_of(one.about)}" if several.count(one.rule.action) > 1 else ""
        line = f"case {one.rule.action.value.lower()} {shown}{about}{_typed(one)}"
        listing.add_row(Text(line, overflow="fold"))
    return listing


def _typed(choice: Choice) -> str:
    """Say which options a command needs."""
    rule = choice.rule
    options = [f"{_CODE_OPTIONS[rule.action]} .."] if rule.action in _CODE_OPTIONS else []
    options += [_OPTIONS.get(one, f"--{one.replace('_', '-')} ..") for one in rule.needs]
    options += ["--until .."] if rule.action is Action.EXTEND else []
    options += ["--transit .. or --facility .."] if rule.action is Action.INVITE else []
    options += ["--facility .."] if rule.action is Action.PROPOSE else []
    return "".join(f" {one}" for one in options)


def needs_text(rule: Rule) -> str:
    """Say what a row of the table needs, and what else must be so."""
    said = [_CODE_OPTIONS[rule.action].removeprefix("--")] if rule.action in _CODE_OPTIONS else []
    needs = ("time" if one == "at" else one for one in rule.needs)
    said += [one.replace("_", " ").replace("|", " or ") for one in needs]
    said += ["two people"] if rule.two_people else []
    parts = [f"needs {', '.join(said)}"] if said else []
    return "; ".join([*parts, rule.when] if rule.when else parts)
