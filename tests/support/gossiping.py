"""Connections over which nodes of a network gossip, without gRPC."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from sesn_node.domain.ids import agency_id
from sesn_node.errors import SesnError
from sesn_node.exchange.gossip import prove_consistency
from sesn_node.exchange.witness import cosigned_checkpoint
from sesn_node.transport.gossip import Gossip, GossipPace
from sesn_node.transport.statuses import details_of, status_of
from sesn_node.wire._pb import exchange_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Member
    from tests.support.puppet import Puppet

# Nothing waits, so that a test sees all that will happen.
AT_ONCE = GossipPace(round_s=0.01, again_s=0.0, spacing_s=0.0, proof_s=0.0)


def failing(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """Make the error of a call that ends with a status."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="no")


class GossipConnection:
    """A connection to a partner that answers the calls of gossip.

    Args:
        caller: Who asks.
        shows: What it shows of an origin.
        proves: How it proves its own ledger.
    """

    def __init__(
        self,
        caller: AgencyId,
        *,
        shows: Callable[[str], bytes] = lambda _: b"",
        proves: Callable[[pb.ProveConsistencyRequest], bytes] | None = None,
    ) -> None:
        self.caller = caller
        self.asked: list[str] = []
        self.shows = shows
        self.proves = proves

    async def ask(self, method: str, request: bytes) -> bytes:
        """Answer as the node would."""
        self.asked.append(method)
        if method == "GetCheckpoint":
            origin = pb.GetCheckpointRequest.FromString(request).origin
            return pb.GetCheckpointResponse(checkpoint=self.shows(origin)).SerializeToString()
        if self.proves is None:
            raise failing(grpc.StatusCode.PERMISSION_DENIED)
        try:
            body = self.proves(pb.ProveConsistencyRequest.FromString(request))
        except SesnError as error:
            status, detail = status_of(error), details_of(error)
            empty = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(status, empty, empty, details=detail) from error
        return pb.ProveConsistencyResponse(body=body).SerializeToString()


def honest(member: Member, caller: AgencyId) -> GossipConnection:
    """Return a connection to a member's node."""

    def proves(request: pb.ProveConsistencyRequest) -> bytes:
        office = member.office
        sizes = request.old_size, request.new_size
        return prove_consistency(office, caller, request.origin, *sizes)

    def shows(origin: str) -> bytes:
        return cosigned_checkpoint(member.office, origin)

    return GossipConnection(caller, shows=shows, proves=proves)


def of_puppet(puppet: Puppet, caller: AgencyId) -> GossipConnection:
    """Return a connection to a puppet, which proves what its ledger is now."""

    def proves(request: pb.ProveConsistencyRequest) -> bytes:
        return puppet.add_checkpoint(request.old_size, request.new_size)

    return GossipConnection(caller, proves=proves)


@asynccontextmanager
async def gossiping(
    member: Member, pace: GossipPace = AT_ONCE, **connections: GossipConnection
) -> AsyncIterator[Gossip]:
    """Let a member gossip over connections, by the ids of the partners with _ for the dot."""
    gossip = Gossip(member.office, pace)
    tasks = [
        asyncio.ensure_future(gossip.run(agency_id(name.replace("_", ".")), connection))
        for name, connection in connections.items()
    ]
    try:
        yield gossip
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
