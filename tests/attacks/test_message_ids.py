"""Partners that send a message of their own under the id of another's, or of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import ProvenEntry, Refused
from sesn_node.domain.conversation import Decision
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.respond import respond
from sesn_node.exchange.views import alert_file, alerts
from tests.support.homes import DE, GH, NL
from tests.support.network import alert
from tests.support.puppet import Puppet

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.batches import Outcome
    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Network

_HONEST = "What Ghana saw"
_DECOY = "What the German port made up"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Ghana alerts others; the German port, a co-recipient, has been taken over."""
    return connect(NL, GH, DE)


@pytest.fixture
def puppet(net: Network) -> Puppet:
    """The German port's node."""
    return Puppet(net[DE])


def _decoy(net: Network, puppet: Puppet, message_id: MessageId) -> Outcome:
    """Have the puppet send the Netherlands an alert of its own under an id that it knows."""
    letter = puppet.letter(net[NL].card, payload=alert(_DECOY), message_id=message_id)
    batch = puppet.batch(letter, old=puppet.known_to(net[NL]))
    (outcome,) = net[NL].receiver.receive(DE, batch).outcomes
    net.check()
    return outcome


def _alert_of_ghana(net: Network) -> MessageId:
    message_id = net.share(GH, NL, DE, payload=alert(_HONEST))
    net.deliver(GH, NL)
    return message_id


def _decisions(net: Network) -> dict[str, list[Decision | None]]:
    """Say what the Netherlands decided, by the alert's sender."""
    found = alerts(net[NL].office, 10)
    return {view.sender: [one.decision for one in view.responses] for view in found}


@pytest.mark.parametrize("sender", [GH, DE])
def test_id_of_another_sender_is_told_apart(net: Network, puppet: Puppet, sender: AgencyId) -> None:
    """Both alerts stand, each with its own entries, and can be named and decided by sender."""
    message_id = _alert_of_ghana(net)
    assert isinstance(_decoy(net, puppet, message_id), ProvenEntry)
    office = net[NL].office
    for ask in (
        lambda: alert_file(office, message_id),
        lambda: respond(office, message_id, Decision.ACCEPTED, ""),
    ):
        with pytest.raises(ConflictError, match=f"{DE}, {GH} used .* --from AGENCY") as caught:
            ask()
        assert caught.value.code == "AMBIGUOUS"
    found = alert_file(office, message_id, sender)
    assert found.alert.alert is not None
    assert found.alert.alert.subject == (_HONEST if sender == GH else _DECOY)
    assert [(entry.kind, entry.agency) for entry in found.entries] == [("RECEIVED", sender)]
    assert respond(office, message_id, Decision.ACCEPTED, "", sender=sender).to == sender
    net.check()
    assert _decisions(net) == {GH: [], DE: [], sender: [Decision.ACCEPTED]}


def test_decoy_does_not_inherit_a_decision(net: Network, puppet: Puppet) -> None:
    """What we accepted of one sender is not accepted of another, and can still be decided."""
    message_id = _alert_of_ghana(net)
    net.respond(NL, message_id, Decision.ACCEPTED)
    _decoy(net, puppet, message_id)
    assert _decisions(net) == {GH: [Decision.ACCEPTED], DE: []}
    respond(net[NL].office, message_id, Decision.DECLINED, "Made up.", sender=DE)
    net.check()
    assert _decisions(net) == {GH: [Decision.ACCEPTED], DE: [Decision.DECLINED]}
    for sender in (GH, DE):
        with pytest.raises(ConflictError) as caught:
            respond(net[NL].office, message_id, Decision.ACCEPTED, "", sender=sender)
        assert caught.value.code == "DECIDED"


def test_decoy_decided_first_leaves_the_honest_alert_open(net: Network, puppet: Puppet) -> None:
    """A decision on the decoy does not use up the one on the honest alert; its sender learns it."""
    message_id = net.share(GH, NL, DE, payload=alert(_HONEST))
    _decoy(net, puppet, message_id)
    net.respond(NL, message_id, Decision.DECLINED, "Made up.")
    net.deliver(GH, NL)
    respond(net[NL].office, message_id, Decision.ACCEPTED, "We hold it.", sender=GH)
    net.check()
    net.deliver(NL, GH)
    (response,) = alert_file(net[GH].office, message_id).alert.responses
    assert (response.agency, response.decision) == (NL, Decision.ACCEPTED)


def test_id_of_an_alert_of_ours(net: Network, puppet: Puppet) -> None:
    """What bears the id of a message that we sent is refused for good: it would shadow it."""
    message_id = net.share(NL, GH, DE, payload=alert("Ours"))
    outcome = _decoy(net, puppet, message_id)
    assert isinstance(outcome, Refused)
    assert outcome.code is RefusalCode.CONFLICT
    found = alert_file(net[NL].office, message_id)
    assert found.alert.ours
    assert [entry.kind for entry in found.entries] == ["SHARED"]
    with pytest.raises(PolicyError):
        respond(net[NL].office, message_id, Decision.ACCEPTED, "")
