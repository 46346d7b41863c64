"""Searching: alerts are found by what they name, on both sides, and nobody else learns it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.conversation import Decision
from sesn_node.domain.terms import Sought
from sesn_node.exchange.share import Draft, recording, seal_draft
from sesn_node.exchange.views import alerts
from tests.support.alerts import CONTAINER, IMO, PARTY, SEAL, VESSEL, consignment
from tests.support.homes import BE, GH, NL
from tests.support.puppet import Puppet
from tests.support.snapshot import counts, snapshot, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Network


def _found(net: Network, agency: AgencyId, /, **sought: str) -> list[MessageId]:
    return [view.message_id for view in alerts(net[agency].office, 100, Sought(**sought))]


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def test_found_on_both_sides(net: Network) -> None:
    """Sender and recipient find an alert by each thing that it names, however it is written."""
    message_id = net.share(NL, GH, payload=consignment())
    other = net.share(NL, GH, payload=consignment("ABCU1234560", seal="1", imo="", party="Nobody"))
    net.deliver(NL, GH)
    for agency in (NL, GH):
        for sought in (
            {"container": "qzwu7319402"},
            {"seal": "zx778qw41"},
            {"vessel": "9074729"},
            {"party": "XYLOCOPA  TÖCHTER-RECYCLING"},
            {"container": CONTAINER, "vessel": VESSEL, "party": PARTY, "seal": SEAL},
        ):
            assert _found(net, agency, **sought) == [message_id], sought
        assert _found(net, agency, vessel="vagabond ångström") == [other, message_id]
        assert _found(net, agency, vessel=VESSEL, party="nobody") == [other]
        assert _found(net, agency, container="ABCU1234560", seal=SEAL) == []
        assert _found(net, agency, container="QZWU 731940") == []


def test_newest_first_and_bounded(net: Network) -> None:
    """Of many alerts about one ship the newest come first, sent and received together."""
    ids = []
    for number in range(6):
        sender, receiver = (NL, GH) if number % 2 else (GH, NL)
        ids.append(net.share(sender, receiver, payload=consignment(f"QZWU {number}")))
        net.deliver(sender, receiver)
    newest = ids[::-1]
    assert _found(net, NL, vessel=IMO) == newest
    bounded = alerts(net[NL].office, 2, Sought(vessel=IMO, party=PARTY))
    assert [view.message_id for view in bounded] == newest[:2]
    assert _found(net, NL, container="QZWU 3", vessel=IMO) == [ids[3]]


def test_responses_are_not_indexed(net: Network) -> None:
    """A decision names nothing; an alert without a consignment neither."""
    message_id = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    before = counts(net[GH].office)["search_term"]
    net.respond(GH, message_id, Decision.ACCEPTED, CONTAINER)
    net.share(GH, NL)
    assert counts(net[GH].office)["search_term"] == before


def test_stored_with_the_message_or_not_at_all(net: Network) -> None:
    """An alert that is not recorded leaves nothing in the index, and a duplicate adds nothing."""
    directory = net[NL].office.directory()
    sealed = seal_draft(net[NL].office, Draft(consignment(), (GH,)), directory)
    net.revoke(NL, GH)
    net.trust(NL, GH)
    operation = recording(sealed)

    def record_and_fail(work: object) -> None:
        operation(work)  # type: ignore[arg-type]  # the work of the sequencer
        raise RuntimeError

    with unchanged(net[NL].office), pytest.raises(RuntimeError):
        net[NL].office.sequencer.run(record_and_fail)
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.connect()
    first = wire.prepare()
    wire.carry(first.batch)
    with unchanged(net[GH].office, but=("cosignature", "checkpoint", "witness_head", "link")):
        net.deliver(NL, GH)
    assert _found(net, GH, container=CONTAINER) == [message_id]


def test_two_senders_of_one_id(connect: Callable[..., Network]) -> None:
    """Messages are known by sender and id: each is found by what it says itself."""
    net = connect(NL, GH, BE)
    message_id = net.share(BE, GH, payload=consignment())
    net.deliver(BE, GH)
    net.pass_time(1)
    puppet = Puppet(net[NL])
    decoy = puppet.letter(
        net[GH].card, message_id=message_id, payload=consignment("ABCU1234560", party="Nobody")
    )
    net[GH].receiver.receive(NL, puppet.batch(decoy, old=0))
    net.check()
    for container, sender in ((CONTAINER, BE), ("ABCU1234560", NL)):
        (view,) = alerts(net[GH].office, 10, Sought(container=container))
        assert (view.message_id, view.sender) == (message_id, sender)
    assert [view.sender for view in alerts(net[GH].office, 10, Sought(vessel=VESSEL))] == [NL, BE]


def test_sealed_anew_is_found_too(net: Network) -> None:
    """The index tells of every message, also of two that say the same."""
    ids = [net.share(NL, GH, payload=consignment()) for _ in range(2)]
    assert _found(net, NL, container=CONTAINER) == ids[::-1]


def test_nothing_in_clear(net: Network) -> None:
    """No name or number of an alert, in any form, is in any column of either database."""
    net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    secrets = set()
    for text in (CONTAINER, SEAL, IMO, VESSEL, PARTY):
        for word in (text, re.sub(r"\W", "", text), *text.split()):
            # Short words may be anywhere by chance.
            if len(word) > 4:
                secrets |= {word.encode(), word.lower().encode(), word.encode("utf-16-le")}
    assert len(secrets) > 30
    for agency in (NL, GH):
        for table, rows in snapshot(net[agency].office).items():
            for row in rows:
                data = b"\0".join(_bytes(value) for value in row)
                for secret in secrets:
                    assert secret not in data, (agency, table, secret)


def test_terms_of_two_agencies_differ(net: Network) -> None:
    """Each agency has a key of its own: who gets both databases cannot join them by their terms."""
    net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    found = []
    for agency in (NL, GH):
        with net[agency].office.store.read() as transaction:
            found.append({row.term for row in transaction.search.every()})
    assert len(found[0]) == len(found[1]) == 5
    assert not found[0] & found[1]
    assert {len(term) for terms in found for term in terms} == {16}


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
