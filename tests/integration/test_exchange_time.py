"""Clocks and deadlines: expiry, late receipts, back-off, clock skew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Answer, Refused
from sesn_node.domain.messages import MAX_LIFETIME_MS
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import PolicyError
from sesn_node.exchange.expire import expire
from sesn_node.exchange.links import peer_is_back
from sesn_node.exchange.peers import take_card
from tests.support.homes import BE, GH, NL
from tests.support.network import DAY_MS, HOUR_MS
from tests.support.snapshot import unchanged
from tests.support.wires import codes, due_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Network

_SKEW_MS = 10 * 60 * 1000


def _expire(net: Network, agency: AgencyId) -> int:
    ended = expire(net[agency].office)
    net.check()
    return ended


def test_undelivered_message_expires(connect: Callable[..., Network]) -> None:
    """What could not be delivered in time ends as UNDELIVERED, once, and is not sent any more."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE, expires_ms=net.clock.now_ms + HOUR_MS)
    net.deliver(NL, BE)
    assert _expire(net, NL) == 0
    net.pass_time(HOUR_MS)
    assert due_batch(net[NL].office, GH) is None
    assert _expire(net, NL) == 1
    with unchanged(net[NL].office):
        assert _expire(net, NL) == 0
    copy = net[NL].copies(message_id)[GH]
    assert (copy.state, copy.code) == ("expired", "EXPIRED")
    assert net[NL].states(message_id) == {GH: "expired", BE: "acknowledged"}


def test_expires_at_its_millisecond(connect: Callable[..., Network]) -> None:
    """A message is delivered until the instant before its expiry, on both sides."""
    net = connect(NL, GH)
    start_ms = net.clock.now_ms
    message_id = net.share(NL, GH, expires_ms=start_ms + HOUR_MS)
    wire = net.wire(NL, GH)
    wire.connect()
    net.clock.now_ms = start_ms + HOUR_MS - 1
    outgoing = wire.prepare()
    net[GH].skew_ms = 1
    late = wire.carry(outgoing.batch)
    assert codes(late.outcomes) == [RefusalCode.EXPIRED]
    assert net[GH].received(message_id) == []
    other_id = net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS)
    net.pass_time(HOUR_MS - 2)
    net[GH].skew_ms = 0
    net.deliver(NL, GH)
    assert net[NL].states(other_id) == {GH: "acknowledged"}


def test_expired_many_at_once(connect: Callable[..., Network]) -> None:
    """A backlog that expires ends in as many steps as it needs."""
    net = connect(NL, GH)
    ids = [net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS) for _ in range(5)]
    net.pass_time(2 * HOUR_MS)
    while _expire(net, NL):
        pass
    assert {net[NL].states(one)[GH] for one in ids} == {"expired"}


def test_late_receipt_settles_an_expired_copy(connect: Callable[..., Network]) -> None:
    """A receipt that comes in after the expiry is evidence all the same."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    net.pass_time(HOUR_MS)
    assert _expire(net, NL) == 1
    assert net[NL].states(message_id) == {GH: "expired"}
    assert len(wire.settle(outgoing, answer).acknowledged) == 1
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    with unchanged(net[NL].office):
        assert wire.settle(outgoing, answer).acknowledged == ()


def test_a_copy_that_was_put_off_by_a_clock_ahead_is_due_when_it_is_right_again(
    connect: Callable[..., Network],
) -> None:
    """A clock that is set back does not keep a copy waiting for as long as it was ahead."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    net[NL].skew_ms = 3 * DAY_MS
    outgoing = wire.prepare()
    busy = (Refused(RefusalCode.BUSY, "the disk is full", 5_000),)
    wire.settle(outgoing, Answer(1, outcomes=busy))
    assert net[NL].copies(message_id)[GH].next_attempt_ms > net.clock.now_ms + DAY_MS
    net[NL].skew_ms = 0
    wire.turn()
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_no_partner_puts_a_copy_off_for_long(connect: Callable[..., Network]) -> None:
    """Whatever a partner's node asks for, the copy is due again after two hours at the latest."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    busy = (Refused(RefusalCode.BUSY, "come back next year", 365 * DAY_MS),)
    wire.settle(outgoing, Answer(1, outcomes=busy))
    net.pass_time(2 * HOUR_MS - 1)
    assert wire.turn() is None
    net.pass_time(1)
    wire.turn()
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_refused_by_an_early_clock(connect: Callable[..., Network]) -> None:
    """A receiver whose clock is ahead refuses for good; both ledgers say so."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS)
    net[GH].skew_ms = 2 * HOUR_MS
    net.deliver(NL, GH)
    copy = net[NL].copies(message_id)[GH]
    assert (copy.state, copy.code, copy.attempts) == ("refused", "EXPIRED", 1)
    with net[GH].office.store.read() as transaction:
        assert [row.kind for row in transaction.ledger.entries_of(message_id)] == ["REFUSED"]


@pytest.mark.parametrize(
    ("ahead_ms", "code"), [(_SKEW_MS, None), (_SKEW_MS + 1, RefusalCode.CLOCK_SKEW)]
)
def test_created_in_the_future(
    connect: Callable[..., Network], ahead_ms: int, code: RefusalCode | None
) -> None:
    """Ten minutes ahead are taken; a millisecond more is refused for now, and not logged."""
    net = connect(NL, GH)
    net[NL].skew_ms = ahead_ms
    net.share(NL, GH)
    net.pass_time(-1)
    wire = net.wire(NL, GH)
    wire.connect()
    size = net[GH].size()
    answer = wire.carry(wire.prepare().batch)
    assert codes(answer.outcomes) == [code]
    assert net[GH].size() == size + (code is None)


def test_skewed_message_arrives_once_time_has_passed(connect: Callable[..., Network]) -> None:
    """A transient refusal only defers the copy; it is tried again, and arrives."""
    net = connect(NL, GH)
    net[NL].skew_ms = 2 * _SKEW_MS
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    copy = net[NL].copies(message_id)[GH]
    assert (copy.state, copy.code, copy.attempts) == ("queued", "CLOCK_SKEW", 1)
    assert copy.next_attempt_ms > net[NL].now_ms()
    assert due_batch(net[NL].office, GH) is None
    net.pass_time(2 * _SKEW_MS)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_partner_that_is_back_ends_the_deferral(connect: Callable[..., Network]) -> None:
    """When a partner reaches us, what waited for it is due at once."""
    net = connect(NL, GH)
    net[NL].skew_ms = 2 * _SKEW_MS
    net.share(NL, GH)
    net.deliver(NL, GH)
    assert due_batch(net[NL].office, GH) is None
    peer_is_back(net[NL].office, GH)
    net.check()
    assert due_batch(net[NL].office, GH) is not None


def test_expiry_out_of_bounds(connect: Callable[..., Network]) -> None:
    """A message must expire in the future, and within 366 days."""
    net = connect(NL, GH)
    now_ms = net.clock.now_ms
    for expires_ms in (now_ms, now_ms - 1, now_ms + MAX_LIFETIME_MS + 1):
        with unchanged(net[NL].office), pytest.raises(PolicyError, match="expires"):
            net.share(NL, GH, expires_ms=expires_ms)
    net.share(NL, GH, expires_ms=now_ms + MAX_LIFETIME_MS)


def test_message_outlives_the_recipients_key(connect: Callable[..., Network]) -> None:
    """A message must not expire after its recipient has destroyed the key to open it."""
    net = connect(NL, GH)
    key = replace(
        net[GH].card.card.encryption_keys[0],
        not_after_ms=net.clock.now_ms + DAY_MS,
        destroyed_ms=net.clock.now_ms + 2 * DAY_MS,
    )
    card = net[GH].issue(encryption_keys=(key,))
    assert take_card(net[NL].office, GH, card.sealed)
    with unchanged(net[NL].office), pytest.raises(PolicyError, match="outlive"):
        net.share(NL, GH, expires_ms=key.destroyed_ms + 1)
    net.share(NL, GH, expires_ms=key.destroyed_ms)


def test_last_message_to_an_encryption_key(connect: Callable[..., Network]) -> None:
    """Once the recipient's encryption key is no longer in force, nothing is sealed to it."""
    net = connect(NL, GH)
    key = net[GH].card.card.encryption_keys[0]
    net.clock.now_ms = key.not_after_ms
    with unchanged(net[NL].office), pytest.raises(PolicyError):
        net.share(NL, GH)
