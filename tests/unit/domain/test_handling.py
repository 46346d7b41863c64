"""What markings allow: the table, what the strictest mark says, and the words for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from sesn_node.domain.handling import RULES, Readers, Rule, allowed, granted, marks, sentences
from sesn_node.domain.markings import (
    Evaluation,
    EvaluationScheme,
    HandlingCode,
    Markings,
    Passing,
    Tlp,
)

PAGE = Path(__file__).resolve().parents[3] / "docs/handling.md"
H1, H2, H3 = HandlingCode
GRADED = {
    EvaluationScheme.BRITISH_3X5X2: ("1", "A", "PC"),
    EvaluationScheme.BRITISH_5X5X5: ("A", "1", "12345"),
}
EVALUATIONS = [
    Evaluation(scheme, source, information, condition)
    for scheme, (source, information, conditions) in GRADED.items()
    for condition in conditions
]


def _every() -> list[Markings]:
    """Every combination of marks that restrict something."""
    codes = [(), (H1,), (H2,), (H3,), (H1, H2), (H1, H3), (H2, H3), (H1, H2, H3)]
    return [
        Markings(tlp, code, "Ask us." if H3 in code else "", evaluation)
        for tlp, code, evaluation in product(Tlp, codes, [None, *EVALUATIONS])
    ]


def _row(rule: Rule) -> str:
    cells = (
        rule.mark,
        rule.readers.value if rule.readers else "",
        rule.passing.value if rule.passing else "",
        "" if rule.court is None else "ask",
        rule.source,
    )
    return f"| {' | '.join(cells)} |"


def test_docs_show_the_table() -> None:
    """The rows of the page are those of the code, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| mark \|.*?\n\|[ |-]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    # An empty cell is written with one blank.
    rows = [re.sub(r"\| +(?=\|)", "|  ", line) for line in table.splitlines()]
    assert rows == [_row(rule) for rule in RULES]


def test_every_mark_has_a_rule() -> None:
    """No mark that a message can bear is left out, and no rule is for one that cannot be."""
    used = {mark for markings in _every() for mark in marks(markings)}
    assert used == {rule.mark for rule in RULES}


def test_table_says_what_is_enforced() -> None:
    """The rules that are shown are those that decide whether a message is passed on."""
    by_mark = {rule.mark: rule for rule in RULES}
    for markings in _every():
        said = {by_mark[mark].passing for mark in marks(markings)} - {None}
        assert markings.passing is next(one for one in Passing if one in said)


def test_the_strictest_mark_holds() -> None:
    """On every axis, whatever the other axes say."""
    by_mark = {rule.mark: rule for rule in RULES}
    for markings in _every():
        found = allowed(markings)
        rules = [by_mark[mark] for mark in marks(markings)]
        readers = [rule.readers for rule in rules if rule.readers]
        assert found.readers is next(one for one in Readers if one in readers)
        assert found.court is (H1 not in markings.handling)
        assert found.passing is markings.passing
        assert found.readers_by
        assert found.passing_by
        assert bool(found.court_by) is not found.court


@pytest.mark.parametrize(
    ("markings", "readers", "by"),
    [
        (Markings(Tlp.AMBER, (H2,)), Readers.ORGANISATIONS, ("H2",)),
        (Markings(Tlp.AMBER_STRICT, (H2,)), Readers.ORGANISATIONS, ("TLP:AMBER+STRICT", "H2")),
        (Markings(Tlp.RED, (H2,)), Readers.INDIVIDUALS, ("TLP:RED",)),
        (Markings(Tlp.GREEN, (H1,)), Readers.COMMUNITY, ("TLP:GREEN",)),
        (Markings(Tlp.CLEAR), Readers.ANYBODY, ("TLP:CLEAR",)),
    ],
)
def test_who_may_read_and_which_marks_say_so(
    markings: Markings, readers: Readers, by: tuple[str, ...]
) -> None:
    """The strictest mark is named; so are several that agree."""
    found = allowed(markings)
    assert (found.readers, found.readers_by) == (readers, by)


def _told(markings: Markings) -> dict[str, str]:
    return dict(sentences(allowed(markings)))


def test_plain_words() -> None:
    """Everything that was marked is told, and nothing else."""
    told = _told(
        Markings(
            Tlp.AMBER,
            (H1, H3),
            "Not to the exporter's country.",
            purpose="Criminal investigation",
            legal_basis="Naples II",
            retain_until=datetime(2027, 3, 1, 12, 30, tzinfo=UTC),
            onward=("be.*", "gh.epa", "int.*"),
        )
    )
    assert told == {
        "who may read it": "people of the recipients' organisations and of their clients who need "
        "to know (TLP:AMBER)",
        "pass it on": "to any agency of be, gh.epa, any international agency, without asking; to "
        "others only with the originator's consent (TLP:AMBER, H3)",
        "use in court": "only with the originator's permission (H1)",
        "keep it": "until 2027-03-01 12:30 UTC; then nodes erase it",
        "use it for": "Criminal investigation",
        "shared under": "Naples II",
        "also (H3)": "Not to the exporter's country.",
    }
    assert _told(Markings(Tlp.CLEAR)) == {
        "who may read it": "anybody; it may be published (TLP:CLEAR)",
        "pass it on": "to anybody, without asking (TLP:CLEAR)",
        "use in court": "no mark forbids it",
        "keep it": "no date is set",
    }


def test_words_on_passing_it_on() -> None:
    """Never, only with consent, or to whom the grant names."""
    assert _told(Markings(Tlp.RED))["pass it on"].startswith("never; ")
    assert _told(Markings(Tlp.GREEN))["pass it on"] == (
        "only with the originator's consent (TLP:GREEN)"
    )
    assert granted(("*", "gh.epa", "nl.*")) == "any agency, gh.epa, any agency of nl"
