"""Reads that people and verification ask for; delivery needs none of them.

Lists for people are bounded by a limit. Streams for verification leave the ciphertexts out and
hold a few rows at a time, however large the database is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, null, select

from sesn_node.store.inbox import InboxRow, inbox_row
from sesn_node.store.ledger import EntryRow, entry_row
from sesn_node.store.outbox_rows import OutboxRow, outbox_row
from sesn_node.store.peers import CardRow
from sesn_node.store.schema import (
    card,
    checkpoint,
    cosignature,
    inbox,
    ledger_entry,
    outbox,
    peer,
    sent,
)
from sesn_node.store.sealed import SentRow, sent_row
from sesn_node.store.witness import CosignatureRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection, Row, Select

_ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A kept checkpoint."""

    origin: str
    size: int
    root: bytes
    note: bytes


class Browse:
    """Lists and streams as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest_received(self, kinds: Collection[str], limit: int) -> list[InboxRow]:
        """Return the messages of some kinds that arrived last, newest first."""
        rows = self._connection.execute(
            select(inbox)
            .where(inbox.c.kind.in_(kinds))
            .order_by(inbox.c.received_ms.desc(), inbox.c.message_id.desc())
            .limit(limit)
        )
        return [inbox_row(row) for row in rows]

    def newest_sent(self, kinds: Collection[str], limit: int) -> list[SentRow]:
        """Return the messages of some kinds that we sealed last, newest first."""
        rows = self._connection.execute(
            select(sent)
            .where(sent.c.kind.in_(kinds))
            .order_by(sent.c.created_ms.desc(), sent.c.message_id.desc())
            .limit(limit)
        )
        return [sent_row(row) for row in rows]

    def ids_between(
        self, kinds: Collection[str], low: bytes, high: bytes, limit: int
    ) -> list[bytes]:
        """Return the ids of messages of some kinds, sent or received, from `low` to `high`."""
        found: set[bytes] = set()
        for one in (sent, inbox):
            rows = self._connection.execute(
                select(one.c.message_id)
                .where(one.c.kind.in_(kinds), one.c.message_id.between(low, high))
                .order_by(one.c.message_id)
                .limit(limit)
            )
            found.update(row.message_id for row in rows)
        return sorted(found)[:limit]

    def card(self, agency: str) -> bytes | None:
        """Return the newest card of a pinned agency."""
        row = self._connection.execute(
            select(card.c.sealed)
            .join(peer, (card.c.agency == peer.c.agency) & (card.c.sha256 == peer.c.card_sha256))
            .where(peer.c.agency == agency)
        ).one_or_none()
        return None if row is None else row.sealed

    def sent_ids_between(self, low: bytes, high: bytes, limit: int) -> list[bytes]:
        """Return the ids of messages that we sent, from `low` to `high`."""
        rows = self._connection.execute(
            select(sent.c.message_id)
            .where(sent.c.message_id.between(low, high))
            .order_by(sent.c.message_id)
            .limit(limit)
        )
        return [row.message_id for row in rows]

    def copies(self, message_ids: Sequence[bytes]) -> list[OutboxRow]:
        """Return the copies of these messages, by message and agency."""
        rows = self._connection.execute(
            select(outbox)
            .where(outbox.c.message_id.in_(message_ids))
            .order_by(outbox.c.message_id, outbox.c.agency)
        )
        return [outbox_row(row) for row in rows]

    def sent_messages(self, message_ids: Sequence[bytes]) -> list[SentRow]:
        """Return those of these messages that we sealed."""
        rows = self._connection.execute(select(sent).where(sent.c.message_id.in_(message_ids)))
        return [sent_row(row) for row in rows]

    def sent_replies(self, message_ids: Sequence[bytes]) -> list[SentRow]:
        """Return the messages that we sent in answer to any of these, oldest first."""
        rows = self._connection.execute(
            select(sent)
            .where(sent.c.in_reply_to.in_(message_ids))
            .order_by(sent.c.created_ms, sent.c.message_id)
        )
        return [sent_row(row) for row in rows]

    def entries_about(self, message_ids: Sequence[bytes]) -> list[EntryRow]:
        """Return the ledger's entries about these messages, in order."""
        rows = self._connection.execute(
            select(
                ledger_entry.c.entry_index,
                ledger_entry.c.kind,
                ledger_entry.c.message_id,
                ledger_entry.c.entry,
            )
            .where(ledger_entry.c.message_id.in_(message_ids))
            .order_by(ledger_entry.c.entry_index)
        )
        return [entry_row(*row) for row in rows]

    def key_entries(self) -> list[EntryRow]:
        """Return the ledger's entries about our own card and keys, in order."""
        rows = self._connection.execute(
            select(
                ledger_entry.c.entry_index,
                ledger_entry.c.kind,
                ledger_entry.c.message_id,
                ledger_entry.c.entry,
            )
            # Entries about no message are few, and the index of messages finds them.
            .where(ledger_entry.c.message_id.is_(None), ledger_entry.c.kind == "KEY")
            .order_by(ledger_entry.c.entry_index)
        )
        return [entry_row(*row) for row in rows]

    def count_received(self) -> int:
        """Count the messages that arrived."""
        return self._connection.execute(select(func.count()).select_from(inbox)).scalar_one()

    def all_sent(self) -> Iterator[SentRow]:
        """Yield every message that we sealed, by id, without its ciphertext."""
        columns = [
            null().label("ciphertext") if column is sent.c.ciphertext else column
            for column in sent.c
        ]
        for row in self._stream(select(*columns).order_by(sent.c.message_id)):
            yield sent_row(row)

    def all_received(self) -> Iterator[InboxRow]:
        """Yield every message that arrived, by sender and id, without its ciphertext."""
        columns = [
            null().label("ciphertext") if column is inbox.c.ciphertext else column
            for column in inbox.c
        ]
        order = (inbox.c.sender, inbox.c.message_id)
        for row in self._stream(select(*columns).order_by(*order)):
            yield inbox_row(row)

    def all_checkpoints(self, origin: str) -> Iterator[CheckpointRow]:
        """Yield the kept checkpoints of one ledger, by size."""
        columns = (checkpoint.c.origin, checkpoint.c.size, checkpoint.c.root, checkpoint.c.note)
        statement = (
            select(*columns).where(checkpoint.c.origin == origin).order_by(checkpoint.c.size)
        )
        for row in self._stream(statement):
            yield CheckpointRow(row.origin, row.size, row.root, row.note)

    def checkpoint_origins(self) -> list[str]:
        """Name the ledgers of which checkpoints are kept."""
        rows = self._connection.execute(
            select(checkpoint.c.origin).distinct().order_by(checkpoint.c.origin)
        )
        return [row.origin for row in rows]

    def all_cosignatures(self) -> Iterator[CosignatureRow]:
        """Yield every kept cosignature, by ledger, size and agency."""
        order = (cosignature.c.origin, cosignature.c.size, cosignature.c.agency)
        for row in self._stream(select(cosignature).order_by(*order)):
            yield CosignatureRow(row.origin, row.size, row.agency, row.time_s, row.lines)

    def all_cards(self) -> Iterator[tuple[str, bytes, CardRow]]:
        """Yield every card that we took, ours included: agency, SHA-256 and the card."""
        columns = (card.c.agency, card.c.sha256, card.c.sealed, card.c.taken_ms)
        order = (card.c.agency, card.c.sequence)
        for row in self._stream(select(*columns).order_by(*order)):
            yield row.agency, row.sha256, CardRow(row.sealed, row.taken_ms)

    def cards_of(self, agency: str) -> list[CardRow]:
        """Return every card that we took of an agency, by sequence."""
        rows = self._connection.execute(
            select(card.c.sealed, card.c.taken_ms)
            .where(card.c.agency == agency)
            .order_by(card.c.sequence)
        )
        return [CardRow(*row) for row in rows]

    def last_expiry(self, created_before_ms: int) -> int:
        """Return when the last of our messages that were written before then expires; or 0."""
        found = self._connection.execute(
            select(func.max(sent.c.expires_ms)).where(sent.c.created_ms < created_before_ms)
        ).scalar_one()
        return 0 if found is None else int(found)

    def last_creation(self) -> int:
        """Return when the newest of our messages was written, as its header says; or 0."""
        found = self._connection.execute(select(func.max(sent.c.created_ms))).scalar_one()
        return 0 if found is None else int(found)

    def _stream(self, statement: Select[tuple[object, ...]]) -> Iterator[Row[tuple[object, ...]]]:
        # The option stands on the statement: set on the connection, it would stay there.
        yield from self._connection.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE))
