"""Requeueing: an operator has messages tried again that ended without a receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Batch
from sesn_node.domain.conversation import Decision
from sesn_node.domain.entries import EntryKind, OperatorCode
from sesn_node.domain.ids import new_message_id
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange import requeue as requeueing
from sesn_node.exchange.expire import expire
from sesn_node.exchange.open import open_sent
from sesn_node.exchange.requeue import requeue
from sesn_node.exchange.share import seal_draft
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.envelopes import decode_header
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS, alert
from tests.support.snapshot import unchanged
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.requeue import Requeued
    from sesn_node.exchange.share import Draft, Sealed
    from sesn_node.exchange.work import Committed, Work
    from sesn_node.trust.directory import Directory
    from tests.support.network import Network

_SKEW_MS = 20 * 60_000


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def _requeue(
    net: Network, agency: AgencyId, message_id: MessageId, to: AgencyId | None = None
) -> tuple[Requeued, ...]:
    done = requeue(net[agency].office, message_id, to)
    net.pass_time(1)
    net.check()
    return done


def _refused(net: Network) -> MessageId:
    """Share a message that the receiver refuses for good: by its clock it has expired."""
    message_id = net.share(NL, GH, expires_ms=net.clock.now_ms + 24 * HOUR_MS)
    net[GH].skew_ms = 48 * HOUR_MS
    net.deliver(NL, GH)
    net[GH].skew_ms = 0
    assert net[NL].states(message_id) == {GH: "refused"}
    return message_id


def _spoilt(request: bytes) -> bytes:
    """Spoil the wrapped key of each message on its way: it is not the one of the header."""
    message = pb.DeliverRequest.FromString(request)
    for shipment in message.shipments:
        wrapped = bytearray(shipment.envelope.wrapped_key)
        wrapped[0] ^= 1
        shipment.envelope.wrapped_key = bytes(wrapped)
    return message.SerializeToString()


def _not_opened(net: Network, sender: AgencyId, receiver: AgencyId, message_id: MessageId) -> None:
    """Deliver a message so that the receiver cannot open it."""
    wire = net.wire(sender, receiver)
    wire.tamper_request = _spoilt
    wire.deliver()
    copy = net[sender].copies(message_id)[receiver]
    assert (copy.state, copy.code) == ("refused", "UNDECRYPTABLE")


def test_refused_copy_is_delivered_after_all(net: Network) -> None:
    """Once the reason is gone, the same message is taken; the ledger names message and agency."""
    message_id = _refused(net)
    (done,) = _requeue(net, NL, message_id)
    assert (done.agency, done.resealed_as, done.changed) == (GH, None, True)
    copy = net[NL].copies(message_id)[GH]
    assert (copy.state, copy.attempts, copy.code, copy.detail) == ("queued", 0, None, None)
    ((_, entry),) = view(net[NL].office).about(EntryKind.OPERATOR, message_id, GH)
    assert entry.code == OperatorCode.REQUEUED
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    assert len(net[GH].received(message_id)) == 1


def test_dead_letter_is_tried_again_and_may_die_again(net: Network) -> None:
    """A copy ends, is queued again, ends again, and is delivered in the end."""
    net[NL].deal(attempts=1)
    net[NL].skew_ms = _SKEW_MS
    message_id = net.share(NL, GH)
    for _ in range(2):
        net.deliver(NL, GH)
        assert net[NL].states(message_id) == {GH: "dead"}
        _requeue(net, NL, message_id)
    net[NL].skew_ms = 0
    net.pass_time(_SKEW_MS)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    seen = view(net[NL].office)
    assert len(seen.about(EntryKind.UNDELIVERED, message_id, GH)) == 2
    assert len(seen.about(EntryKind.OPERATOR, message_id, GH)) == 2


def test_deliveries_are_woken(net: Network) -> None:
    """Once per commit, whether the same bytes go out again or others."""
    woken: list[str] = []
    refused, not_opened = _refused(net), net.share(NL, GH)
    _not_opened(net, NL, GH, not_opened)
    net[NL].office.sequencer.on_queued(lambda: woken.append("woken"))
    for number, message_id in enumerate((refused, not_opened), 1):
        _requeue(net, NL, message_id)
        net.rest()
        assert len(woken) == number
        _requeue(net, NL, message_id)
    assert len(woken) == 2


def test_twice_is_as_good_as_once(net: Network) -> None:
    """What is queued already is left alone, and so is what was never anything else."""
    message_id = _refused(net)
    _requeue(net, NL, message_id)
    fresh = net.share(NL, GH)
    with unchanged(net[NL].office):
        for one in (message_id, fresh):
            (again,) = _requeue(net, NL, one)
            assert (again.agency, again.resealed_as, again.changed) == (GH, None, False)


def test_expired_by_a_clock_that_was_wrong(net: Network) -> None:
    """A copy that expired too early is queued again; one that is past its expiry is not."""
    message_id = net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS)
    net[NL].skew_ms = 2 * HOUR_MS
    assert expire(net[NL].office) == 1
    with unchanged(net[NL].office), pytest.raises(PolicyError, match="share it anew") as error:
        requeue(net[NL].office, message_id)
    assert error.value.code == "EXPIRED"
    net[NL].skew_ms = 0
    _requeue(net, NL, message_id)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_not_opened_is_sealed_anew(net: Network) -> None:
    """The content goes out as a message of its own, in the same conversation, once."""
    payload = alert("Sealed for a key that is gone")
    message_id = net.share(NL, GH, payload=payload)
    _not_opened(net, NL, GH, message_id)
    (done,) = _requeue(net, NL, message_id)
    assert done.changed
    anew = done.resealed_as
    assert anew not in {None, message_id}
    assert anew is not None
    with net[NL].office.store.read() as transaction:
        row = transaction.outbox.message(anew)
    assert row is not None
    assert open_sent(net[NL].office, row) == payload
    assert decode_header(row.sealed.header).conversation_id == message_id
    with unchanged(net[NL].office):
        (again,) = _requeue(net, NL, message_id, GH)
        assert (again.resealed_as, again.changed) == (anew, False)
    net.deliver(NL, GH)
    assert net[NL].states(anew) == {GH: "acknowledged"}
    assert net[NL].states(message_id) == {GH: "refused"}
    assert net[GH].received(message_id) == []


def test_sealed_anew_is_refused_again(net: Network) -> None:
    """What was sealed anew can be requeued like any other message."""
    message_id = net.share(NL, GH)
    for _ in range(2):
        _not_opened(net, NL, GH, message_id)
        (done,) = _requeue(net, NL, message_id)
        assert done.resealed_as is not None
        message_id = done.resealed_as
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_decision_is_sealed_anew(net: Network) -> None:
    """A decision that could not be opened still reaches the alert's sender, as its decision."""
    alert_id = net.share(NL, GH)
    net.deliver(NL, GH)
    answer = net.respond(GH, alert_id, Decision.ACCEPTED)
    _not_opened(net, GH, NL, answer)
    (done,) = _requeue(net, GH, answer)
    net.deliver(GH, NL)
    assert done.resealed_as is not None
    assert net[GH].states(done.resealed_as) == {NL: "acknowledged"}
    (row,) = net[NL].received(done.resealed_as)
    assert row.sealed.in_reply_to == alert_id


def test_late_receipt_after_sealing_anew(net: Network) -> None:
    """The receipt for the first message settles it, whatever was made of its content since."""
    message_id = net.share(NL, GH)
    first, second = net.wire(NL, GH), net.wire(NL, GH)
    first.tamper_request = _spoilt
    for wire in (first, second):
        wire.connect()
    refusing = first.prepare()
    refusal = first.carry(refusing.batch)
    taking = second.prepare()
    receipt = second.carry(taking.batch)
    first.settle(refusing, refusal)
    assert net[NL].states(message_id) == {GH: "refused"}
    (done,) = _requeue(net, NL, message_id)
    # We hold more of the receiver's ledger by now than its receipt was proven from.
    again = second.settle(taking, receipt)
    assert again.answer_again
    receipt = second.carry(Batch(taking.batch.sequence + 1, witness=again.witness))
    assert len(second.settle(taking, receipt).acknowledged) == 1
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    with pytest.raises(ConflictError):
        requeue(net[NL].office, message_id)
    net.deliver(NL, GH)
    assert net[NL].states(done.resealed_as or message_id) == {GH: "acknowledged"}


def test_trust_that_changes_while_it_is_sealed_anew(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sealed for a card that is not the newest any more is sealed once more."""
    message_id = net.share(NL, GH)
    _not_opened(net, NL, GH, message_id)
    sealed: list[Sealed] = []

    def seal_then_change(office: Office, draft: Draft, directory: Directory) -> Sealed:
        sealed.append(seal_draft(office, draft, directory))
        if len(sealed) == 1:
            net.revoke(NL, GH)
            net.trust(NL, GH)
            net[GH].issue()
            net.deliver(NL, GH)
        return sealed[-1]

    monkeypatch.setattr(requeueing, "seal_draft", seal_then_change)
    (done,) = _requeue(net, NL, message_id)
    assert len(sealed) == 2
    assert done.resealed_as == sealed[1].message_id


def test_revoked_recipient(net: Network) -> None:
    """Nothing is queued for an agency that is not trusted; once it is again, it can be."""
    message_id = net.share(NL, GH)
    net.revoke(NL, GH)
    with unchanged(net[NL].office), pytest.raises(PolicyError) as error:
        requeue(net[NL].office, message_id)
    assert error.value.code == "NOT_TRUSTED"
    net.trust(NL, GH)
    _requeue(net, NL, message_id)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_one_recipient_of_several(connect: Callable[..., Network]) -> None:
    """`to` names one; without it all that ended so are queued again, and no others."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE)
    for agency in (GH, BE):
        net.revoke(NL, agency)
        net.trust(NL, agency)
    assert [one.agency for one in _requeue(net, NL, message_id, BE)] == [BE]
    assert net[NL].states(message_id) == {GH: "dead", BE: "queued"}
    assert [one.agency for one in _requeue(net, NL, message_id)] == [GH]
    assert net[NL].states(message_id) == {GH: "queued", BE: "queued"}
    net.deliver(NL, GH)
    with pytest.raises(ConflictError) as error:
        requeue(net[NL].office, message_id, GH)
    assert error.value.code == "ACKNOWLEDGED"
    assert [one.changed for one in _requeue(net, NL, message_id)] == [False]


def test_receipt_that_comes_in_meanwhile(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that is acknowledged between the plan and the transaction stays acknowledged."""
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    net.revoke(NL, GH)
    net.trust(NL, GH)
    sequencer = net[NL].office.sequencer
    run = sequencer.run

    def settle_then_run(operation: Callable[[Work], object]) -> Committed[object]:
        monkeypatch.undo()
        wire.settle(outgoing, answer)
        return run(operation)

    monkeypatch.setattr(sequencer, "run", settle_then_run)
    (done,) = _requeue(net, NL, message_id)
    assert not done.changed
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_what_cannot_be_requeued(net: Network) -> None:
    """A message that is not ours, an agency that it was not sent to, one that is acknowledged."""
    message_id = net.share(NL, GH)
    unknown = new_message_id(net.clock.now_ms, bytes(10))
    with unchanged(net[NL].office):
        for one, to, code in (
            (unknown, None, "UNKNOWN_MESSAGE"),
            (message_id, BE, "NOT_A_RECIPIENT"),
        ):
            with pytest.raises(PolicyError) as error:
                requeue(net[NL].office, one, to)
            assert error.value.code == code
    net.deliver(NL, GH)
    with pytest.raises(PolicyError):
        requeue(net[GH].office, message_id)
    with unchanged(net[NL].office), pytest.raises(ConflictError, match="nothing to send again"):
        requeue(net[NL].office, message_id)
