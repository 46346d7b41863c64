"""When the authority of export was informed: its node's receipt of the request, proven to all.

The clock of a case runs from t0, whether anybody acknowledges or not. Only the sender of the
request holds the receipt; so its node shows it to every member, who verify it under the ledger of
the authority of export, and all count from the same moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_messages import Informed
from sesn_node.domain.case_terms import Role
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import PolicyError, SesnError, VerificationError
from sesn_node.ledger.checkpoint import parse_checkpoint, verify_checkpoint_under
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.wire.batches import decode_proof
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from sesn_node.domain.case_messages import CaseStep
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.messages import Header
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard


def find_informed(transaction: Transaction, case: Case) -> tuple[Informed, int] | None:
    """Return the proof of t0 from our receipt of the request, and t0; None without a receipt.

    Args:
        transaction: A snapshot.
        case: A case that we requested.
    """
    copy = transaction.outbox.copy(case.case_id, case.agency_of(Role.EXP))
    if copy is None or copy.receipt is None:
        return None
    kept = copy.receipt
    notes = transaction.witness.checkpoints(kept.origin, kept.size)
    for note in notes.values():
        proof = decode_proof(kept.proof)
        return Informed(kept.entry, kept.index, proof, note), decode_entry(kept.entry).time_ms
    return None


def check_informed(
    office: Office, transaction: Transaction, header: Header, body: CaseStep
) -> None:
    """Verify what a step proves of when the authority of export was informed.

    1. The entry is a RECEIVED of the request, from the sender of this step, at the time it says.
    2. Its ledger is that of the agency that the step names.
    3. The checkpoint bears both signatures of that ledger.
    4. The entry stands in it.

    Args:
        office: Ours.
        transaction: A snapshot.
        header: Header of the step.
        body: The step.

    Raises:
        PolicyError: It does not prove what it says. Which word of it, nobody is told: refusals are
            not sealed.
        VerificationError: `NOT_IN_LEDGER`: step 3. A card that tells of later keys of that ledger
            may be on its way here, so its sender tries again.
    """
    try:
        informed, agency = _read(header, body)
        checkpoint = parse_checkpoint(informed.checkpoint)
        origin = Origin(checkpoint.claimed.origin)
        if parse_origin(origin)[0] != agency:
            raise PolicyError("the ledger is another agency's")
    except SesnError as error:
        raise PolicyError(_UNPROVEN) from error
    try:
        card = _card_of(office, transaction, agency)
        head = verify_checkpoint_under(checkpoint, card.log_key_sets(origin))
    except SesnError as error:
        raise VerificationError(_UNPROVEN, code=RefusalCode.NOT_IN_LEDGER.value) from error
    try:
        hashed = leaf_hash(informed.entry)
        verify_inclusion(hashed, informed.index, head.size, informed.proof, head.root)
    except SesnError as error:
        raise PolicyError(_UNPROVEN) from error


_UNPROVEN: Final = "it is not proven that the authority of export was informed"


def _read(header: Header, body: CaseStep) -> tuple[Informed, AgencyId]:
    """Return the proof, and whose ledger it has to be of."""
    informed, mark = body.details.informed, body.mark
    if informed is None or len(mark.members) != 1:
        raise PolicyError("there is no proof")
    entry = decode_entry(informed.entry)
    said = (entry.kind, entry.message_id, entry.object_sha256, entry.agency, entry.time_ms)
    request = (EntryKind.RECEIVED, header.conversation_id, mark.about, header.sender, mark.at_ms)
    if said != request:
        raise PolicyError("the entry is not the receipt of the request")
    return informed, mark.members[0].agency


def _card_of(office: Office, transaction: Transaction, agency: AgencyId) -> TrustedCard:
    card = office.partners.current(transaction).card_of(agency)
    if card is None:
        raise VerificationError(f"{agency} is not known here")
    return card
