"""Tracking and watching, whatever is told: one answer for any order, and only documented errors."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.cli.csv_text import safe
from sesn_node.cli.track import sought_of
from sesn_node.codes.positions import port_positions
from sesn_node.domain.ids import AgencyId, new_message_id
from sesn_node.domain.terms import owner_of, terms_of
from sesn_node.domain.tracking import (
    MAX_KNOTS,
    TOLERANCE_NM,
    Doubt,
    Happening,
    Stop,
    distance_nm,
    track,
)
from sesn_node.domain.watching import Watched, WatchKind
from sesn_node.errors import MalformedError
from sesn_node.exchange.groups import group_name
from tests.support.talking import day, sighting

START = datetime(2026, 1, 1, tzinfo=UTC)
PORTS = [*sorted(port_positions())[:12], "", "ZZZZZ"]

stops = st.builds(
    lambda source, port, hours, ahead, number, outdated: Stop(
        source=AgencyId(source),
        message_id=new_message_id(number, bytes(10)),
        written=START + timedelta(hours=(hours or 0) - ahead),
        place=port or "somewhere",
        port=port,
        at=None if hours is None else START + timedelta(hours=hours),
        what=Happening.SIGHTED,
        outdated=outdated,
    ),
    st.sampled_from(["nl.customs", "gh.epa", "be.police"]),
    st.sampled_from(PORTS),
    st.none() | st.integers(0, 2_000),
    st.integers(-5, 5),
    st.integers(1, 5),
    st.booleans(),
)


@given(st.lists(stops, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_one_track_whatever_came_first(told: list[Stop], chance: object) -> None:
    """Every stop stands in it once, and any order of arrival gives the same."""
    found = track(told, port_positions())
    shuffled = list(told)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random
    assert track(shuffled, port_positions()) == found
    assert len(found.stops) + len(found.undated) == len(told)
    times = [one.at for one in found.stops if one.at is not None]
    assert times == sorted(times)


@given(st.lists(stops, max_size=12))
@settings(max_examples=150)
def test_every_jump_is_impossible(told: list[Stop]) -> None:
    """No finding without its reason: the way is longer than the time allows."""
    positions = port_positions()
    for one in track(told, positions).troubles:
        assert one.before.at is not None
        assert one.after.at is not None
        assert not one.before.outdated
        assert not one.after.outdated
        if one.doubt is Doubt.GAP:
            continue
        hours = (one.after.at - one.before.at) / timedelta(hours=1)
        far = distance_nm(positions[one.before.port], positions[one.after.port])
        assert far - TOLERANCE_NM > hours * MAX_KNOTS
        assert (one.doubt is Doubt.PLAN) == (one.before.planned or one.after.planned)


@given(st.text(max_size=220), st.text(max_size=220), st.sampled_from(WatchKind))
@settings(max_examples=300)
def test_any_text_is_watched_for_or_refused(text: str, other: str, kind: WatchKind) -> None:
    """Nothing but the documented error; what is taken has terms that are not empty."""
    with suppress(MalformedError):
        watched = Watched(kind, text, other if kind is WatchKind.ROUTE else "")
        assert watched.words
        for term, second in watched.terms():
            assert term.value
            assert second is None or second.value


@given(st.text(max_size=40))
@settings(max_examples=300)
def test_any_text_as_an_object(text: str) -> None:
    """A container's number, a ship's, a group's name: an answer, or the documented error."""
    assert owner_of(text) == owner_of(text.lower())
    for read in (sought_of, group_name):
        with suppress(MalformedError):
            read(text)
    with suppress(MalformedError):
        found = terms_of(sighting("GHTEM", day(1), container=text[:40], imo="9074729"))
        assert all(term.value for term in found)


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_no_cell_is_a_formula(text: str) -> None:
    """The text stays whole, and begins with nothing that is calculated."""
    cell = safe(text)
    assert cell.removeprefix("'") == text.removeprefix("'") or cell == f"'{text}"
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
