"""Messages that arrived, and those that were refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, insert, select

from sesn_node.store.keeping import add_dates
from sesn_node.store.recalls import add_forwarded
from sesn_node.store.schema import inbox, refusal
from sesn_node.store.sealed import SealedRow, sealed_row, sealed_values
from sesn_node.store.search import TermRow, add_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from sesn_node.store.recalls import Carried


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A received message with the proof that its sender's ledger holds it.

    `terms` are what it can be found by, `retain_ms` is when it has to go, `carries` is the message
    that a forward passes on; they go into tables of their own and do not come back with the row.
    """

    sender: str
    message_id: bytes
    sealed: SealedRow
    received_ms: int
    shared_entry: bytes
    shared_index: int
    shared_proof: bytes
    shared_origin: str
    shared_size: int
    terms: tuple[bytes, ...] = ()
    retain_ms: int | None = None
    carries: Carried | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What we did with a message before: the index of our entry for it."""

    header_sha256: bytes
    entry_index: int


_SELECT_SEEN = select(inbox.c.message_id, inbox.c.header_sha256, inbox.c.entry_index).where(
    inbox.c.sender == bindparam("sender"),
    inbox.c.message_id.in_(bindparam("message_ids", expanding=True)),
)
_SELECT_REFUSED = select(
    refusal.c.message_id, refusal.c.header_sha256, refusal.c.code, refusal.c.entry_index
).where(
    refusal.c.sender == bindparam("sender"),
    refusal.c.message_id.in_(bindparam("message_ids", expanding=True)),
)
_INSERT = insert(inbox)
_INSERT_REFUSAL = insert(refusal)


class InboxTable:
    """The inbox as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def seen(self, sender: str, message_ids: Sequence[bytes]) -> dict[bytes, Seen]:
        """Say which of these messages of a sender are stored."""
        rows = self._connection.execute(
            _SELECT_SEEN, {"sender": sender, "message_ids": message_ids}
        )
        return {row.message_id: Seen(row.header_sha256, row.entry_index) for row in rows}

    def add(self, rows: Sequence[InboxRow]) -> None:
        """Store messages that arrived, and what they can be found by."""
        if rows:
            self._connection.execute(_INSERT, [_flat(row) for row in rows])
            add_terms(
                self._connection,
                (
                    TermRow(term, row.received_ms, row.sender, row.message_id)
                    for row in rows
                    for term in row.terms
                ),
            )
            add_dates(
                self._connection, ((one.sender, one.message_id, one.retain_ms) for one in rows)
            )
            add_forwarded(
                self._connection, ((one.sender, one.message_id, one.carries) for one in rows)
            )

    def refused(
        self, sender: str, message_ids: Sequence[bytes]
    ) -> dict[tuple[bytes, bytes, str], int]:
        """Map (message id, header hash, code) of messages refused before to our entry's index."""
        rows = self._connection.execute(
            _SELECT_REFUSED, {"sender": sender, "message_ids": message_ids}
        )
        return {(row.message_id, row.header_sha256, row.code): row.entry_index for row in rows}

    def add_refusal(  # noqa: PLR0913 - one argument per column
        self,
        *,
        sender: str,
        message_id: bytes,
        header_sha256: bytes,
        code: str,
        refused_ms: int,
        entry_index: int,
    ) -> None:
        """Remember a refusal that stands in our ledger."""
        self._connection.execute(
            _INSERT_REFUSAL,
            {
                "sender": sender,
                "message_id": message_id,
                "header_sha256": header_sha256,
                "code": code,
                "refused_ms": refused_ms,
                "entry_index": entry_index,
            },
        )

    def find(self, message_id: bytes) -> list[InboxRow]:
        """Return the messages of this id; two senders may have used it."""
        rows = self._connection.execute(select(inbox).where(inbox.c.message_id == message_id))
        return [inbox_row(row) for row in rows]

    def some(self, keys: Iterable[tuple[str, bytes]]) -> list[InboxRow]:
        """Return the messages of these senders and ids."""
        wanted = set(keys)
        rows = self._connection.execute(
            select(inbox).where(inbox.c.message_id.in_([message_id for _, message_id in wanted]))
        )
        # Another sender may have used an id.
        return [inbox_row(row) for row in rows if (row.sender, row.message_id) in wanted]

    def replies(self, message_ids: Iterable[bytes], *kinds: str) -> list[InboxRow]:
        """Return messages that answer any of these, of some kinds or of all.

        Any partner can have its alerts answer a message, so ask for no more than is wanted.
        """
        wanted = inbox.c.in_reply_to.in_(list(message_ids))
        rows = self._connection.execute(
            select(inbox)
            .where(and_(wanted, inbox.c.kind.in_(kinds)) if kinds else wanted)
            .order_by(inbox.c.received_ms, inbox.c.message_id)
        )
        return [inbox_row(row) for row in rows]

    def every(self) -> list[InboxRow]:
        """Return the whole inbox; for verification."""
        rows = self._connection.execute(select(inbox).order_by(inbox.c.sender, inbox.c.message_id))
        return [inbox_row(row) for row in rows]


def _flat(row: InboxRow) -> dict[str, object]:
    return {
        "sender": row.sender,
        "message_id": row.message_id,
        **sealed_values(row.sealed),
        "received_ms": row.received_ms,
        "shared_entry": row.shared_entry,
        "shared_index": row.shared_index,
        "shared_proof": row.shared_proof,
        "shared_origin": row.shared_origin,
        "shared_size": row.shared_size,
    }


def inbox_row(row: Row[tuple[object, ...]]) -> InboxRow:
    """Gather a received message from its columns."""
    mapping = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return InboxRow(
        sender=mapping["sender"],
        message_id=mapping["message_id"],
        sealed=sealed_row(row),
        received_ms=mapping["received_ms"],
        shared_entry=mapping["shared_entry"],
        shared_index=mapping["shared_index"],
        shared_proof=mapping["shared_proof"],
        shared_origin=mapping["shared_origin"],
        shared_size=mapping["shared_size"],
    )
