"""What two nodes say to each other: a batch of shipments, and the answer to it.

Mirrors `proto/sesn/v1/exchange.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sesn_node.domain.messages import Envelope
from sesn_node.domain.refusals import RefusalCode


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """A serialised ledger entry with its inclusion proof, from the leaf up (RFC 6962 2.1.1)."""

    entry: bytes
    index: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Shipment:
    """A message and the proof that its sender's ledger holds it."""

    envelope: Envelope
    shared: ProvenEntry


@dataclass(frozen=True, slots=True)
class BadShipment:
    """A shipment whose outer shape is broken: nothing of it can be used."""

    reason: str
    code: RefusalCode = RefusalCode.MALFORMED


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What a witness says of a checkpoint, with the status semantics of C2SP tlog-witness.

    Args:
        status: 200, 400, 403, 404, 409 or 422; 0 where no checkpoint was given.
        size: With 409, the size that the witness holds.
        cosignatures: With 200, note signature lines of type 0x04 and 0x06.
    """

    status: int = 0
    size: int = 0
    cosignatures: bytes = b""


NOTHING_WITNESSED = WitnessAnswer()
"""Says nothing of any checkpoint."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request of a delivery stream.

    Args:
        sequence: Counts the requests of a stream from 1.
        add_checkpoint: C2SP add-checkpoint body of the sender's ledger; empty without shipments.
        shipments: At most 256.
        witness: The sender's word on the checkpoint of the answer before. Status 409 without
            shipments asks for that answer again, proven from the size that it names.
        card: The sender's sealed card, if it has changed since it was last shown on the stream.
    """

    sequence: int
    add_checkpoint: bytes = b""
    shipments: tuple[Shipment | BadShipment, ...] = ()
    witness: WitnessAnswer = NOTHING_WITNESSED
    card: bytes = b""


@dataclass(frozen=True, slots=True)
class Refused:
    """A shipment that the receiver did not take."""

    code: RefusalCode
    detail: str
    retry_after_ms: int = 0


Outcome = ProvenEntry | Refused
"""What became of a shipment: the RECEIVED entry as a receipt, or a refusal."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of a delivery stream.

    Args:
        sequence: That of the batch.
        witness: The receiver's word on the batch's checkpoint.
        add_checkpoint: C2SP add-checkpoint body of the receiver's ledger.
        outcomes: One per shipment, in the same order.
        card: The receiver's sealed card, if it has changed since it was last shown on the stream.
    """

    sequence: int
    witness: WitnessAnswer = NOTHING_WITNESSED
    add_checkpoint: bytes = b""
    outcomes: tuple[Outcome, ...] = ()
    card: bytes = b""
