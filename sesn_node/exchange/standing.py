"""Standing: how the node, its links and its outbox stand. Nothing here needs a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_policy import WARN_DAYS
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.domain.times import DAY_MS
from sesn_node.exchange.caseload import Caseload, caseload_of
from sesn_node.exchange.links import is_open
from sesn_node.exchange.requests import unanswered
from sesn_node.ledger.head import TreeHead
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.peers import LinkRow
    from sesn_node.trust.card import TrustedCard


ENDS_DAYS: Final = 7
"""So long before content has to go, it is told."""
WATCH_DAYS: Final = 30
"""How far back messages are counted that name what officers watch for."""


@dataclass(frozen=True, slots=True)
class PeerView:
    """A partner, and how the link to it stands.

    Args:
        card: Its newest card.
        state: What an operator decided about it.
        changed_ms: When that, or its card, last changed.
        link: Failures, the next attempt and the last error.
        queued: Copies that wait for it.
        is_open: Whether a connection to it stands (`links.is_open`), if a process serves at all.
    """

    card: TrustedCard
    state: PeerState
    changed_ms: int
    link: LinkRow
    queued: int
    is_open: bool

    @property
    def agency(self) -> AgencyId:
        """Its id."""
        return self.card.agency


@dataclass(frozen=True, slots=True)
class Standing:
    """How a node stands, by its database.

    Args:
        ledger: Our ledger.
        counts: Copies of messages of ours, by state.
        received: Messages that arrived.
        peers: Every pinned agency, by id.
        unanswered: Requests that arrived and that nobody here has answered.
        watch_entries: Terms that officers watch for.
        watch_matches: Messages of the last `WATCH_DAYS` days that have one of them.
        ends_soon: Messages whose content has to go within `ENDS_DAYS` days.
        first_end_ms: When the first of them has to go.
        holds: Messages under a legal hold.
        cases: Open return-to-origin cases, and how they stand.
    """

    ledger: TreeHead
    counts: dict[DeliveryState, int]
    received: int
    peers: tuple[PeerView, ...]
    unanswered: int = 0
    watch_entries: int = 0
    watch_matches: int = 0
    ends_soon: int = 0
    first_end_ms: int | None = None
    holds: int = 0
    cases: Caseload = field(default_factory=Caseload)


def ledger_head(store: Store) -> TreeHead:
    """Return origin, size and root of our ledger.

    Raises:
        StorageError: The database has no ledger.
    """
    with store.read() as transaction:
        return _head(transaction)


def standing(store: Store, now_ms: int, warn_days: int = WARN_DAYS) -> Standing:
    """Say how the node stands.

    Args:
        store: Its database.
        now_ms: The time.
        warn_days: From how many days before its due date on a case is near it.

    Raises:
        StorageError: The database has no ledger, or a stored card was altered.
    """
    with store.read() as transaction:
        counts = transaction.figures.counts()
        head = _head(transaction)
        agency, _ = parse_origin(head.origin)
        soon_ms = now_ms + ENDS_DAYS * DAY_MS
        return Standing(
            ledger=head,
            counts={state: counts.get(state, 0) for state in DeliveryState},
            received=transaction.browse.count_received(),
            peers=_peers(transaction, now_ms),
            unanswered=unanswered(transaction),
            watch_entries=transaction.watch.count(),
            watch_matches=transaction.watch.matches(agency, now_ms - WATCH_DAYS * DAY_MS),
            ends_soon=transaction.keeping.count_soon(soon_ms),
            first_end_ms=next((one.until_ms for one in transaction.keeping.soon(soon_ms, 1)), None),
            holds=len(transaction.keeping.holds()),
            cases=caseload_of(transaction, agency, now_ms, warn_days),
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
    rows = transaction.peers.peers()
    deliverers = transaction.copies.deliverers([row.agency for row in rows])
    found = []
    for row in rows:
        link = links.get(row.agency) or transaction.peers.link(row.agency)
        found.append(
            PeerView(
                # As of the day that it was taken: it may have expired since.
                card=open_card(row.card.sealed, row.card.taken_ms),
                state=PeerState(row.state),
                changed_ms=row.changed_ms,
                link=link,
                queued=backlog.get(row.agency, 0),
                is_open=is_open(link, deliverers),
            )
        )
    return tuple(found)
