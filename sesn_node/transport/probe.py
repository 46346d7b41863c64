"""Probe: one real greeting to each partner, to see how its node answers. Changes nothing here.

A greeting is what every link begins with, so what it meets is what deliveries meet: the address,
the firewall, both certificates, trust on both sides, and the use cases behind them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from sesn_node.domain.checks import printable
from sesn_node.errors import PeerUnavailable
from sesn_node.transport.link import greet, unavailable
from sesn_node.transport.tls import channel_credentials, channel_options
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.transport.tls import TlsIdentity
    from sesn_node.trust.card import TrustedCard

_AT_ONCE: Final = 32
_VERSION_CHARACTERS: Final = 64
_MAX_TIME_MS: Final = 1 << 53
# Words of gRPC's for a certificate on the other side that is not under the root that we pinned.
_NOT_THEM: Final = ("CERTIFICATE_VERIFY_FAILED", "Hostname Verification Check failed")
# Of TLS 1.3 the client is done before the server has looked at its certificate (RFC 8446 section
# 4.4.4), so a server that does not take it just closes.
_CLOSED: Final = ("Socket closed", "Connection reset by peer", "TLSV1_ALERT", "SSLV3_ALERT")
_REFUSED: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})


class Failing(StrEnum):
    """Why an endpoint did not answer a greeting; what tells most comes last."""

    UNREACHABLE = "unreachable"
    """Nobody answers there, or not in time."""
    CLOSED = "closed"
    """Whoever listens there closes the connection once we have presented ourselves."""
    ANSWER = "answer"
    """The partner's node answers with an error."""
    NOT_US = "not-us"
    """The partner's node says that it does not trust us."""
    NOT_THEM = "not-them"
    """Whoever answers there has not proven to be this partner."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An endpoint that did not answer a greeting: why, and what gRPC or the partner said."""

    endpoint: str
    failing: Failing
    detail: str


@dataclass(frozen=True, slots=True)
class Echo:
    """A greeting that was answered.

    Args:
        endpoint: Where.
        version: What the partner's software calls itself; empty if it does not say.
        offset_ms: Its clock minus ours, to half of the round trip; None if it does not say.
        round_trip_ms: From the question to the answer, over a connection that stands.
        card: Its newest sealed card.
        cosigned: The last checkpoint of our ledger that it cosigned, as it shows it: proves
            nothing until it is verified. Empty if there is none; None if it does not say.
    """

    endpoint: str
    version: str
    offset_ms: int | None
    round_trip_ms: int
    card: bytes
    cosigned: bytes | None


@dataclass(frozen=True, slots=True)
class Probed:
    """A partner that was greeted: the answer, and the endpoints before it that gave none."""

    partner: TrustedCard
    echo: Echo | None
    failures: tuple[Failure, ...]


async def probe(
    identity: TlsIdentity,
    own: TrustedCard,
    partners: Sequence[TrustedCard],
    clock: Callable[[], int],
    timeout_s: float,
) -> list[Probed]:
    """Greet partners, at most 32 at a time; each endpoint has `timeout_s` for all of it.

    Args:
        identity: Our leaf and key.
        own: Our newest card.
        partners: Whom.
        clock: Unix milliseconds.
        timeout_s: How long an endpoint may take.

    Returns:
        What became of each, in the same order.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(partner: TrustedCard) -> Probed:
        async with turns:
            return await _probe(identity, own, partner, clock, timeout_s)

    return await asyncio.gather(*(one(partner) for partner in partners))


async def _probe(
    identity: TlsIdentity,
    own: TrustedCard,
    partner: TrustedCard,
    clock: Callable[[], int],
    timeout_s: float,
) -> Probed:
    failures: list[Failure] = []
    for endpoint in partner.card.endpoints:
        channel = grpc.aio.secure_channel(
            endpoint,
            channel_credentials(identity, partner.card.root_certificate),
            options=channel_options(partner.card.agency),
        )
        try:
            async with asyncio.timeout(timeout_s):
                echo = await _ask(channel, endpoint, own, clock, timeout_s)
            return Probed(partner, echo, tuple(failures))
        except TimeoutError:
            late = f"no answer within {timeout_s:.0f} s"
            failures.append(Failure(endpoint, Failing.UNREACHABLE, late))
        except (grpc.RpcError, PeerUnavailable) as error:
            failures.append(_failure(endpoint, error))
        finally:
            await channel.close()
    return Probed(partner, None, tuple(failures))


async def _ask(
    channel: grpc.aio.Channel,
    endpoint: str,
    own: TrustedCard,
    clock: Callable[[], int],
    timeout_s: float,
) -> Echo:
    greeted = await greet(channel, own, clock(), timeout_s)
    # The first answer took a handshake; the second one tells about the clocks.
    before_ms, before_s = clock(), time.monotonic()
    greeted = await greet(channel, own, before_ms, timeout_s)
    took_ms = round((time.monotonic() - before_s) * 1000)
    offset_ms = None
    if 0 < greeted.time_ms < _MAX_TIME_MS:
        offset_ms = greeted.time_ms - (before_ms + took_ms // 2)
    sealed: bytes = greeted.card.SerializeToString(deterministic=True)
    return Echo(
        endpoint=endpoint,
        version=printable(greeted.version[:_VERSION_CHARACTERS]),
        offset_ms=offset_ms,
        round_trip_ms=took_ms,
        card=sealed,
        cosigned=await _cosigned(rpc.ExchangeStub(channel), own, timeout_s),
    )


async def _cosigned(stub: rpc.ExchangeStub, own: TrustedCard, timeout_s: float) -> bytes | None:
    request = pb.GetCheckpointRequest(origin=own.current_origin)
    try:
        response: pb.GetCheckpointResponse = await stub.GetCheckpoint(request, timeout=timeout_s)
    except grpc.RpcError:
        # It greets us, which is what was asked; an old copy does not show what it cosigned.
        return None
    return response.checkpoint


def _failure(endpoint: str, error: Exception) -> Failure:
    detail = str(unavailable(error))
    code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
    whole = error.details() or "" if isinstance(error, grpc.aio.AioRpcError) else ""
    if any(words in whole for words in _NOT_THEM):
        failing = Failing.NOT_THEM
    elif code in _REFUSED:
        failing = Failing.NOT_US
    elif code is grpc.StatusCode.UNAVAILABLE and any(words in whole for words in _CLOSED):
        failing = Failing.CLOSED
    elif code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, None}:
        failing = Failing.UNREACHABLE
    else:
        failing = Failing.ANSWER
    return Failure(endpoint, failing, detail)
