"""Messages that are small to send and large to read: many fields, or few bytes that unpack."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from sesn_node.errors import MalformedError
from sesn_node.transport import link, pacing
from sesn_node.transport.tls import channel_credentials, channel_options
from sesn_node.wire import batches
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb.card_pb2 import SealedCard
from tests.support.calls import (
    REFLECTION,
    TIMEOUT_S,
    calling,
    raw_stream,
    raw_unary,
    status,
    stream_status,
)
from tests.support.homes import BE
from tests.support.patience import until
from tests.support.takeover import reached, taken_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.hostile import Answers, Batches
    from tests.support.takeover import Scene

_FIELDS = 100_000


def _held(number: int, data: bytes) -> bytes:
    """Write a field that holds bytes."""
    size = len(data)
    return bytes([number << 3 | 2, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data


_EMPTY_PROOFS = _held(2, b"\x1a\x00" * _FIELDS)
_SWOLLEN_BATCHES = {
    "empty shipments": b"\x1a\x00" * _FIELDS,
    "shipments of two empty parts": b"\x1a\x04\x0a\x00\x12\x00" * _FIELDS,
    "empty proofs": _held(3, _EMPTY_PROOFS),
    "parts given again and again": _held(3, b"\x12\x00" * _FIELDS),
    "cards given again and again": b"\x2a\x00" * _FIELDS,
    "unknown fields": b"\x78\x01" * _FIELDS,
    "unknown fields in an envelope": _held(3, _held(1, b"\x78\x01" * _FIELDS)),
    "a group": b"\x7b" + b"\x78\x01" * _FIELDS + b"\x7c",
}
_SWOLLEN_ANSWERS = {
    "empty outcomes": b"\x22\x00" * _FIELDS,
    "empty proofs": _held(4, _held(1, b"\x1a\x00" * _FIELDS)),
    "refusals given again and again": _held(4, b"\x12\x00" * _FIELDS),
    "unknown fields in a witness's word": _held(2, b"\x78\x01" * _FIELDS),
}


@pytest.mark.parametrize(
    ("read", "data"),
    [
        *((batches.decode_batch, data) for data in _SWOLLEN_BATCHES.values()),
        *((batches.decode_answer, data) for data in _SWOLLEN_ANSWERS.values()),
    ],
    ids=[*_SWOLLEN_BATCHES, *(f"answer: {name}" for name in _SWOLLEN_ANSWERS)],
)
def test_message_of_many_fields(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[bytes], object], data: bytes
) -> None:
    """It is refused before protobuf's parser, which lets no other thread run, sees it."""
    kind = pb.DeliverRequest if read is batches.decode_batch else pb.DeliverResponse
    if b"\x7b" not in data[:1]:
        kind.FromString(data)
    parsed: list[bytes] = []
    never = SimpleNamespace(FromString=parsed.append)
    monkeypatch.setattr(batches, "pb", SimpleNamespace(DeliverRequest=never, DeliverResponse=never))
    with pytest.raises(MalformedError):
        read(data)
    assert not parsed


async def test_streams_are_read_off_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches and answers are parsed in threads, whoever dialled, so that others are served."""
    read: dict[str, set[int]] = {"batch": set(), "answer": set()}

    def reading(what: str, read_it: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def note(data: bytes) -> object:
            read[what].add(threading.get_ident())
            return read_it(data)

        return note

    monkeypatch.setattr(pacing, "decode_batch", reading("batch", batches.decode_batch))
    monkeypatch.setattr(link, "decode_answer", reading("answer", batches.decode_answer))
    async with taken_over(tmp_path) as scene:
        await scene.honest_messages()
        messages = await scene.bait(1)
        async with reached(scene.hostile, scene.hostile.honestly, collects=True):
            await scene.nl.acknowledged(*messages)
    assert read["batch"]
    assert read["answer"]
    assert threading.get_ident() not in read["batch"] | read["answer"]


@pytest.mark.parametrize("collects", [False, True])
async def test_answer_of_many_outcomes(tmp_path: Path, *, collects: bool) -> None:
    """It ends the link; the message waits, and honest partners are served."""

    async def swollen(requests: Batches) -> Answers:
        async for request in requests:
            yield pb.DeliverResponse(sequence=request.sequence, outcomes=[pb.Outcome()] * _FIELDS)

    async with taken_over(tmp_path) as scene:
        messages = await scene.bait(1)
        async with reached(scene.hostile, swollen, collects=collects):
            await until(lambda: scene.unanswered(*messages), "the message is put off")
            await scene.honest_messages(1)
        assert scene.queued(*messages)


async def test_giant_greeting(tmp_path: Path) -> None:
    """Nor is the answer to a greeting read that is larger than any card."""
    card = SealedCard(body=bytes(200_000), seal=b"seal").SerializeToString()
    async with taken_over(tmp_path) as scene:
        async with scene.hostile.served(scene.hostile.honestly, card=card) as service:
            messages = await scene.bait(1)
            await until(lambda: "at most 131072" in _failure(scene), "the link does not open")
            await scene.honest_messages(1)
        assert service.streams == 0
        assert scene.queued(*messages)


async def test_giant_request_for_reflection(tmp_path: Path) -> None:
    """What a stream of another service asks is bounded like a single request."""
    async with (
        taken_over(tmp_path) as scene,
        calling(scene.nl.home, scene.hostile.home.identity) as channel,
    ):
        reflect = raw_stream(channel, REFLECTION)
        ended = await stream_status(lambda: reflect(timeout=TIMEOUT_S), b"\x78\x01" * _FIELDS)
        assert ended is grpc.StatusCode.INVALID_ARGUMENT


# Compression.


@pytest.mark.parametrize("how", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: grpc.Compression
) -> None:
    """They are refused by gRPC's core: no node sends them, and none is unpacked or read."""
    read: list[bytes] = []
    monkeypatch.setattr(pacing, "decode_batch", read.append)
    async with taken_over(tmp_path) as scene:
        home, identity = scene.nl.home, scene.hostile.home.identity
        # Ours would not send it.
        options = [one for one in channel_options(home.agency) if "compression" not in one[0]]
        async with grpc.aio.secure_channel(
            home.endpoint,
            channel_credentials(identity, home.root_der),
            options=options,
            compression=how,
        ) as channel:
            deliver = raw_stream(channel, "/sesn.v1.Exchange/Deliver")
            for data in (b"\x08\x01", b"\x08\x01" + b"\x1a\x00" * _FIELDS):
                ended = await stream_status(lambda: deliver(timeout=TIMEOUT_S), data)
                assert ended is grpc.StatusCode.UNIMPLEMENTED
            for method in ("GetCard", "AddCheckpoint"):
                call = raw_unary(channel, f"/sesn.v1.Exchange/{method}")
                ended = await status(call(bytes([15 << 3, 0]) * 5_000, timeout=TIMEOUT_S))
                assert ended in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL}
        assert not read
        monkeypatch.undo()
        await scene.honest_messages(1)


async def test_compressed_answers(tmp_path: Path) -> None:
    """Nor does a node take what a partner compressed that it has dialled."""
    async with taken_over(tmp_path) as scene:
        messages = await scene.bait(1)
        async with scene.hostile.served(
            scene.hostile.honestly, compression=grpc.Compression.Gzip
        ) as service:
            await until(lambda: "Compression algorithm" in _failure(scene), "no link opens")
            assert service.streams == 0
            await scene.honest_messages(1)
        assert scene.queued(*messages)
        async with scene.hostile.served(scene.hostile.honestly):
            await scene.nl.acknowledged(*messages)


def _failure(scene: Scene) -> str:
    """Tell why the hostile partner could not be reached."""
    with scene.nl.office.store.read() as transaction:
        return transaction.peers.link(BE).error or ""
