"""The trip of an alert between offices: sealed, shared, delivered, answered with receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.alert import Urgency
from sesn_node.domain.batches import ProvenEntry
from sesn_node.domain.cards import BATCH_ROOM_BYTES, Limits
from sesn_node.domain.conversation import Decision, Response
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import ConflictError, PeerUnavailable, PolicyError
from sesn_node.exchange.open import open_received
from sesn_node.exchange.respond import respond
from sesn_node.exchange.share import Draft, recording, seal_draft
from tests.support.faults import WireFault
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import DAY_MS, alert
from tests.support.resend import batch_of
from tests.support.snapshot import unchanged
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Member, Network


def _kinds(member: Member, message_id: bytes) -> list[str]:
    """Return the kinds of a member's ledger entries about a message, in order."""
    with member.office.store.read() as transaction:
        return [row.kind for row in transaction.ledger.entries_of(message_id)]


def _share_many(net: Network, agency: AgencyId, count: int) -> list[MessageId]:
    """Share many alerts to Ghana in as few transactions as the sequencer makes of them."""
    office = net[agency].office
    directory = office.directory()
    futures = []
    for number in range(count):
        sealed = seal_draft(office, Draft(alert(f"Alert {number}"), (GH,)), directory)
        futures.append(office.sequencer.submit(recording(sealed), writes=False))
        net.pass_time(1)
    ids = [future.result().value for future in futures]
    net.check()
    return ids


def test_alert_to_two_recipients(connect: Callable[..., Network]) -> None:
    """Each recipient opens the same message, and the sender holds a receipt of each."""
    net = connect(NL, GH, BE)
    payload = alert("Two containers")
    message_id = net.share(NL, GH, BE, payload=payload)
    assert net[NL].states(message_id) == {GH: "queued", BE: "queued"}
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged", BE: "queued"}
    net.deliver(NL, BE)
    assert net[NL].states(message_id) == {GH: "acknowledged", BE: "acknowledged"}
    for agency in (GH, BE):
        (row,) = net[agency].received(message_id)
        assert open_received(net[agency].office, row) == payload
        assert _kinds(net[agency], message_id) == ["RECEIVED"]
    assert _kinds(net[NL], message_id) == ["SHARED", "ACKNOWLEDGED", "ACKNOWLEDGED"]


def test_each_side_cosigns_the_other(connect: Callable[..., Network]) -> None:
    """After one message in one direction, each holds the other's cosignature on its ledger."""
    net = connect(NL, GH)
    net.share(NL, GH)
    net.deliver(NL, GH)
    for one, other in ((NL, GH), (GH, NL)):
        office = net[one].office
        with office.store.read() as transaction:
            rows = transaction.witness.cosignatures(office.log_keys.origin)
        assert [row.agency for row in rows] == [other]


@pytest.mark.parametrize("decision", list(Decision))
def test_response_reaches_the_sender(connect: Callable[..., Network], decision: Decision) -> None:
    """An officer's decision is a message of its own, in both ledgers, that names the alert."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    answer_id = net.respond(GH, message_id, decision, "We hold both containers.")
    net.deliver(GH, NL)
    assert net[GH].states(answer_id) == {NL: "acknowledged"}
    (row,) = net[NL].received(answer_id)
    body = open_received(net[NL].office, row).body
    assert isinstance(body, Response)
    assert (body.message_id, body.decision, body.text) == (
        message_id,
        decision,
        "We hold both containers.",
    )
    assert row.sealed.in_reply_to == message_id
    assert row.sealed.conversation_id == message_id


@pytest.mark.parametrize("first", list(Decision))
@pytest.mark.parametrize("second", list(Decision))
def test_an_alert_is_decided_once(
    connect: Callable[..., Network], first: Decision, second: Decision
) -> None:
    """A second decision, the same or another, is a conflict and changes nothing."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    net.respond(GH, message_id, first)
    size = net[GH].size()
    with pytest.raises(ConflictError) as error:
        net.respond(GH, message_id, second)
    assert error.value.code == "DECIDED"
    net.check()
    assert net[GH].size() == size


def test_each_recipient_decides_for_itself(connect: Callable[..., Network]) -> None:
    """One agency's decision does not bind another."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE)
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    net.respond(GH, message_id, Decision.ACCEPTED)
    net.respond(BE, message_id, Decision.DECLINED, "Not our port.")
    net.deliver(GH, NL)
    net.deliver(BE, NL)
    with net[NL].office.store.read() as transaction:
        replies = transaction.inbox.replies([message_id])
    assert sorted(row.sender for row in replies) == [BE, GH]


def test_unknown_alert_cannot_be_decided(connect: Callable[..., Network]) -> None:
    """Only an alert in the inbox is decided; one that we sent is not, nor is a response."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    answer_id = net.respond(GH, message_id, Decision.ACCEPTED)
    net.deliver(GH, NL)
    for unknown, code in ((message_id, "OWN_ALERT"), (answer_id, "UNKNOWN_MESSAGE")):
        with pytest.raises(PolicyError) as error:
            respond(net[NL].office, unknown, Decision.ACCEPTED, "")
        assert error.value.code == code
    net.check()


def test_lost_answer_proves_the_same_entry_again(connect: Callable[..., Network]) -> None:
    """When the answer is lost, the resend is answered with the entry of the first time."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    net.faults.plan_send(1, WireFault.ANSWER_LOST)
    wire.connect()
    with pytest.raises(PeerUnavailable):
        wire.turn()
    (row,) = net[GH].received(message_id)
    size = net[GH].size()
    net.deliver(NL, GH)
    receipt = net[NL].copies(message_id)[GH].receipt
    assert receipt is not None
    assert receipt.index == row.sealed.entry_index
    assert net[GH].size() == size
    assert _kinds(net[GH], message_id) == ["RECEIVED"]


def test_duplicates_for_ever(connect: Callable[..., Network]) -> None:
    """The same message is answered with the stored receipt, even long after its expiry."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH, expires_ms=net.clock.now_ms + 60_000)
    net.deliver(NL, GH)
    receipt = net[NL].copies(message_id)[GH].receipt
    assert receipt is not None
    size = net[GH].size()
    for _ in range(3):
        net.pass_time(100 * DAY_MS)
        net[GH].reopen()
        answer = net.wire(NL, GH).carry(batch_of(net[NL], net[GH], message_id, message_id))
        for outcome in answer.outcomes:
            assert isinstance(outcome, ProvenEntry)
            assert (outcome.entry, outcome.index) == (receipt.entry, receipt.index)
        assert len(net[GH].received(message_id)) == 1
    assert net[GH].size() == size


def test_most_urgent_first(connect: Callable[..., Network]) -> None:
    """The outbox is emptied by priority, then by age."""
    net = connect(NL, GH)
    by_urgency = {
        urgency: [net.share(NL, GH, payload=alert(urgency=urgency)) for _ in range(2)]
        for urgency in (Urgency.ROUTINE, Urgency.SHIP_SAILS, Urgency.URGENT)
    }
    outgoing = due_batch(net[NL].office, GH)
    assert outgoing is not None
    assert [one.message_id for one in outgoing.consigned] == [
        *by_urgency[Urgency.SHIP_SAILS],
        *by_urgency[Urgency.URGENT],
        *by_urgency[Urgency.ROUTINE],
    ]


def test_batch_holds_256_envelopes(connect: Callable[..., Network]) -> None:
    """More than the protocol's limit goes in two batches."""
    net = connect(NL, GH)
    _share_many(net, NL, 300)
    wire = net.deliver(NL, GH)
    assert wire.sizes == [256, 44]


def test_batch_holds_the_receivers_number(connect: Callable[..., Network]) -> None:
    """A card that states less than the protocol's limit is respected."""
    net = connect(NL, GH)
    net[GH].issue(limits=Limits(batch_envelopes=3))
    net[GH].limit(Limits(batch_envelopes=3))
    _share_many(net, NL, 7)
    wire = net.deliver(NL, GH)
    assert wire.sizes == [3, 3, 1]


def test_batch_holds_its_bytes(connect: Callable[..., Network]) -> None:
    """Large messages go in batches of no more bytes than the limit."""
    net = connect(NL, GH)
    narrative = "Loaded before the profile fired. " * 600
    for _ in range(12):
        net.share(NL, GH, payload=alert(narrative=narrative))
    limit = 32 * 1024 + BATCH_ROOM_BYTES
    net[NL].limit(Limits(payload_bytes=32 * 1024, batch_bytes=limit))
    wire = net.deliver(NL, GH)
    assert sum(wire.sizes) == 12
    assert len(wire.sizes) > 1
    assert all(len(request) <= limit for request in wire.exchanges)


def test_payload_over_the_recipients_limit(connect: Callable[..., Network]) -> None:
    """A message that a recipient would not take is refused before it is sealed."""
    net = connect(NL, GH)
    net[NL].limit(Limits(payload_bytes=1024))
    with pytest.raises(PolicyError) as error:
        net.share(NL, GH, payload=alert(narrative="x" * 1024))
    assert error.value.code == "TOO_LARGE"
    assert str(GH) in error.value.message


def test_at_most_500_recipients(connect: Callable[..., Network]) -> None:
    """One more than the limit is refused, whoever they are, and the limit is named."""
    net = connect(NL, GH)
    crowd = tuple(AgencyId(f"nl.port-{number}") for number in range(501))
    with unchanged(net[NL].office), pytest.raises(PolicyError, match=r"501 .*500"):
        net.share(NL, *crowd)
    with unchanged(net[NL].office), pytest.raises(PolicyError) as error:
        net.share(NL, *crowd[:500])
    assert error.value.code == "NOT_TRUSTED"


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ((), "at least one"),
        ((NL,), "itself"),
        ((GH, DE), "directory"),
    ],
)
def test_recipients_that_cannot_be(
    connect: Callable[..., Network], to: tuple[AgencyId, ...], problem: str
) -> None:
    """Nobody, ourselves and strangers are refused before anything is stored."""
    net = connect(NL, GH)
    with unchanged(net[NL].office), pytest.raises(PolicyError, match=problem):
        net.share(NL, *to)


def test_recipients_named_twice_get_one_copy(connect: Callable[..., Network]) -> None:
    """Order and duplicates of the recipients do not matter."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE, GH)
    assert list(net[NL].states(message_id)) == [BE, GH]
