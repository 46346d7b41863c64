"""Links, inlets and connections without a network, for tests of what runs over them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.errors import PeerUnavailable
from sesn_node.wire.batches import batch_to_pb
from tests.support.homes import GH, NL
from tests.support.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sesn_node.domain.batches import Answer, Batch
    from sesn_node.domain.ids import MessageId
    from sesn_node.trust.card import TrustedCard
    from tests.support.network import Network


class Pair:
    """nl.customs, and gh.epa, to whom it sends.

    Args:
        net: Where they are.
    """

    def __init__(self, net: Network) -> None:
        self.net = net
        self.office = net[NL].office

    async def acknowledged(self, *messages: MessageId) -> None:
        """Wait for the receipts of gh.epa."""
        for message_id in messages:
            await until(partial(self._settled, message_id), "a receipt")

    def _settled(self, message_id: MessageId) -> bool:
        return self.net[NL].states(message_id) == {GH: "acknowledged"}


class DirectLink:
    """Hands batches to whoever answers, and keeps them.

    Args:
        answer: Answers a batch, or raises what the link does.
    """

    def __init__(self, answer: Callable[[Batch], Answer]) -> None:
        self.lost = asyncio.Event()
        self.batches: list[Batch] = []
        self._answer = answer

    @property
    def next_sequence(self) -> int:
        """Number of the next batch."""
        return len(self.batches) + 1

    @property
    def sizes(self) -> list[int]:
        """Messages of each batch."""
        return [len(one.shipments) for one in self.batches]

    async def exchange(self, batch: Batch) -> Answer:
        """Have a batch answered, in a thread."""
        self.batches.append(batch)
        return await asyncio.to_thread(self._answer, batch)


class DirectInlet:
    """Gives batches one by one, then waits or ends.

    Args:
        batches: What there is.
        ends: Whether the stream ends after them.
    """

    def __init__(self, batches: Sequence[Batch] = (), *, ends: bool = False) -> None:
        self._left = list(batches)
        self._ends = ends
        self.answers: list[Answer] = []

    async def next(self) -> bytes:
        """Give the next batch."""
        if self._left:
            return batch_to_pb(self._left.pop(0)).SerializeToString()
        if self._ends:
            raise PeerUnavailable("the stream ended")
        return await asyncio.Future()

    async def answer(self, answer: Answer) -> None:
        """Keep an answer."""
        self.answers.append(answer)


class DirectConnection:
    """A partner that was reached.

    Args:
        card: Its card.
        link: Where our batches go.
        inlet: Makes where its batches come from.
    """

    def __init__(
        self, card: bytes, link: DirectLink, inlet: Callable[[], DirectInlet] = DirectInlet
    ) -> None:
        self.card = card
        self.collected = 0
        self._link = link
        self._inlet = inlet

    def deliver(self) -> DirectLink:
        """Open a stream for our batches."""
        return self._link

    def collect(self) -> DirectInlet:
        """Open a stream for the partner's batches."""
        self.collected += 1
        return self._inlet()

    async def ask(self, method: str, request: bytes) -> bytes:
        """Make a call; nobody answers."""
        raise PeerUnavailable(f"{method} of {len(request)} bytes is not answered")

    async def deliver_again(self, message_ids: Sequence[bytes]) -> int:
        """Have nothing to deliver again."""
        assert message_ids
        return 0

    async def deliver_from(self, origin: str, first: int) -> tuple[int, int]:
        """Have nothing to deliver again."""
        assert origin
        assert first
        return 0, 0


class Switchboard:
    """Reaches a partner as long as there is a connection.

    Args:
        connection: What to give; None if nobody answers.
    """

    def __init__(self, connection: DirectConnection | None = None) -> None:
        self.connection = connection
        self.dialled = 0

    @asynccontextmanager
    async def dial(
        self, _own: TrustedCard, _partner: TrustedCard
    ) -> AsyncIterator[DirectConnection]:
        """Dial."""
        self.dialled += 1
        if self.connection is None:
            raise PeerUnavailable("nobody answers")
        yield self.connection
