"""Tracking: one container's story, from what three agencies tell, the same on every node."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.alert import Alert
from sesn_node.domain.case_messages import Details
from sesn_node.domain.case_terms import Action, Member, Role, SealCheck
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.terms import Sought, TermField
from sesn_node.domain.tracking import Doubt
from sesn_node.exchange.erase import erase
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.related import related
from sesn_node.exchange.update import update
from sesn_node.exchange.views import alert_file
from sesn_node.exchange.whereabouts import whereabouts
from sesn_node.wire.payloads import alert_from_json
from tests.support.alerts import CONTAINER, consignment
from tests.support.casework import Casework, details_for
from tests.support.homes import BE, GH, NL
from tests.support.network import DAY_MS
from tests.support.talking import sighting, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.payload import Payload
    from sesn_node.domain.tracking import Track
    from tests.support.network import Network

DEMO = Path(__file__).resolve().parents[2] / "configs/demo/01-televisions-as-second-hand-goods.json"
NUMBER, IMO = "QXNU4182736", "3001043"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


def _demo(net: Network, **days: float) -> Payload:
    """The demo's alert, whose calls lie so many days from now; GH may pass it on to BE."""
    payload = alert_from_json(DEMO.read_bytes())
    body = payload.body
    assert isinstance(body, Alert)
    assert body.consignment is not None
    route = tuple(
        replace(call, at=_at(net, days.get(call.port, place * 6)))
        for place, call in enumerate(body.consignment.route)
    )
    changed = replace(body, consignment=replace(body.consignment, route=route), respond_by=None)
    return replace(payload, markings=Markings(Tlp.AMBER, onward=(BE,)), body=changed)


def _at(net: Network, days: float) -> datetime:
    now = datetime.fromtimestamp(net.clock.now_ms // 1000, UTC)
    return now + timedelta(days=days)


def _track(net: Network, agency: AgencyId, **sought: str) -> Track:
    return whereabouts(net[agency].office, Sought(**(sought or {"container": NUMBER}))).track


def _story(track: Track) -> list[tuple[str, str, str]]:
    return [(one.port, one.source, one.what.value) for one in track.stops]


def test_whole_story_with_one_impossible_jump(net: Network) -> None:
    """Alert, forward and sightings of three agencies: one line of time, one impossible jump."""
    # Written after it had happened: nothing in it is a mere plan.
    payload = _demo(net, NLRTM=-20, MAPTM=-14, GHTEM=-8)
    first = net.share(NL, GH, payload=payload)
    net.deliver(NL, GH)
    forward(net[GH].office, first, (BE,), text="You may have seen it.")
    net.pass_time(1)
    net.deliver(GH, BE)
    seen = sighting("GHTEM", _at(net, -7.5), container="qxnu 418273-6", text="On the quay.")
    tell(net, GH, seen, NL, BE)
    tell(net, BE, sighting("BEANR", _at(net, -7), container=NUMBER), NL, GH)
    for agency in (NL, GH, BE):
        track = _track(net, agency)
        assert _story(track) == [
            ("NLRTM", NL, "LOADING"),
            ("MAPTM", NL, "TRANSHIPMENT"),
            ("GHTEM", NL, "DISCHARGE"),
            ("GHTEM", GH, "SIGHTED"),
            ("BEANR", BE, "SIGHTED"),
        ]
        (jump,) = track.troubles
        assert jump.doubt is Doubt.JUMP
        assert (jump.before.source, jump.after.source) == (GH, BE)
        assert "12 hours" in jump.reason
        assert track.unplaced == ("MAPTM",)
    # Who told BE: not the originator itself.
    assert {one.via for one in _track(net, BE).stops if one.source == NL} == {(GH,)}
    assert {one.via for one in _track(net, NL).stops} == {()}


def test_told_directly_and_through_others(net: Network) -> None:
    """What came from its source and through others is one thing, and the source's."""
    first = net.share(NL, GH, BE, payload=_demo(net))
    net.deliver(NL, GH)
    forward(net[GH].office, first, (BE,))
    net.pass_time(1)
    net.deliver(GH, BE)
    assert {one.via for one in _track(net, BE).stops} == {(GH,)}
    net.deliver(NL, BE)
    track = _track(net, BE)
    assert {one.via for one in track.stops} == {()}
    assert len(track.stops) == 3


def _shipped(net: Network) -> tuple[Casework, MessageId]:
    """A case whose waste goes back in NUMBER, though the request was about another container."""
    work = Casework(net)
    case_id = work.request(NL, GH, facility=(GH,))
    work.post()
    for action in (Action.ACKNOWLEDGE, Action.ACCEPT, Action.DOCUMENT):
        work.step(GH, case_id, action)
        work.post()
    left = replace(
        details_for(Action.SHIP, net.clock.now_ms), container="qxnu 418273-6", at=_at(net, 0)
    )
    work.step(NL, case_id, Action.SHIP, details=left)
    work.post()
    net.pass_time(14 * DAY_MS)
    arrived = Details(seal="NL4711", place="GHTEM", at=_at(net, -1), text="At the quay.")
    work.step(GH, case_id, Action.ARRIVE, code=SealCheck.INTACT, details=arrived)
    work.post()
    received = Details(place="Works at Tema", at=_at(net, 0), quantity="24.1", unit="t")
    work.step(GH, case_id, Action.RECEIVE, details=received)
    work.post()
    return work, case_id


_MOVED = [("NLRTM", NL, "LEFT"), ("GHTEM", GH, "ARRIVED"), ("", GH, "RECEIVED")]


def test_movements_of_a_case(net: Network) -> None:
    """What left is met again where the case says so, though only the step that shipped names it."""
    net.share(NL, GH, payload=_demo(net, NLRTM=-20, MAPTM=-16, GHTEM=-12))
    work, case_id = _shipped(net)
    work.post()
    for agency in (NL, GH):
        track = _track(net, agency)
        assert _story(track)[-3:] == _MOVED
        assert track.troubles == ()
        left, arrived, received = track.stops[-3:]
        assert {one.case_id for one in (left, arrived, received)} == {case_id}
        assert left.text == "container qxnu 418273-6, IMO 9074729, seal NL4711"
        assert arrived.text == "seal NL4711 intact, At the quay."
        assert (received.place, received.text) == ("Works at Tema", "24.1 t")
        assert {one.case_id for one in track.stops[:-3]} == {None}
    # The request was about another container, which did not leave.
    assert _track(net, GH, container="MSCU6639870").stops == ()
    # By its ship alone nobody can tell where the container went.
    assert _story(_track(net, GH, vessel="9074729")) == [("NLRTM", NL, "LEFT")]


def test_movements_out_of_a_case_file(net: Network) -> None:
    """Who joins later sees where it was, and through whom that came."""
    work, case_id = _shipped(net)
    work.step(GH, case_id, Action.INVITE, members=(Member(BE, (Role.TRN,)),))
    work.post()
    found = whereabouts(net[BE].office, Sought(container=NUMBER))
    assert _story(found.track) == _MOVED
    assert {one.via for one in found.track.stops} == {(GH,)}
    # One file holds all of it, and is told once to have been shown.
    assert [one.kind for one in found.messages] == ["case_file"]
    erase(net[BE].office, found.messages[0].message_id, "No longer needed", sender=GH)
    assert _track(net, BE).stops == ()


def test_by_ship_and_by_container(net: Network) -> None:
    """A ship's number finds its voyages and sightings; a container's those that name it."""
    net.share(NL, GH, payload=_demo(net))
    tell(net, NL, sighting("ESLPA", _at(net, 1), imo="IMO 3001043"), GH)
    tell(net, NL, sighting("SNDKR", _at(net, 2), container="ABCU1234560", seal="X1"), GH)
    net.deliver(NL, GH)
    for agency in (NL, GH):
        ship, box = _track(net, agency, vessel=IMO), _track(net, agency)
        assert [one.port for one in ship.stops] == ["NLRTM", "ESLPA", "MAPTM", "GHTEM"]
        assert [one.port for one in box.stops] == ["NLRTM", "MAPTM", "GHTEM"]
        # The name of a ship is no number of it.
        assert _track(net, agency, vessel="Harbour Lark").stops == ()


def test_updates_replace_what_was_said(net: Network) -> None:
    """Of an alert and its updates the newest counts; the others are shown as outdated."""
    first = net.share(NL, GH, payload=_demo(net, NLRTM=-2, MAPTM=-1.9, GHTEM=-1.8))
    net.deliver(NL, GH)
    (jump,) = _track(net, GH).troubles
    assert jump.doubt is Doubt.JUMP
    better = _demo(net, NLRTM=-20, MAPTM=-10, GHTEM=-1)
    update(net[NL].office, first, better, "The dates were wrong.")
    net.pass_time(1)
    net.deliver(NL, GH)
    for agency in (NL, GH):
        track = _track(net, agency)
        assert track.troubles == ()
        assert [one.outdated for one in track.stops] == [False, False, True, True, True, False]


def test_plans_and_erased_content(net: Network) -> None:
    """A call that lies ahead is a plan; what was erased tells nothing any more."""
    first = net.share(NL, GH, payload=_demo(net, NLRTM=1, MAPTM=1.1, GHTEM=1.2))
    net.deliver(NL, GH)
    found = whereabouts(net[GH].office, Sought(container=NUMBER))
    assert [one.doubt for one in found.track.troubles] == [Doubt.PLAN]
    erase(net[GH].office, first, "Not ours")
    gone = whereabouts(net[GH].office, Sought(container=NUMBER))
    assert (gone.messages, gone.track.stops) == ((), ())
    assert len(_track(net, NL).stops) == 3


def test_related_by_what_they_share(net: Network) -> None:
    """The most telling first, with what is shared; a ship, an owner and a port alone say nothing.

    On both sides, sent and received, of any kind.
    """
    first = net.share(NL, GH, payload=consignment())
    party = net.share(NL, GH, payload=consignment("ABCU1234560", seal="S9", imo="9074730"))
    seal = net.share(GH, NL, payload=consignment("ABCU1234561", party="Nobody"))
    net.deliver(NL, GH)
    net.deliver(GH, NL)
    seen = tell(net, GH, sighting("GHTEM", _at(net, 1), container=CONTAINER), NL)
    net.share(NL, GH, payload=consignment("QZWU0000001", seal="S1", party="Somebody"))
    net.pass_time(DAY_MS)
    for agency in (NL, GH):
        assert _related(net, agency, first) == [
            (seen, [TermField.CONTAINER], 5),
            (seal, [TermField.SEAL], 4),
            (party, [TermField.PARTY], 2),
        ]
    assert len(_related(net, NL, first, limit=1)) == 1


def _related(
    net: Network, agency: AgencyId, message_id: MessageId, limit: int = 10
) -> list[tuple[bytes, list[TermField], int]]:
    office = net[agency].office
    view = alert_file(office, message_id).alert
    found = related(office, view.message_id, view.sender, view.payload, limit)
    return [
        (one.message.message_id, [term.field for term in one.shared], one.weight) for one in found
    ]
