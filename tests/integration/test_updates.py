"""Updates: what a sender knows better by now reaches everybody; they see the change, keep both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.alert import Alert, Urgency
from sesn_node.domain.conversation import Update
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import MessageId
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.domain.terms import Sought
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.exchange.requeue import requeue
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.update import update
from sesn_node.exchange.viewing import view_alert
from sesn_node.exchange.views import alert_file, alerts
from tests.support.homes import BE, GH, NL
from tests.support.network import alert
from tests.support.snapshot import unchanged
from tests.support.trips import other_key
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


def _changed(
    urgency: Urgency = Urgency.SHIP_SAILS, narrative: str = "It sails tonight."
) -> Payload:
    body = alert().body
    assert isinstance(body, Alert)
    return replace(alert(), body=replace(body, urgency=urgency, narrative=narrative))


def _subjects(net: Network, agency: AgencyId) -> list[str]:
    shown = alerts(net[agency].office, 10)
    return [one.stands.narrative for one in shown if one.stands is not None]


def test_all_recipients_see_what_changed(net: Network) -> None:
    """The newest version is shown with what changed; the older ones are kept, and readable."""
    message_id = net.share(NL, GH, BE)
    done = update(net[NL].office, message_id, _changed(), "The ship has a new date.")
    net.pass_time(1)
    second = update(net[NL].office, message_id, _changed(narrative="It sailed."), "Too late.")
    assert [one.to for one in (*done.queued, *second.queued)] == [(BE, GH)] * 2
    for agency in (GH, BE):
        net.deliver(NL, agency)
    net.check()
    for member in net:
        shown = alert_file(member.office, message_id).alert
        first, last = shown.updates
        assert [(one.field, one.before, one.after) for one in first.changes] == [
            ("narrative", "Loaded before the profile fired.", "It sails tonight."),
            ("urgency", "URGENT", "SHIP_SAILS"),
        ]
        assert [one.after for one in last.changes] == ["It sailed."]
        assert (first.reason, last.reason) == ("The ship has a new date.", "Too late.")
        assert shown.alert is not None
        assert shown.alert.narrative == "Loaded before the profile fired."
        assert shown.stands is not None
        assert shown.stands.narrative == "It sailed."
        assert _subjects(net, member.agency) == ["It sailed."]


def test_update_before_its_alert(net: Network) -> None:
    """It is kept, shown nowhere, and shown with its alert once that has come."""
    message_id = net.share(NL, GH)
    update(net[NL].office, message_id, _changed())
    wire = net.wire(NL, GH)
    net[NL].deal(limits=replace(net[NL].office.terms.limits, batch_envelopes=1))
    # It says SHIP_SAILS, so it goes first.
    wire.connect()
    outgoing = wire.prepare()
    wire.settle(outgoing, wire.carry(outgoing.batch))
    assert net[GH].received(message_id) == []
    assert alerts(net[GH].office, 10) == ()
    net.deliver(NL, GH)
    assert _subjects(net, GH) == ["It sails tonight."]
    assert len(alert_file(net[GH].office, message_id).alert.updates) == 1


def test_found_by_what_the_update_names(net: Network) -> None:
    """Reading it is recorded for the alert and for each update that is shown."""
    message_id = net.share(NL, GH)
    update(net[NL].office, message_id, _changed())
    net.deliver(NL, GH)
    view_alert(net[GH].office, message_id)
    assert len(list(view(net[GH].office).of_kind(EntryKind.VIEWED))) == 2
    assert alerts(net[GH].office, 10, Sought(container="MSCU 123456-7")) == ()


def test_stranger_cannot_update(net: Network) -> None:
    """An update of somebody else's alert is refused, by the recipient and at home."""
    message_id = net.share(NL, GH, BE)
    for agency in (GH, BE):
        net.deliver(NL, agency)
    with unchanged(net[GH].office), pytest.raises(PolicyError, match="only its sender"):
        update(net[GH].office, message_id, _changed())
    (row,) = net[GH].received(message_id)
    body = alert().body
    assert isinstance(body, Alert)
    for to in (BE, NL):
        forged = share(
            net[GH].office,
            Draft(
                Payload(Markings(Tlp.AMBER), Update(message_id, row.sealed.header_sha256, body)),
                (to,),
                in_reply_to=message_id,
                conversation_id=MessageId(row.sealed.conversation_id),
            ),
        )
        net.pass_time(1)
        net.deliver(GH, to)
        assert net[GH].copies(forged)[to].code == "POLICY"
        assert alert_file(net[to].office, message_id).alert.updates == ()


def test_who_holds_it_under_another_seal(net: Network) -> None:
    """The update names the message that each recipient holds."""
    message_id = net.share(NL, GH, BE)
    wire = net.wire(NL, GH)
    wire.tamper_request = other_key
    wire.deliver()
    (anew,) = requeue(net[NL].office, message_id)
    assert anew.resealed_as is not None
    for agency in (GH, BE):
        net.deliver(NL, agency)
    done = update(net[NL].office, message_id, _changed())
    assert {(one.alert, one.to) for one in done.queued} == {
        (message_id, (BE,)),
        (anew.resealed_as, (GH,)),
    }
    for agency in (GH, BE):
        net.deliver(NL, agency)
        assert _subjects(net, agency) == ["It sails tonight."]


def test_recipients_that_are_not_trusted_are_left_out(net: Network) -> None:
    """They are named; if nobody is left, nothing is sent."""
    message_id = net.share(NL, GH, BE)
    net.revoke(NL, GH)
    done = update(net[NL].office, message_id, _changed())
    assert (done.left_out, done.queued[0].to) == ((GH,), (BE,))
    net.revoke(NL, BE)
    with unchanged(net[NL].office), pytest.raises(PolicyError, match="nobody to tell"):
        update(net[NL].office, message_id, _changed())
    with pytest.raises(MalformedError, match="expected an alert"):
        update(net[NL].office, message_id, Payload(Markings(Tlp.AMBER), _note()))


def _note() -> Update:
    body = alert().body
    assert isinstance(body, Alert)
    return Update(MessageId(bytes(6) + b"\x70\0\x80" + bytes(7)), bytes(32), body)
