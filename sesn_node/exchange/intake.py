"""Intake: the receiving end of one stream, and what is remembered while it is open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sesn_node.domain.batches import Answer, ProvenEntry
from sesn_node.errors import VerificationError
from sesn_node.exchange.cardgate import shown_card
from sesn_node.exchange.peers import take_travelling_card
from sesn_node.ledger.witness import Status

if TYPE_CHECKING:
    from sesn_node.domain.batches import Batch
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.receive import Receiver

MOST_NEW_PROOFS: Final = 20
"""Traffic in both directions moves what each side holds of the other; this often in a row it does
not move by chance."""


class Intake:
    """The receiving end of one stream, whoever dialled it.

    Not shared: one batch after the other.
    """

    __slots__ = (
        "_caller", "_cosigned", "_new_proofs", "_office", "_previous", "_receiver", "_shown",
        "useful",
    )  # fmt: skip

    def __init__(self, office: Office, receiver: Receiver, caller: AgencyId) -> None:
        self._office = office
        self._receiver = receiver
        self._caller = caller
        self._previous: Answer | None = None
        self._cosigned = False
        self._new_proofs = 0
        self._shown = b""
        self.useful = True
        """Whether the last batch brought a message that we did not have, or without messages a
        cosignature."""

    def receive(self, batch: Batch) -> Answer:
        """Take a batch; see `Receiver.receive`. Cards travel ahead of what needs them.

        Raises:
            SesnError: The batch shows a card that cannot be taken, or cosignatures that are not
                the caller's, or asks too often for another proof; or our new card must not leave
                yet: the stream ends.
        """
        if batch.card:
            take_travelling_card(self._office, self._caller, batch.card)
        self._count_proofs(batch)
        if self._cosigned:
            # Its word on our last answer is kept already.
            batch = replace(batch, witness=replace(batch.witness, cosignatures=b""))
        answer = self._answer(batch)
        witnessed = self._previous is not None and bool(batch.witness.cosignatures)
        self._cosigned = self._cosigned or witnessed
        if answer.add_checkpoint:
            self._previous, self._cosigned = answer, False
        if self._office.directory().own.sha256 == self._shown:
            return answer
        own = shown_card(self._office)
        self._shown = own.sha256
        return replace(answer, card=own.sealed)

    def _answer(self, batch: Batch) -> Answer:
        if not batch.shipments and batch.witness.status != Status.OTHER_OLD_SIZE:
            self.useful = self._receiver.keep_word(self._caller, batch, self._previous)
            return Answer(batch.sequence)
        size = self._office.sequencer.known_size
        answer = self._receiver.receive(self._caller, batch, self._previous)
        # A new cosignature does not make up for messages that are not: a ledger that grows could
        # be cosigned with each of them.
        self.useful = _brought(answer, size)
        return answer

    def _count_proofs(self, batch: Batch) -> None:
        again = batch.witness.status == Status.OTHER_OLD_SIZE and not batch.shipments
        self._new_proofs = self._new_proofs + 1 if again else 0
        if self._new_proofs > MOST_NEW_PROOFS:
            raise VerificationError(f"no proof of our ledger suits {self._caller}")


def _brought(answer: Answer, size: int) -> bool:
    """Tell whether an answer has a receipt that was not in our ledger when it had this size."""
    return any(isinstance(one, ProvenEntry) and one.index >= size for one in answer.outcomes)
