"""Keys are rotated while messages are on their way, in both directions, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto.keys import KeyKind, key_id
from sesn_node.errors import ConflictError
from sesn_node.exchange import rewrap
from sesn_node.exchange.keycare import tend_keys
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.settle import Settled
from sesn_node.exchange.share import Draft, recording, seal_draft
from tests.support.homes import BE, GH, NL
from tests.support.network import DAY_MS, HOUR_MS, alert
from tests.support.rotations import (
    EVERYTHING,
    Traffic,
    bring_in,
    ring_of,
    rotate_all_of,
    second_process,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.work import Work
    from tests.support.network import Member, Network


def _newest(member: Member, kind: KeyKind) -> bytes:
    """Return the public part of the newest key of a kind."""
    return ring_of(member).of_kind(kind)[-1].public


@pytest.mark.parametrize("what", EVERYTHING)
def test_each_kind_is_rotated_under_traffic(
    connect: Callable[..., Network], what: Rotatable
) -> None:
    """Messages sealed before and after, and delivered before and after, arrive both ways."""
    net = connect(NL, GH)
    before = {kind: _newest(net[NL], kind) for kind in what.kinds}
    traffic = Traffic(net)
    traffic.share()
    net.deliver(NL, GH)
    traffic.share()
    rotated = rotate_all_of(net[NL], what)
    net.check()
    assert {one.kind: one.public for one in rotated.made}.keys() == before.keys()
    traffic.goes_on()
    net.pass_time(2 * HOUR_MS)
    tend_keys(net[NL].office)
    net.check()
    for kind, public in before.items():
        assert _newest(net[NL], kind) != public
        kept = ring_of(net[NL]).find(key_id(public)) is not None
        assert kept == (kind is KeyKind.ENCRYPTION)
    for member in net:
        member.reopen()
    traffic.goes_on()


def test_all_kinds_at_once(connect: Callable[..., Network]) -> None:
    """Everything is rotated with one card, twice in a row, by both sides."""
    net = connect(NL, GH)
    traffic = Traffic(net)
    traffic.share()
    for _ in range(2):
        for agency in (NL, GH):
            card = net[agency].card.card.sequence
            rotate_all_of(net[agency], *EVERYTHING)
            assert net[agency].card.card.sequence == card + 1
            net.check()
        traffic.goes_on()
    net.pass_time(2 * HOUR_MS)
    for member in net:
        tend_keys(member.office)
    net.check()
    traffic.goes_on()
    assert len(net[NL].card.card.ledgers) == 3


@pytest.mark.parametrize("what", EVERYTHING)
def test_a_serving_process_follows_a_command(
    connect: Callable[..., Network], what: Rotatable
) -> None:
    """What another process rotated is used by one that has been running all the time."""
    net = connect(NL, GH)
    traffic = Traffic(net)
    traffic.goes_on()
    with second_process(net[NL]) as other:
        rotate_all_of(other, what)
    traffic.goes_on()
    if what is Rotatable.TLS:
        leaf, _ = net[NL].office.tls_identity()
        assert leaf == net[NL].office.vault.tls(net[NL].office.directory())[0]
        assert len(ring_of(net[NL]).of_kind(KeyKind.TLS)) == 2
    net.pass_time(2 * HOUR_MS)
    with second_process(net[NL]) as other:
        tend_keys(other.office)
    traffic.goes_on()


def test_a_message_sealed_to_the_old_key_an_hour_before_is_opened(
    connect: Callable[..., Network],
) -> None:
    """It opens an hour after the rotation, a month after it, and until the key's day."""
    net = connect(NL, GH)
    old = net[GH].card.card.encryption_keys[0]
    hour, month = net.share(NL, GH), net.share(NL, GH, expires_ms=net.clock.now_ms + 40 * DAY_MS)
    rotate_all_of(net[GH], Rotatable.ENCRYPTION)
    net.pass_time(HOUR_MS)
    wire = net.wire(NL, GH)
    wire.connect()
    wire.turn()
    assert net[NL].states(hour) == {GH: "acknowledged"}
    assert net[NL].states(month) == {GH: "acknowledged"}
    assert net[GH].office.keys.decryption.keys() >= {key_id(old.public_key)}
    late = net.share(NL, GH)
    net.pass_time(29 * DAY_MS)
    net.deliver(NL, GH)
    traffic = Traffic(net)
    for message_id in (hour, month, late):
        traffic.add(NL, GH, message_id)
    traffic.goes_on()
    assert tend_keys(net[GH].office).destroyed == ()


@pytest.mark.parametrize("what", [Rotatable.SEAL, Rotatable.ENCRYPTION, Rotatable.LOG])
def test_a_partner_that_was_away_learns_first(
    connect: Callable[..., Network], what: Rotatable
) -> None:
    """What was sealed before and after it was away is delivered when it is back."""
    net = connect(NL, GH, BE)
    traffic = Traffic(net)
    traffic.share()
    for _ in range(2):
        rotate_all_of(net[NL], what)
        net.pass_time(DAY_MS)
        traffic.add(NL, GH, net.share(NL, GH))
    traffic.arrives()


def test_a_card_that_is_not_taken_yet_costs_time_only(connect: Callable[..., Network]) -> None:
    """Whoever rotates faster than partners take cards waits until they do."""
    net = connect(NL, GH)
    traffic = Traffic(net)
    for _ in range(6):
        bring_in(net[NL], Rotatable.SEAL)
        traffic.share()
        net.deliver(NL, GH)
    bring_in(net[NL], Rotatable.SEAL)
    message_id = net.share(NL, GH)
    traffic.add(NL, GH, message_id)
    net.deliver(NL, GH)
    (copy,) = net[NL].copies(message_id).values()
    assert (copy.state.value, copy.code) == ("queued", "NOT_TRUSTED")
    net.pass_time(HOUR_MS)
    traffic.arrives()


@pytest.mark.parametrize("what", [Rotatable.WITNESS, Rotatable.LOG])
def test_an_answer_of_before_the_rotation(connect: Callable[..., Network], what: Rotatable) -> None:
    """It comes in after the new card did, over another stream: it is asked for again."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    bring_in(net[GH], what)
    net.wire(GH, NL).connect()
    assert wire.settle(outgoing, answer) == Settled(prove_again=True)
    assert net[NL].states(message_id) == {GH: "queued"}
    assert wire.turn() is not None
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_words_of_a_witness_of_before_the_rotation(connect: Callable[..., Network]) -> None:
    """A cosignature that comes in with the card that replaced its keys is left out, and no more."""
    net = connect(NL, GH)
    first = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    assert wire.turn() is not None
    bring_in(net[NL], Rotatable.WITNESS)
    second = net.share(NL, GH)
    while wire.turn() is not None:
        pass
    for message_id in (first, second):
        assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_seal_keys_changed_while_our_clock_was_behind(connect: Callable[..., Network]) -> None:
    """A message that seems to be of later than the rotation is still by a key in force then."""
    net = connect(NL, GH)
    net.pass_time(4 * DAY_MS)
    message_id = net.share(NL, GH)
    net.pass_time(-3 * DAY_MS)
    rotate_all_of(net[NL], Rotatable.SEAL)
    net.pass_time(3 * DAY_MS)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


@pytest.mark.parametrize("what", [Rotatable.SEAL, Rotatable.STORAGE])
def test_a_message_that_was_sealed_when_the_keys_changed(
    connect: Callable[..., Network], what: Rotatable
) -> None:
    """It is sealed anew before it is recorded: nothing is stored under keys that are out of use."""
    net = connect(NL, GH)
    office = net[NL].office
    sealed = seal_draft(office, Draft(alert(), (GH,)), office.directory())
    bring_in(net[NL], what)
    with pytest.raises(ConflictError) as caught:
        office.sequencer.run(recording(sealed), writes=False)
    assert caught.value.code == "MOVED"
    Traffic(net).goes_on()


def test_a_storage_key_is_changed_while_rows_come_in(connect: Callable[..., Network]) -> None:
    """More rows than one transaction takes, and a stop in the middle: the rest is done later."""
    net = connect(NL, GH)
    traffic = Traffic(net)
    for _ in range(3):
        traffic.goes_on()
    old = ring_of(net[NL]).of_kind(KeyKind.STORAGE)[0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rewrap, "AT_ONCE", 2)
        bring_in(net[NL], Rotatable.STORAGE)
        asked: list[bool] = []

        def stop() -> bool:
            asked.append(True)
            return len(asked) > 2

        done = tend_keys(net[NL].office, stop)
        assert (done.rewrapped.count, done.rewrapped.finished) == (3, False)
        assert ring_of(net[NL]).find(old.key_id) is not None
        net.check()
        traffic.share()
        net[NL].reopen()
        done = tend_keys(net[NL].office)
        assert (done.rewrapped.count, done.rewrapped.finished) == (3, True)
    assert done.destroyed == (old.key_id,)
    assert ring_of(net[NL]).find(old.key_id) is None
    traffic.arrives()


def test_a_row_that_does_not_open_keeps_the_old_storage_key(
    connect: Callable[..., Network],
) -> None:
    """Perhaps somebody can still repair it; all others are wrapped under the new key."""
    net = connect(NL, GH)
    net.share(NL, GH)
    damaged = net.share(NL, GH)
    net.checking = False

    def damage(work: Work) -> None:
        (row,) = [
            one
            for one in work.transaction.wrapped.under_others("sent", bytes(8), (), 10)
            if one.key == (damaged,)
        ]
        altered = row.content_key[:-1] + bytes([row.content_key[-1] ^ 1])
        work.transaction.wrapped.replace("sent", [replace(row, content_key=altered)])

    net[NL].office.sequencer.run(damage)
    old = ring_of(net[NL]).of_kind(KeyKind.STORAGE)[0]
    bring_in(net[NL], Rotatable.STORAGE)
    for _ in range(2):
        done = tend_keys(net[NL].office)
        assert (done.rewrapped.unreadable, done.destroyed) == (1, ())
    assert ring_of(net[NL]).find(old.key_id) is not None
