"""Witnesses: who vouches for our ledger, how far, and for whose ledgers we vouch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.ids import Origin, parse_origin
from sesn_node.ledger.head import TreeHead

if TYPE_CHECKING:
    from sesn_node.store.engine import Store, Transaction


@dataclass(frozen=True, slots=True)
class WitnessView:
    """How far a partner has cosigned our ledger.

    Args:
        agency: The partner.
        trusted: Whether it is a trusted partner now.
        size: The largest tree of ours that it cosigned, as far as we know; None for none.
        time_s: When it did, by its clock, POSIX seconds.
        behind: How many of our entries no cosignature of it covers.
    """

    agency: str
    trusted: bool
    size: int | None
    time_s: int | None
    behind: int


@dataclass(frozen=True, slots=True)
class WitnessedView:
    """How far we have cosigned a partner's ledger; `time_s` is None if our lines are not kept."""

    agency: str
    origin: str
    size: int
    time_s: int | None


@dataclass(frozen=True, slots=True)
class Witnessing:
    """Both directions, as the database has them; see `view_witnesses`."""

    head: TreeHead
    ours: tuple[WitnessView, ...]
    theirs: tuple[WitnessedView, ...]


def view_witnesses(store: Store) -> Witnessing:
    """Say who has cosigned our ledger how far, and what we cosigned of others.

    Every pinned partner is listed, and who has cosigned and is a partner no more.

    Raises:
        StorageError: The database has no ledger.
        MalformedError: The head row names no ledger.
    """
    with store.read() as transaction:
        row = transaction.ledger.require_head()
        head = TreeHead(Origin(row.origin), row.size, row.root)
        return Witnessing(head, _ours(transaction, head), _theirs(transaction, head))


def _ours(transaction: Transaction, head: TreeHead) -> tuple[WitnessView, ...]:
    states = {row.agency: row.state for row in transaction.peers.peers()}
    last = transaction.witness.last_cosigned(head.origin)
    found: list[WitnessView] = []
    for agency in sorted(states.keys() | last.keys()):
        size = last.get(agency)
        kept = None if size is None else transaction.witness.cosignature(head.origin, size, agency)
        found.append(
            WitnessView(
                agency=agency,
                trusted=states.get(agency) == "trusted",
                size=size,
                time_s=None if kept is None else kept.time_s,
                behind=head.size - (size or 0),
            )
        )
    return tuple(found)


def _theirs(transaction: Transaction, head: TreeHead) -> tuple[WitnessedView, ...]:
    own = parse_origin(head.origin)[0]
    found: list[WitnessedView] = []
    for row in transaction.witness.heads():
        kept = transaction.witness.cosignature(row.origin, row.size, own)
        time_s = None if kept is None else kept.time_s
        found.append(WitnessedView(row.agency, row.origin, row.size, time_s))
    return tuple(found)
