"""Deliver: make the next batch for a partner, each message proven under our newest checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.batches import (
    NOTHING_WITNESSED,
    Batch,
    ProvenEntry,
    Shipment,
    WitnessAnswer,
)
from sesn_node.domain.entries import EntryRef
from sesn_node.domain.ids import MessageId, Origin
from sesn_node.domain.messages import Envelope
from sesn_node.exchange.restate import in_open_ledger, restate
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.store.numbers import index_of, ledger_of
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.ownledger import OwnLedger
    from sesn_node.store.ledger import HeadRow
    from sesn_node.store.outbox_rows import Due

_SHIPMENT_OVERHEAD_BYTES = 4 * 1024
"""Bounds an entry, a proof, a seal and the framing of one shipment."""


@dataclass(frozen=True, slots=True)
class Consigned:
    """One message of a batch: what its receipt must name.

    Args:
        message_id: Its id.
        header_sha256: Of its header.
        commitment: To its content.
        shared: Our SHARED entry of it; the first one, if a closed ledger has it.
        attempts: How often it was tried before.
        proven: The entry that the batch proves: it says the same in the open ledger.
    """

    message_id: MessageId
    header_sha256: bytes
    commitment: bytes
    shared: EntryRef
    attempts: int
    proven: EntryRef


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A batch on its way, and what its answer will be held against.

    Args:
        batch: The batch; without shipments if it only shows our new card.
        head: Our ledger's head that proves its shipments.
        consigned: The messages, in the order of the shipments.
        card_sha256: Our card that the partner has seen once it has the batch.
        suspect: Its one message got no answer when it was sent alone before.
    """

    batch: Batch
    head: HeadRow
    consigned: tuple[Consigned, ...]
    card_sha256: bytes
    suspect: bool = False


def prepare_batch(  # noqa: PLR0913 - where the stream stands
    office: Office,
    agency: AgencyId,
    *,
    sequence: int,
    shown: bytes,
    witness: WitnessAnswer = NOTHING_WITNESSED,
    probe: bool = False,
    again: bool = False,
) -> Outgoing | None:
    """Take what is due for a partner, the most urgent first; None if there is nothing to say.

    Nothing is written, but that the open ledger says again what a closed one says of a copy. Until
    the answer is settled, the copies stay due, and a crash costs one resend.

    Args:
        office: Ours.
        agency: The partner.
        sequence: Number of the batch within the stream.
        shown: SHA-256 of our card that the partner has seen last. If we have issued another
            since, the batch shows it: what is due may be sealed under its keys.
        witness: Our word on the checkpoint of the partner's last answer.
        probe: Take one message only.
        again: The partner refused a batch since it holds our ledger at another size. Of what is
            due, take what stands in that size, if anything does.

    Raises:
        PolicyError: The partner is not trusted, or no longer.
        StorageError: Our checkpoint or our word as a witness must not leave: the database is an
            old copy, or the head file cannot be written.
    """
    now_ms = office.clock()
    with office.store.read() as transaction:
        directory = office.partners.current(transaction)
        theirs = directory.trusted(agency, now_ms).card.card.limits
        ours = office.terms.limits
        most = 1 if probe else min(ours.batch_envelopes, theirs.batch_envelopes)
        due = _fitting(
            transaction.outbox.due(agency, now_ms, most), min(ours.batch_bytes, theirs.batch_bytes)
        )
        own = directory.own
        card = b"" if own.sha256 == shown else own.sealed
        if not due and not card and not witness.cosignatures:
            return None
        held = transaction.peers.link(agency).witnessed_size
        newest = ledger = office.ledger(transaction)
        stated = in_open_ledger(transaction, [one.entry_index for one in due])
        if again:
            due = [one for one in due if _index(stated, one) < held] or due
            ledger = office.covering(transaction, [_index(stated, one) for one in due], held)
        # What only a closed ledger says has to be said in the open one first.
        unstated = [one.entry_index for one in due if one.entry_index not in stated]
        due = [] if unstated else due
        shipments, consigned = _consign(ledger, due, stated)
        body = ledger.add_checkpoint(held) if due else b""
    if unstated:
        office.sequencer.run(lambda work: restate(work, unstated), writes=False)
        return prepare_batch(
            office,
            agency,
            sequence=sequence,
            shown=shown,
            witness=witness,
            probe=probe,
            again=again,
        )
    # Covers the cosignatures as well, even if the caller has to send them alone.
    office.sequencer.release(newest.head)
    if not due and not card:
        return None
    batch = Batch(sequence, body, shipments, witness, card)
    suspect = any(one.suspect for one in due)
    return Outgoing(batch, ledger.head, consigned, own.sha256, suspect)


def _index(stated: Mapping[int, int], one: Due) -> int:
    """Return where a copy's SHARED entry stands in the open ledger; nowhere is at its end."""
    return index_of(stated.get(one.entry_index, -1))


def _fitting(due: Iterable[Due], limit: int) -> list[Due]:
    """Take the first copies that fit into the partner's batch size; always at least one.

    A suspect goes alone, so that others do not share its fate.
    """
    taken: list[Due] = []
    total = 0
    for one in due:
        total += len(one.header) + len(one.ciphertext) + len(one.wrapped_key)
        total += _SHIPMENT_OVERHEAD_BYTES
        if taken and (one.suspect or total > limit):
            break
        taken.append(one)
        if one.suspect:
            break
    return taken


def _consign(
    ledger: OwnLedger, due: list[Due], stated: Mapping[int, int]
) -> tuple[tuple[Shipment, ...], tuple[Consigned, ...]]:
    """Prove the SHARED entries of some copies, as the open ledger states them."""
    table = ledger.transaction.ledger
    first = [one.entry_index for one in due]
    entries = table.entries_at(list(dict.fromkeys([*first, *stated.values()])))
    indexes = [index_of(stated[number]) for number in first]
    proofs = ledger.prove(indexes)
    origin = Origin(ledger.head.origin)
    closed = table.heads() if any(ledger_of(number) != table.ledger for number in first) else ()
    shipments, consigned = [], []
    for one, index, proof in zip(due, indexes, proofs, strict=True):
        data = entries[stated[one.entry_index]].entry
        entry = decode_entry(data)
        shared = proven = EntryRef(origin, index, leaf_hash(data))
        if stated[one.entry_index] != one.entry_index:
            row = entries[one.entry_index]
            shared = EntryRef(Origin(closed[row.ledger].origin), row.index, leaf_hash(row.entry))
        shipments.append(
            Shipment(
                Envelope(one.header, one.seal, one.wrapped_key, one.ciphertext),
                ProvenEntry(data, index, proof),
            )
        )
        consigned.append(
            Consigned(
                message_id=MessageId(one.message_id),
                header_sha256=entry.object_sha256,
                commitment=entry.commitment,
                shared=shared,
                attempts=one.attempts,
                proven=proven,
            )
        )
    return tuple(shipments), tuple(consigned)
