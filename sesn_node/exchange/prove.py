"""Prove: one entry of our ledger and a file that shows it is there (C2SP tlog-proof)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.ids import parse_origin, show_message_id
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.published import cosigned, published
from sesn_node.ledger.merkle import inclusion_proof
from sesn_node.ledger.tlogproof import TlogProof, format_tlog_proof, verify_tlog_proof
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from sesn_node.domain.entries import Entry, EntryKind
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.published import Cosigner
    from sesn_node.ledger.tlogproof import Proven
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import EntryRow

NO_ENTRY = "NO_ENTRY"
"""Code of a message about which the ledger has no such entry."""


@dataclass(frozen=True, slots=True)
class EntryProof:
    """An entry of our ledger, and its proof.

    Args:
        entry: What the entry says.
        leaf: Its bytes, verbatim: what is hashed.
        file: The proof file.
        proven: What it shows: the head, the index, the leaf hash.
        cosigners: Partners whose cosignatures stand in the file.
    """

    entry: Entry
    leaf: bytes
    file: bytes
    proven: Proven
    cosigners: tuple[Cosigner, ...]


def prove(
    store: Store,
    head_file: HeadFile,
    message_id: MessageId,
    *,
    kind: EntryKind | None = None,
    agency: AgencyId | None = None,
) -> EntryProof:
    """Make a proof file of an entry about a message, and verify it as its reader will.

    It is made under the checkpoint that most partners cosigned, of those that have the entry; in a
    closed ledger, if the entry stands there.

    Args:
        store: The database.
        head_file: Says which checkpoint may leave this node.
        message_id: What the entry is about.
        kind: Which entry; else the first one, which tells that the message was shared, received
            or refused.
        agency: Of several entries of a kind, the one about this partner.

    Raises:
        PolicyError: NO_ENTRY: the ledger has none, or none that was released yet.
        ConflictError: AMBIGUOUS: several partners' entries fit; the message names them.
        StorageError: As `published`.
        VerificationError: As `published` and `cosigned`; or the database holds another entry than
            was hashed.
    """
    head_file = head_file.as_it_is()
    with store.read() as transaction:
        row = _find(transaction, message_id, kind, agency)
        index, data = row.index, row.entry
        epoch = parse_origin(transaction.ledger.heads()[row.ledger].origin)[1]
        ours = published(transaction, head_file, epoch)
        if index >= ours.head.size:
            raise PolicyError(
                f"entry {index} is not under a checkpoint that may leave this node yet; try again "
                "in a moment",
                code=NO_ENTRY,
            )
        signed = cosigned(transaction, ours, index + 1)
        path = inclusion_proof(index, signed.head.size, ours.table.nodes)
    file = format_tlog_proof(TlogProof(index, path, signed.note))
    proven = verify_tlog_proof(file, data, ours.key_sets)
    return EntryProof(decode_entry(data), data, file, proven, signed.cosigners)


def _find(
    transaction: Transaction,
    message_id: MessageId,
    kind: EntryKind | None,
    agency: AgencyId | None,
) -> EntryRow:
    """Find the one entry that is meant; the first one that says it, of whichever ledger."""
    rows = transaction.ledger.entries_of(message_id)
    found = [(row, decode_entry(row.entry)) for row in rows]
    if kind is not None:
        found = [one for one in found if one[1].kind is kind]
    if agency is not None:
        found = [one for one in found if one[1].agency == agency]
    if not found:
        what = "entry" if kind is None else f"entry of kind {kind}"
        about = "" if agency is None else f" and {agency}"
        raise PolicyError(
            f"our ledger has no {what} about message {show_message_id(message_id)}{about}; "
            "'sesn alert show' lists those that there are",
            code=NO_ENTRY,
        )
    agencies = sorted({entry.agency for _, entry in found if entry.agency is not None})
    if kind is not None and len(agencies) > 1:
        raise ConflictError(
            f"{len(agencies)} partners have an entry of kind {kind} about message "
            f"{show_message_id(message_id)}: {', '.join(agencies)}; name one with --agency",
            code="AMBIGUOUS",
        )
    return found[0][0]
