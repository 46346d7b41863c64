"""Sending what was sent before: the same message under the newest checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node.domain.batches import BadShipment, Batch, ProvenEntry, Shipment
from sesn_node.domain.messages import Envelope
from tests.support.view import view

if TYPE_CHECKING:
    from tests.support.network import Member


def batch_of(sender: Member, receiver: Member, *message_ids: bytes) -> Batch:
    """Make the batch that a sender would make if these messages were due for the receiver."""
    seen = view(sender.office)
    messages = [seen.sent[message_id].sealed for message_id in message_ids]
    office = sender.office
    with receiver.office.store.read() as transaction:
        row = transaction.witness.head(seen.origin)
    with office.store.read() as transaction:
        ledger = office.ledger(transaction)
        proofs = ledger.prove([one.entry_index for one in messages])
        body = ledger.add_checkpoint(0 if row is None else row.size)
    shipments = []
    for message_id, one, proof in zip(message_ids, messages, proofs, strict=True):
        wrapped = seen.wrapped_keys[message_id, receiver.agency]
        assert wrapped is not None
        assert one.ciphertext is not None
        shipments.append(
            Shipment(
                Envelope(one.header, one.seal, wrapped, one.ciphertext),
                ProvenEntry(seen.rows[one.entry_index].entry, one.entry_index, proof),
            )
        )
    return Batch(1, body, tuple(shipments))


def proven_anew(sender: Member, receiver: Member, *shipments: Shipment | BadShipment) -> Batch:
    """Make a batch of messages that were on their way, under the sender's newest checkpoint."""
    ours = [one for one in shipments if isinstance(one, Shipment)]
    office = sender.office
    with receiver.office.store.read() as transaction:
        held = transaction.witness.head(office.log_keys.origin)
    with office.store.read() as transaction:
        ledger = office.ledger(transaction)
        proofs = ledger.prove([one.shared.index for one in ours])
        body = ledger.add_checkpoint(0 if held is None else held.size)
    proven = (
        replace(one, shared=replace(one.shared, proof=proof))
        for one, proof in zip(ours, proofs, strict=True)
    )
    return Batch(1, body, tuple(proven))
