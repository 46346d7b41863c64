"""Cards, the peers whose card was pinned, and the state of the links to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from sesn_node.store.schema import card, directory, link, peer
from sesn_node.store.sql import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class CardRow:
    """A sealed card, and when we took it."""

    sealed: bytes
    taken_ms: int


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """What all processes of an agency go by.

    Args:
        version: Moves with every change of trust, and of our own card and keys.
        own_card_sha256: Our newest card; it says which keys are in use.
        storage_key_id: The key that content keys are wrapped under now.
    """

    version: int
    own_card_sha256: bytes
    storage_key_id: bytes


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A pinned agency with its newest card: `state` is one of `PeerState`."""

    agency: str
    state: str
    changed_ms: int
    card: CardRow


@dataclass(frozen=True, slots=True)
class LinkRow:
    """How the link to a peer stands.

    Args:
        agency: The peer.
        failures: Attempts to dial it that failed in a row.
        next_attempt_ms: When it is dialled again.
        error: What the last attempt failed with.
        connected_ms: When the last connection began, whoever dialled; None before the first.
        witnessed_size: The size of our ledger that the peer last cosigned, as far as we know.
        ended_ms: When that connection ended; None while it is open.
    """

    agency: str
    failures: int = 0
    next_attempt_ms: int = 0
    error: str | None = None
    connected_ms: int | None = None
    witnessed_size: int = 0
    ended_ms: int | None = None


_DIRECTORY = select(directory.c.version, directory.c.own_card_sha256, directory.c.storage_key_id)
_MOVE_VERSION = update(directory).values(version=directory.c.version + 1)
_STANDINGS = select(peer.c.agency, peer.c.state, peer.c.card_sha256).where(
    peer.c.agency.in_(bindparam("agencies", expanding=True))
)
_LINK = select(link).where(link.c.agency == bindparam("agency"))
_OPEN = link.c.connected_ms.is_not(None) & link.c.ended_ms.is_(None)
_SET_WITNESSED = (
    update(link)
    .where(link.c.agency == bindparam("b_agency"))
    .values(witnessed_size=bindparam("b_size"))
)
_RAISE_WITNESSED = _SET_WITNESSED.where(link.c.witnessed_size < bindparam("b_size"))


class PeerTable:
    """Cards and peers as one transaction sees them."""

    __slots__ = ("_connection", "_dialect", "_directory")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._directory: DirectoryRow | None = None

    def directory(self) -> DirectoryRow:
        """Return the version of the directory, and which of our own card and keys count."""
        if self._directory is None:
            self._directory = DirectoryRow(*self._connection.execute(_DIRECTORY).one())
        return self._directory

    def version(self) -> int:
        """Return the version of the directory; every change of trust or of our keys moves it."""
        return self.directory().version

    def own_card(self) -> CardRow:
        """Return our newest card."""
        row = self._connection.execute(
            select(card.c.sealed, card.c.taken_ms).join(
                directory, directory.c.own_card_sha256 == card.c.sha256
            )
        ).one()
        return CardRow(*row)

    def open(self, own_card_sha256: bytes, storage_key_id: bytes) -> None:
        """Start the directory with our own first card and storage key."""
        self._connection.execute(
            insert(directory).values(
                id=1,
                version=1,
                own_card_sha256=own_card_sha256,
                storage_key_id=storage_key_id,
            )
        )

    def set_own_card(self, own_card_sha256: bytes) -> None:
        """Make a stored card our newest one and move the version."""
        self._move(own_card_sha256=own_card_sha256)

    def set_storage_key(self, storage_key_id: bytes) -> None:
        """Let content keys be wrapped under another key from now on, and move the version."""
        self._move(storage_key_id=storage_key_id)

    def keys_changed(self) -> None:
        """Move the version, so that every process reads the key file again."""
        self._move()

    def add_card(
        self, *, agency: str, sha256: bytes, sequence: int, sealed: bytes, taken_ms: int
    ) -> None:
        """Keep a card; one that is kept already stays as it is."""
        self._connection.execute(
            upsert(self._dialect, card)
            .values(
                agency=agency, sha256=sha256, sequence=sequence, sealed=sealed, taken_ms=taken_ms
            )
            .on_conflict_do_nothing()
        )

    def set_peer(self, *, agency: str, state: str, card_sha256: bytes, changed_ms: int) -> None:
        """Pin, update or revoke a peer and move the version."""
        values = {"state": state, "card_sha256": card_sha256, "changed_ms": changed_ms}
        self._connection.execute(
            upsert(self._dialect, peer)
            .values(agency=agency, **values)
            .on_conflict_do_update(index_elements=["agency"], set_=values)
        )
        self._connection.execute(
            upsert(self._dialect, link).values(agency=agency).on_conflict_do_nothing()
        )
        self._move()

    def peers(self) -> list[PeerRow]:
        """Return every pinned agency with its newest card."""
        rows = self._connection.execute(
            select(peer.c.agency, peer.c.state, peer.c.changed_ms, card.c.sealed, card.c.taken_ms)
            .join(
                card,
                (card.c.agency == peer.c.agency) & (card.c.sha256 == peer.c.card_sha256),
            )
            .order_by(peer.c.agency)
        )
        return [
            PeerRow(row.agency, row.state, row.changed_ms, CardRow(row.sealed, row.taken_ms))
            for row in rows
        ]

    def standings(self, agencies: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        """Return state and card hash of those of these agencies that are pinned."""
        rows = self._connection.execute(_STANDINGS, {"agencies": list(agencies)})
        return {row.agency: (row.state, row.card_sha256) for row in rows}

    def link(self, agency: str) -> LinkRow:
        """Say how the link to a peer stands."""
        row = self._connection.execute(_LINK, {"agency": agency}).one_or_none()
        return LinkRow(agency) if row is None else LinkRow(*row)

    def links(self) -> list[LinkRow]:
        """Say how all links stand."""
        return [LinkRow(*row) for row in self._connection.execute(select(link))]

    def link_up(self, agency: str, now_ms: int) -> None:
        """Note that a peer was reached; its back-off ends."""
        self._connection.execute(
            update(link)
            .where(link.c.agency == agency)
            .values(failures=0, next_attempt_ms=0, error=None, connected_ms=now_ms, ended_ms=None)
        )

    def link_ended(self, agency: str, *, connected_ms: int, now_ms: int) -> None:
        """Note that a connection ended, unless a later one has begun: to another process, say."""
        self._connection.execute(
            update(link)
            .where(link.c.agency == agency, link.c.connected_ms == connected_ms)
            .values(ended_ms=now_ms)
        )

    def has_open_links(self) -> bool:
        """Say whether a connection is noted as open."""
        return (
            self._connection.execute(select(link.c.agency).where(_OPEN).limit(1)).first()
            is not None
        )

    def end_links(self, now_ms: int) -> None:
        """Note that no peer is connected."""
        self._connection.execute(update(link).where(_OPEN).values(ended_ms=now_ms))

    def link_down(self, agency: str, *, failures: int, next_attempt_ms: int, error: str) -> None:
        """Note that a peer could not be reached, and when we try again."""
        self._connection.execute(
            update(link)
            .where(link.c.agency == agency)
            .values(failures=failures, next_attempt_ms=next_attempt_ms, error=error)
        )

    def set_witnessed(self, agency: str, size: int) -> None:
        """Note the size of our ledger that a peer cosigned."""
        self._connection.execute(_SET_WITNESSED, {"b_agency": agency, "b_size": size})

    def raise_witnessed(self, agency: str, size: int) -> None:
        """Note a size of our ledger that a peer cosigned, unless it has cosigned a larger one.

        Cosignatures of both directions of traffic come in, the older sometimes after the newer.
        """
        self._connection.execute(_RAISE_WITNESSED, {"b_agency": agency, "b_size": size})

    def _move(self, **values: bytes) -> None:
        self._connection.execute(_MOVE_VERSION.values(**values))
        self._directory = None
