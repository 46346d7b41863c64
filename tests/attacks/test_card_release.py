"""A card that leaves before it is durable: a crash would turn it into a fork of our own making."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from sesn_node.domain.batches import Batch
from sesn_node.errors import StorageError
from sesn_node.exchange.cardgate import shown_card
from sesn_node.exchange.rotate import Rotatable
from sesn_node.transport.pacing import Reception
from sesn_node.transport.server import ExchangeService
from sesn_node.wire._pb import exchange_pb2 as pb
from tests.support.homes import GH, NL
from tests.support.rotations import bring_in

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

    from sesn_node.domain.ids import AgencyId
    from sesn_node.transport.admission import Admission
    from sesn_node.transport.server import Context, Deliveries
    from tests.support.network import Network


class _Caller:
    """An admission that lets gh.epa in, a node that is greeted, and a call that can be refused."""

    def caller(self) -> AgencyId:
        return GH

    def greeted(self, agency: AgencyId) -> None:
        assert agency == GH

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise ConnectionAbortedError(code, details)


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """A rotation was committed, and the head file could not be written."""
    net = connect(NL, GH)
    shown_card(net[NL].office)
    net.faults.broken_head_files.add(NL)
    bring_in(net[NL], Rotatable.SEAL)
    with pytest.raises(StorageError):
        net[NL].office.sequencer.check()
    assert net[NL].office.directory().own.card.sequence == 2
    return net


async def _get_card(net: Network) -> pb.GetCardResponse:
    known = _Caller()
    service = ExchangeService(
        net[NL].office,
        Reception(net[NL].receiver),
        admission=cast("Admission", known),
        deliveries=cast("Deliveries", known),
        timeout_s=1,
    )
    return await service.GetCard(pb.GetCardRequest(), cast("Context", known))


async def test_it_is_not_shown_to_who_asks(net: Network) -> None:
    """`GetCard` refuses until the head file covers the entry; then it shows the card."""
    with pytest.raises(ConnectionAbortedError):
        await _get_card(net)
    net.faults.broken_head_files.clear()
    answer = await _get_card(net)
    sealed = answer.card.SerializeToString(deterministic=True)
    assert sealed == net[NL].office.directory().own.sealed


def test_it_does_not_travel_with_an_answer(net: Network) -> None:
    """Not even with one that shows no checkpoint, and so needs no head file."""
    with pytest.raises(StorageError):
        net[NL].receiver.open(GH).receive(Batch(1))
    net.faults.broken_head_files.clear()
    answer = net[NL].receiver.open(GH).receive(Batch(1))
    assert answer.card == net[NL].office.directory().own.sealed


def test_what_left_before_may_leave_again(connect: Callable[..., Network]) -> None:
    """A head file that fails later stops no greeting: the card that partners have is no secret."""
    net = connect(NL, GH)
    own = shown_card(net[NL].office)
    net.faults.broken_head_files.add(NL)
    net.share(NL, GH)
    assert shown_card(net[NL].office) == own
