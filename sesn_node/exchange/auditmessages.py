"""What an audit bundle holds of messages: headers, seals, receipts, and what is disclosed."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from sesn_node.audit.codec import encode_disclosure, encode_message, framed
from sesn_node.audit.records import (
    BundleMessage,
    Copy,
    Disclosure,
    ProvenElsewhere,
    Receipt,
    Received,
    Sent,
)
from sesn_node.domain.ids import AgencyId, MessageId, Origin
from sesn_node.exchange.disclose import messages_of
from sesn_node.exchange.tally import groups
from sesn_node.store.numbers import index_of, ledger_of
from sesn_node.wire.batches import decode_proof
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sesn_node.audit.archive import Spool
    from sesn_node.exchange.auditscope import Scope
    from sesn_node.exchange.office import Office
    from sesn_node.store.audit import AuditReceived, AuditSent
    from sesn_node.store.outbox_rows import OutboxRow
    from sesn_node.store.sealed import SealedRow

_AT_ONCE = 200


def write_messages(scope: Scope, spool: Spool, progress: Callable[[int], None]) -> int:
    """Write the selected messages, in the order of our ledger; count them.

    Args:
        scope: What is exported.
        spool: Where they go.
        progress: Told of so many more.
    """
    count = 0
    # Both come in that order.
    places = {one.origin: one.ledger for one in scope.heads}
    for message in heapq.merge(
        _sent(scope),
        _received(scope),
        key=lambda message: (places[message.origin], message.entry_index),
    ):
        if not scope.whole:
            header = decode_header(message.header)
            for agency in (header.sender, *(one.agency for one in header.recipients)):
                scope.name(agency)
        scope.stamps.cover(message.origin, message.entry_index)
        spool.write(framed(encode_message(message)))
        count += 1
        progress(1)
    return count


def write_disclosed(office: Office, scope: Scope, spool: Spool) -> int:
    """Write what the messages say that are disclosed; count them.

    Raises:
        PolicyError: One was erased meanwhile.
    """
    found = [
        one.about
        for message_id in scope.selection.disclosed
        for one in messages_of(office, scope.transaction, message_id)
    ]
    # They may be larger than memory together: names first, contents one by one.
    for sender, message_id in sorted(found):
        for one in messages_of(office, scope.transaction, message_id):
            if one.about == (sender, message_id):
                salt, payload = one.reveal()
                record = Disclosure(sender, message_id, salt, payload)
                spool.write(framed(encode_disclosure(record)))
    return len(found)


def _sent(scope: Scope) -> Iterator[BundleMessage]:
    transaction = scope.transaction
    for some in groups(transaction.audit.sent(scope.wanted), _AT_ONCE):
        copies: dict[bytes, list[Copy]] = {one.row.message_id: [] for one in some}
        for row in transaction.browse.copies(list(copies)):
            copies[row.message_id].append(_copy(row))
        for one in some:
            yield _message(scope, one, Sent(tuple(copies[one.row.message_id])))


def _received(scope: Scope) -> Iterator[BundleMessage]:
    for one in scope.transaction.audit.received(scope.wanted):
        row = one.row
        shared = _proven(
            row.shared_entry, row.shared_index, row.shared_proof, row.shared_origin, row.shared_size
        )
        yield _message(scope, one, Received(row.received_ms, shared))


def _message(scope: Scope, one: AuditSent | AuditReceived, way: Sent | Received) -> BundleMessage:
    sealed: SealedRow = one.row.sealed
    return BundleMessage(
        origin=Origin(scope.heads[ledger_of(sealed.entry_index)].origin),
        entry_index=index_of(sealed.entry_index),
        header=sealed.header,
        seal=sealed.seal,
        erased=one.erased,
        way=way,
    )


def _copy(row: OutboxRow) -> Copy:
    receipt = None
    if row.receipt is not None:
        kept = row.receipt
        received = _proven(kept.entry, kept.index, kept.proof, kept.origin, kept.size)
        receipt = Receipt(received, kept.shared_size)
    return Copy(
        agency=AgencyId(row.agency),
        state=row.state,
        code=row.code or "",
        settled_ms=row.settled_ms,
        resealed_as=None if row.resealed_as is None else MessageId(row.resealed_as),
        receipt=receipt,
    )


def _proven(entry: bytes, index: int, proof: bytes, origin: str, size: int) -> ProvenElsewhere:
    return ProvenElsewhere(entry, index, decode_proof(proof), Origin(origin), size)
