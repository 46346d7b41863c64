"""Cosigned: partners' cosignatures over our checkpoints, verified and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.ledger.cosignature import verify_cosignatures, witness_lines
from sesn_node.ledger.witness import parse_add_checkpoint
from sesn_node.store.witness import CosignatureRow

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.directory import Directory


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A partner's cosignature over a checkpoint of ours, verified."""

    agency: AgencyId
    head: TreeHead
    note: bytes
    time_s: int
    lines: bytes


def check_cosignatures(
    directory: Directory, agency: AgencyId, body: bytes, lines: bytes, now_ms: int
) -> Cosigned:
    """Verify a partner's cosignature over the checkpoint of an add-checkpoint body of ours.

    Raises:
        VerificationError: The lines are not the partner's over that checkpoint.
        MalformedError: Not signature lines.
        PolicyError: The partner is not trusted.
    """
    request = parse_add_checkpoint(body)
    head = request.checkpoint.claimed
    keys = directory.trusted(agency, now_ms).card.witness_keys
    time_s = verify_cosignatures(lines, head, keys)
    # Only what was verified is kept: later cards may name the keys of other lines.
    return Cosigned(agency, head, request.note, time_s, witness_lines(lines, keys, time_s))


def keep_cosigned(transaction: Transaction, cosigned: Cosigned) -> bool:
    """Keep our checkpoint and the partner's cosignature, and note what it has seen of us.

    Returns:
        Whether it is the partner's first over that checkpoint.
    """
    head = cosigned.head
    table = transaction.witness
    table.keep_checkpoint(origin=head.origin, size=head.size, root=head.root, note=cosigned.note)
    kept = table.keep_cosignature(
        CosignatureRow(head.origin, head.size, cosigned.agency, cosigned.time_s, cosigned.lines)
    )
    transaction.peers.raise_witnessed(cosigned.agency, head.size)
    return kept
