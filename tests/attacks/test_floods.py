"""A partner that sends more than anybody needs."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from sesn_node.wire.batches import answer_from_pb, batch_from_pb
from tests.support.calls import calling, stream_status
from tests.support.serving import founded, introduce, serve

NL, GH, BE = AgencyId("nl.customs"), AgencyId("gh.epa"), AgencyId("be.police")


def test_batch_of_more_than_256_shipments() -> None:
    """A long list is refused before anything is made of its elements."""
    request = pb.DeliverRequest(sequence=1, shipments=[pb.Shipment()] * 257)
    with pytest.raises(MalformedError, match="shipments: 257, at most 256"):
        batch_from_pb(request)


def test_answer_of_more_than_256_outcomes() -> None:
    """The same holds for what a receiver says."""
    response = pb.DeliverResponse(sequence=1, outcomes=[pb.Outcome()] * 257)
    with pytest.raises(MalformedError, match="outcomes: 257, at most 256"):
        answer_from_pb(response)


async def test_flood_of_empty_shipments(tmp_path: Path) -> None:
    """A million empty shipments end the stream that sent them; other partners are served."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    introduce(nl_home, gh_home, be_home)
    flood = pb.DeliverRequest(sequence=1, shipments=[pb.Shipment()] * 1_000_000)
    async with serve(gh_home), serve(nl_home) as nl:
        async with calling(gh_home, be_home.identity) as channel:
            stub = rpc.ExchangeStub(channel)
            ended = await stream_status(stub.Deliver, flood)
        assert ended is grpc.StatusCode.INVALID_ARGUMENT
        await nl.acknowledged(await nl.send(gh_home))


async def test_more_streams_than_an_agency_needs(tmp_path: Path) -> None:
    """A fifth delivery stream of one agency is refused."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    introduce(nl_home, gh_home)
    async with serve(nl_home), calling(nl_home, gh_home.identity) as channel:
        stub = rpc.ExchangeStub(channel)
        streams = [stub.Deliver() for _ in range(4)]
        for stream in streams:
            await stream.write(pb.DeliverRequest(sequence=1))
            answer = await stream.read()
            assert isinstance(answer, pb.DeliverResponse)
            assert answer.sequence == 1
        ended = await stream_status(stub.Deliver, pb.DeliverRequest(sequence=1))
        assert ended is grpc.StatusCode.RESOURCE_EXHAUSTED
        for stream in streams:
            stream.cancel()
