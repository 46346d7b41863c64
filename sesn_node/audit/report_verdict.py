"""The first page of a report: what holds, what does not, and what could not be verified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_markup import (
    EMPTY,
    Html,
    bullets,
    code,
    facts,
    ident,
    join,
    listed,
    many,
    moment,
    quoted,
    table,
    tag,
)
from sesn_node.audit.report_words import CHECKS
from sesn_node.audit.verdict import BundleVerdict, Check, State, Verdict
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import utc_second

if TYPE_CHECKING:
    from sesn_node.audit.records import Selection
    from sesn_node.audit.report_case import Case, Source

_MAX_NAMED: Final = 3
_LIMITS: Final = (
    "That everything was recorded. What was never shared in this network is in no ledger.",
    (
        "When something happened in the world. Each time is by the clock of the agency whose "
        "ledger it is. A partner's cosignature shows that the ledger was at least that long then, "
        "by the partner's clock."
    ),
    "That what a message says is true. It shows who said it, to whom, and that it is unchanged.",
)


def verdict_part(verdict: Verdict, case: Case) -> Html:
    """Write the verdict in words."""
    good = verdict.holds
    stamp = "✓ HOLDS" if good else "✗ DOES NOT HOLD"
    return join(
        tag(
            "section",
            tag("h2", "Verdict", id="verdict"),
            tag(
                "div",
                tag("p", stamp, class_="stamp"),
                tag("p", headline(verdict, case)),
                class_="verdict holds" if good else "verdict fails",
            ),
            _failing(verdict),
            _holding(verdict),
            _unverified(verdict),
            _your_part(verdict),
        )
    )


def headline(verdict: Verdict, case: Case) -> str:
    """Say it in one sentence."""
    readable = [one for one in verdict.bundles if one.agency is not None]
    unread = len(verdict.bundles) - len(readable)
    if not readable:
        return "Nothing here can be read as an audit bundle, so nothing is proven."
    checks = [*(check for one in readable for check in one.checks), *verdict.matching]
    made = [one for one in checks if one.state is not State.NOT_MADE]
    failing = [one for one in made if one.state is State.FAILS]
    whose = _whose(readable, case)
    if failing:
        named = "; ".join(_short(one) for one in _first_of_each(failing)[:_MAX_NAMED])
        rest = len(_first_of_each(failing)) - _MAX_NAMED
        more = f"; and {rest} more" if rest > 0 else ""
        text = (
            f"The records of {whose} do not hold as they stand: {len(failing)} of "
            f"{many(len(made), 'check')} that could be made failed. It is not so, or not shown, "
            f"that {named}{more}"
        )
    else:
        text = (
            f"The records of {whose} hold{_if_theirs(verdict)}: all {many(len(made), 'check')} "
            "that could be made found them signed, complete as far as they claim to be, and "
            "unaltered"
        )
    if unread:
        files = f"{unread:,} of {len(verdict.bundles):,} files"
        text = f"{files} cannot be read as an audit bundle, and so proves nothing. {text}"
    return f"{text}{_but(verdict, checks)}."


def bundles_part(verdict: Verdict, case: Case) -> Html:
    """Write who made which bundle, when, and what was selected."""
    sources = {source.number: source for source in case.sources}
    parts = [
        _bundle(number, one, sources.get(number))
        for number, one in enumerate(verdict.bundles, start=1)
    ]
    return tag("section", tag("h2", "What was examined", id="bundles"), *parts, _agencies(case))


def _whose(readable: Iterable[BundleVerdict], case: Case) -> str:
    names = list(dict.fromkeys(one.agency for one in readable if one.agency is not None))
    shown = [f"{case.name(one)} ({one})" if case.name(one) else one for one in names]
    if len(shown) > _MAX_NAMED:
        return f"{len(shown)} agencies"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _if_theirs(verdict: Verdict) -> str:
    if all(identity.by_policy for one in verdict.bundles for identity in one.identities):
        return ""
    return ", provided that the fingerprints at the end are theirs"


def _but(verdict: Verdict, checks: Iterable[Check]) -> str:
    """Say what limits the verdict."""
    parts = []
    missing = [one for one in checks if one.state is State.NOT_MADE]
    if missing:
        reasons = list(dict.fromkeys(one.reason.partition(":")[0] for one in missing))
        why = "; ".join(reasons[:2]) + ("; and others" if len(reasons) > 2 else "")  # noqa: PLR2004
        parts.append(f"{many(len(missing), 'check')} could not be made ({why})")
    alone = sum(ledger.size - ledger.vouched for one in verdict.bundles for ledger in one.ledgers)
    if alone:
        parts.append(
            f"for the newest {many(alone, 'entry', 'entries')} there is the word of "
            "the agency alone, since no partner's confirmation covers them yet"
        )
    return ". But " + ", and ".join(parts) if parts else ""


def _short(check: Check) -> str:
    return check.title


def _first_of_each(checks: Iterable[Check]) -> list[Check]:
    """One check of each number."""
    return list({one.number: one for one in reversed(list(checks))}.values())[::-1]


def _failing(verdict: Verdict) -> Html:
    items = [
        join(
            tag("strong", f"Check {check.number}{_of_bundles([where])}: "),
            f"it should be that {check.title}. ",
            many(check.failed, "finding"),
            ": ",
            quoted(check.findings[0].text) if check.findings else "",
        )
        for where, check in _located(verdict)
        if check.state is State.FAILS
    ]
    return join(tag("h3", "What does not hold"), bullets(items)) if items else EMPTY


def _holding(verdict: Verdict) -> Html:
    groups: dict[int, list[Check]] = {}
    for check in verdict.checks:
        groups.setdefault(check.number, []).append(check)
    items = []
    for number, checks in sorted(groups.items()):
        count = sum(check.count for check in checks)
        if count and all(check.state is State.HOLDS for check in checks):
            words = CHECKS.get(number, f"{checks[0].title}.")
            items.append(join(words, tag("span", f" ({count:,} examined)", class_="note")))
    return join(tag("h3", "What holds"), bullets(items)) if items else EMPTY


def _unverified(verdict: Verdict) -> Html:
    """Write what could not be verified; what several checks or bundles have alike is said once."""
    missing: dict[tuple[int, str], list[str]] = {}
    said: dict[tuple[int, str], list[str]] = {}
    for where, check in _located(verdict):
        if check.state is State.NOT_MADE:
            missing.setdefault((check.number, check.reason), []).append(where)
        for remark in check.remarks:
            said.setdefault((check.number, remark.text), []).append(where)
        more = check.unverified - len(check.remarks)
        if more > 0:
            said.setdefault((check.number, many(more, "more remark")), []).append(where)
    alike: dict[tuple[str, str], list[int]] = {}
    for (number, text), places in missing.items():
        alike.setdefault((text, _of_bundles(places)), []).append(number)
    items = [
        join(tag("strong", f"{_numbered(numbers)}{places}, not made: "), quoted(text, 500), ".")
        for (text, places), numbers in alike.items()
    ]
    items += [
        join(tag("strong", f"Check {number}{_of_bundles(places)}: "), quoted(text, 500), ".")
        for (number, text), places in sorted(said.items())
    ]
    body = bullets(items) if items else tag("p", "Nothing: every check was made, without remarks.")
    return join(tag("h3", "What could not be verified, or has to be known"), body)


def _numbered(numbers: Iterable[int]) -> str:
    """Name checks, as `Check 9` or `Checks 2 to 8, 16`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] + 1 == number:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    plural = "s" if sum(map(len, runs)) > 1 else ""
    return f"Check{plural} {', '.join(parts)}"


def _of_bundles(places: Sequence[str]) -> str:
    named = [one for one in dict.fromkeys(places) if one]
    if not named:
        return ""
    if len(named) == 1:
        return f" ({named[0]})"
    return f" (bundles {', '.join(one.rpartition(' ')[2] for one in named)})"


def _located(verdict: Verdict) -> Iterable[tuple[str, Check]]:
    """Every check, with the bundle that it is about where there are several."""
    several = len(verdict.bundles) > 1
    for number, one in enumerate(verdict.bundles, start=1):
        for check in one.checks:
            yield (f"bundle {number}" if several else ""), check
    for check in verdict.matching:
        yield "all bundles", check


def _your_part(verdict: Verdict) -> Html:
    if not any(one.agency for one in verdict.bundles):
        return EMPTY
    policy = (
        "The policy that you gave says whose confirmations count."
        if verdict.policy
        else "No policy was given, so that any known partner counted as one that confirms."
    )
    return join(
        tag("h3", "What only you can do"),
        tag(
            "p",
            "Compare the fingerprints ",
            Html('<a href="#fingerprints">at the end</a>'),
            " with those that the agencies give you by a way that you trust. Whoever makes keys "
            "can make cards: the fingerprint ties them to the agency. ",
            policy,
        ),
        tag("h3", "What no such file can show"),
        bullets(_LIMITS),
    )


def _bundle(number: int, one: BundleVerdict, source: Source | None) -> Html:
    title = tag("h3", f"Bundle {number}: {one.agency or 'cannot be read'}")
    pairs: list[tuple[str, str]] = [("SHA-256 of the file", code(one.sha256.hex()))]
    if one.created_ms is not None:
        pairs.insert(0, ("made", join(moment(one.created_ms), " UTC, by the agency's clock")))
    if source is not None:
        pairs.append(("length", f"{source.bundle.size:,} bytes"))
        pairs.append(("selected", _selected(source.bundle.manifest.selection)))
        pairs.append(
            (
                "messages",
                (
                    f"{source.sent:,} sent, {source.received:,} received, "
                    f"{source.disclosed:,} with content"
                ),
            )
        )
        pairs.append(("entries", f"{source.kinds.total():,} shown of {_ledgers(one)}"))
        pairs += [("cannot be read to its end", member) for member in source.broken]
    findings = [
        quoted(finding.text)
        for check in one.checks
        for finding in check.findings
        if one.agency is None
    ]
    return join(title, facts(pairs), bullets(findings) if findings else EMPTY)


def _ledgers(one: BundleVerdict) -> str:
    return f"{sum(ledger.size for ledger in one.ledgers):,}, in " + many(len(one.ledgers), "ledger")


def _selected(selection: Selection) -> Html:
    parts: list[str] = []
    if selection.from_ms is not None:
        parts.append(f"recorded from {utc_second(selection.from_ms)} UTC")
    if selection.to_ms is not None:
        parts.append(f"recorded before {utc_second(selection.to_ms)} UTC")
    if selection.conversation is not None:
        parts.append(join("conversation ", code(show_message_id(selection.conversation))))
    if selection.messages:
        parts.append(many(len(selection.messages), "message") + " by id")
    if not parts:
        parts.append("everything")
    if selection.blind:
        parts.append("without the ledger's entries (hashes only)")
    if selection.disclosed:
        parts.append(f"content of {many(len(selection.disclosed), 'message')} disclosed")
    return listed(parts, "; ")


def _agencies(case: Case) -> Html:
    made = {source.agency: source.number for source in case.sources}
    rows = []
    for agency in sorted(case.cards):
        card = case.cards[agency][-1].card
        bundle = f"bundle {made[agency]}" if agency in made else "none here"
        rows.append((ident(agency), quoted(card.name), card.role.value, card.country, bundle))
    if not rows:
        return EMPTY
    heads = ("Id", "Name on its card", "Kind", "Country", "Its own bundle")
    return table("Agencies", heads, rows)
