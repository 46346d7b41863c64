"""A case as one page to print: nothing else is needed, nothing runs in it, and all is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final

from sesn_node.audit.report_content import details_part
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
from sesn_node.audit.report_style import STYLE
from sesn_node.cli.case_text import (
    CLOCK_WORDS,
    NOTICE_WORDS,
    STANDING_WORDS,
    articles,
    asked_line,
    day_of,
    endorsed_lines,
    expected,
    incident_words,
    local_times,
    name_of,
    needs_text,
    unread,
    until_words,
)
from sesn_node.cli.step_text import ROLE_WORDS, case_words, mark_facts
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.case_clock import ClockState
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Role
from sesn_node.domain.counting import many
from sesn_node.domain.ids import AgencyId, show_message_id
from sesn_node.exchange.caseviews import CaseView, StepView

_STYLE: Final = Html(
    STYLE.replace("SESN audit report", "SESN return-to-origin case")
    + ".step h3 { margin-top: .5rem; }\n"
    # A consignment may be longer than what is left of a page.
    + "@media print { .content > .facts > div { break-inside: auto; } }\n"
)
_CLOCK_CSS: Final = {
    ClockState.OVERDUE: "state fails",
    ClockState.MET_LATE: "state fails",
    ClockState.MET: "state holds",
    ClockState.WARNING: "state open",
}


def page(view: CaseView, us: AgencyId, now_ms: int) -> str:
    """Write a case as an HTML page.

    Args:
        view: The case.
        us: The agency whose node writes it.
        now_ms: When, Unix milliseconds.
    """
    title = view.subject or show_message_id(view.line.case.case_id)
    return join(
        Html('<!DOCTYPE html>\n<html lang="en">\n'),
        _head(),
        Html("\n<body>\n<main>\n"),
        tag("h1", "Return to origin: ", quoted(title)),
        tag(
            "p", "As the node of ", ident(us), " had it at ", moment(now_ms), " UTC.", class_="lead"
        ),
        _stands(view, now_ms),
        _case(view),
        _timeline(view),
        _next(view, now_ms),
        Html("</main>\n"),
        tag(
            "footer",
            tag(
                "p",
                "Times are in UTC. What a step says is its sender's word. Which article a row of "
                "the table rests on is a reading of the Basel Convention and of Regulation (EU) "
                "2024/1157, and no legal advice.",
            ),
        ),
        Html("\n</body>\n</html>\n"),
    )


def _head() -> Html:
    digest = base64.b64encode(sha256(_STYLE.encode())).decode()
    # Should anything ever be taken for markup, a browser may neither run nor fetch it.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "SESN return-to-origin case"),
        tag("style", _STYLE),
    )


def _stands(view: CaseView, now_ms: int) -> Html:
    """Write how the case stands, in a box: what somebody reads who reads nothing else."""
    found = view.next
    fails = view.line.clock.state is ClockState.OVERDUE
    lines = [tag("p", view.line.case.state.value, class_="stamp")]
    if found.who:
        who = listed(map(ident, found.who))
        lines.append(tag("p", "Next: ", who, f", {expected(view)}; {until_words(view, now_ms)}."))
    else:
        lines.append(tag("p", "Nothing is expected any more."))
    css = "verdict fails" if fails else "verdict holds" if not found.who else "verdict"
    return tag("section", *lines, class_=css)


def _case(view: CaseView) -> Html:
    case, clock = view.line.case, view.line.clock
    due: list[str] = [tag("span", CLOCK_WORDS[clock.state], class_=_CLOCK_CSS.get(clock.state, ""))]
    if clock.due_ms is not None:
        due = [tag("strong", day_of(clock.due_ms)), " 24:00 UTC, ", *due]
        due += [join("; ", one) for one in local_times(clock.due_ms, view.members)]
    doubt = f"; {view.days.reason}" if view.days.reason else ""
    pairs: list[tuple[str, str]] = [
        ("case", code(show_message_id(case.case_id))),
        ("requested", join(moment(case.requested_ms), " by ", ident(view.line.founder))),
        ("state", join(case.state.value, ", since ", moment(case.line.since_ms))),
        ("ground", case_words(case.ground)),
        ("rules", f"{case.regime}: {many(case.days, 'day')}{doubt}"),
        (
            "informed",
            "not proven yet"
            if clock.informed_ms is None
            else join(
                moment(clock.informed_ms),
                ", proven by the ledger of ",
                ident(case.agency_of(Role.EXP)),
            ),
        ),
        ("due", join(*due)),
    ]
    if clock.extensions:
        pairs.append(("extended", many(clock.extensions, "time")))
    pairs += [
        (
            "missed",
            f"{day_of(one.due_ms)}, before a later date was agreed on, by {', '.join(one.by)}",
        )
        for one in view.missed_before
    ]
    if view.missed:
        pairs.append(("missed by", listed(map(ident, view.missed))))
    pairs += [
        ("notice", f"the ledger says that {day_of(due_ms)} {NOTICE_WORDS.get(code_, code_)}")
        for code_, due_ms in view.notices
    ]
    members = table(
        "Who takes part",
        ("agency", "is", "name", "country", "time zone"),
        (
            (
                ident(one.agency),
                "; ".join(ROLE_WORDS[role] for role in one.roles),
                quoted(one.name) if one.name else NONE,
                one.country or NONE,
                one.time_zone or NONE,
            )
            for one in view.members
        ),
    )
    return join(tag("h2", "The case"), facts(pairs), members, _incidents(view))


def _incidents(view: CaseView) -> Html:
    case = view.line.case
    if not case.incidents:
        return EMPTY
    rows = (
        (
            code(name_of(one.step_id)),
            incident_words(one.code),
            ident(one.by),
            "resolved" if one.step_id in case.resolved else tag("strong", "open"),
        )
        for one in sorted(case.incidents, key=lambda one: one.step_id)
    )
    return table("Incidents", ("step", "what happened", "told by", "stands"), rows)


def _timeline(view: CaseView) -> Html:
    return join(tag("h2", "What happened"), *(_step(one) for one in view.steps))


def _step(one: StepView) -> Html:
    step, mark = one.step, one.step.mark
    parts: list[str] = [
        tag(
            "h3",
            moment(step.created_ms),
            f" {mark.action} ",
            ident(step.sender),
            f" as {mark.role}",
        )
    ]
    if one.standing is not Standing.COUNTS:
        why = f": {one.why}" if one.why else ""
        parts.append(tag("p", f"{STANDING_WORDS[one.standing]}{why}.", class_="warn"))
    pairs: list[tuple[str, str]] = [("step", code(step.step_id.hex()))]
    pairs += [(label, value.plain.replace("\n", "; ")) for label, value in mark_facts(mark)]
    pairs += [("people", line) for line in endorsed_lines(one)]
    if one.carrier is not None:
        pairs.append(("came", join("in a case file of ", ident(one.carrier))))
    parts.append(facts(pairs))
    if one.content.payload is None:
        parts.append(tag("p", quoted(unread(one)), class_="note"))
    else:
        parts.append(tag("div", details_part(one.content.payload), class_="content"))
    return tag("section", *parts, class_="message step")


def _next(view: CaseView, now_ms: int) -> Html:
    found = view.next
    if not found.who:
        words = f"Nothing: the case is {view.line.case.state}."
        return join(tag("h2", "What is next"), tag("p", words))
    rows = (
        (
            rule.action.value,
            listed(map(ident, found.who)),
            until_words(view, now_ms),
            needs_text(rule) or NONE,
            articles(rule),
        )
        for rule in found.moves
    )
    heads = ("step", "by whom", "until", "needs", "why")
    return join(tag("h2", "What is next"), table("One of these steps", heads, rows), _asked(view))


def _asked(view: CaseView) -> Html:
    lines: Iterable[str] = [asked_line(one) for one in view.asked]
    if not view.asked:
        return EMPTY
    return join(tag("h3", "Answers that are waited for"), bullets(lines))
