"""nl.customs between an honest partner and one that was taken over."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.config import Delivery
from sesn_node.domain.delivery import NO_ANSWER, DeliveryState
from sesn_node.wire.entries import decode_entry
from tests.support.homes import BE, GH, NL
from tests.support.hostile import Hostile
from tests.support.serving import check_homes, founded, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sesn_node.domain.entries import EntryKind
    from sesn_node.domain.ids import MessageId
    from sesn_node.store.outbox_rows import OutboxRow
    from sesn_node.wire._pb import exchange_pb2 as pb
    from tests.support.hostile import Answering, Answers, Batches
    from tests.support.serving import Serving

SOON = Delivery(
    request_timeout_ms=500, backoff_initial_ms=10, backoff_cap_ms=100, collect_after_ms=50
)


@dataclass(frozen=True, slots=True)
class Scene:
    """nl.customs between an honest partner, gh.epa, and be.police, which was taken over.

    Args:
        nl: The node that is tried.
        gh: The honest one.
        hostile: What was be.police.
    """

    nl: Serving
    gh: Serving
    hostile: Hostile

    async def honest_messages(self, count: int = 3) -> None:
        """Let the honest two exchange messages, one after the other; all must be acknowledged."""
        for _ in range(count):
            await self.nl.acknowledged(await self.nl.send(self.gh.home))
            await self.gh.acknowledged(await self.gh.send(self.nl.home))

    async def bait(self, count: int = 3) -> list[MessageId]:
        """Share messages for the hostile partner."""
        return [await self.nl.send(self.hostile.home) for _ in range(count)]

    def copy(self, message_id: MessageId) -> OutboxRow:
        """Return the copy of a message that has one recipient."""
        with self.nl.office.store.read() as transaction:
            (copy,) = transaction.outbox.copies(message_id)
        return copy

    def unanswered(self, *messages: MessageId) -> bool:
        """Say whether all of these were put off since no answer came."""
        return all(self.copy(one).code == NO_ANSWER for one in messages)

    def queued(self, *messages: MessageId) -> bool:
        """Say whether all of these still wait."""
        return all(self.copy(one).state is DeliveryState.QUEUED for one in messages)

    def entries(self, kind: EntryKind) -> int:
        """Count what the ledger of nl.customs says of the hostile partner."""
        with self.nl.office.store.read() as transaction:
            size = transaction.ledger.require_head().size
            rows = list(transaction.ledger.entries(0, size))
        entries = [decode_entry(row.entry) for row in rows]
        return sum(one.kind is kind and one.agency == BE for one in entries)

    def witnessed(self) -> int:
        """Count the checkpoints of the hostile partner that are kept."""
        with self.nl.office.store.read() as transaction:
            return len(transaction.witness.cosignatures(self.hostile.puppet.origin))


@asynccontextmanager
async def taken_over(folder: Path, delivery: Delivery = SOON) -> AsyncIterator[Scene]:
    """Serve the two, and check every invariant of theirs at the end."""
    nl, gh, be = founded(folder, NL, GH, BE, delivery=delivery)
    async with serve(nl) as served, serve(gh) as other:
        yield Scene(served, other, Hostile(be, nl))
    check_homes(nl, gh)


async def silence(batches: Batches) -> Answers:
    """Read every batch, and answer none."""
    async for _ in batches:
        pass
    nothing: list[pb.DeliverResponse] = []
    for never in nothing:
        yield never


async def deafness(_batches: Batches) -> Answers:
    """Read nothing."""
    await asyncio.Event().wait()
    nothing: list[pb.DeliverResponse] = []
    for never in nothing:
        yield never


@asynccontextmanager
async def reached(hostile: Hostile, answering: Answering, *, collects: bool) -> AsyncIterator[None]:
    """Let batches be delivered to the hostile partner, or collected by it again and again."""
    if not collects:
        async with hostile.served(answering):
            yield
        return

    async def collecting() -> None:
        async with hostile.calling() as stub:
            while True:
                await hostile.collect(stub, answering)

    task = asyncio.create_task(collecting())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
