"""Standing: how the node, its links and its outbox stand. Nothing here needs a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.ledger.head import TreeHead
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.peers import LinkRow
    from sesn_node.trust.card import TrustedCard


@dataclass(frozen=True, slots=True)
class PeerView:
    """A partner, and how the link to it stands.

    Args:
        card: Its newest card.
        state: What an operator decided about it.
        changed_ms: When that, or its card, last changed.
        link: Failures, the next attempt and the last error.
        queued: Copies that wait for it.
    """

    card: TrustedCard
    state: PeerState
    changed_ms: int
    link: LinkRow
    queued: int

    @property
    def agency(self) -> AgencyId:
        """Its id."""
        return self.card.agency


@dataclass(frozen=True, slots=True)
class Standing:
    """How a node stands, by its database."""

    ledger: TreeHead
    counts: dict[DeliveryState, int]
    received: int
    peers: tuple[PeerView, ...]


def ledger_head(store: Store) -> TreeHead:
    """Return origin, size and root of our ledger.

    Raises:
        StorageError: The database has no ledger.
    """
    with store.read() as transaction:
        return _head(transaction)


def standing(store: Store, now_ms: int) -> Standing:
    """Say how the node stands.

    Raises:
        StorageError: The database has no ledger, or a stored card was altered.
    """
    with store.read() as transaction:
        counts = transaction.figures.counts()
        return Standing(
            ledger=_head(transaction),
            counts={state: counts.get(state, 0) for state in DeliveryState},
            received=transaction.browse.count_received(),
            peers=_peers(transaction, now_ms),
        )


def peers(store: Store, now_ms: int) -> tuple[PeerView, ...]:
    """List every pinned agency, by id."""
    with store.read() as transaction:
        return _peers(transaction, now_ms)


def _head(transaction: Transaction) -> TreeHead:
    head = transaction.ledger.require_head()
    return TreeHead(Origin(head.origin), head.size, head.root)


def _peers(transaction: Transaction, now_ms: int) -> tuple[PeerView, ...]:
    links = {link.agency: link for link in transaction.peers.links()}
    backlog = transaction.figures.backlog(now_ms)
    return tuple(
        PeerView(
            # As of the day that it was taken: it may have expired since.
            card=open_card(row.card.sealed, row.card.taken_ms),
            state=PeerState(row.state),
            changed_ms=row.changed_ms,
            link=links.get(row.agency) or transaction.peers.link(row.agency),
            queued=backlog.get(row.agency, 0),
        )
        for row in transaction.peers.peers()
    )
