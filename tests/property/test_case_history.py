"""Cases, whatever their members do: the same on every node, in whatever order steps come."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.case_histories import AGENCIES, SEATS, STARTS, Turn, played, some_turns
from tests.support.check_histories import check_history, check_seen

if TYPE_CHECKING:
    from collections.abc import Iterable

_TURNS = st.lists(
    st.builds(
        Turn,
        who=st.integers(0, len(SEATS) - 1),
        hears=st.sets(st.integers(0, 20), max_size=2).map(lambda bits: sum(1 << at for at in bits)),
        choice=st.integers(0, 3) | st.integers(0, 99),
    ),
    max_size=12,
)


@st.composite
def cheated(draw: st.DrawFn) -> list[Turn]:
    """Turns of which one member's are not by the rules."""
    cheater = draw(st.sampled_from(AGENCIES))
    how = st.just(1) | st.integers(0, 5)
    return [
        turn._replace(cheats=draw(how)) if SEATS[turn.who] == cheater else turn
        for turn in draw(_TURNS)
    ]


def _check(start: int, turns: Iterable[Turn], seed: int) -> None:
    whole = check_history(played(start, turns), Random(seed))
    check_seen(whole)


@given(st.integers(0, len(STARTS) - 1), _TURNS, st.integers(0, 99))
@settings(max_examples=150)
def test_members_who_know_different_things(start: int, turns: list[Turn], seed: int) -> None:
    """Steps at the same time, votes, later dates, withdrawals: all honest, none refused."""
    _check(start, turns, seed)


@given(st.integers(0, len(STARTS) - 1), cheated(), st.integers(0, 99))
@settings(max_examples=150)
def test_one_who_cheats(start: int, turns: list[Turn], seed: int) -> None:
    """By old parents, double votes, steps that it cannot take, a second request."""
    _check(start, turns, seed)


@given(st.integers(0, 2**32))
@settings(max_examples=40)
def test_long_histories(seed: int) -> None:
    """As the command for thousands of them draws them."""
    chance = Random(seed)
    _check(chance.randrange(len(STARTS)), some_turns(chance, 30), seed)
