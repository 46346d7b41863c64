"""Bytes that change, and batches that overtake each other, between two honest offices."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Refused
from tests.support.check_node import check_network
from tests.support.homes import GH, NL
from tests.support.network import alert
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network

_SEEDS = range(24)


def _corrupted(seed: int) -> Callable[[bytes], bytes]:
    """Return a function that changes, cuts or extends the first bytes that it is given."""
    chance = random.Random(seed)
    struck: list[bool] = []

    def corrupt(data: bytes) -> bytes:
        if struck:
            return data
        struck.append(True)
        at = chance.randrange(len(data))
        changed = bytes([data[at] ^ 1 << chance.randrange(8)])
        return chance.choice(
            [data[:at] + changed + data[at + 1 :], data[:at], data[:at] + changed + data[at:]]
        )

    return corrupt


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("seed", _SEEDS)
def test_corrupted_request(connect: Callable[..., Network], seed: int) -> None:
    """Whatever becomes of a batch that was damaged, no message is stored twice or falsely."""
    net = connect(NL, GH)
    ids = [net.share(NL, GH, payload=alert(f"Alert {number}")) for number in range(3)]
    wire = net.wire(NL, GH)
    wire.tamper_request = _corrupted(seed)
    for _ in range(3):
        wire.deliver()
        net.pass_time(65_000)
    states = [net[NL].states(one)[GH] for one in ids]
    assert set(states) <= {"acknowledged", "refused"}
    # One damaged byte concerns one message at most.
    assert states.count("refused") <= 1


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("seed", _SEEDS)
def test_corrupted_answer(connect: Callable[..., Network], seed: int) -> None:
    """An answer that was damaged settles nothing falsely; the next one does."""
    net = connect(NL, GH)
    ids = [net.share(NL, GH, payload=alert(f"Alert {number}")) for number in range(3)]
    wire = net.wire(NL, GH)
    wire.tamper_answer = _corrupted(seed)
    for _ in range(3):
        wire.deliver()
        net.pass_time(65_000)
    assert {net[NL].states(one)[GH] for one in ids} == {"acknowledged"}


def test_batch_that_was_overtaken(connect: Callable[..., Network]) -> None:
    """A batch that comes in after a later one is told to prove again, and adds nothing."""
    net = connect(NL, GH)
    first_id = net.share(NL, GH)
    slow, fast = net.wire(NL, GH), net.wire(NL, GH)
    slow.connect()
    late = slow.prepare()
    second_id = net.share(NL, GH)
    fast.deliver()
    assert fast.sizes == [2]
    with unchanged(net[GH].office):
        answer = slow.carry(late.batch)
    assert all(isinstance(one, Refused) for one in answer.outcomes)
    assert slow.settle(late, answer).prove_again
    for one in (first_id, second_id):
        assert net[NL].states(one) == {GH: "acknowledged"}
        assert len(net[GH].received(one)) == 1


def test_answer_that_was_overtaken(connect: Callable[..., Network]) -> None:
    """An answer that comes in after a later one settles nothing twice."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    slow, fast = net.wire(NL, GH), net.wire(NL, GH)
    slow.connect()
    outgoing = slow.prepare()
    answer = slow.carry(outgoing.batch)
    net.share(NL, GH)
    fast.deliver()
    with unchanged(net[NL].office):
        settled = slow.settle(outgoing, answer)
    assert settled.acknowledged == ()
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_both_directions_at_once(connect: Callable[..., Network]) -> None:
    """Officers and deliveries of both agencies at work in threads: all of it arrives, once."""
    net = connect(NL, GH)
    pairs = ((NL, GH), (GH, NL))
    # Between two snapshots of a moving network nothing can be compared; at the end it stands.
    net.checking = False
    with ThreadPoolExecutor(4) as pool:
        sharing = [pool.submit(net.share, agency, to) for _ in range(10) for agency, to in pairs]
        delivering = [
            pool.submit(net.wire(agency, to).deliver, 100) for _ in range(2) for agency, to in pairs
        ]
        ids = [one.result() for one in sharing]
        for one in delivering:
            one.result()
    net.checking = True
    net.check()
    net.pass_time(65_000)
    for agency, to in pairs:
        net.deliver(agency, to)
    check_network(net.offices())
    for number, message_id in enumerate(ids):
        agency, to = pairs[number % 2]
        assert net[agency].states(message_id) == {to: "acknowledged"}
        assert len(net[to].received(message_id)) == 1
