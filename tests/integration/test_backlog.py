"""Where copies stand, on either database: order, filters, and who delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.alert import Urgency
from sesn_node.domain.delivery import NO_ANSWER, DeliveryState
from sesn_node.exchange.backlog import OPEN_STATES, Reason, backlog
from sesn_node.exchange.checkup import partner_facts
from sesn_node.exchange.life import StepKind, life
from sesn_node.exchange.links import link_opened
from sesn_node.exchange.standing import peers
from tests.support.homes import BE, GH, NL
from tests.support.network import alert
from tests.support.puppet import Puppet

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.backlog import Backlog
    from tests.support.network import Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


def _backlog(net: Network, *, limit: int = 100) -> Backlog:
    return backlog(net[NL].office.store, net.clock.now_ms, limit=limit)


def _listed(found: Backlog) -> list[tuple[str, MessageId]]:
    return [
        (recipient.agency, copy.copy.message_id)
        for recipient in found.recipients
        for copy in recipient.copies
    ]


def test_in_the_order_in_which_they_leave(net: Network) -> None:
    """By recipient: the most urgent first, then the oldest, suspects last; as many as asked for."""
    routine = net.share(NL, GH, payload=alert(urgency=Urgency.ROUTINE))
    suspect = net.share(NL, GH, payload=alert(urgency=Urgency.SHIP_SAILS))
    urgent = net.share(NL, GH, BE)
    with net[NL].office.store.write() as transaction:
        transaction.outbox.defer(suspect, GH, until_ms=0, code=NO_ANSWER, detail=None)
    found = _backlog(net)
    assert _listed(found) == [(BE, urgent), (GH, urgent), (GH, routine), (GH, suspect)]
    ahead = [copy.ahead for one in found.recipients for copy in one.copies]
    assert ahead == [0, 0, 1, 2]
    assert _listed(_backlog(net, limit=1)) == [(GH, suspect)]
    assert (found.total, _backlog(net, limit=1).total) == (4, 4)


def test_counts_of_each_state(net: Network) -> None:
    """What was left out for its number is counted, in every choice of states."""
    net.share(NL, GH)
    net.deliver(NL, GH)
    net.share(NL, GH)
    net.share(NL, BE)
    net.revoke(NL, BE)
    store, now_ms = net[NL].office.store, net.clock.now_ms
    for states, total in (
        (OPEN_STATES, 2),
        (frozenset(DeliveryState), 3),
        ({DeliveryState.DEAD}, 1),
        ({DeliveryState.EXPIRED}, 0),
        ({DeliveryState.ACKNOWLEDGED}, 1),
    ):
        found = backlog(store, now_ms, limit=100, states=states)
        assert (found.total, len(_listed(found))) == (total, total)
        assert backlog(store, now_ms, limit=100, agency=BE, states=states).total <= 1
    (recipient,) = backlog(store, now_ms, limit=100, agency=BE).recipients
    assert [copy.reason for copy in recipient.copies] == [Reason.REVOKED]


def test_who_delivers(net: Network) -> None:
    """Where several processes may serve, the one that holds the lease is told."""
    net.share(NL, GH)
    store = net[NL].office.store
    (recipient,) = _backlog(net).recipients
    if recipient.delivered_from is None:
        # This database is inside the one process that serves.
        return
    assert recipient.delivered_from == ""
    leases = store.leases()
    lease = leases.acquire(GH)
    assert lease is not None
    (recipient,) = _backlog(net).recipients
    assert "database session" in (recipient.delivered_from or "")
    lease.release()
    leases.close()
    (recipient,) = _backlog(net).recipients
    assert recipient.delivered_from == ""


def test_a_process_that_was_killed_is_not_connected(net: Network) -> None:
    """It notes no end; where processes share a database, its lease ends with it, and that tells."""
    office = net[NL].office
    link_opened(office, GH)
    leases = office.store.leases()
    lease = leases.acquire(GH)
    assert lease is not None
    assert _open_to(net, GH)
    # As the server does it when the process is gone: nothing is noted, nothing is given back.
    leases.close()
    shared = _open_by_facts(net, GH)
    assert _open_to(net, GH) == shared
    with office.store.read() as transaction:
        assert transaction.peers.link(GH).ended_ms is None
        # Only inside the one process that serves nobody else can tell.
        assert shared == (transaction.copies.deliverers(()) is None)


def _open_to(net: Network, agency: AgencyId) -> bool:
    """Whether `status` and `peer list` say that a partner is connected."""
    (found,) = [
        one for one in peers(net[NL].office.store, net.clock.now_ms) if one.agency == agency
    ]
    return found.is_open


def _open_by_facts(net: Network, agency: AgencyId) -> bool:
    """Whether `doctor` does."""
    with net[NL].office.store.read() as transaction:
        facts = partner_facts(transaction, net.clock.now_ms)
    (found,) = [one for one in facts if one.card.agency == agency]
    return found.is_open


def test_life_of_one_of_two_messages_of_one_id(net: Network) -> None:
    """Entries about another sender's message are not of the life of ours."""
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    puppet = Puppet(net[BE])
    letter = puppet.letter(net[NL].card, message_id=message_id)
    net[NL].receiver.receive(BE, puppet.batch(letter, old=0))
    with net[NL].office.store.read() as transaction:
        kinds = [row.kind for row in transaction.ledger.entries_of(message_id)]
    assert kinds == ["SHARED", "ACKNOWLEDGED", "REFUSED"]
    found = life(net[NL].office.store, message_id, net.clock.now_ms)
    assert [step.kind for step in found.steps] == [StepKind.SHARED, StepKind.ACKNOWLEDGED]
    assert [one.agency for one in found.recipients] == [GH]
    receipt = found.steps[1].receipt
    assert receipt is not None
    assert receipt.shared_size > found.steps[0].entry
    assert found.steps[1].cosigned_ms is not None
