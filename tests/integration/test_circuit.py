"""The circuit to a partner that fails: opened, probed, closed; and messages that nobody can stand.

The same over our own `Deliver` and over the partner's `Collect`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import system_clock
from sesn_node.config import Delivery
from sesn_node.domain.alert import Urgency
from sesn_node.domain.delivery import NO_ANSWER, DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.exchange.share import Draft, share
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.batches import answer_to_pb, batch_from_pb
from sesn_node.wire.envelopes import decode_header
from tests.support.homes import BE, GH, NL
from tests.support.hostile import Hostile
from tests.support.network import alert
from tests.support.patience import until
from tests.support.serving import (
    DAY_MS,
    captured_logs,
    check_homes,
    found_home,
    founded,
    introduce,
    note,
    serve,
)
from tests.support.takeover import SOON, reached, taken_over

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from structlog.typing import EventDict

    from sesn_node.domain.ids import MessageId
    from tests.support.hostile import Answers, Batches
    from tests.support.takeover import Scene

both_ways = pytest.mark.parametrize("collects", [False, True], ids=["deliver", "collect"])


@dataclass(slots=True)
class Node:
    """A partner's node that ends the stream when it gets certain messages; else it answers.

    Args:
        hostile: Whose node.
        cannot_stand: The messages; all if None.
        batches: Messages of each batch that came.
        goes_on: Cleared, it takes its time over the next batch.
    """

    hostile: Hostile
    cannot_stand: set[bytes] | None = field(default_factory=set)
    batches: list[list[bytes]] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, batches: Batches) -> Answers:
        """Answer the batches of a stream, or end it."""
        async for request in batches:
            ids = _messages(request)
            if ids:
                self.batches.append(ids)
                await self.goes_on.wait()
                if self.cannot_stand is None or self.cannot_stand.intersection(ids):
                    return
            yield answer_to_pb(self.hostile.reply(batch_from_pb(request)))


def _messages(request: pb.DeliverRequest) -> list[bytes]:
    return [bytes(decode_header(one.envelope.header).message_id) for one in request.shipments]


@both_ways
async def test_circuit_opens_and_closes(tmp_path: Path, *, collects: bool) -> None:
    """Three failures open it; then it is tried with one message each time; an answer closes it."""
    patient = replace(SOON, request_timeout_ms=60_000)
    async with taken_over(tmp_path, patient) as scene:
        node = at_work(scene)
        async with reached(scene.hostile, node.answer, collects=collects):
            await scene.nl.acknowledged(*await scene.bait(1))
            node.batches.clear()
            node.goes_on.clear()
            messages = await scene.bait(6)
            node.cannot_stand = None
            node.goes_on.set()
            await until(lambda: scene.unanswered(*messages[:2]), "two messages are put off")
            tried = [len(ids) for ids in node.batches]
            # The first batch left as soon as something was shared, with what was there by then.
            assert 1 <= tried[0] <= len(messages)
            assert tried[1:3] == [6, 6]
            assert set(tried[3:]) == {1}
            assert scene.queued(*messages)
            node.cannot_stand = set()
            await scene.nl.acknowledged(*messages)
            node.batches.clear()
            node.goes_on.clear()
            more = await scene.bait(6)
            node.goes_on.set()
            await scene.nl.acknowledged(*more)
            # Whole batches again: what was there at first, and all the rest.
            sent = [len(ids) for ids in node.batches]
            assert len(sent) <= 2
            assert sum(sent) == len(more)
        await scene.honest_messages(1)


def at_work(scene: Scene, *cannot_stand: MessageId) -> Node:
    """Make the partner's node, which goes about its work."""
    node = Node(scene.hostile, set(cannot_stand))
    node.goes_on.set()
    return node


@both_ways
async def test_message_that_the_partner_cannot_stand(tmp_path: Path, *, collects: bool) -> None:
    """It is set aside, and all others arrive, the more urgent and the less; later it does, too."""
    async with taken_over(tmp_path) as scene:
        before = [await send(scene, Urgency.ROUTINE), await send(scene, Urgency.SHIP_SAILS)]
        poison = await send(scene, Urgency.URGENT)
        after = [await send(scene, urgency) for urgency in Urgency]
        node = at_work(scene, poison)
        async with reached(scene.hostile, node.answer, collects=collects):
            await scene.nl.acknowledged(*before, *after)
            copy = scene.copy(poison)
            assert (copy.state, copy.code) == (DeliveryState.QUEUED, NO_ANSWER)
            # It goes on being tried, by itself, and holds up nobody.
            tried = len(node.batches)
            await until(lambda: [poison] in node.batches[tried:], "it is tried again")
            later = await send(scene, Urgency.ROUTINE)
            await scene.nl.acknowledged(later)
            node.cannot_stand = set()
            await scene.nl.acknowledged(poison)
        assert scene.entries(EntryKind.ACKNOWLEDGED) == len(before) + len(after) + 2


async def send(scene: Scene, urgency: Urgency) -> MessageId:
    """Share an alert of some urgency for the hostile partner."""
    draft = Draft(alert(urgency=urgency), (scene.hostile.home.agency,))
    message_id = await asyncio.to_thread(share, scene.nl.office, draft)
    scene.nl.node.wake()
    return message_id


async def test_greeting_does_not_bring_back_what_got_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the partner's node could not answer waits for its own time, however often it greets."""
    monkeypatch.setattr("sesn_node.exchange.aside.backoff_ms", lambda *_: DAY_MS)
    async with taken_over(tmp_path) as scene:
        poison = await send(scene, Urgency.SHIP_SAILS)
        node = at_work(scene, poison)
        async with reached(scene.hostile, node.answer, collects=False):
            await until(lambda: scene.unanswered(poison), "it is put off")
            due_ms = scene.copy(poison).next_attempt_ms
            tried = len(node.batches)
            async with scene.hostile.calling() as stub:
                for _ in range(3):
                    await stub.GetCard(pb.GetCardRequest())
                    await scene.nl.acknowledged(await send(scene, Urgency.ROUTINE))
            assert poison not in {one for ids in node.batches[tried:] for one in ids}
            assert scene.copy(poison).next_attempt_ms == due_ms


@both_ways
async def test_partner_that_comes_back_after_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, collects: bool
) -> None:
    """What has not expired goes at once; what has is accounted for."""
    logs = captured_logs(monkeypatch)
    days = [0]

    def clock() -> int:
        return system_clock() + days[0] * DAY_MS

    nl_home = found_home(tmp_path, NL, SOON)
    gh_home = found_home(tmp_path, GH, SOON, listens=not collects)
    introduce(nl_home, gh_home)
    async with serve(nl_home, clock=clock) as nl:
        kept = [await nl.send(gh_home) for _ in range(3)]
        soon = Draft(note(), (gh_home.agency,), expires_ms=clock() + DAY_MS)
        lost = await asyncio.to_thread(share, nl.office, soon)
        if not collects:
            await until(
                lambda: any(one.get("circuit") == "open" for one in logs), "the circuit opens"
            )
        days[0] = 5
        nl.node.wake()
        async with serve(gh_home, clock=clock) as gh:
            await nl.acknowledged(*kept)
            await until(lambda: nl.states(lost) == {DeliveryState.EXPIRED}, "the other expires")
            assert sorted(gh.received()) == sorted(kept)
            await nl.acknowledged(await nl.send(gh_home))
    check_homes(nl_home, gh_home)


async def test_broken_collecting_does_not_stop_deliveries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partner whose node ends every `Collect` is delivered to all the same, over one stream."""
    soon = Delivery(collect_after_ms=0, backoff_initial_ms=10, backoff_cap_ms=20)
    logs = captured_logs(monkeypatch)
    nl_home, be_home = founded(tmp_path, NL, BE, delivery=soon)
    hostile = Hostile(be_home, nl_home)
    async with serve(nl_home) as nl, hostile.served(hostile.honestly) as service:
        service.offers = False
        await until(lambda: _times(logs, "collecting-failed") > 3, "collecting fails")
        await nl.acknowledged(*[await nl.send(be_home) for _ in range(3)])
        assert service.streams == 1
    check_homes(nl_home)


def _times(logs: Sequence[EventDict], event: str) -> int:
    return sum(line["event"] == event for line in logs)
