"""Batches and answers, to and from the messages of the Exchange service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from sesn_node.domain.batches import (
    Answer,
    BadShipment,
    Batch,
    Outcome,
    ProvenEntry,
    Refused,
    Shipment,
    WitnessAnswer,
)
from sesn_node.domain.cards import MAX_BATCH_ENVELOPES
from sesn_node.domain.checks import printable
from sesn_node.domain.messages import CIPHERTEXT_OVERHEAD, MAX_PAYLOAD_BYTES
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb.card_pb2 import SealedCard
from sesn_node.wire.envelopes import envelope_from_pb, envelope_to_pb
from sesn_node.wire.outline import Outline

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PROOF_HASHES = 63
"""An RFC 6962 inclusion proof in a tree of less than 2^63 leaves."""
MAX_ADD_CHECKPOINT_BYTES = 64 * 1024
"""Bounds an add-checkpoint body: its note is kept, so a partner must not make them long."""
MAX_COSIGNATURE_BYTES = 16 * 1024
"""Bounds a set of cosignature lines; ours have 3,500 bytes."""
_HASH_BYTES = 32
_MAX_DETAIL = 500
_MAX_ENTRY_BYTES = 65_535
_MAX_INDEX = 2**63 - 1
_STATUSES = frozenset({0, 200, 400, 403, 404, 409, 422})

_PROVEN: Final = Outline("ProvenEntry", 2 + MAX_PROOF_HASHES)
_WITNESS: Final = Outline("WitnessAnswer", 3)
_CARD: Final = Outline("SealedCard", 2)
_SHIPMENT: Final = Outline("Shipment", 2, {1: Outline("SealedEnvelope", 4), 2: _PROVEN})
_OUTCOME: Final = Outline("Outcome", 1, {1: _PROVEN, 2: Outline("Refusal", 3)})
_BATCH: Final = Outline(
    "DeliverRequest", 4 + MAX_BATCH_ENVELOPES, {3: _SHIPMENT, 4: _WITNESS, 5: _CARD}
)
_ANSWER: Final = Outline(
    "DeliverResponse", 4 + MAX_BATCH_ENVELOPES, {2: _WITNESS, 4: _OUTCOME, 5: _CARD}
)

M = TypeVar("M", bound=Message)


def batch_to_pb(batch: Batch) -> pb.DeliverRequest:
    """Write a batch; every shipment must be a `Shipment`."""
    return pb.DeliverRequest(
        sequence=batch.sequence,
        add_checkpoint=batch.add_checkpoint,
        shipments=[
            pb.Shipment(
                envelope=envelope_to_pb(shipment.envelope), shared=_proven_to_pb(shipment.shared)
            )
            for shipment in batch.shipments
            if isinstance(shipment, Shipment)
        ],
        witness=witness_answer_to_pb(batch.witness),
        card=_card_to_pb(batch.card),
    )


def decode_batch(data: bytes) -> Batch:
    """Read a batch as it came; see `batch_from_pb`.

    Raises:
        MalformedError: Also for what has more fields than any batch, before it is parsed.
    """
    return batch_from_pb(_parsed(pb.DeliverRequest, data, _BATCH))


def batch_from_pb(message: pb.DeliverRequest) -> Batch:
    """Read a batch. A shipment of a broken shape becomes a `BadShipment`, not an error.

    Raises:
        MalformedError: The batch itself is broken; the stream cannot go on.
    """
    _few("shipments", len(message.shipments))
    _bounded("add_checkpoint", message.add_checkpoint)
    return Batch(
        sequence=message.sequence,
        add_checkpoint=message.add_checkpoint,
        shipments=tuple(_shipment_from_pb(shipment) for shipment in message.shipments),
        witness=witness_answer_from_pb(message.witness),
        card=_card_from_pb(message),
    )


def answer_to_pb(answer: Answer) -> pb.DeliverResponse:
    """Write an answer."""
    return pb.DeliverResponse(
        sequence=answer.sequence,
        witness=witness_answer_to_pb(answer.witness),
        add_checkpoint=answer.add_checkpoint,
        outcomes=[_outcome_to_pb(outcome) for outcome in answer.outcomes],
        card=_card_to_pb(answer.card),
    )


def decode_answer(data: bytes) -> Answer:
    """Read an answer as it came; see `answer_from_pb`.

    Raises:
        MalformedError: Also for what has more fields than any answer, before it is parsed.
    """
    return answer_from_pb(_parsed(pb.DeliverResponse, data, _ANSWER))


def answer_from_pb(message: pb.DeliverResponse) -> Answer:
    """Read an answer.

    Raises:
        MalformedError: Any part of it is broken: a partner's node that answers so is at fault.
    """
    _few("outcomes", len(message.outcomes))
    _bounded("add_checkpoint", message.add_checkpoint)
    return Answer(
        sequence=message.sequence,
        witness=witness_answer_from_pb(message.witness),
        add_checkpoint=message.add_checkpoint,
        outcomes=tuple(_outcome_from_pb(outcome) for outcome in message.outcomes),
        card=_card_from_pb(message),
    )


def witness_answer_to_pb(answer: WitnessAnswer) -> pb.WitnessAnswer:
    """Write a witness's answer."""
    return pb.WitnessAnswer(
        status=answer.status, size=answer.size, cosignatures=answer.cosignatures
    )


def witness_answer_from_pb(message: pb.WitnessAnswer) -> WitnessAnswer:
    """Read a witness's answer.

    Raises:
        MalformedError: An unknown status, or oversized lines.
    """
    if message.status not in _STATUSES:
        raise MalformedError(f"witness.status: {message.status} is no status of tlog-witness")
    if message.size > _MAX_INDEX:
        raise MalformedError("witness.size: out of range")
    _bounded("witness.cosignatures", message.cosignatures, MAX_COSIGNATURE_BYTES)
    return WitnessAnswer(message.status, message.size, message.cosignatures)


def encode_proof(proof: Sequence[bytes]) -> bytes:
    """Join the hashes of a proof, for storage."""
    return b"".join(proof)


def decode_proof(data: bytes) -> tuple[bytes, ...]:
    """Split a stored proof into its hashes.

    Raises:
        MalformedError: Not a whole number of hashes.
    """
    if len(data) % _HASH_BYTES:
        raise MalformedError(f"stored proof: {len(data)} bytes are no whole number of hashes")
    return tuple(data[at : at + _HASH_BYTES] for at in range(0, len(data), _HASH_BYTES))


def _parsed(cls: type[M], data: bytes, outline: Outline) -> M:
    outline.check(data)
    try:
        return cls.FromString(data)
    except DecodeError as error:
        raise MalformedError(f"not a {outline.name}") from error


def _card_to_pb(sealed: bytes) -> SealedCard | None:
    return SealedCard.FromString(sealed) if sealed else None


def _card_from_pb(message: pb.DeliverRequest | pb.DeliverResponse) -> bytes:
    """Give the card's bytes; whether they are a card is checked by whoever takes it."""
    if not message.HasField("card"):
        return b""
    sealed: bytes = message.card.SerializeToString(deterministic=True)
    return sealed


def _bounded(field: str, data: bytes, limit: int = MAX_ADD_CHECKPOINT_BYTES) -> None:
    if len(data) > limit:
        raise MalformedError(f"{field}: {len(data)} bytes, at most {limit}")


def _few(field: str, count: int) -> None:
    """Refuse a list before anything is made of it: an empty element costs its sender two bytes."""
    if count > MAX_BATCH_ENVELOPES:
        raise MalformedError(f"{field}: {count}, at most {MAX_BATCH_ENVELOPES}")


def _proven_to_pb(proven: ProvenEntry) -> pb.ProvenEntry:
    return pb.ProvenEntry(entry=proven.entry, index=proven.index, proof=proven.proof)


def _proven_from_pb(field: str, message: pb.ProvenEntry) -> ProvenEntry:
    if not 0 < len(message.entry) <= _MAX_ENTRY_BYTES:
        raise MalformedError(f"{field}.entry: {len(message.entry)} bytes")
    if message.index > _MAX_INDEX:
        raise MalformedError(f"{field}.index: out of range")
    if len(message.proof) > MAX_PROOF_HASHES or any(
        len(one) != _HASH_BYTES for one in message.proof
    ):
        raise MalformedError(f"{field}.proof: expected at most 63 hashes of 32 bytes")
    return ProvenEntry(message.entry, message.index, tuple(message.proof))


def _shipment_from_pb(message: pb.Shipment) -> Shipment | BadShipment:
    if len(message.envelope.ciphertext) > MAX_PAYLOAD_BYTES + CIPHERTEXT_OVERHEAD:
        return BadShipment("ciphertext: over the limit of 1 MiB", RefusalCode.TOO_LARGE)
    try:
        return Shipment(
            envelope_from_pb(message.envelope), _proven_from_pb("shared", message.shared)
        )
    except MalformedError as error:
        return BadShipment(str(error))


def _outcome_to_pb(outcome: Outcome) -> pb.Outcome:
    if isinstance(outcome, ProvenEntry):
        return pb.Outcome(receipt=_proven_to_pb(outcome))
    return pb.Outcome(
        refusal=pb.Refusal(
            code=pb.RefusalCode.Value(outcome.code.value),
            detail=outcome.detail[:_MAX_DETAIL],
            retry_after_ms=outcome.retry_after_ms,
        )
    )


def _outcome_from_pb(message: pb.Outcome) -> Outcome:
    which = message.WhichOneof("outcome")
    if which == "receipt":
        return _proven_from_pb("receipt", message.receipt)
    if which is None:
        raise MalformedError("outcome: neither a receipt nor a refusal")
    refusal = message.refusal
    try:
        code = RefusalCode(pb.RefusalCode.Name(refusal.code))
    except ValueError as error:
        raise MalformedError(f"refusal.code: {refusal.code} is no refusal code") from error
    # A partner's words end up on a screen.
    return Refused(code, printable(refusal.detail[:_MAX_DETAIL]), refusal.retry_after_ms)
