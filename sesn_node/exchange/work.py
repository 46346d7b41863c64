"""Work: what an operation of the sequencer may do, and what its caller learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sesn_node.domain.entries import EntryRef
from sesn_node.domain.ids import Origin
from sesn_node.ledger.merkle import Appender, leaf_hash
from sesn_node.store.engine import refusals
from sesn_node.store.ledger import EntryRow, HeadRow
from sesn_node.store.numbers import index_of, ledger_of, number_of
from sesn_node.wire.entries import encode_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.entries import Entry
    from sesn_node.store.engine import Transaction
    from sesn_node.store.outbox_rows import QueuedMessage

T = TypeVar("T")


class Work:
    """What an operation may do: read and write tables, append entries, queue messages.

    Indexes of appended entries are final if the operation returns; if it raises, its rows and
    entries are undone and the rest of the group goes on.
    """

    __slots__ = (
        "_appender",
        "_queued",
        "_rows",
        "has_queued",
        "ledger",
        "now_ms",
        "origin",
        "transaction",
    )

    def __init__(
        self,
        transaction: Transaction,
        now_ms: int,
        origin: Origin,
        appender: Appender,
        *,
        ledger: int = 0,
    ) -> None:
        self.transaction = transaction
        self.now_ms = now_ms
        self.origin = origin
        self.ledger = ledger
        self._appender = appender
        self._rows: list[EntryRow] = []
        self._queued: list[QueuedMessage] = []
        self.has_queued = False

    def queue(self, message: QueuedMessage) -> None:
        """Queue a sealed message; it is written together with others of the group."""
        self._queued.append(message)

    def append(self, entry: Entry) -> EntryRef:
        """Append an entry to the ledger and say where it stands."""
        data = encode_entry(entry)
        hashed = leaf_hash(data)
        index = self._appender.append(hashed)
        self._rows.append(EntryRow(index, entry.kind.value, entry.message_id, data, self.ledger))
        return EntryRef(self.origin, index, hashed)

    def number(self, appended: EntryRef) -> int:
        """Return what tables call an entry that was appended to the open ledger."""
        return number_of(self.ledger, appended.index)

    def ref(self, number: int) -> EntryRef:
        """Return what others call an entry of ours, of the open ledger or a closed one.

        Raises:
            StorageError: There is none: the database was changed.
        """
        ledger, origin = ledger_of(number), self.origin
        if ledger != self.ledger:
            origin = Origin(self.transaction.ledger.heads()[ledger].origin)
        return EntryRef(origin, index_of(number), leaf_hash(self.entry_at(number)))

    def run(self, operation: Callable[[Work], T], *, writes: bool) -> T:
        """Run one operation of the group; undo it, and only it, if it raises."""
        if writes:
            # It may look for what an operation before it queued.
            self.flush()
        mark, rows, queued = self._appender.mark(), len(self._rows), len(self._queued)
        try:
            with self.transaction.savepoint() if writes else refusals():
                return operation(self)
        except BaseException:
            self._appender.rollback(mark)
            del self._rows[rows:]
            del self._queued[queued:]
            raise

    def entry_at(self, number: int) -> bytes:
        """Return an entry of our ledgers, as it is stored or as this group appended it.

        Raises:
            StorageError: There is none: the database was changed.
        """
        for row in reversed(self._rows):
            if row.number == number:
                return row.entry
        return self.transaction.ledger.entries_at([number])[number].entry

    def flush(self) -> None:
        """Write the queued messages."""
        if self._queued:
            with refusals():
                self.transaction.outbox.add(self._queued)
            self._queued = []
            self.has_queued = True

    @property
    def rows(self) -> list[EntryRow]:
        """The entries that the group appended so far."""
        return self._rows


@dataclass(frozen=True, slots=True)
class Committed(Generic[T]):
    """An operation's result and the head of the ledger after its group."""

    value: T
    head: HeadRow
