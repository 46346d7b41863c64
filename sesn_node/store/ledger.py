"""Rows of the ledger: entries, tree nodes and the head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, cast, func, insert, select, update

from sesn_node.errors import ConflictError, StorageError
from sesn_node.store import sql
from sesn_node.store.numbers import index_of, ledger_of, number_of
from sesn_node.store.schema import ledger_entry, ledger_head, ledger_node, witness_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class HeadRow:
    """The ledger's head: tree size, root hash and the checkpoint signed over them.

    Args:
        origin: Name of the ledger.
        size: Number of entries.
        root: RFC 6962 root hash.
        note: Signed checkpoint.
        witnessed: How far we have witnessed others: one for each of their ledgers, and the sizes
            that we cosigned last. It only grows, so a copy of the database that knows less of
            others shows itself by it even if it knows all of us.
        timeline: Which of its histories the database server writes (`sql.timeline`).
        ledger: Which of our ledgers it is, from 0; the last is open, the others are closed.
        final: Of a closed ledger, the size and root at which it was closed. It may be larger than
            what is here: the entries between are lost, and partners cosigned them.
    """

    origin: str
    size: int
    root: bytes
    note: bytes
    witnessed: int = 0
    # Two rows are the same state of the ledger whichever server tells them.
    timeline: str = field(default="", compare=False)
    ledger: int = 0
    final: tuple[int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry, verbatim, with the columns that it is found by.

    Args:
        index: Leaf index in its ledger.
        kind: What happened, by name.
        message_id: What it is about, or None.
        entry: The serialised `LedgerEntry`.
        ledger: Which of our ledgers, from 0.
    """

    index: int
    kind: str
    message_id: bytes | None
    entry: bytes
    ledger: int = 0

    @property
    def number(self) -> int:
        """What tables call it."""
        return number_of(self.ledger, self.index)


def entry_row(number: int, kind: str, message_id: bytes | None, entry: bytes) -> EntryRow:
    """Gather an entry from its columns."""
    return EntryRow(index_of(number), kind, message_id, entry, ledger_of(number))


# SQLite binds at most 32,766 values in one statement.
_READ_AT_ONCE = 16_000

_SELECT_NODES = select(ledger_node.c.position, ledger_node.c.hash).where(
    ledger_node.c.position.in_(bindparam("positions", expanding=True))
)
_WITNESSED = cast(func.coalesce(func.sum(witness_head.c.size + 1), 0), BigInteger)
_SELECT_WITNESSED = select(_WITNESSED)
_SELECT_HEADS = {
    dialect: select(
        ledger_head.c.id,
        ledger_head.c.final_size,
        ledger_head.c.final_root,
        ledger_head.c.origin,
        ledger_head.c.size,
        ledger_head.c.root,
        ledger_head.c.note,
        _SELECT_WITNESSED.scalar_subquery(),
        sql.timeline(dialect),
    ).order_by(ledger_head.c.id.desc())
    for dialect in (sql.SQLITE, sql.POSTGRESQL)
}
_SELECT_HEAD = {dialect: found.limit(1) for dialect, found in _SELECT_HEADS.items()}
_SELECT_OPEN = select(func.max(ledger_head.c.id))
_SELECT_ENTRIES = select(
    ledger_entry.c.entry_index,
    ledger_entry.c.kind,
    ledger_entry.c.message_id,
    ledger_entry.c.entry,
).order_by(ledger_entry.c.entry_index)
_SELECT_RANGE = _SELECT_ENTRIES.where(
    ledger_entry.c.entry_index >= bindparam("start"), ledger_entry.c.entry_index < bindparam("end")
)
# A ledger may be larger than the memory.
_STREAM_RANGE = _SELECT_RANGE.execution_options(yield_per=1000)
_SELECT_OF_MESSAGE = _SELECT_ENTRIES.where(ledger_entry.c.message_id == bindparam("message_id"))
_SELECT_SOME = _SELECT_ENTRIES.where(
    ledger_entry.c.entry_index.in_(bindparam("indexes", expanding=True))
)
_INSERT_ENTRY = insert(ledger_entry)
_INSERT_NODE = insert(ledger_node)
_MOVE_HEAD = (
    update(ledger_head)
    .where(
        ledger_head.c.id == bindparam("b_id"),
        ledger_head.c.size == bindparam("old_size"),
        ledger_head.c.root == bindparam("old_root"),
    )
    .values(size=bindparam("new_size"), root=bindparam("new_root"), note=bindparam("new_note"))
)


class LedgerTable:
    """One of our ledgers as one transaction sees it: the open one, unless another is named.

    Indexes and positions are those of its own tree. What other tables call an entry is its number,
    which names the ledger as well.
    """

    __slots__ = ("_connection", "_ledger")

    def __init__(self, connection: Connection, ledger: int | None = None) -> None:
        self._connection = connection
        # Of the open one it is not known before something of it is read.
        self._ledger = ledger

    def head(self) -> HeadRow | None:
        """Return the head of the open ledger, or None before one was opened."""
        statement = _SELECT_HEAD[self._connection.dialect.name]
        row = self._connection.execute(statement).one_or_none()
        if row is None:
            return None
        head = _head_row(row)
        if self._ledger is None:
            self._ledger = head.ledger
        return head

    def heads(self) -> tuple[HeadRow, ...]:
        """Return the heads of all our ledgers, in order; the last one is open."""
        statement = _SELECT_HEADS[self._connection.dialect.name]
        return tuple(_head_row(row) for row in self._connection.execute(statement))[::-1]

    def closed(self) -> tuple[HeadRow, ...]:
        """Return the heads of the closed ledgers, in order."""
        return self.heads()[:-1]

    def of(self, ledger: int) -> LedgerTable:
        """Return one of our ledgers, closed or open, by its place."""
        return LedgerTable(self._connection, ledger)

    def numbering(self) -> dict[str, int]:
        """Return the number of the first entry of each of our ledgers, by origin."""
        return {head.origin: number_of(head.ledger, 0) for head in self.heads()}

    @property
    def ledger(self) -> int:
        """Which of our ledgers this is, from 0."""
        if self._ledger is None:
            found = self._connection.execute(_SELECT_OPEN).scalar_one()
            self._ledger = 0 if found is None else found - 1
        return self._ledger

    def require_head(self) -> HeadRow:
        """Return the head.

        Raises:
            StorageError: The ledger was never opened.
        """
        head = self.head()
        if head is None:
            raise StorageError("this database has no ledger: run 'sesn init' first")
        return head

    def witnessed(self) -> int:
        """Return `HeadRow.witnessed` alone."""
        return self._connection.execute(_SELECT_WITNESSED).scalar_one()

    def open(self, head: HeadRow) -> None:
        """Write the head of a ledger that has no entries yet; from here on, it is the open one."""
        self._connection.execute(
            insert(ledger_head).values(
                id=head.ledger + 1,
                origin=head.origin,
                size=head.size,
                root=head.root,
                note=head.note,
            )
        )
        self._ledger = None

    def close(self, head: HeadRow, size: int, root: bytes) -> None:
        """Note at which size and root the open ledger ends; another one has to be opened.

        Raises:
            ConflictError: Its head is not `head`, or it is closed already.
        """
        closed = self._connection.execute(
            update(ledger_head)
            .where(
                ledger_head.c.id == head.ledger + 1,
                ledger_head.c.size == head.size,
                ledger_head.c.root == head.root,
                ledger_head.c.final_size.is_(None),
            )
            .values(final_size=size, final_root=root)
        )
        if closed.rowcount != 1:
            raise ConflictError(f"the ledger {head.origin} moved meanwhile, or was closed")

    def append(
        self, old: HeadRow, new: HeadRow, entries: Sequence[EntryRow], nodes: Mapping[int, bytes]
    ) -> None:
        """Store entries and tree nodes, and move the head from `old` to `new`.

        Raises:
            ConflictError: The head is not `old`: somebody else appended.
        """
        moved = self._connection.execute(
            _MOVE_HEAD,
            {
                "b_id": old.ledger + 1,
                "old_size": old.size,
                "old_root": old.root,
                "new_size": new.size,
                "new_root": new.root,
                "new_note": new.note,
            },
        )
        if moved.rowcount != 1:
            raise ConflictError(f"the ledger head moved while {new.size - old.size} entries waited")
        self.add(entries, nodes)

    def add(self, entries: Sequence[EntryRow], nodes: Mapping[int, bytes]) -> None:
        """Store entries and tree nodes of a larger ledger; `append` has to follow, with the rest.

        Both must not be empty.
        """
        self._connection.execute(
            _INSERT_ENTRY,
            [
                {
                    "entry_index": number_of(self.ledger, row.index),
                    "kind": row.kind,
                    "message_id": row.message_id,
                    "entry": row.entry,
                }
                for row in entries
            ],
        )
        self._connection.execute(
            _INSERT_NODE,
            [
                {"position": number_of(self.ledger, key), "hash": value}
                for key, value in nodes.items()
            ],
        )

    def nodes(self, positions: Sequence[int]) -> dict[int, bytes]:
        """Read subtree hashes; positions that are not stored are missing from the result."""
        found: dict[int, bytes] = {}
        for start in range(0, len(positions), _READ_AT_ONCE):
            some = [number_of(self.ledger, at) for at in positions[start : start + _READ_AT_ONCE]]
            rows = self._connection.execute(_SELECT_NODES, {"positions": some})
            found.update((index_of(row.position), row.hash) for row in rows)
        return found

    def entries(self, start: int, end: int) -> Iterator[EntryRow]:
        """Yield the entries of [start, end) of this ledger, in order."""
        first, last = number_of(self.ledger, 0), number_of(self.ledger + 1, 0)
        within = {"start": first + start, "end": min(first + end, last)}
        for row in self._connection.execute(_STREAM_RANGE, within):
            yield entry_row(row.entry_index, row.kind, row.message_id, row.entry)

    def entries_at(self, numbers: Sequence[int]) -> dict[int, EntryRow]:
        """Read entries of any ledger, by number.

        Raises:
            StorageError: One of them is not there.
        """
        found: dict[int, EntryRow] = {}
        for start in range(0, len(numbers), _READ_AT_ONCE):
            some = numbers[start : start + _READ_AT_ONCE]
            for row in self._connection.execute(_SELECT_SOME, {"indexes": some}):
                found[row.entry_index] = entry_row(
                    row.entry_index, row.kind, row.message_id, row.entry
                )
        missing = set(numbers) - set(found)
        if missing:
            raise StorageError(
                f"ledger entry {index_of(min(missing))} is missing: the database is damaged. 'sesn "
                "ledger verify' tells where."
            )
        return found

    def entries_of(self, message_id: bytes) -> list[EntryRow]:
        """Return the entries about one message, of all our ledgers, in order."""
        rows = self._connection.execute(_SELECT_OF_MESSAGE, {"message_id": message_id})
        return [entry_row(row.entry_index, row.kind, row.message_id, row.entry) for row in rows]


def _head_row(row: Row[Any]) -> HeadRow:
    columns: tuple[Any, ...] = tuple(row)
    number, final_size, final_root, origin, size, root, note, witnessed, timeline = columns
    final = None if final_size is None else (final_size, final_root)
    return HeadRow(origin, size, root, note, witnessed, timeline, number - 1, final)
