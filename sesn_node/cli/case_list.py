"""`sesn case list` and `due`: how all cases stand. Neither needs a passphrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from sesn_node.bootstrap import system_clock
from sesn_node.cli.case_json import draft_line_json, line_json
from sesn_node.cli.case_text import CLOCK_STYLES, day_of, remaining
from sesn_node.cli.options import existing_config, open_desk, open_store
from sesn_node.cli.show import AsJson, Json, console, print_json, say, short_ids, table
from sesn_node.domain.case_clock import Clock, ClockState
from sesn_node.domain.case_terms import MAX_DAYS, Role, State
from sesn_node.domain.ids import AgencyId, agency_id
from sesn_node.domain.times import DAY_MS, utc_minute
from sesn_node.exchange.casedrafts import CaseDraftLine, draft_lines
from sesn_node.exchange.caseviews import CaseLine, case_lines, case_subjects

_RUNS: Final = frozenset({ClockState.RUNNING, ClockState.WARNING, ClockState.OVERDUE})


def list_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    state: Annotated[
        State | None,
        typer.Option(metavar="STATE", help=f"Only cases in this state: {', '.join(State)}."),
    ] = None,
    role: Annotated[
        Role | None,
        typer.Option(metavar="ROLE", help=f"Only cases in which we are this: {', '.join(Role)}."),
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", metavar="", help="Only cases whose due date has passed.")
    ] = False,
    subjects: Annotated[
        bool,
        typer.Option(
            "--subjects", metavar="", help="Tell what each is about; this needs the passphrase."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List all cases, the one that went on last first, and drafts."""
    now_ms = system_clock()
    lines, drafts = _read(context, now_ms)
    about: dict[tuple[AgencyId, bytes], str] = {}
    lines = tuple(
        one
        for one in lines
        if (state is None or one.case.state is state)
        and (role is None or role in one.ours)
        and (not overdue or one.clock.state is ClockState.OVERDUE)
    )
    if overdue or role not in {None, Role.DET} or state not in {None, State.DRAFT}:
        drafts = ()
    if subjects:
        with open_desk(context) as desk:
            about = case_subjects(desk.office, lines)
    if as_json:
        known = about if subjects else None
        print_json(
            {
                "cases": [line_json(one, known) for one in lines],
                "drafts": [draft_line_json(one) for one in drafts],
            }
        )
    elif lines or drafts:
        console().print(_text(lines, drafts, now_ms, about))
    elif state is None and role is None and not overdue:
        say("There is no case yet.")
    else:
        say("No case is like that.")


def due_(
    context: typer.Context,
    within: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS", min=0, max=MAX_DAYS, help="Only cases due within so many days."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List open cases by due date, overdue ones first."""
    now_ms = system_clock()
    lines, _ = _read(context, now_ms)
    found = sorted(
        (one for one in lines if one.clock.state in _RUNS),
        key=lambda one: (one.clock.due_ms or 0, one.case.case_id),
    )
    if within is not None:
        last_ms = now_ms + within * DAY_MS
        found = [one for one in found if (one.clock.due_ms or 0) <= last_ms]
    if as_json:
        rows: list[Json] = [line_json(one) for one in found]
        print_json({"cases": rows})
    elif found:
        console().print(_text(found, (), now_ms, {}))
    else:
        say("Nothing is due." if within is None else "Nothing is due by then.")


def _read(
    context: typer.Context, now_ms: int
) -> tuple[tuple[CaseLine, ...], tuple[CaseDraftLine, ...]]:
    config = existing_config(context)
    us, warn_days = agency_id(config.agency.id), config.cases.policy().warn_days
    with open_store(context) as store, store.read() as transaction:
        return case_lines(transaction, us, now_ms, warn_days), draft_lines(transaction)


def _text(
    lines: Sequence[CaseLine],
    drafts: Sequence[CaseDraftLine],
    now_ms: int,
    subjects: dict[tuple[AgencyId, bytes], str],
) -> Group:
    """Show cases, and drafts above them, as a list."""
    parts: list[RenderableType] = []
    ids = short_ids([*(one.draft_id for one in drafts), *(one.case.case_id for one in lines)])
    if drafts:
        listing = table("draft", "written (UTC)", "stands", flexible=("stands",))
        for draft in drafts:
            stands = "requested; waits for a second person" if draft.waits else "not requested yet"
            listing.add_row(ids[draft.draft_id], utc_minute(draft.written_ms), stands)
        parts += [listing, ""] if lines else [listing]
    if lines:
        listing = table("case", "state", "due (UTC)", "waits for", flexible=("state", "waits for"))
        listing.leading = 1
        for one in lines:
            case = one.case
            about = subjects.get((one.founder, case.case_id), "")
            parties = f"{one.founder} to {case.agency_of(Role.EXP)}"
            rows = [Text(case.state.value), Text(parties, "dim")]
            rows += [Text(about)] if about else []
            listing.add_row(
                f"{ids[case.case_id]}\n{utc_minute(case.requested_ms)}",
                Text("\n").join(rows),
                _due(one.clock, now_ms),
                Text("\n").join([Text(who) for who in one.awaited] or [Text("nobody")]),
            )
        parts.append(listing)
    return Group(*parts)


def _due(clock: Clock, now_ms: int) -> Text:
    words = Text(clock.state.value.lower().replace("_", " "), CLOCK_STYLES.get(clock.state, ""))
    if clock.due_ms is None:
        return words
    lines = [Text(day_of(clock.due_ms)), words]
    if clock.state in _RUNS:
        lines.append(Text(remaining(clock.due_ms, now_ms), "dim"))
    return Text("\n").join(lines)
