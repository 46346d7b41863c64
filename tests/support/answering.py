"""A sender whose batch is answered by a puppet, for attacks on settling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import SesnError, VerificationError
from sesn_node.exchange.settle import settle
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.batches import answer_from_pb, answer_to_pb
from tests.support.homes import DE, NL
from tests.support.puppet import Puppet
from tests.support.snapshot import unchanged
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from sesn_node.domain.batches import Answer, Batch
    from sesn_node.exchange.deliver import Outgoing
    from sesn_node.exchange.settle import Settled
    from tests.support.network import Member, Network


@dataclass(frozen=True, slots=True)
class Answering:
    """The Netherlands' node with two messages on their way to the German port's puppet."""

    net: Network
    sender: Member
    puppet: Puppet
    outgoing: Outgoing

    @property
    def batch(self) -> Batch:
        """The batch that is to be answered."""
        return self.outgoing.batch

    def answer(self, **changes: object) -> Answer:
        """Answer honestly, but for what `changes` say of the receipts."""
        entries = self.puppet.receipts(self.batch, **changes)
        return self.puppet.answer(self.batch, old=self.known, entries=entries)

    @property
    def known(self) -> int:
        """Size of the puppet's ledger that the sender has witnessed."""
        return self.puppet.known_to(self.sender)

    def settle(self, answer: Answer | pb.DeliverResponse) -> Settled:
        """Settle an answer that came as bytes, and check every invariant of the sender."""
        message = answer if isinstance(answer, pb.DeliverResponse) else answer_to_pb(answer)
        received = answer_from_pb(pb.DeliverResponse.FromString(message.SerializeToString()))
        try:
            return settle(self.sender.office, DE, self.outgoing, received)
        finally:
            self.net.check()

    def refuse(
        self, answer: Answer | pb.DeliverResponse, kind: type[SesnError] = VerificationError
    ) -> str:
        """Show that an answer proves nothing, changes nothing, and hinders no honest one."""
        with unchanged(self.sender.office), pytest.raises(kind) as error:
            self.settle(answer)
        assert type(error.value) is kind
        return error.value.message


def answering(net: Network) -> Answering:
    """Let two alerts be due for the German port, which has been taken over."""
    net.share(NL, DE)
    net.share(NL, DE)
    puppet = Puppet(net[DE])
    # The ledger holds something, so that proofs have hashes.
    for number in range(3):
        puppet.append(bytes([number]))
    outgoing = due_batch(net[NL].office, DE)
    assert outgoing is not None
    return Answering(net, net[NL], puppet, outgoing)
