"""Copies that a partner puts off, or does not answer: how long they are tried, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.alert import Urgency
from sesn_node.domain.batches import Answer, Refused
from sesn_node.domain.cards import Limits
from sesn_node.domain.delivery import NO_ANSWER
from sesn_node.domain.entries import EntryKind, UndeliveredCode
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import PeerUnavailable, StorageError
from sesn_node.exchange.aside import set_aside
from sesn_node.exchange.deliver import prepare_batch
from sesn_node.exchange.expire import expire
from sesn_node.exchange.links import link_opened, peer_is_back
from sesn_node.exchange.settle import settle
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS, alert
from tests.support.snapshot import unchanged
from tests.support.view import view
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import MessageId
    from sesn_node.store.outbox_rows import OutboxRow
    from tests.support.network import Network

_MINUTE_MS = 60_000
_SKEW_MS = 20 * _MINUTE_MS
_SILENCE = PeerUnavailable("no answer within 30 s\x1b[2J")


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies; the sender gives up at the third failed attempt, and its clock is ahead."""
    net = connect(NL, GH)
    net[NL].deal(attempts=3)
    net[NL].skew_ms = _SKEW_MS
    return net


def _copy(net: Network, message_id: MessageId) -> OutboxRow:
    return net[NL].copies(message_id)[GH]


def _put_off(net: Network, message_id: MessageId, times: int) -> OutboxRow:
    """Let the receiver refuse a message of the future so often."""
    for _ in range(times):
        net.pass_time(_MINUTE_MS)
        net.deliver(NL, GH)
    return _copy(net, message_id)


def _aside(net: Network) -> None:
    """Let the next message, sent alone, get no answer."""
    office = net[NL].office
    shown = office.directory().own.sha256
    outgoing = prepare_batch(office, GH, sequence=1, shown=shown, probe=True)
    assert outgoing is not None
    assert len(outgoing.consigned) == 1
    set_aside(net[NL].office, GH, outgoing, _SILENCE)
    net.check()


def test_put_off_too_often(net: Network) -> None:
    """The last attempt makes a dead letter: UNDELIVERED in the ledger, the last refusal kept."""
    message_id = net.share(NL, GH)
    copy = _put_off(net, message_id, 2)
    assert (copy.state, copy.attempts) == ("queued", 2)
    copy = _put_off(net, message_id, 1)
    assert (copy.state, copy.code, copy.attempts) == ("dead", "CLOCK_SKEW", 3)
    assert "future" in (copy.detail or "")
    ((_, entry),) = view(net[NL].office).about(EntryKind.UNDELIVERED, message_id, GH)
    assert entry.code == UndeliveredCode.DEAD
    with unchanged(net[NL].office, but=("link",)):
        _put_off(net, message_id, 1)
        assert expire(net[NL].office) == 0


def test_dead_for_one_recipient_only(connect: Callable[..., Network]) -> None:
    """What one recipient keeps putting off reaches the others."""
    net = connect(NL, GH, BE)
    net[NL].deal(attempts=1)
    net[GH].skew_ms = -_SKEW_MS
    message_id = net.share(NL, GH, BE)
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    assert net[NL].states(message_id) == {GH: "dead", BE: "acknowledged"}


def test_late_receipt_settles_a_dead_letter(net: Network) -> None:
    """A receipt that comes in after the message was given up is evidence all the same."""
    net[NL].skew_ms = 0
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    for _ in range(3):
        _aside(net)
        net.pass_time(_MINUTE_MS)
    assert _copy(net, message_id).state == "dead"
    assert len(wire.settle(outgoing, answer).acknowledged) == 1
    assert _copy(net, message_id).state == "acknowledged"


def test_answer_that_comes_twice(net: Network) -> None:
    """It counts twice, and leaves a copy alone that has ended."""
    message_id = net.share(NL, GH)
    outgoing = due_batch(net[NL].office, GH)
    assert outgoing is not None
    busy = Answer(1, outcomes=(Refused(RefusalCode.BUSY, "the disk is full", 5_000),))
    given_up = [len(settle(net[NL].office, GH, outgoing, busy).given_up) for _ in range(4)]
    assert given_up == [0, 0, 1, 0]
    copy = _copy(net, message_id)
    assert (copy.state, copy.code, copy.detail) == ("dead", "BUSY", "the disk is full")


def test_expiry_keeps_what_was_said_last(net: Network) -> None:
    """A copy that expires while it is put off still tells why it was."""
    message_id = net.share(NL, GH, expires_ms=net[NL].now_ms() + HOUR_MS)
    _put_off(net, message_id, 1)
    net.pass_time(HOUR_MS)
    assert expire(net[NL].office) == 1
    copy = _copy(net, message_id)
    assert (copy.state, copy.code) == ("expired", "EXPIRED")
    assert (copy.detail or "").startswith("CLOCK_SKEW: created ")


def test_set_aside(net: Network) -> None:
    """A message that got no answer when it was sent alone waits, and tells why."""
    message_id = net.share(NL, GH)
    _aside(net)
    copy = _copy(net, message_id)
    assert (copy.state, copy.code, copy.attempts) == ("queued", NO_ANSWER, 1)
    assert copy.detail == "no answer within 30 s[2J"
    assert copy.next_attempt_ms > net[NL].now_ms()
    assert due_batch(net[NL].office, GH) is None


def test_set_aside_holds_up_no_other(net: Network) -> None:
    """It goes alone and last from then on, however urgent; without trouble, together again."""
    net[NL].skew_ms = 0
    poison = net.share(NL, GH, payload=alert(urgency=Urgency.SHIP_SAILS))
    others = [net.share(NL, GH, payload=alert(urgency=Urgency.ROUTINE)) for _ in range(3)]
    _aside(net)
    net.pass_time(_MINUTE_MS)
    first = due_batch(net[NL].office, GH)
    assert first is not None
    assert [one.message_id for one in first.consigned] == others
    assert not first.suspect
    wire = net.deliver(NL, GH)
    assert wire.sizes == [3, 1]
    assert _copy(net, poison).state == "acknowledged"


def test_suspects_go_one_by_one(net: Network) -> None:
    """Of several suspects none shares the fate of another."""
    net[NL].skew_ms = 0
    for _ in range(3):
        net.share(NL, GH)
    for _ in range(3):
        _aside(net)
    net.pass_time(_MINUTE_MS)
    outgoing = due_batch(net[NL].office, GH)
    assert outgoing is not None
    assert outgoing.suspect
    assert net.deliver(NL, GH).sizes == [1, 1, 1]


def test_regained_link_does_not_bring_a_suspect_back(net: Network) -> None:
    """What broke the link waits its time; what was refused for now is due at once."""
    net[NL].deal(backoff_initial_ms=HOUR_MS, backoff_cap_ms=HOUR_MS)
    suspect = net.share(NL, GH)
    _aside(net)
    refused = net.share(NL, GH)
    net.deliver(NL, GH)
    assert due_batch(net[NL].office, GH) is None
    assert (_copy(net, suspect).code, _copy(net, refused).code) == (NO_ANSWER, "CLOCK_SKEW")
    for regained in (link_opened, peer_is_back):
        with net[NL].office.store.write() as transaction:
            transaction.outbox.defer(refused, GH, until_ms=2**42, code="BUSY", detail=None)
        regained(net[NL].office, GH)
        net.check()
        due = due_batch(net[NL].office, GH)
        assert due is not None
        assert [one.message_id for one in due.consigned] == [refused]


def test_set_aside_too_often(net: Network) -> None:
    """A message that is never answered becomes a dead letter, too."""
    message_id = net.share(NL, GH)
    for _ in range(3):
        _aside(net)
        net.pass_time(_MINUTE_MS)
    copy = _copy(net, message_id)
    assert (copy.state, copy.code, copy.attempts) == ("dead", NO_ANSWER, 3)


def test_set_aside_after_the_receipt(net: Network) -> None:
    """A message whose receipt came in over another stream is left alone."""
    net[NL].skew_ms = 0
    message_id = net.share(NL, GH)
    outgoing = due_batch(net[NL].office, GH)
    assert outgoing is not None
    net.deliver(NL, GH)
    with unchanged(net[NL].office):
        set_aside(net[NL].office, GH, outgoing, _SILENCE)
    assert _copy(net, message_id).state == "acknowledged"


def test_set_aside_on_a_full_disk(net: Network) -> None:
    """What cannot be written changes nothing: the message is due again."""
    message_id = net.share(NL, GH)
    outgoing = due_batch(net[NL].office, GH)
    assert outgoing is not None
    net[NL].office.sequencer.close()
    with unchanged(net[NL].office), pytest.raises(StorageError):
        set_aside(net[NL].office, GH, outgoing, _SILENCE)
    assert _copy(net, message_id).attempts == 0


def test_immediate_overtakes_a_backlog(connect: Callable[..., Network]) -> None:
    """An urgent alert goes before whatever waits, also when some of that is on its way already."""
    net = connect(NL, GH)
    net[NL].limit(Limits(batch_envelopes=4))
    routine = [net.share(NL, GH, payload=alert(urgency=Urgency.ROUTINE)) for _ in range(10)]
    wire = net.wire(NL, GH)
    wire.connect()
    wire.turn()
    immediate = net.share(NL, GH, payload=alert(urgency=Urgency.SHIP_SAILS))
    urgent = net.share(NL, GH, payload=alert(urgency=Urgency.URGENT))
    outgoing = due_batch(net[NL].office, GH)
    assert outgoing is not None
    sent = [one.message_id for one in outgoing.consigned]
    assert sent == [immediate, urgent, *routine[4:6]]
    settled = wire.turn()
    assert settled is not None
    assert [one.message_id for one in settled.acknowledged] == sent


def test_batch_that_the_new_card_forbids(connect: Callable[..., Network]) -> None:
    """A receiver that has lowered its limits puts the batch off; the next one fits its card."""
    net = connect(NL, GH)
    ids = [net.share(NL, GH) for _ in range(5)]
    wire = net.wire(NL, GH)
    wire.connect()
    lower = Limits(batch_envelopes=2)
    net[GH].limit(lower)
    settled = wire.turn()
    assert settled is not None
    assert [refused.code for _, refused in settled.refused] == [RefusalCode.BUSY] * 5
    refusal = settled.refused[0][1]
    assert isinstance(refusal, Refused)
    assert "our card allows 2 messages" in refusal.detail
    net[GH].issue(limits=lower)
    net.pass_time(_MINUTE_MS)
    wire = net.deliver(NL, GH)
    assert wire.sizes == [2, 2, 1]
    assert {net[NL].states(one)[GH] for one in ids} == {"acknowledged"}
