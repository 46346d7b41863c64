"""The first page of a report: what holds, what does not, and what could not be verified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_markup import (
    EMPTY,
    Html,
    bullets,
    join,
    quoted,
    tag,
)
from sesn_node.audit.report_words import CHECKS
from sesn_node.audit.verdict import BundleVerdict, Check, State, Verdict
from sesn_node.domain.counting import many, word_for

if TYPE_CHECKING:
    from sesn_node.audit.report_case import Case

_MAX_NAMED: Final = 3
_SIGNED: Final = frozenset({1, 2, 3})
_LEDGER: Final = _SIGNED | {4, 5}
_EVERYTHING: Final = frozenset({*range(1, 17), 23, 24})
_RESTS_ON: Final = {
    1: frozenset[int](),
    2: frozenset({1}),
    3: frozenset({1, 2}),
    4: _SIGNED,
    5: _SIGNED | {4},
    6: _LEDGER,
    7: frozenset({1, 2}),
    8: _SIGNED,
    9: _SIGNED | {4, 8},
    10: _LEDGER,
    11: _LEDGER | {7, 8, 10},
    12: _LEDGER | {10},
    13: _LEDGER | {7},
    14: _LEDGER,
    15: _LEDGER | {10, 13},
    16: _SIGNED,
    23: _LEDGER,
    24: _LEDGER | {10, 13},
}
"""Checks without which another means little; those between bundles rest on all of a bundle."""
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
        files = f"{unread:,} of {many(len(verdict.bundles), 'file')}"
        proves = word_for(unread, "proves", "prove")
        text = f"{files} cannot be read as an audit bundle, and so {proves} nothing. {text}"
    return f"{text}{_but(verdict, checks)}."


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
    lost = sum(ledger.lost for one in verdict.bundles for ledger in one.ledgers)
    if lost:
        parts.append(
            f"what {many(lost, 'entry', 'entries')} {word_for(lost, 'refers', 'refer')} to was "
            "lost by the agency itself, so that only its partners can show it"
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
    """Write what holds; what rests on something that fails is not said to hold."""
    groups: dict[int, list[Check]] = {}
    for check in verdict.checks:
        groups.setdefault(check.number, []).append(check)
    failing = {check.number for check in verdict.checks if check.state is State.FAILS}
    items: list[Html] = []
    resting: list[int] = []
    for number, checks in sorted(groups.items()):
        count = sum(check.count for check in checks)
        if not count or any(check.state is not State.HOLDS for check in checks):
            continue
        if failing.isdisjoint(_RESTS_ON.get(number, _EVERYTHING)):
            words = CHECKS.get(number, f"{checks[0].title}.")
            items.append(join(words, tag("span", f" ({count:,} examined)", class_="note")))
        else:
            resting.append(number)
    if resting:
        text = "nothing was found amiss, but that rests on checks that fail, and so shows little."
        items.append(join(tag("strong", _numbered(resting), ": "), text))
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
