"""One direction of delivery between two offices, with the bytes but without the sockets.

Does what `transport.partner`, `transport.pump` and `transport.server` do, turn by turn, so that a
test decides what happens between the turns.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from copy import copy
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError

from sesn_node.domain.batches import NOTHING_WITNESSED, Batch, Refused
from sesn_node.errors import PeerUnavailable, PolicyError, SesnError, VerificationError
from sesn_node.exchange.backoff import backoff_ms
from sesn_node.exchange.deliver import prepare_batch
from sesn_node.exchange.links import link_failed, link_opened, peer_is_back
from sesn_node.exchange.peers import take_shown_card
from sesn_node.exchange.settle import settle
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.batches import answer_from_pb, answer_to_pb, batch_from_pb, batch_to_pb
from tests.support.faults import WireFault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.domain.batches import Answer, Outcome
    from sesn_node.domain.ids import AgencyId
    from sesn_node.domain.refusals import RefusalCode
    from sesn_node.exchange.deliver import Outgoing
    from sesn_node.exchange.intake import Intake
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.receive import Receiver
    from sesn_node.exchange.settle import Settled
    from tests.support.network import Member, Network


_MOST_NEW_PROOFS = 3

M = TypeVar("M", pb.DeliverRequest, pb.DeliverResponse)


def due_batch(office: Office, agency: AgencyId, *, sequence: int = 1) -> Outgoing | None:
    """Make the batch that is due for a partner which has seen our newest card."""
    shown = office.directory().own.sha256
    return prepare_batch(office, agency, sequence=sequence, shown=shown)


def codes(outcomes: Sequence[Outcome]) -> list[RefusalCode | None]:
    """Return the code of each refusal, and None for each receipt."""
    return [one.code if isinstance(one, Refused) else None for one in outcomes]


class Wire:
    """A sender's delivery to a receiver.

    `tamper_request` and `tamper_answer` change bytes on their way. `exchanges` lists what the
    receiver was sent, `sizes` how many messages each new batch held.
    """

    def __init__(self, network: Network, sender: Member, receiver: Member) -> None:
        self._network = network
        self.sender = sender
        self.receiver = receiver
        self.tamper_request: Callable[[bytes], bytes] = bytes
        self.tamper_answer: Callable[[bytes], bytes] = bytes
        self.exchanges: list[bytes] = []
        self.sizes: list[int] = []
        self._failures = 0
        self._sequence = 0
        self._witness = NOTHING_WITNESSED
        self._shown = b""
        self._again = False
        self._intake: Intake | None = None
        self._served_by: Receiver | None = None
        self._arrived_twice = False

    def deliver(self, attempts: int = 12) -> None:
        """Deliver until nothing is due, as a node's worker does: dial, send, back off, dial again.

        Checks every invariant after every turn. Copies that the receiver deferred stay queued.
        """
        for _ in range(attempts):
            try:
                self.connect()
                while self.turn() is not None:
                    pass
            except PolicyError:
                # As in `Partner.run`: the partner is no longer trusted.
                return
            except SesnError as error:
                self._failed(error)
            else:
                return
        raise AssertionError(f"{self.sender.agency} never got through to {self.receiver.agency}")

    def connect(self) -> None:
        """Dial: swap cards and open a stream.

        Raises:
            PolicyError: The sender does not trust the receiver.
            PeerUnavailable: The receiver does not trust the sender.
        """
        self._cut()
        sender, receiver = self.sender.office, self.receiver.office
        sender.directory().trusted(receiver.agency, sender.clock())
        theirs = receiver.directory()
        if sender.agency not in theirs.roots(receiver.clock()):
            raise PeerUnavailable(f"{receiver.agency} does not admit {sender.agency}")
        try:
            with self._during("take card"):
                take_shown_card(receiver, sender.agency, sender.directory().own.sealed)
            with self._during("greeted"):
                peer_is_back(receiver, sender.agency)
        except SesnError as error:
            raise PeerUnavailable(str(error)) from error
        with self._during("take card"):
            take_shown_card(sender, receiver.agency, theirs.own.sealed)
        self._network.check()
        with self._during("link up"):
            link_opened(sender, receiver.agency)
        self._failures = 0
        self._shown = sender.directory().own.sha256
        self._network.check()

    def turn(self) -> Settled | None:
        """Send one batch and settle its answer; None if nothing is due.

        Raises:
            SesnError: As the real worker sees it; the stream is gone then.
        """
        try:
            return self._turn()
        except SesnError:
            self._cut()
            raise
        finally:
            self._network.check()

    def _turn(self) -> Settled | None:
        office, to = self.sender.office, self.receiver.agency
        outgoing = prepare_batch(
            office,
            to,
            sequence=self._sequence + 1,
            shown=self._shown,
            witness=self._witness,
            again=self._again,
        )
        if outgoing is None:
            if self._witness.cosignatures:
                self._exchange(Batch(self._sequence + 1, witness=self._witness))
                self._witness = NOTHING_WITNESSED
            return None
        self.sizes.append(len(outgoing.consigned))
        answer = self._exchange(outgoing.batch)
        self._shown = outgoing.card_sha256
        for _ in range(_MOST_NEW_PROOFS):
            self._network.check()
            settled = self.settle(outgoing, answer)
            if self._arrived_twice:
                self.settle(outgoing, answer)
            if not settled.answer_again:
                self._witness = settled.witness
                self._again = settled.prove_again
                return settled
            answer = self._exchange(Batch(self._sequence + 1, witness=settled.witness))
        raise VerificationError("the receiver does not prove its ledger from what we hold of it")

    def _exchange(self, batch: Batch) -> Answer:
        """Send a batch and return its answer."""
        request = self.tamper_request(batch_to_pb(batch).SerializeToString())
        self.exchanges.append(request)
        fault = self._network.faults.begin_send(self.sender.agency)
        if fault is WireFault.REQUEST_LOST:
            raise PeerUnavailable("injected: request lost")
        older = copy(self._intake)
        answer = self.serve(request)
        if fault is WireFault.REQUEST_TWICE:
            # A stream keeps its order, so the second copy came in over an older stream.
            self._network.check()
            self._intake = older
            self.serve(request)
        if fault is WireFault.ANSWER_LOST:
            raise PeerUnavailable("injected: answer lost")
        self._sequence = batch.sequence
        self._arrived_twice = fault is WireFault.ANSWER_TWICE
        received = answer_from_pb(_parsed(pb.DeliverResponse, self.tamper_answer(answer)))
        if received.sequence != batch.sequence:
            raise VerificationError("the answer to another batch")
        return received

    def prepare(self) -> Outgoing:
        """Make the next batch; something must be due."""
        outgoing = prepare_batch(
            self.sender.office,
            self.receiver.agency,
            sequence=self._sequence + 1,
            shown=self._shown,
            witness=self._witness,
        )
        assert outgoing is not None, "nothing is due"
        return outgoing

    def carry(self, batch: Batch) -> Answer:
        """Bring a batch to the receiver and its answer back, and check; nothing is settled."""
        try:
            return self._exchange(batch)
        finally:
            self._network.check()

    def settle(self, outgoing: Outgoing, answer: Answer) -> Settled:
        """Settle an answer, now or much later, and check."""
        try:
            with self._during("settle"):
                return settle(self.sender.office, self.receiver.agency, outgoing, answer)
        finally:
            self._network.check()

    def serve(self, request: bytes) -> bytes:
        """Let the receiver take a request, as `ExchangeService.Deliver` does.

        Raises:
            PeerUnavailable: The receiver ended the stream.
        """
        try:
            batch = batch_from_pb(_parsed(pb.DeliverRequest, request))
            with self._during("receive" if batch.shipments else "receive word of a witness"):
                answer = self._stream().receive(batch)
        except SesnError as error:
            raise PeerUnavailable(f"{error.code}: {error}") from error
        return answer_to_pb(answer).SerializeToString()

    def _stream(self) -> Intake:
        """The receiving end of the stream; a new one if the receiver was started again."""
        if self._intake is None or self._served_by is not self.receiver.receiver:
            self._served_by = self.receiver.receiver
            self._intake = self._served_by.open(self.sender.agency)
        return self._intake

    def _during(self, purpose: str) -> AbstractContextManager[None]:
        return self._network.faults.during(purpose)

    def _cut(self) -> None:
        """Lose the stream: its numbers, and what one side was about to tell the other."""
        self._sequence = 0
        self._witness = NOTHING_WITNESSED
        self._again = False
        self._intake = None
        self._arrived_twice = False

    def break_off(self) -> None:
        """Fail to dial once, and wait."""
        self._failed(PeerUnavailable("nobody answers"))

    def _failed(self, error: SesnError) -> None:
        self._failures += 1
        office = self.sender.office
        wait_ms = backoff_ms(office.terms, self._failures)
        with suppress(SesnError), self._during("link down"):
            link_failed(office, self.receiver.agency, self._failures, wait_ms, str(error))
        self._network.check()
        self._network.pass_time(wait_ms)


def _parsed(cls: type[M], data: bytes) -> M:
    """Parse as gRPC does; bytes that are no message end the stream."""
    try:
        return cls.FromString(data)
    except DecodeError as error:
        raise PeerUnavailable("the bytes are no message") from error
