"""Tracking: places in order of time, jumps that nothing can make, and silences."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sesn_node.codes.places import check_port
from sesn_node.codes.positions import port_positions
from sesn_node.domain.ids import AgencyId, new_message_id
from sesn_node.domain.tracking import Doubt, Happening, Position, Stop, distance_nm, track

START = datetime(2026, 11, 1, tzinfo=UTC)
NL, GH = AgencyId("nl.customs"), AgencyId("gh.epa")


def stop(port: str, hours: float, source: AgencyId = NL, **changes: object) -> Stop:
    """A stop so many hours after the start, written long afterwards."""
    made = Stop(
        source=source,
        message_id=new_message_id(1, bytes(10)),
        written=START + timedelta(days=400),
        place=port,
        port=port,
        at=START + timedelta(hours=hours),
        what=Happening.SIGHTED,
    )
    # `replace` takes whatever fields the test names.
    return replace(made, **changes)  # type: ignore[arg-type]


def doubts(*stops: Stop) -> list[tuple[Doubt, str, str]]:
    """What does not fit: each doubt with the ports that it lies between."""
    found = track(stops, port_positions()).troubles
    return [(one.doubt, one.before.port, one.after.port) for one in found]


@pytest.mark.parametrize(
    ("first", "second", "nautical_miles"),
    [
        # Great-circle distances between the table's positions, by the haversine formula.
        ("NLRTM", "BEANR", 36),
        ("NLRTM", "GHTEM", 2785),
        ("SGSIN", "NLRTM", 5673),
    ],
)
def test_distances(first: str, second: str, nautical_miles: float) -> None:
    """Known distances, to a hundredth, both ways."""
    one, other = port_positions()[first], port_positions()[second]
    assert distance_nm(one, other) == pytest.approx(nautical_miles, rel=0.01)
    assert distance_nm(other, one) == pytest.approx(distance_nm(one, other))


def test_half_way_round_the_earth() -> None:
    """Across the date line, and to the other side: never more than half the circumference."""
    assert distance_nm(Position(0, 179.5), Position(0, -179.5)) == pytest.approx(60, rel=0.01)
    assert distance_nm(Position(0, 0), Position(0, 180)) == pytest.approx(10_807, rel=0.01)
    assert distance_nm(Position(90, 0), Position(-90, 77)) == pytest.approx(10_807, rel=0.01)


def test_impossible_jump() -> None:
    """Two continents within a day; a voyage of two weeks, and a lorry to Antwerp, are no jumps."""
    assert doubts(stop("NLRTM", 0), stop("GHTEM", 20)) == [(Doubt.JUMP, "NLRTM", "GHTEM")]
    assert doubts(stop("NLRTM", 0), stop("GHTEM", 24 * 14)) == []
    assert doubts(stop("NLRTM", 0), stop("BEANR", 2)) == []
    assert doubts(stop("NLRTM", 0), stop("NLRTM", 0)) == []


def test_near_miss_of_a_jump() -> None:
    """The way less the tolerance, at the highest speed: one minute decides."""
    positions = port_positions()
    far = distance_nm(positions["NLRTM"], positions["GHTEM"]) - 60
    at_least = far / 60
    assert doubts(stop("NLRTM", 0), stop("GHTEM", at_least + 1 / 60)) == []
    assert doubts(stop("NLRTM", 0), stop("GHTEM", at_least - 1 / 60)) != []


def test_any_order_gives_one_track() -> None:
    """What came when does not matter."""
    stops = [stop("GHTEM", 20, GH), stop("NLRTM", 0), stop("GHTEM", 44, GH), stop("NLRTM", 10)]
    forward, backward = (track(each, port_positions()) for each in (stops, stops[::-1]))
    assert forward == backward
    assert [one.port for one in forward.stops] == ["NLRTM", "NLRTM", "GHTEM", "GHTEM"]
    assert [one.doubt for one in forward.troubles] == [Doubt.JUMP]


def test_plans_are_no_proof() -> None:
    """A call that was only expected when it was written is doubted, and not impossible."""
    plan = stop("GHTEM", 20, written=START)
    assert plan.planned
    assert doubts(stop("NLRTM", 0), plan) == [(Doubt.PLAN, "NLRTM", "GHTEM")]


def test_what_was_said_anew_does_not_count() -> None:
    """An outdated stop is shown, and held against nothing."""
    old = stop("GHTEM", 20, outdated=True)
    found = track([stop("NLRTM", 0), old], port_positions())
    assert found.troubles == ()
    assert old in found.stops


def test_gaps() -> None:
    """More than 30 days without a word; 30 days are none."""
    assert doubts(stop("NLRTM", 0), stop("GHTEM", 24 * 30)) == []
    assert doubts(stop("NLRTM", 0), stop("GHTEM", 24 * 30 + 1)) == [(Doubt.GAP, "NLRTM", "GHTEM")]


def test_unknown_places_and_times() -> None:
    """A port without a position is named as not judged; a stop without a time stands apart."""
    somewhere = stop("", 1, place="off Las Palmas")
    never = stop("GHTEM", 0, at=None)
    found = track([stop("NLRTM", 0), somewhere, never, stop("ZZZZZ", 2)], port_positions())
    assert found.undated == (never,)
    assert found.unplaced == ("ZZZZZ", "off Las Palmas")
    # Whoever tells no place has named none that could be judged.
    nowhere = stop("", 3, what=Happening.RECEIVED)
    assert track([nowhere], port_positions()).unplaced == ()
    assert found.troubles == ()
    # What lies between does not hide a jump.
    assert doubts(stop("NLRTM", 0), somewhere, stop("GHTEM", 2)) == [(Doubt.JUMP, "NLRTM", "GHTEM")]


def test_nothing_told() -> None:
    """No stops, no troubles."""
    assert track([], port_positions()).stops == ()


def test_every_position_is_of_a_port() -> None:
    """Each row names a port of UN/LOCODE, once, on this planet."""
    assert len(port_positions()) > 100
    for code, position in port_positions().items():
        assert check_port(code).normalised == code
        assert abs(position.latitude) < 90, code
        assert abs(position.longitude) <= 180, code
