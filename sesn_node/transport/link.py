"""A connection to one partner, and the streams over it.

A `Link` carries batches one way and their answers back. Who dialled does not matter to it: the
partner's node is reached by our own call of `Deliver`, or by its call of `Collect`.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from sesn_node import __version__
from sesn_node.domain.checks import printable
from sesn_node.errors import PeerUnavailable, VerificationError
from sesn_node.transport.tls import channel_credentials, channel_options
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb.card_pb2 import SealedCard
from sesn_node.wire.batches import answer_to_pb, batch_to_pb, decode_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sesn_node.domain.batches import Answer, Batch
    from sesn_node.transport.tls import TlsIdentity
    from sesn_node.trust.card import TrustedCard

SERVICE: Final = "sesn.v1.Exchange"

MAX_SINGLE_BYTES: Final = 128 * 1024
"""Bounds a single request, and the answer to a greeting; the largest are a card, and a checkpoint
with its proof."""
_DETAIL_CHARACTERS = 300


class Link(Protocol):
    """Where our batches go. Not shared: one task sends a batch and reads its answer.

    Args:
        lost: Set when the link is gone.
    """

    lost: asyncio.Event

    @property
    def next_sequence(self) -> int:
        """Number of the next batch."""

    async def exchange(self, batch: Batch) -> Answer:
        """Send a batch and return its answer.

        Raises:
            PeerUnavailable: The link broke, or the partner did not answer in time.
            VerificationError: The answer is to another batch.
            MalformedError: The answer cannot be read.
        """


class Inlet(Protocol):
    """Where a partner's batches come from when we collect them."""

    async def next(self) -> bytes:
        """Wait for the next batch, as long as it takes, and return it unread.

        Raises:
            PeerUnavailable: The stream ended.
        """

    async def answer(self, answer: Answer) -> None:
        """Send the answer to the batch before.

        Raises:
            PeerUnavailable: The stream ended, or takes nothing any more.
        """


class Connection(Protocol):
    """A partner that was reached; cards are swapped.

    Args:
        card: The partner's newest sealed card.
    """

    card: bytes

    def deliver(self) -> Link:
        """Open a stream for our batches."""

    def collect(self) -> Inlet:
        """Open a stream for the partner's batches."""

    async def deliver_again(self, message_ids: Sequence[bytes]) -> int:
        """Ask for messages that we lost; returns how many are delivered again.

        Raises:
            PeerUnavailable: It does not answer that.
        """

    async def deliver_from(self, origin: str, first: int) -> tuple[int, int]:
        """Ask for messages whose receipts we lost with the end of a ledger.

        Returns:
            How many are delivered again, and from which entry on to ask next; 0 if that was all.

        Raises:
            PeerUnavailable: It does not answer that.
        """

    async def ask(self, method: str, request: bytes) -> bytes:
        """Make a call of one request and one answer, both serialised; return the answer.

        Raises:
            grpc.RpcError: The call failed.
            PeerUnavailable: The answer is too large.
        """


Dial: TypeAlias = "Callable[[TrustedCard, TrustedCard], AbstractAsyncContextManager[Connection]]"
"""Reaches a partner: called with our own card and the partner's.

Raises `PeerUnavailable` if no endpoint answered.
"""


class _Exchanging:
    """Numbers batches, and bounds the wait for each answer."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._sequence = 0
        self.lost = asyncio.Event()

    @property
    def next_sequence(self) -> int:
        """Number of the next batch."""
        return self._sequence + 1

    async def exchange(self, batch: Batch) -> Answer:
        """Send a batch and return its answer; see `Link`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await self._swap(batch_to_pb(batch))
        except TimeoutError as error:
            raise PeerUnavailable(f"no answer within {self._timeout_s:.0f} s") from error
        self._sequence = batch.sequence
        answer = await asyncio.to_thread(decode_answer, message)
        if answer.sequence != batch.sequence:
            raise VerificationError(
                f"batch {batch.sequence} got the answer to batch {answer.sequence}"
            )
        return answer

    async def _swap(self, request: pb.DeliverRequest) -> bytes:
        """Send a batch and return what came back, unread."""
        raise NotImplementedError


class _DialledLink(_Exchanging):
    """Our own call of `Deliver`."""

    def __init__(self, stream: grpc.aio.StreamStreamCall[Any, Any], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._stream = stream
        stream.add_done_callback(lambda _: self.lost.set())

    async def _swap(self, request: pb.DeliverRequest) -> bytes:
        try:
            await self._stream.write(request)
            message = await self._stream.read()
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise unavailable(error) from error
        if not isinstance(message, bytes):
            raise PeerUnavailable(await _why_ended(self._stream))
        return message


class CollectedLink(_Exchanging):
    """A partner's call of `Collect`: the server's handler carries what is exchanged here."""

    def __init__(self, answers: AsyncIterator[bytes], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._answers = answers
        self._requests: asyncio.Queue[pb.DeliverRequest] = asyncio.Queue(1)
        self._answered = asyncio.Event()
        self._swapping: asyncio.Task[bytes | None] | None = None

    async def request(self) -> pb.DeliverRequest:
        """Wait for the next message to write to the stream."""
        self._answered.clear()
        return await self._requests.get()

    async def answered(self) -> None:
        """Wait until the answer to it was read, or will not be."""
        await self._answered.wait()

    def end(self) -> None:
        """Lose the link: the call is over, and whoever exchanges a batch has to hear of it."""
        self.lost.set()
        if self._swapping is not None:
            self._swapping.cancel()

    async def _swap(self, request: pb.DeliverRequest) -> bytes:
        self._swapping = asyncio.ensure_future(self._pass(request))
        try:
            if self.lost.is_set():
                self._swapping.cancel()
            await asyncio.wait({self._swapping})
            message = None if self._swapping.cancelled() else self._swapping.result()
        finally:
            self._swapping.cancel()
            self._swapping = None
            self._answered.set()
        if message is None:
            self.lost.set()
            raise PeerUnavailable("the partner ended its collecting")
        return message

    async def _pass(self, request: pb.DeliverRequest) -> bytes | None:
        await self._requests.put(request)
        return await anext(self._answers, None)


class _DialledInlet:
    """Our own call of `Collect`."""

    def __init__(self, stream: grpc.aio.StreamStreamCall[Any, Any], timeout_s: float) -> None:
        self._stream = stream
        self._timeout_s = timeout_s

    async def next(self) -> bytes:
        """Wait for the next batch; see `Inlet`."""
        try:
            message = await self._stream.read()
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise unavailable(error) from error
        if not isinstance(message, bytes):
            raise PeerUnavailable(await _why_ended(self._stream))
        return message

    async def answer(self, answer: Answer) -> None:
        """Send the answer to the batch before; see `Inlet`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._stream.write(answer_to_pb(answer))
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise unavailable(error) from error
        except TimeoutError as error:
            raise PeerUnavailable(f"takes no answer within {self._timeout_s:.0f} s") from error


@dataclass(slots=True)
class _Dialled:
    """A channel to a partner's node. What comes over it is not read by gRPC, on the event loop."""

    card: bytes
    channel: grpc.aio.Channel
    timeout_s: float
    streams: list[grpc.aio.StreamStreamCall[Any, Any]]

    def deliver(self) -> Link:
        """Open a stream for our batches."""
        stream = self._open("Deliver", pb.DeliverRequest.SerializeToString)
        return _DialledLink(stream, self.timeout_s)

    def collect(self) -> Inlet:
        """Open a stream for the partner's batches."""
        stream = self._open("Collect", pb.DeliverResponse.SerializeToString)
        return _DialledInlet(stream, self.timeout_s)

    async def deliver_again(self, message_ids: Sequence[bytes]) -> int:
        """Ask for messages that we lost; see `Connection`."""
        request = pb.DeliverAgainRequest(message_ids=message_ids)
        return (await self._deliver_again(request)).count

    async def deliver_from(self, origin: str, first: int) -> tuple[int, int]:
        """Ask for messages whose receipts we lost; see `Connection`."""
        request = pb.DeliverAgainRequest(origin=origin, from_index=first)
        answer = await self._deliver_again(request)
        return answer.count, answer.next_index

    async def _deliver_again(self, request: pb.DeliverAgainRequest) -> pb.DeliverAgainResponse:
        call: grpc.aio.UnaryUnaryMultiCallable[pb.DeliverAgainRequest, pb.DeliverAgainResponse]
        call = self.channel.unary_unary(
            f"/{SERVICE}/DeliverAgain",
            request_serializer=pb.DeliverAgainRequest.SerializeToString,
            response_deserializer=pb.DeliverAgainResponse.FromString,
        )
        try:
            return await call(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise unavailable(error) from error

    async def ask(self, method: str, request: bytes) -> bytes:
        """Make a call of one request and one answer; see `Connection`."""
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            f"/{SERVICE}/{method}", request_serializer=bytes
        )
        answer = await call(request, timeout=self.timeout_s)
        if len(answer) > MAX_SINGLE_BYTES:
            raise PeerUnavailable(f"its answer has {len(answer)} bytes")
        return answer

    def _open(
        self, method: str, write: Callable[[Any], bytes]
    ) -> grpc.aio.StreamStreamCall[Any, Any]:
        call: grpc.aio.StreamStreamMultiCallable[Any, Any]
        call = self.channel.stream_stream(f"/{SERVICE}/{method}", request_serializer=write)
        stream = call()
        self.streams.append(stream)
        return stream


def dialler(
    identity: Callable[[], TlsIdentity], clock: Callable[[], int], timeout_s: float
) -> Dial:
    """Return what reaches partners over gRPC, with the TLS leaf and key of the moment."""

    @asynccontextmanager
    async def dial(own: TrustedCard, partner: TrustedCard) -> AsyncIterator[Connection]:
        refusals = []
        for endpoint in partner.card.endpoints:
            channel = grpc.aio.secure_channel(
                endpoint,
                channel_credentials(identity(), partner.card.root_certificate),
                options=channel_options(partner.card.agency),
            )
            try:
                try:
                    greeted = await greet(channel, own, clock(), timeout_s)
                except (grpc.RpcError, PeerUnavailable) as error:
                    refusals.append(f"{endpoint}: {unavailable(error)}")
                    continue
                sealed: bytes = greeted.card.SerializeToString(deterministic=True)
                dialled = _Dialled(sealed, channel, timeout_s, [])
                try:
                    yield dialled
                finally:
                    for stream in dialled.streams:
                        stream.cancel()
                return
            finally:
                await channel.close()
        raise PeerUnavailable("; ".join(refusals) or "its card names no endpoint")

    return dial


async def greet(
    channel: grpc.aio.Channel, own: TrustedCard, now_ms: int, timeout_s: float
) -> pb.GetCardResponse:
    """Swap cards.

    Raises:
        grpc.RpcError: The call failed.
        PeerUnavailable: The answer is none.
    """
    call: grpc.aio.UnaryUnaryMultiCallable[pb.GetCardRequest, bytes] = channel.unary_unary(
        f"/{SERVICE}/GetCard", request_serializer=pb.GetCardRequest.SerializeToString
    )
    request = pb.GetCardRequest(
        card=SealedCard.FromString(own.sealed), version=__version__, time_ms=now_ms
    )
    raw = await call(request, timeout=timeout_s)
    if len(raw) > MAX_SINGLE_BYTES:
        raise PeerUnavailable(f"its greeting has {len(raw)} bytes, at most {MAX_SINGLE_BYTES}")
    try:
        return pb.GetCardResponse.FromString(raw)
    except DecodeError as error:
        raise PeerUnavailable("its greeting cannot be read") from error


def unavailable(error: Exception) -> PeerUnavailable:
    """Say in our words, and quote in a partner's, why a call failed."""
    if isinstance(error, PeerUnavailable):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return PeerUnavailable(f"{error.code().name}: {_shown(error.details())}")
    return PeerUnavailable(_shown(str(error)) or type(error).__name__)


async def _why_ended(stream: grpc.aio.StreamStreamCall[Any, Any]) -> str:
    said = _shown(await stream.details())
    return f"the partner ended the stream: {said or 'no reason given'}"


def _shown(details: str | None) -> str:
    """Words of a partner's node, as they may stand on our operator's screen and in our log."""
    return printable((details or "")[:_DETAIL_CHARACTERS])
