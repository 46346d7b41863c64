"""A trusted partner whose node misbehaves on the wire: what it gets, and what others notice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Answer, ProvenEntry
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import MessageId, new_message_id
from sesn_node.exchange.limiter import REFUSALS
from sesn_node.wire.batches import answer_to_pb, batch_from_pb, decode_proof
from tests.support.homes import GH
from tests.support.misbehaviour import KINDS, Misbehaviour
from tests.support.patience import until
from tests.support.serving import captured_logs
from tests.support.takeover import Scene, deafness, reached, silence, taken_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.batches import Batch
    from tests.support.hostile import Answering, Answers, Batches, Hostile


_PAUSE_S = 0.1
"""Between two calls: who opens more of them than that is made to wait, which is another test."""


def receipts_of(message_id: MessageId, scene: Scene) -> ProvenEntry:
    """Take the receipt that gh.epa gave for a message."""
    receipt = scene.copy(message_id).receipt
    assert receipt is not None
    return ProvenEntry(receipt.entry, receipt.index, decode_proof(receipt.proof))


@pytest.mark.parametrize("kind", KINDS)
async def test_others_are_served(tmp_path: Path, kind: str) -> None:
    """Whatever a partner does, the honest two get their receipts, and it gets none for nothing."""
    async with taken_over(tmp_path) as scene:
        bait = await scene.bait()
        attack = Misbehaviour(scene.hostile, gently=True)
        attacking = asyncio.create_task(attack.run(kind))
        try:
            await until(lambda: bool(attack.done) or attacking.done(), f"{kind} begins")
            await scene.honest_messages(1)
            assert not attacking.done()
        finally:
            attacking.cancel()
            await asyncio.gather(attacking, return_exceptions=True)
        states = {state for one in bait for state in scene.nl.states(one)}
        if kind == "twice":
            # The first of two answers is good.
            states.discard(DeliveryState.ACKNOWLEDGED)
        assert states <= {DeliveryState.QUEUED}
        assert scene.entries(EntryKind.REFUSED) <= REFUSALS.burst + 10


# A partner that is delivered to.


@pytest.mark.parametrize("answering", [silence, deafness])
async def test_partner_that_never_answers(tmp_path: Path, answering: Answering) -> None:
    """What it leaves unanswered is put off, one message after the other, and goes when it answers.

    So it does if the partner does not even read, and the batch is larger than what fits into the
    line.
    """
    async with taken_over(tmp_path) as scene:
        async with scene.hostile.served(answering) as service:
            messages = await scene.bait()
            await scene.honest_messages()
            await until(lambda: scene.unanswered(*messages), "all are put off")
            assert service.streams > 3
            await scene.honest_messages()
        assert scene.queued(*messages)
        assert scene.entries(EntryKind.ACKNOWLEDGED) == 0
        async with scene.hostile.served(scene.hostile.honestly):
            await scene.nl.acknowledged(*messages)
        assert scene.entries(EntryKind.ACKNOWLEDGED) == len(messages)


async def test_partner_that_answers_twice(tmp_path: Path) -> None:
    """The second answer is taken for that to the next batch, and refused; no receipt counts twice.

    The messages go all the same, over one stream after the other.
    """
    async with taken_over(tmp_path) as scene:
        attack = Misbehaviour(scene.hostile)
        attacking = asyncio.create_task(attack.twice())
        first = await scene.bait(1)
        await scene.nl.acknowledged(*first)
        more = await scene.bait(2)
        await scene.honest_messages()
        await scene.nl.acknowledged(*more)
        attacking.cancel()
        await asyncio.gather(attacking, return_exceptions=True)
        assert scene.entries(EntryKind.ACKNOWLEDGED) == 3


def _for_another_message(hostile: Hostile, batch: Batch, _: ProvenEntry) -> Answer:
    other = new_message_id(hostile.puppet.now_ms(), bytes(10))
    return hostile.reply(batch, message_id=other)


def _for_another_batch(hostile: Hostile, batch: Batch, _: ProvenEntry) -> Answer:
    return replace(hostile.reply(batch), sequence=batch.sequence + 1)


def _for_another_sender(hostile: Hostile, batch: Batch, _: ProvenEntry) -> Answer:
    return hostile.reply(batch, agency=GH)


def _of_somebody_else(hostile: Hostile, batch: Batch, theirs: ProvenEntry) -> Answer:
    answer = hostile.reply(batch)
    return replace(answer, outcomes=(theirs,) * len(answer.outcomes))


def _for_fewer_messages(hostile: Hostile, batch: Batch, _: ProvenEntry) -> Answer:
    return replace(hostile.reply(batch), outcomes=())


@pytest.mark.parametrize(
    "wrong",
    [
        _for_another_message,
        _for_another_batch,
        _for_another_sender,
        _of_somebody_else,
        _for_fewer_messages,
    ],
    ids=lambda one: one.__name__,
)
@pytest.mark.parametrize("collects", [False, True], ids=["delivered to", "collects"])
async def test_partner_that_answers_for_something_else(
    tmp_path: Path, wrong: Callable[[Hostile, Batch, ProvenEntry], Answer], *, collects: bool
) -> None:
    """An answer that is none to this batch acknowledges nothing, whoever dialled."""
    async with taken_over(tmp_path) as scene:
        given = await scene.nl.send(scene.gh.home)
        await scene.nl.acknowledged(given)
        theirs = receipts_of(given, scene)
        hostile = scene.hostile

        async def answering(batches: Batches) -> Answers:
            async for request in batches:
                yield answer_to_pb(wrong(hostile, batch_from_pb(request), theirs))

        messages = await scene.bait()
        async with reached(hostile, answering, collects=collects):
            await until(lambda: scene.unanswered(messages[0]), "the first is put off")
            await scene.honest_messages()
        assert scene.queued(*messages)
        assert scene.entries(EntryKind.ACKNOWLEDGED) == 0
        async with reached(hostile, hostile.honestly, collects=collects):
            await scene.nl.acknowledged(*messages)


async def test_partner_that_answers_too_late(tmp_path: Path) -> None:
    """What comes after the time is over comes to nobody; an answer in time is taken, once."""
    async with taken_over(tmp_path) as scene:
        hostile = scene.hostile
        again = asyncio.Event()
        streams: list[int] = []

        async def answering(batches: Batches) -> Answers:
            streams.append(len(streams))
            late = len(streams) == 1
            if not late:
                again.set()
            async for request in batches:
                if late:
                    # Until the node has given up, and come back.
                    await again.wait()
                yield answer_to_pb(hostile.reply(batch_from_pb(request)))

        async with hostile.served(answering):
            messages = await scene.bait()
            await scene.honest_messages()
            await scene.nl.acknowledged(*messages)
        assert len(streams) > 1
        assert scene.entries(EntryKind.ACKNOWLEDGED) == len(messages)


# A partner that collects.


async def test_partner_that_collects_and_never_answers(tmp_path: Path) -> None:
    """It gets what waits for it three times, then one message at a time until that is put off."""
    async with taken_over(tmp_path) as scene:
        messages = await scene.bait()
        async with reached(scene.hostile, silence, collects=True):
            await until(lambda: scene.unanswered(messages[0]), "the first is put off")
            await scene.honest_messages()
        assert scene.queued(*messages)
        async with reached(scene.hostile, scene.hostile.honestly, collects=True):
            await scene.nl.acknowledged(*messages)


async def test_partner_that_collects_and_never_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not even read does not keep its messages from going another way."""
    logs = captured_logs(monkeypatch)
    async with taken_over(tmp_path) as scene:
        messages = await scene.bait()
        async with reached(scene.hostile, deafness, collects=True):
            await until(
                lambda: any(line["event"] == "collecting-ended" for line in logs), "it is given up"
            )
            await scene.honest_messages()
            assert scene.queued(*messages)
            async with scene.hostile.served(scene.hostile.honestly):
                await scene.nl.acknowledged(*messages)


async def test_partner_that_collects_and_hangs_up(tmp_path: Path) -> None:
    """A call that is cancelled when a batch came is a failure as well: the message is put off."""
    async with taken_over(tmp_path) as scene:
        messages = await scene.bait()
        attacking = asyncio.create_task(Misbehaviour(scene.hostile).openings(_PAUSE_S))
        await until(lambda: scene.unanswered(messages[0]), "the first is put off")
        await scene.honest_messages()
        attacking.cancel()
        await asyncio.gather(attacking, return_exceptions=True)
        async with reached(scene.hostile, scene.hostile.honestly, collects=True):
            await scene.nl.acknowledged(*messages)
