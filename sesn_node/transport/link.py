"""A connection to one partner: cards swapped, one delivery stream."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from sesn_node.domain.checks import printable
from sesn_node.errors import PeerUnavailable, VerificationError
from sesn_node.transport.tls import channel_credentials, channel_options
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from sesn_node.wire._pb.card_pb2 import SealedCard
from sesn_node.wire.batches import answer_from_pb, batch_to_pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sesn_node.domain.batches import Answer, Batch
    from sesn_node.transport.tls import TlsIdentity
    from sesn_node.trust.card import TrustedCard

_DETAIL_CHARACTERS = 300


class Link:
    """An open link. Not shared: one task writes a batch and reads its answer."""

    def __init__(self, stream: grpc.aio.StreamStreamCall[Any, Any], timeout_s: float) -> None:
        self._stream = stream
        self._timeout_s = timeout_s
        self._sequence = 0
        self.lost = asyncio.Event()
        stream.add_done_callback(lambda _: self.lost.set())

    @property
    def next_sequence(self) -> int:
        """Number of the next batch."""
        return self._sequence + 1

    async def exchange(self, batch: Batch) -> Answer:
        """Send a batch and return its answer.

        Raises:
            PeerUnavailable: The link broke, or the partner did not answer in time.
            VerificationError: The answer is to another batch.
            MalformedError: The answer cannot be read.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._stream.write(batch_to_pb(batch))
                message = await self._stream.read()
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise _unavailable(error) from error
        except TimeoutError as error:
            raise PeerUnavailable(f"no answer within {self._timeout_s:.0f} s") from error
        if not isinstance(message, pb.DeliverResponse):
            raise PeerUnavailable(await self._why_ended())
        self._sequence = batch.sequence
        answer = answer_from_pb(message)
        if answer.sequence != batch.sequence:
            raise VerificationError(
                f"batch {batch.sequence} got the answer to batch {answer.sequence}"
            )
        return answer

    async def _why_ended(self) -> str:
        said = _shown(await self._stream.details())
        return f"the partner ended the stream: {said or 'no reason given'}"


@asynccontextmanager
async def open_link(
    identity: TlsIdentity, own: TrustedCard, partner: TrustedCard, timeout_s: float
) -> AsyncIterator[tuple[Link, bytes]]:
    """Dial a partner, swap cards, and open a delivery stream.

    Yields:
        The link and the partner's newest sealed card.

    Raises:
        PeerUnavailable: No endpoint answered; the message says what each one said.
    """
    refusals = []
    for endpoint in partner.card.endpoints:
        channel = grpc.aio.secure_channel(
            endpoint,
            channel_credentials(identity, partner.card.root_certificate),
            options=channel_options(partner.card.agency),
        )
        try:
            stub = rpc.ExchangeStub(channel)
            try:
                card = await _swap_cards(stub, own, timeout_s)
            except (grpc.RpcError, PeerUnavailable) as error:
                refusals.append(f"{endpoint}: {_unavailable(error)}")
                continue
            stream = stub.Deliver()
            try:
                yield Link(stream, timeout_s), card
            finally:
                stream.cancel()
            return
        finally:
            await channel.close()
    raise PeerUnavailable("; ".join(refusals) or "its card names no endpoint")


async def _swap_cards(stub: rpc.ExchangeStub, own: TrustedCard, timeout_s: float) -> bytes:
    request = pb.GetCardRequest(card=SealedCard.FromString(own.sealed))
    response = await stub.GetCard(request, timeout=timeout_s)
    card: SealedCard = response.card
    return card.SerializeToString(deterministic=True)


def _unavailable(error: Exception) -> PeerUnavailable:
    if isinstance(error, PeerUnavailable):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return PeerUnavailable(f"{error.code().name}: {_shown(error.details())}")
    return PeerUnavailable(_shown(str(error)) or type(error).__name__)


def _shown(details: str | None) -> str:
    """Words of a partner's node, as they may stand on our operator's screen and in our log."""
    return printable((details or "")[:_DETAIL_CHARACTERS])
