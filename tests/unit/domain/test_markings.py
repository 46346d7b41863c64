"""Markings: every bound, what the strictest axis says, and what is weaker than what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations, product

import pytest

from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import (
    MAX_ONWARD,
    Evaluation,
    EvaluationScheme,
    HandlingCode,
    Markings,
    Passing,
    Tlp,
    check_onward,
    covers,
)
from sesn_node.errors import MalformedError
from tests.support.objects import changed

H1, H2, H3 = HandlingCode
EUROPOL, BRITISH_3, BRITISH_5 = EvaluationScheme
DAY = datetime(2027, 1, 1, tzinfo=UTC)
FULL = Markings(
    tlp=Tlp.AMBER,
    handling=(H1, H3),
    handling_text="Not to the exporter's country.",
    evaluation=Evaluation(BRITISH_3, "1", "B", "P"),
    purpose="Criminal investigation",
    legal_basis="Naples II, Article 9",
    retain_until=DAY,
    onward=("be.*", "gh.epa"),
)

# What is wrong, and how the message starts.
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "codes descending": (lambda: Markings(Tlp.AMBER, (H2, H1)), "handling: "),
    "code twice": (lambda: Markings(Tlp.AMBER, (H1, H1)), "handling: "),
    "H3 without words": (lambda: Markings(Tlp.AMBER, (H3,)), "handling_text: "),
    "H3 with blank words": (lambda: Markings(Tlp.AMBER, (H3,), " \n"), "handling_text: "),
    "words without H3": (lambda: Markings(Tlp.AMBER, (H1,), "No."), "handling_text: "),
    "long words": (lambda: Markings(Tlp.AMBER, (H3,), "x" * 501), "handling_text: "),
    "long purpose": (lambda: replace(FULL, purpose="x" * 201), "purpose: "),
    "purpose of two lines": (lambda: replace(FULL, purpose="a\nb"), "purpose: "),
    "long legal basis": (lambda: replace(FULL, legal_basis="x" * 501), "legal_basis: "),
    "date without an offset": (
        lambda: changed(FULL, retain_until=datetime(2027, 1, 1)),  # noqa: DTZ001 - the wrong value
        "retain_until: ",
    ),
    "date of another zone": (
        lambda: replace(FULL, retain_until=DAY.astimezone(timezone(timedelta(hours=1)))),
        "retain_until: ",
    ),
    "grant twice": (lambda: replace(FULL, onward=("gh.epa", "gh.epa")), "onward: "),
    "grant descending": (lambda: replace(FULL, onward=("gh.epa", "be.*")), "onward: "),
    "grant of no agency": (lambda: replace(FULL, onward=("Ghana",)), "onward[0]: "),
    "grant of a whole branch": (lambda: replace(FULL, onward=("gh.epa.*",)), "onward[0]: "),
    "grant of RED": (lambda: Markings(Tlp.RED, onward=("gh.epa",)), "onward: "),
    "grant against 4 of 5x5x5": (
        lambda: replace(FULL, evaluation=Evaluation(BRITISH_5, "A", "1", "4")),
        "onward: ",
    ),
    "too many grants": (
        lambda: replace(FULL, onward=tuple(f"nl.a{number:03}" for number in range(101))),
        "onward: ",
    ),
    "4x4 with a handling condition": (lambda: Evaluation(EUROPOL, "A", "1", "1"), "handling: "),
    "4x4 with D": (lambda: Evaluation(EUROPOL, "D", "1"), "source: "),
    "4x4 with 5": (lambda: Evaluation(EUROPOL, "A", "5"), "information: "),
    "3x5x2 without its condition": (lambda: Evaluation(BRITISH_3, "1", "A"), "handling: "),
    "3x5x2 with 4": (lambda: Evaluation(BRITISH_3, "4", "A", "P"), "source: "),
    "5x5x5 with X": (lambda: Evaluation(BRITISH_5, "X", "1", "1"), "source: "),
    "two grades in one": (lambda: Evaluation(EUROPOL, "AB", "1"), "source: "),
    "no grade": (lambda: Evaluation(EUROPOL, "", "1"), "source: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    """A field out of its bounds is refused by its path."""
    make, start = WRONG[name]
    with pytest.raises(MalformedError) as refused:
        make()
    assert refused.value.message.startswith(start)


def test_bounds_are_reached() -> None:
    """The longest that is allowed is allowed."""
    onward = tuple(f"nl.a{number:03}" for number in range(MAX_ONWARD))
    longest = {"handling_text": "x" * 500, "purpose": "x" * 200, "legal_basis": "x" * 500}
    marked = changed(FULL, **longest, onward=onward)
    assert len(marked.onward) == MAX_ONWARD
    for one in ("*", "int.*", "nl.*", "int.wco", "nl.customs"):
        check_onward("onward", (one,), 1)
    with pytest.raises(MalformedError, match="onward: expected 1 to 100"):
        check_onward("onward", (), 1)


@pytest.mark.parametrize(
    ("markings", "passing"),
    [
        (Markings(Tlp.RED), Passing.NEVER),
        (Markings(Tlp.AMBER_STRICT), Passing.ASK),
        (Markings(Tlp.AMBER), Passing.ASK),
        (Markings(Tlp.GREEN), Passing.ASK),
        (Markings(Tlp.CLEAR), Passing.FREE),
        (Markings(Tlp.CLEAR, (H1,)), Passing.FREE),
        (Markings(Tlp.CLEAR, (H2,)), Passing.ASK),
        (Markings(Tlp.CLEAR, (H3,), "Ask us."), Passing.ASK),
        (Markings(Tlp.RED, (H2,)), Passing.NEVER),
        (Markings(Tlp.CLEAR, evaluation=Evaluation(EUROPOL, "A", "1")), Passing.FREE),
        (Markings(Tlp.CLEAR, evaluation=Evaluation(BRITISH_3, "1", "A", "P")), Passing.FREE),
        (Markings(Tlp.CLEAR, evaluation=Evaluation(BRITISH_3, "1", "A", "C")), Passing.ASK),
        (Markings(Tlp.CLEAR, evaluation=Evaluation(BRITISH_5, "A", "1", "1")), Passing.FREE),
        (Markings(Tlp.GREEN, evaluation=Evaluation(BRITISH_5, "A", "1", "4")), Passing.NEVER),
        (Markings(Tlp.CLEAR, evaluation=Evaluation(BRITISH_5, "A", "1", "5")), Passing.ASK),
    ],
)
def test_the_strictest_axis_says_whether_it_may_be_passed_on(
    markings: Markings, passing: Passing
) -> None:
    """TLP, handling codes and the scheme's own condition; whichever is strictest."""
    assert markings.passing is passing


# One step that takes strictness away from `FULL`, and the axis that it is on.
WEAKER = {
    "tlp": changed(FULL, tlp=Tlp.GREEN),
    "handling": changed(FULL, handling=(H3,)),
    "handling_text": changed(FULL, handling_text="None."),
    "evaluation": changed(FULL, evaluation=None),
    "purpose": changed(FULL, purpose=""),
    "legal_basis": changed(FULL, legal_basis="Anything"),
    "retain_until": changed(FULL, retain_until=DAY + timedelta(microseconds=1)),
    "onward": changed(FULL, onward=("be.*", "gh.*")),
}


@pytest.mark.parametrize("axis", WEAKER)
def test_one_step_down_is_noticed(axis: str) -> None:
    """Whatever is taken away, its axis is named."""
    assert WEAKER[axis].weaker_than(FULL) == axis


def test_no_date_is_weaker_than_one() -> None:
    """What is kept for good is kept longer."""
    assert replace(FULL, retain_until=None).weaker_than(FULL) == "retain_until"


@pytest.mark.parametrize(
    "stricter",
    [
        FULL,
        changed(FULL, tlp=Tlp.AMBER_STRICT),
        changed(FULL, tlp=Tlp.RED, onward=()),
        changed(FULL, handling=(H1, H2, H3)),
        changed(FULL, retain_until=DAY - timedelta(days=1)),
        changed(FULL, onward=()),
        changed(FULL, onward=("be.police",)),
        changed(FULL, onward=("be.customs", "be.police", "gh.epa")),
    ],
)
def test_as_strict_or_stricter_is_not_weaker(stricter: Markings) -> None:
    """The same, and every step up."""
    assert stricter.weaker_than(FULL) is None


def test_marks_where_nothing_stood_are_not_weaker() -> None:
    """A purpose, a law, a date or a code may be added."""
    bare = Markings(Tlp.AMBER)
    assert changed(FULL, onward=()).weaker_than(bare) is None
    assert FULL.weaker_than(bare) == "onward"
    # What anybody may pass on to anybody gains nothing by a grant.
    assert Markings(Tlp.CLEAR, onward=("be.*",)).weaker_than(Markings(Tlp.CLEAR)) is None


def test_labels_are_ordered() -> None:
    """Of any two labels of TLP exactly one is weaker."""
    for strict, loose in combinations(Tlp, 2):
        assert Markings(loose).weaker_than(Markings(strict)) == "tlp"
        assert Markings(strict).weaker_than(Markings(loose)) is None


def test_an_answer_is_as_strict_and_grants_nothing() -> None:
    """What only the originator can say is not repeated: its grade of the source, its grant."""
    answer = FULL.for_reply()
    assert (answer.evaluation, answer.onward) == (None, ())
    assert replace(answer, evaluation=FULL.evaluation, onward=FULL.onward) == FULL
    assert answer.weaker_than(FULL) == "evaluation"


@pytest.mark.parametrize(
    ("onward", "agency", "covered"),
    [
        (("gh.epa",), "gh.epa", True),
        (("gh.epa",), "gh.epa.tema", False),
        (("gh.epa",), "gh.customs", False),
        (("gh.*",), "gh.customs", True),
        (("gh.*",), "gn.customs", False),
        (("int.*",), "int.wco", True),
        (("*",), "int.wco", True),
        ((), "gh.epa", False),
    ],
)
def test_whom_a_grant_names(onward: tuple[str, ...], agency: str, *, covered: bool) -> None:
    """By itself, by its country, or with everybody; a name never stands for those below it."""
    assert covers(onward, AgencyId(agency)) is covered


def test_every_scheme_knows_its_grades() -> None:
    """All combinations of a scheme are taken, and no other character of the three schemes."""
    known = {
        EUROPOL: ("ABCX", "1234", [""]),
        BRITISH_3: ("123", "ABCDE", "PC"),
        BRITISH_5: ("ABCDE", "12345", "12345"),
    }
    characters = ["", *"ABCDEXPC1234567"]
    for scheme, grades in known.items():
        taken = set()
        for grade in product(characters, repeat=3):
            try:
                Evaluation(scheme, *grade)
            except MalformedError:
                continue
            taken.add(grade)
        assert taken == set(product(*grades)), scheme
