"""Our own card: founding the agency's ledger with it, and issuing later ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind, KeyCode
from sesn_node.errors import StorageError
from sesn_node.exchange.office import new_entry
from sesn_node.ledger.checkpoint import TreeHead, sign_checkpoint
from sesn_node.ledger.merkle import EMPTY_ROOT
from sesn_node.store.ledger import HeadRow
from sesn_node.trust.card import Succession, check_successor

if TYPE_CHECKING:
    from sesn_node.crypto.signers import Signer
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.sequencer import Work
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.trust.card import TrustedCard


def open_ledger(  # noqa: PLR0913 - the parts of a founding
    store: Store,
    head_file: HeadFile,
    card: TrustedCard,
    *,
    ed25519: Signer,
    mldsa44: Signer,
    now_ms: int,
) -> None:
    """Open an empty ledger and directory with our first card.

    The first entry is appended by `record_card`, through the sequencer like every other.

    Raises:
        StorageError: The database holds a ledger already.
    """
    origin = card.current_origin
    note = sign_checkpoint(
        TreeHead(origin, 0, EMPTY_ROOT), ed25519=ed25519, mldsa44=mldsa44, time_s=now_ms // 1000
    )
    with store.write() as transaction:
        if transaction.ledger.head() is not None:
            raise StorageError("this database holds a ledger already; choose another")
        transaction.ledger.open(HeadRow(origin, 0, EMPTY_ROOT, note))
        _keep(transaction, card, now_ms)
        transaction.peers.open(card.sha256)
    head_file.raise_to(note, 0)


def record_card(office: Office, card: TrustedCard) -> None:
    """Record an own card in the ledger, as the one that partners get from now on.

    Raises:
        VerificationError: It does not follow our newest card.
    """

    def operation(work: Work) -> None:
        own = office.partners.within(work.transaction).own
        if check_successor(own, card) is Succession.LATER:
            _keep(work.transaction, card, work.now_ms)
            work.transaction.peers.set_own_card(card.sha256)
        work.append(
            new_entry(EntryKind.KEY, work.now_ms, card.sha256, code=KeyCode.CARD_ISSUED.value)
        )

    office.sequencer.run(operation)


def _keep(transaction: Transaction, card: TrustedCard, now_ms: int) -> None:
    transaction.peers.add_card(
        agency=card.card.agency,
        sha256=card.sha256,
        sequence=card.card.sequence,
        sealed=card.sealed,
        taken_ms=now_ms,
    )
