"""What keys signed that a partner has replaced: it counts for nothing new, and is told apart.

A partner's new card comes in over one stream while an answer that was made before is on its way
over another. Nobody is to blame for that: it is asked for again. A second history that replaced
keys signed is another matter.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node.errors import SesnError, VerificationError
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.ledger.cosignature import verify_cosignatures
from sesn_node.ledger.witness import parse_add_checkpoint
from sesn_node.trust.card import open_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.ledger.witness import AddCheckpoint, Verdict
    from sesn_node.store.engine import Transaction


def judge_outdated(
    transaction: Transaction, request: AddCheckpoint, replaced: Sequence[LogKeys], verdict: Verdict
) -> tuple[Verdict, bool]:
    """Look at a checkpoint that the newest keys of its ledger did not sign.

    Whoever signed it, it is not accepted. If it contradicts one that was witnessed, it is kept as
    proof, and told: an agency must not get rid of a fork by a rotation. That it was signed after
    the rotation, by somebody who had stolen the keys, cannot be told from it.

    Args:
        transaction: Where kept checkpoints are read.
        request: The checkpoint.
        replaced: The older key sets of its ledger.
        verdict: That the newest keys did not sign it.

    Returns:
        The verdict, and whether replaced keys signed it without a contradiction.
    """
    try:
        head = verify_checkpoint_under(request.checkpoint, replaced)
    except VerificationError:
        return verdict, False
    kept = transaction.witness.checkpoints(head.origin, head.size)
    if not kept or head.root in kept:
        return verdict, True
    reason = "by keys that were replaced, and another history was witnessed at this size"
    return replace(verdict, reason=reason, head=head, note=request.note, fork=True), False


def cosigned_before_rotation(office: Office, agency: AgencyId, body: bytes, lines: bytes) -> bool:
    """Tell whether a cosignature that does not verify is by keys that a partner has replaced.

    Args:
        office: Ours.
        agency: The partner.
        body: Add-checkpoint body of ours, as it was sent.
        lines: The cosignature.
    """
    head = parse_add_checkpoint(body).checkpoint.claimed
    with office.store.read() as transaction:
        kept = transaction.browse.cards_of(agency)
    for row in kept:
        with suppress(SesnError):
            verify_cosignatures(lines, head, open_card(row.sealed, row.taken_ms).witness_keys)
            return True
    return False
