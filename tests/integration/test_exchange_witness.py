"""Witnessing between offices: each holds what the other's ledger was, whatever the order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import PeerUnavailable
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.witness import add_checkpoint, cosigned_checkpoint
from sesn_node.ledger.checkpoint import parse_checkpoint
from sesn_node.ledger.witness import Status
from tests.support.faults import WireFault
from tests.support.homes import BE, GH, NL
from tests.support.rotations import rotate_all_of
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Network


def _witnessed(net: Network, witness: AgencyId, owner: AgencyId) -> int:
    """Return the size of an owner's ledger that a witness holds."""
    with net[witness].office.store.read() as transaction:
        row = transaction.witness.head(net[owner].office.log_keys.origin)
    return 0 if row is None else row.size


def _set_witnessed(net: Network, agency: AgencyId, partner: AgencyId, size: int) -> None:
    """Let an agency believe that its partner holds another size of its ledger."""
    office = net[agency].office
    office.sequencer.run(lambda work: work.transaction.peers.set_witnessed(partner, size))


def _body(net: Network, owner: AgencyId, old: int) -> bytes:
    """Write the add-checkpoint body of an owner's ledger."""
    office = net[owner].office
    with office.store.read() as transaction:
        return office.ledger(transaction).add_checkpoint(old)


@pytest.mark.parametrize("believed", [0, 1, 2, 1_000, 2**63 - 1])
def test_sender_believes_another_size(connect: Callable[..., Network], believed: int) -> None:
    """The receiver answers 409 with the size that it holds, and the batch goes again at once."""
    net = connect(NL, GH)
    net.share(NL, GH)
    net.deliver(NL, GH)
    message_id = net.share(NL, GH)
    _set_witnessed(net, NL, GH, believed)
    wire = net.wire(NL, GH)
    wire.connect()
    settled = wire.turn()
    assert settled is not None
    assert settled.prove_again
    assert net[NL].copies(message_id)[GH].attempts == 0
    settled = wire.turn()
    assert settled is not None
    assert len(settled.acknowledged) == 1
    assert net[NL].states(message_id) == {GH: "acknowledged"}


@pytest.mark.parametrize("believed", [0, 1, 2, 1_000, 2**63 - 1])
def test_receiver_believes_another_size(connect: Callable[..., Network], believed: int) -> None:
    """The sender says what it holds of the receiver's ledger, and is answered again from there."""
    net = connect(NL, GH)
    net.share(NL, GH)
    net.deliver(NL, GH)
    message_id = net.share(NL, GH)
    _set_witnessed(net, GH, NL, believed)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_record_that_moves_under_every_batch(connect: Callable[..., Network]) -> None:
    """While our answers to it show the receiver ever more of our ledger, a batch goes twice."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    later: list[MessageId] = []

    def overtaken(request: bytes) -> bytes:
        # An officer sends more, and an answer of ours on another stream is faster.
        later.append(net.share(NL, GH))
        add_checkpoint(net[GH].office, NL, _body(net, NL, _witnessed(net, GH, NL)))
        return request

    wire = net.wire(NL, GH)
    wire.tamper_request = overtaken
    wire.connect()
    first, second = wire.turn(), wire.turn()
    assert first is not None
    assert second is not None
    assert first.prove_again
    assert [one.message_id for one in second.acknowledged] == [message_id, later[0]]
    wire.tamper_request = bytes
    wire.deliver()
    assert {net[NL].states(one)[GH] for one in later} == {"acknowledged"}


def test_record_that_moves_under_every_answer(connect: Callable[..., Network]) -> None:
    """While batches show the sender ever more of the receiver's ledger, an answer comes twice."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)

    def overtaken(answer: bytes) -> bytes:
        net.share(GH, NL)
        add_checkpoint(net[NL].office, GH, _body(net, GH, _witnessed(net, NL, GH)))
        return answer

    wire = net.wire(NL, GH)
    wire.tamper_answer = overtaken
    wire.connect()
    settled = wire.turn()
    assert settled is not None
    assert [one.message_id for one in settled.acknowledged] == [message_id]
    assert len(wire.exchanges) == 2


def test_cosigned_before(connect: Callable[..., Network]) -> None:
    """A checkpoint that was cosigned before later ones gets its cosignature; nothing moves."""
    net = connect(NL, GH)
    body = _body(net, GH, 0)
    first = add_checkpoint(net[NL].office, GH, body)
    held = _witnessed(net, NL, GH)
    net.share(GH, NL)
    add_checkpoint(net[NL].office, GH, _body(net, GH, held))
    with unchanged(net[NL].office):
        again = add_checkpoint(net[NL].office, GH, body)
    assert again == first
    assert _witnessed(net, NL, GH) == net[GH].size()


def test_cosigned_before_under_replaced_keys(connect: Callable[..., Network]) -> None:
    """Nobody takes what our replaced keys cosigned: the size that we hold is named instead."""
    net = connect(NL, GH)
    body = _body(net, GH, 0)
    add_checkpoint(net[NL].office, GH, body)
    net.share(GH, NL)
    add_checkpoint(net[NL].office, GH, _body(net, GH, _witnessed(net, NL, GH)))
    rotate_all_of(net[NL], Rotatable.WITNESS)
    with unchanged(net[NL].office):
        answer = add_checkpoint(net[NL].office, GH, body)
    assert (answer.status, answer.size) == (Status.OTHER_OLD_SIZE, net[GH].size())


def test_lost_cosignature(connect: Callable[..., Network]) -> None:
    """A link that breaks before our cosignature is returned does not block the next message."""
    net = connect(NL, GH)
    net.share(NL, GH)
    wire = net.wire(NL, GH)
    net.faults.plan_send(2, WireFault.REQUEST_LOST)
    wire.connect()
    wire.turn()
    with pytest.raises(PeerUnavailable):
        wire.turn()
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_third_party_submits_a_checkpoint(connect: Callable[..., Network]) -> None:
    """Belgium shows the Netherlands a checkpoint of Ghana's ledger; traffic goes on."""
    net = connect(NL, GH, BE)
    net.share(NL, GH)
    net.deliver(NL, GH)
    net.share(GH, BE)
    body = _body(net, GH, _witnessed(net, NL, GH))
    answer = add_checkpoint(net[NL].office, GH, body)
    net.check()
    assert answer.status == Status.COSIGNED
    assert _witnessed(net, NL, GH) == net[GH].size()
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    net.share(GH, NL)
    net.deliver(GH, NL)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_same_checkpoint_again(connect: Callable[..., Network]) -> None:
    """A checkpoint that was cosigned already gets the same cosignature, and nothing moves."""
    net = connect(NL, GH)
    first = add_checkpoint(net[NL].office, GH, _body(net, GH, 0))
    size = net[GH].size()
    with unchanged(net[NL].office):
        again = add_checkpoint(net[NL].office, GH, _body(net, GH, size))
    assert again == first


def test_wrong_old_size(connect: Callable[..., Network]) -> None:
    """An old size that is not the recorded one is answered 409 with the recorded one."""
    net = connect(NL, GH)
    add_checkpoint(net[NL].office, GH, _body(net, GH, 0))
    size = net[GH].size()
    net.share(GH, NL)
    with unchanged(net[NL].office):
        answer = add_checkpoint(net[NL].office, GH, _body(net, GH, size - 1))
    assert (answer.status, answer.size) == (Status.OTHER_OLD_SIZE, size)


def test_checkpoint_of_a_stranger(connect: Callable[..., Network]) -> None:
    """A ledger of nobody that we trust is unknown: 404."""
    net = connect(NL, GH)
    net.revoke(NL, GH)
    with unchanged(net[NL].office):
        answer = add_checkpoint(net[NL].office, GH, _body(net, GH, 0))
    assert answer.status == Status.UNKNOWN_ORIGIN


def test_cosigned_checkpoint_is_shown(connect: Callable[..., Network]) -> None:
    """Anyone trusted may ask for the last checkpoint that we cosigned of a ledger."""
    net = connect(NL, GH)
    origin = net[GH].office.log_keys.origin
    assert cosigned_checkpoint(net[NL].office, origin) == b""
    net.share(NL, GH)
    net.deliver(NL, GH)
    note = cosigned_checkpoint(net[NL].office, origin)
    checkpoint = parse_checkpoint(note)
    assert checkpoint.claimed.size == _witnessed(net, NL, GH)
    assert len(checkpoint.note.signatures) == 4


def test_traffic_in_both_directions(connect: Callable[..., Network]) -> None:
    """Batches that cross each other move what each side holds; both directions get through."""
    net = connect(NL, GH)
    there, back = net.wire(NL, GH), net.wire(GH, NL)
    there.connect()
    back.connect()
    for _ in range(4):
        ids = [net.share(NL, GH), net.share(GH, NL)]
        one, other = there.prepare(), back.prepare()
        one_answer = there.carry(one.batch)
        other_answer = back.carry(other.batch)
        there.settle(one, one_answer)
        back.settle(other, other_answer)
        net.deliver(NL, GH)
        net.deliver(GH, NL)
        assert net[NL].states(ids[0]) == {GH: "acknowledged"}
        assert net[GH].states(ids[1]) == {NL: "acknowledged"}
        there.connect()
        back.connect()


def test_late_cosignature_does_not_set_back_what_a_partner_holds(
    connect: Callable[..., Network],
) -> None:
    """A cosignature on an older checkpoint is kept, but does not make us prove from there again."""
    net = connect(NL, GH)
    net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    wire.turn()
    net.share(GH, NL)
    net.deliver(GH, NL)
    held = _witnessed(net, NL, GH)
    wire.turn()
    with net[GH].office.store.read() as transaction:
        assert transaction.peers.link(NL).witnessed_size == held
