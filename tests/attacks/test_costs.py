"""What a hostile partner can cost us at most: writes, entries, dialling, memory."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from sesn_node.domain.batches import Batch, WitnessAnswer
from sesn_node.domain.entries import EntryKind
from sesn_node.errors import PolicyError, VerificationError
from sesn_node.exchange import peers
from sesn_node.exchange.intake import MOST_NEW_PROOFS
from sesn_node.exchange.limiter import CARDS, CHECKPOINTS, GREETINGS
from sesn_node.exchange.links import peer_is_back
from sesn_node.exchange.peers import TOO_MANY_CARDS, take_card
from sesn_node.exchange.release import release_peer
from sesn_node.exchange.witness import TOO_MANY_CHECKPOINTS, add_checkpoint
from sesn_node.founding import issue_own_card
from sesn_node.ledger.witness import Status, parse_add_checkpoint
from sesn_node.transport import admission, pacing, server
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb.card_pb2 import SealedCard
from tests.support.calls import (
    HEALTH,
    REFLECTION,
    TIMEOUT_S,
    calling,
    raw_stream,
    raw_unary,
    status,
    stream_status,
)
from tests.support.homes import BE, DE, NL, PASSPHRASE
from tests.support.patience import until
from tests.support.puppet import Puppet
from tests.support.serving import captured_logs
from tests.support.snapshot import unchanged
from tests.support.takeover import taken_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.hostile import Answers, Batches
    from tests.support.network import Network

_MIB = 1 << 20


# Writes.


def test_more_checkpoints_than_a_ledger_needs(connect: Callable[..., Network]) -> None:
    """A ledger that grows for its own sake is witnessed so often, and then not for a while."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    office = net[NL].office
    for number in range(CHECKPOINTS.burst):
        puppet.append(bytes([number]))
        answer = witness_add(net, puppet, number)
        assert answer.status == Status.COSIGNED
    puppet.append(b"more")
    with unchanged(office), pytest.raises(PolicyError) as refused:
        witness_add(net, puppet, CHECKPOINTS.burst)
    assert refused.value.code == TOO_MANY_CHECKPOINTS
    # Messages are taken all the same, with the checkpoint that proves them.
    batch = puppet.batch(puppet.letter(net[NL].card), old=puppet.known_to(net[NL]))
    answered = net[NL].receiver.receive(DE, batch)
    assert answered.witness.status == Status.COSIGNED
    puppet.append(b"still more")
    net.pass_time(CHECKPOINTS.token_ms)
    assert witness_add(net, puppet, puppet.known_to(net[NL])).status == Status.COSIGNED
    net.check()


def witness_add(net: Network, puppet: Puppet, old: int) -> WitnessAnswer:
    """Submit the puppet's ledger."""
    body = puppet.add_checkpoint(old)
    return add_checkpoint(net[NL].office, puppet.agency, body)


def test_fork_that_is_shown_again(connect: Callable[..., Network]) -> None:
    """The first proof of a fork is kept; nobody writes when it is shown once more."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    puppet.append(b"one")
    witness_add(net, puppet, 0)
    puppet.ledger[0] = b"other"
    note = parse_add_checkpoint(puppet.add_checkpoint(0)).note
    forked = b"old 1\n\n" + note
    assert add_checkpoint(net[NL].office, DE, forked).status == Status.BAD_PROOF
    release_peer(net[NL].office, DE)
    writes = len(net.faults.writes)
    assert add_checkpoint(net[NL].office, DE, forked).status == Status.BAD_PROOF
    assert len(net.faults.writes) == writes


def test_cosignature_that_is_sent_again(connect: Callable[..., Network]) -> None:
    """A partner's word on our answer is kept once; sent again, it is not even looked at."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    intake = net[NL].receiver.open(DE)
    answer = intake.receive(puppet.batch(puppet.letter(net[NL].card), old=0))
    assert intake.useful
    head = parse_add_checkpoint(answer.add_checkpoint).checkpoint.claimed
    word = WitnessAnswer(int(Status.COSIGNED), 0, puppet.cosign(head))
    intake.receive(Batch(2, witness=word))
    assert intake.useful
    writes = len(net.faults.writes)
    for number in range(3, 6):
        intake.receive(Batch(number, witness=word))
        assert not intake.useful
    assert len(net.faults.writes) == writes
    net.check()


def test_cosignature_of_what_is_cosigned_already(connect: Callable[..., Network]) -> None:
    """A cosignature over a checkpoint that has one is no news, however many answers it is over."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    intake = net[NL].receiver.open(DE)
    batch = puppet.batch(puppet.letter(net[NL].card), old=0)
    answer = intake.receive(batch)
    batch = replace(batch, add_checkpoint=puppet.add_checkpoint(len(puppet.ledger)))

    def word() -> WitnessAnswer:
        head = parse_add_checkpoint(answer.add_checkpoint).checkpoint.claimed
        return WitnessAnswer(int(Status.COSIGNED), 0, puppet.cosign(head))

    def useful(batch: Batch) -> bool:
        nonlocal answer
        answered = intake.receive(batch)
        answer = answered if answered.add_checkpoint else answer
        return intake.useful

    assert useful(Batch(2, witness=word()))
    for number in range(3, 6):
        assert not useful(replace(batch, sequence=number, witness=word()))
        assert not useful(Batch(number, witness=word()))
    assert not useful(Batch(6, witness=replace(word(), status=409, size=0)))
    # Our ledger grows: a new cosignature is worth a batch of its own, and excuses no other.
    net.share(NL, DE)
    assert not useful(replace(batch, sequence=7))
    assert not useful(replace(batch, sequence=8, witness=word()))
    net.share(NL, DE)
    assert not useful(replace(batch, sequence=9))
    assert useful(Batch(10, witness=word()))
    net.check()


def test_partner_whom_no_proof_suits(connect: Callable[..., Network]) -> None:
    """An answer is proven anew so often, and then the stream ends."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    intake = net[NL].receiver.open(DE)
    intake.receive(puppet.batch(puppet.letter(net[NL].card), old=0))
    again = WitnessAnswer(int(Status.OTHER_OLD_SIZE), 1)
    for number in range(MOST_NEW_PROOFS):
        answer = intake.receive(Batch(number + 2, witness=again))
        assert len(answer.outcomes) == 1
        assert not intake.useful
    with unchanged(net[NL].office), pytest.raises(VerificationError):
        intake.receive(Batch(MOST_NEW_PROOFS + 2, witness=again))
    net.check()


def test_flood_of_greetings(connect: Callable[..., Network]) -> None:
    """Greetings end our waiting so often; then they are answered, and nothing else."""
    net = connect(NL, DE)
    office = net[NL].office
    message_id = net.share(NL, DE)

    def defer() -> None:
        office.sequencer.run(
            lambda work: work.transaction.outbox.defer(
                message_id, DE, until_ms=work.now_ms + 1_000, code="BUSY", detail=None
            )
        )

    for _ in range(GREETINGS.burst):
        defer()
        assert peer_is_back(office, DE)
        assert net[NL].copies(message_id)[DE].next_attempt_ms == 0
    defer()
    with unchanged(office):
        assert not peer_is_back(office, DE)
    assert peer_is_back(office, BE)
    net.pass_time(GREETINGS.token_ms)
    assert peer_is_back(office, DE)


# Cards.


def test_card_that_is_not_opened(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a partner showed too many cards, the next one is not even opened."""
    net = connect(NL, DE)
    later = [net[DE].issue() for _ in range(CARDS.burst + 1)]
    for card in later[:-1]:
        assert take_card(net[NL].office, DE, card.sealed)
    opened: list[bytes] = []
    monkeypatch.setattr(peers, "open_card", lambda data, _at_ms: opened.append(data))
    with unchanged(net[NL].office), pytest.raises(PolicyError) as refused:
        take_card(net[NL].office, DE, later[-1].sealed)
    assert refused.value.code == TOO_MANY_CARDS
    assert not opened
    # The one that is held costs nothing, and is no news.
    assert not take_card(net[NL].office, DE, later[-2].sealed)


async def test_card_without_end(tmp_path: Path) -> None:
    """Of cards on a stream, each later than the one before, so many are taken as of a greeting."""
    async with taken_over(tmp_path) as scene:
        own = [issue_own_card(scene.hostile.home.path, PASSPHRASE) for _ in range(CARDS.burst + 3)]
        async with scene.hostile.calling() as stub:
            stream = stub.Deliver()
            for number, card in enumerate(own, 1):
                sealed = SealedCard.FromString(card.sealed)
                await stream.write(pb.DeliverRequest(sequence=number, card=sealed))
                answer = await stream.read()
                assert isinstance(answer, pb.DeliverResponse)
                assert answer.sequence == number
            stream.cancel()
        await scene.honest_messages(1)
        held = scene.nl.office.directory().peer(BE).card
        assert held.sha256 == own[CARDS.burst - 1].sha256
        # One when it was pinned.
        assert scene.entries(EntryKind.PEER) == CARDS.burst + 1


@pytest.mark.parametrize("size", [_MIB, 5 * _MIB])
async def test_giant_card_on_a_stream(tmp_path: Path, size: int) -> None:
    """A card that is none ends the stream, whichever way it came; nothing of it is kept."""
    async with taken_over(tmp_path) as scene:
        card = SealedCard(body=bytes(size), seal=b"seal")
        async with scene.hostile.calling() as stub:
            ended = await stream_status(stub.Deliver, pb.DeliverRequest(sequence=1, card=card))
        assert ended is grpc.StatusCode.INVALID_ARGUMENT

        async def answering(batches: Batches) -> Answers:
            async for request in batches:
                yield pb.DeliverResponse(sequence=request.sequence, card=card)

        messages = await scene.bait(1)
        async with scene.hostile.served(answering):
            await until(lambda: scene.unanswered(*messages), "the message is put off")
            await scene.honest_messages(1)
        assert scene.queued(*messages)


# Calls and streams.


@pytest.mark.parametrize("batch", [b"\x08\x01", b"\xff\xff"])
async def test_batches_each_on_a_new_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: bytes
) -> None:
    """What earlier streams of an agency took for nothing, the first batch of the next waits for."""
    monkeypatch.setattr(pacing, "IDLE_WORK", pacing.Share(burst=0.05, per_s=1e-6, longest_s=0))
    async with (
        taken_over(tmp_path) as scene,
        calling(scene.nl.home, scene.hostile.home.identity) as channel,
    ):
        deliver = raw_stream(channel, "/sesn.v1.Exchange/Deliver")
        ended = [await stream_status(partial(deliver, timeout=TIMEOUT_S), batch) for _ in range(60)]
        assert ended[0] is not grpc.StatusCode.RESOURCE_EXHAUSTED
        # Each counts for a millisecond at least.
        assert ended[51:] == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 9
        await scene.honest_messages(1)


async def test_reflection_that_is_asked_too_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request of such a stream counts as a call."""
    monkeypatch.setattr(admission, "CALLS", pacing.Share(burst=50, per_s=1e-4, longest_s=0))
    services = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    async with (
        taken_over(tmp_path) as scene,
        calling(scene.nl.home, scene.hostile.home.identity) as channel,
    ):
        stream = raw_stream(channel, REFLECTION)(timeout=TIMEOUT_S)
        answers = 0
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for _ in range(100):
                await stream.write(services)
                if await stream.read() is grpc.aio.EOF:
                    break
                answers += 1
        assert 0 < answers < 50
        await scene.honest_messages(1)


async def test_more_collecting_than_anybody_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens `Collect` again and again waits; what waits too long is refused, unserved."""
    monkeypatch.setattr(server, "COLLECTING", pacing.Share(burst=3, per_s=0.0001, longest_s=0.01))
    logs = captured_logs(monkeypatch)
    async with taken_over(tmp_path) as scene, scene.hostile.calling() as stub:
        ended = []
        for _ in range(6):
            stream = stub.Collect()
            # Its headers tell that the call goes on.
            opening = asyncio.ensure_future(stream.initial_metadata())
            await asyncio.wait({opening}, timeout=0.2)
            stream.cancel()
            ended.append(opening)
            await asyncio.gather(opening, return_exceptions=True)
        await scene.honest_messages(1)
    links = [one for one in logs if one["event"] == "link-up" and one["peer"] == BE]
    assert len([one for one in links if one["dialled_by"] == BE]) <= 3


async def test_more_calls_at_once_than_anybody_needs(tmp_path: Path) -> None:
    """An agency has so many calls open at once; another's go on."""
    async with (
        taken_over(tmp_path) as scene,
        calling(scene.nl.home, scene.hostile.home.identity) as channel,
        scene.hostile.calling() as stub,
    ):
        watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
        watch = channel.unary_stream(f"{HEALTH}/Watch")
        watches = [watch(b"") for _ in range(admission._MOST_OPEN)]  # noqa: SLF001 - the bound
        for call in watches:
            assert await call.read() is not grpc.aio.EOF
        greeting = stub.GetCard(pb.GetCardRequest(), timeout=TIMEOUT_S)
        assert await status(greeting) is grpc.StatusCode.RESOURCE_EXHAUSTED
        await scene.honest_messages(1)
        for call in watches:
            call.cancel()


async def test_calls_that_come_too_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who calls too fast waits, and is refused if too much waits; others are answered at once."""
    monkeypatch.setattr(admission, "CALLS", pacing.Share(burst=100, per_s=0.0001, longest_s=0))
    async with taken_over(tmp_path) as scene, scene.hostile.calling() as stub:
        ended = [
            await status(stub.GetCard(pb.GetCardRequest(), timeout=TIMEOUT_S)) for _ in range(110)
        ]
        assert ended[0] is grpc.StatusCode.OK
        assert ended[-1] is grpc.StatusCode.RESOURCE_EXHAUSTED
        await scene.honest_messages(1)


@pytest.mark.parametrize("method", ["GetCard", "AddCheckpoint", "GetCheckpoint"])
async def test_giant_request(tmp_path: Path, method: str) -> None:
    """A single request is bounded; of one that is refused nothing stays in memory."""
    async with (
        taken_over(tmp_path) as scene,
        calling(scene.nl.home, scene.hostile.home.identity) as channel,
    ):
        call = raw_unary(channel, f"/sesn.v1.Exchange/{method}")
        gc.collect()
        before = _held(_MIB)
        gc.disable()
        try:
            for _ in range(5):
                ended = await status(call(bytes(5 * _MIB), timeout=TIMEOUT_S))
                assert ended is grpc.StatusCode.INVALID_ARGUMENT
            await scene.honest_messages(1)
            assert _held(_MIB) == before
        finally:
            gc.enable()


async def test_giant_batch(tmp_path: Path) -> None:
    """Nor does a batch stay that ended its stream."""
    async with taken_over(tmp_path) as scene, scene.hostile.calling() as stub:
        giant = pb.DeliverRequest(sequence=1, add_checkpoint=bytes(5 * _MIB))
        gc.collect()
        before = _held(_MIB)
        gc.disable()
        try:
            for _ in range(5):
                ended = await stream_status(stub.Deliver, giant)
                assert ended is grpc.StatusCode.INVALID_ARGUMENT
            await scene.honest_messages(1)
            assert _held(_MIB) == before
        finally:
            gc.enable()


def _held(size: int) -> list[str]:
    """Find who holds bytes of at least this size, of those that the interpreter keeps track of."""
    return [
        type(one).__name__
        for one in gc.get_objects()
        for held in gc.get_referents(one)
        if type(held) is bytes and len(held) >= size
    ]
