"""Every rule finds what breaks it, lets pass what nearly does, and is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sesn_node.domain.findings import Result, Rule
from tests.support.rules import CASES

ROOT = Path(__file__).parents[3]
_ROW = re.compile(r"^\| `([a-z-]+)` \| (warn|fail) \| (.+) \| (.+) \|$", re.MULTILINE)


def _documented() -> dict[str, str]:
    text = (ROOT / "docs" / "identifiers.md").read_text(encoding="utf-8")
    return {rule: result for rule, result, _, _ in _ROW.findall(text)}


def test_every_rule_has_its_cases_and_its_row() -> None:
    """No rule is without a test, and none without its source in the documentation."""
    assert set(CASES) == set(Rule)
    assert list(_documented()) == [rule.value for rule in Rule]


@pytest.mark.parametrize("rule", Rule)
def test_what_breaks_a_rule_is_found(rule: Rule) -> None:
    """Each true positive has exactly one finding by this rule, as doubtful as documented."""
    for index, made in enumerate(CASES[rule].breaks):
        found = [one for one in made() if one.rule is rule]
        assert len(found) == 1, index
        assert found[0].result.value == _documented()[rule.value]
        assert found[0].reason
        assert found[0].field


@pytest.mark.parametrize("rule", Rule)
def test_what_nearly_breaks_a_rule_passes(rule: Rule) -> None:
    """A near miss has no finding by this rule."""
    assert CASES[rule].near
    for index, made in enumerate(CASES[rule].near):
        assert [one for one in made() if one.rule is rule] == [], index


def test_ok_means_no_rule_and_no_reason() -> None:
    """Only what is doubtful names a rule, and it always does."""
    cases = [made for case in CASES.values() for made in (*case.breaks, *case.near)]
    for finding in (one for made in cases for one in made()):
        assert (finding.result is Result.OK) == (finding.rule is None) == (not finding.reason)
        assert finding.result is not Result.FAIL or not finding.normalised
