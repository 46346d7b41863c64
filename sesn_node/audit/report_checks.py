"""What happened in numbers, what is missing, and the numbered checks with their findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_case import Case, Gap, Told
from sesn_node.audit.report_markup import (
    EMPTY,
    NONE,
    Html,
    bullets,
    code,
    ident,
    join,
    listed,
    moment,
    quoted,
    table,
    tag,
)
from sesn_node.audit.report_words import reason
from sesn_node.audit.verdict import Check, Finding, State, Verdict
from sesn_node.domain.counting import many
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import show_message_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STATES: Final = {
    State.HOLDS: ("✓ holds", "holds"),
    State.FAILS: ("✗ fails", "fails"),
    State.NOT_MADE: ("? not made", "open"),
}
_GAPS: Final = {
    "refused": ("refused", "Refused by the recipient"),
    "undelivered": ("not delivered", "Not delivered"),
    "open": ("still open", "Still on its way when the file was made"),
    "turned away": ("turned away", "Came, and was refused"),
    "erased": ("erased", "Content erased"),
    "unseen": ("unseen", "Answers a message that is not in these bundles"),
}
_COUNTED: Final = (
    (EntryKind.SHARED, "sent"),
    (EntryKind.RECEIVED, "received"),
    (EntryKind.ACKNOWLEDGED, "receipts got"),
    (EntryKind.REFUSED, "refused by it"),
    (EntryKind.REFUSED_BY_PEER, "refused by others"),
    (EntryKind.UNDELIVERED, "given up"),
    (EntryKind.VIEWED, "viewed"),
    (EntryKind.DISCLOSED, "disclosed"),
    (EntryKind.ERASED, "erased"),
    (EntryKind.CASE, "about cases"),
)


def numbers_part(case: Case) -> Html:
    """Write how much of what the ledgers in the bundles record."""
    if not case.sources:
        return EMPTY
    heads = ("What", *(f"bundle {one.number}: {one.agency}" for one in case.sources))
    rows = [
        (word, *(f"{source.kinds[kind]:,}" for source in case.sources)) for kind, word in _COUNTED
    ]
    copies = listed((f"{count:,} {state}" for state, count in sorted(case.copies.items())), ", ")
    total = tag("p", "Copies of the messages that were sent, by their state: ", copies, ".")
    return tag(
        "section",
        tag("h2", "In numbers", id="numbers"),
        table("Entries in each bundle, by what they record", heads, rows),
        total if case.copies else EMPTY,
    )


def gaps_part(case: Case) -> Html:
    """Write what is missing or did not arrive."""
    if not case.sources:
        return EMPTY
    heading = tag("h2", "Gaps", id="gaps")
    if not case.gap_counts:
        return tag("section", heading, tag("p", "None among the messages that are here."))
    counts = listed(
        f"{count:,} {_GAPS[what][0]}" for what, count in sorted(case.gap_counts.items())
    )
    heads = ("What", "When (UTC)", "Message of", "Concerns", "Why", "Message id")
    shown = {
        told.key: (f"m{number}.{place}", told)
        for number, one in enumerate(case.shown, start=1)
        for place, told in enumerate(one.line(), start=1)
    }
    rows = (_gap(one, shown.get((one.sender, one.message_id))) for one in case.gaps)
    left_out = case.gap_counts.total() - len(case.gaps)
    return tag(
        "section",
        heading,
        tag("p", "What did not arrive, is gone, or is not here: ", counts, "."),
        table("Each of them", heads, rows),
        tag("p", f"{left_out:,} more are left out.") if left_out else EMPTY,
    )


def checks_part(verdict: Verdict) -> Html:
    """Write every check, with its count and its findings."""
    parts = [
        tag("h2", "Checks", id="checks"),
        tag(
            "p",
            "A check that could not be made is never counted as one that holds. Counts are of "
            "everything that was examined; of findings and remarks the first five are shown.",
            class_="note",
        ),
    ]
    for number, one in enumerate(verdict.bundles, start=1):
        parts.append(_checks(f"Bundle {number}: {one.agency or 'cannot be read'}", one.checks))
    if verdict.matching:
        parts.append(_checks("The bundles against each other", verdict.matching))
    return tag("section", *parts)


def _gap(gap: Gap, shown: tuple[str, Told] | None) -> Sequence[str]:
    link: Html = code(show_message_id(gap.message_id))
    at_ms, why = gap.at_ms, gap.code
    if shown is not None:
        anchor, told = shown
        link = join(tag("a", f"message {anchor[1:]}", href=f"#{anchor}"), " ", link)
        for event in told.found(EntryKind.ERASED):
            if gap.what == "erased" and event.owner == gap.agency:
                at_ms, why = event.time_ms, event.code
    return (
        _GAPS[gap.what][1],
        NONE if at_ms is None else moment(at_ms),
        ident(gap.sender),
        NONE if gap.agency is None else ident(gap.agency),
        reason(why) if why else NONE,
        link,
    )


def _checks(caption: str, checks: Sequence[Check]) -> Html:
    heads = ("No.", "What must hold", "Result", "Examined", "Findings and remarks")
    return table(caption, heads, (_check(one) for one in checks), "checks")


def _check(check: Check) -> Sequence[str]:
    word, css = _STATES[check.state]
    if check.state is State.HOLDS and not check.count:
        word, css = "nothing to examine", "open"
    said = [
        *(_said("fails", one) for one in check.findings),
        *_rest(check.failed - len(check.findings), "more finding"),
        *(_said("remark", one) for one in check.remarks),
        *_rest(check.unverified - len(check.remarks), "more remark"),
    ]
    return (
        f"{check.number}",
        check.title,
        tag("span", word, class_=f"state {css}"),
        f"{check.count:,}",
        join(check.reason, bullets(said) if said else EMPTY),
    )


def _said(what: str, finding: Finding) -> Html:
    place = join(" (", code(finding.place), ")") if finding.place else EMPTY
    return join(
        tag("strong", what, ": "), quoted(finding.text, 500), place, " ", code(finding.code.value)
    )


def _rest(count: int, word: str) -> Iterable[Html]:
    return [join(many(count, word))] if count > 0 else []
