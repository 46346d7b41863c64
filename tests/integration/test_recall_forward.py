"""A recall goes where the message went: who passed it on recalls that in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.conversation import DestructionOutcome
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.exchange.duties import do_duties
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.hold import hold
from sesn_node.exchange.reach import reach
from sesn_node.exchange.recall import recall
from sesn_node.exchange.views import alert_file
from tests.support.homes import BE, DE, GH, NL
from tests.support.passing import marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Network

_ANYBODY = Markings(Tlp.AMBER, onward=("*",))
_WHY = "Wrong consignment"
_DESTROYED = DestructionOutcome.DESTROYED


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """The Netherlands tell Ghana, which tells Belgium, which tells Germany."""
    return connect(NL, GH, BE, DE)


def _told(net: Network, *to: AgencyId) -> MessageId:
    message_id = net.share(NL, *to, payload=marked(_ANYBODY))
    for agency in to:
        net.deliver(NL, agency)
    return message_id


def _pass_on(net: Network, agency: AgencyId, message_id: MessageId, to: AgencyId) -> MessageId:
    done = forward(net[agency].office, message_id, [to])
    net.pass_time(1)
    net.deliver(agency, to)
    net.check()
    return done.message_id


def _obey(net: Network, sender: AgencyId, agency: AgencyId) -> None:
    """Let an agency get a recall, obey it, and answer."""
    net.deliver(sender, agency)
    done = do_duties(net[agency].office)
    assert done.failed == 0
    net.pass_time(1)
    net.deliver(agency, sender)
    net.check()


def _problem(net: Network, agency: AgencyId, message_id: MessageId) -> str:
    return alert_file(net[agency].office, message_id).alert.problem


def _receipts(net: Network, agency: AgencyId, message_id: MessageId) -> dict[str, object]:
    found = reach(net[agency].office, message_id)
    return {
        one.agency: [receipt.body and receipt.body.outcome for receipt in one.receipts]
        for one in found.recipients
    }


def test_through_two_forwarders(net: Network) -> None:
    """Each recalls its own forward, at once, and names to whom; the last keeps nothing either."""
    message_id = _told(net, GH)
    to_be = _pass_on(net, GH, message_id, BE)
    to_de = _pass_on(net, BE, to_be, DE)
    recall(net[NL].office, message_id, _WHY)
    _obey(net, NL, GH)
    _obey(net, GH, BE)
    _obey(net, BE, DE)
    held = ((GH, message_id), (GH, to_be), (BE, to_be), (BE, to_de), (DE, to_de))
    gone = {(agency, one): _problem(net, agency, one) for agency, one in held}
    # A forwarder keeps its own forward no more than the original.
    assert set(gone.values()) == {"ERASED"}, gone
    (reached,) = reach(net[NL].office, message_id).recipients
    assert (reached.agency, reached.passed_on) == (GH, (BE,))
    assert _receipts(net, NL, message_id) == {GH: [_DESTROYED]}
    assert _receipts(net, GH, to_be) == {BE: [_DESTROYED]}
    assert _receipts(net, BE, to_de) == {DE: [_DESTROYED]}
    (onward,) = reach(net[GH].office, to_be).recipients
    assert onward.passed_on == (DE,)


def test_forward_that_still_waits(net: Network) -> None:
    """It is cancelled, and its recipient keeps nothing if it comes."""
    message_id = _told(net, GH)
    done = forward(net[GH].office, message_id, [BE])
    net.pass_time(1)
    recall(net[NL].office, message_id, _WHY)
    _obey(net, NL, GH)
    copy = net[GH].copies(done.message_id)[BE]
    assert (copy.state, copy.code) == (DeliveryState.DEAD, "RECALLED")
    _obey(net, GH, BE)
    assert _receipts(net, GH, done.message_id) == {BE: [DestructionOutcome.NEVER_KEPT]}
    assert net[BE].received(done.message_id) == []


def test_under_hold_it_is_passed_on_all_the_same(net: Network) -> None:
    """A hold of the forwarder's is no reason for others to keep it."""
    message_id = _told(net, GH)
    to_be = _pass_on(net, GH, message_id, BE)
    hold(net[GH].office, message_id, "Court order 17/2026")
    recall(net[NL].office, message_id, _WHY)
    _obey(net, NL, GH)
    _obey(net, GH, BE)
    assert _receipts(net, NL, message_id) == {GH: [DestructionOutcome.HELD]}
    assert _problem(net, GH, message_id) == ""
    assert _problem(net, BE, to_be) == "ERASED"
    (reached,) = reach(net[NL].office, message_id).recipients
    assert reached.passed_on == (BE,)


def test_what_came_by_two_ways(net: Network) -> None:
    """A forwarder takes its forward back: who has it from the originator, too, keeps that."""
    message_id = _told(net, GH, BE)
    to_be = _pass_on(net, GH, message_id, BE)
    to_de = _pass_on(net, BE, message_id, DE)
    recall(net[GH].office, to_be, "Sent to the wrong agency")
    _obey(net, GH, BE)
    assert _problem(net, BE, to_be) == "ERASED"
    assert _problem(net, BE, message_id) == ""
    net.deliver(BE, DE)
    do_duties(net[DE].office)
    assert _problem(net, DE, to_de) == ""
    recall(net[NL].office, message_id, _WHY)
    _obey(net, NL, BE)
    _obey(net, BE, DE)
    assert _problem(net, DE, to_de) == "ERASED"
