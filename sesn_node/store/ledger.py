"""Rows of the ledger: entries, tree nodes and the head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, bindparam, cast, func, insert, select, update

from sesn_node.errors import ConflictError, StorageError
from sesn_node.store import sql
from sesn_node.store.schema import ledger_entry, ledger_head, ledger_node, witness_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection


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
    """

    origin: str
    size: int
    root: bytes
    note: bytes
    witnessed: int = 0
    # Two rows are the same state of the ledger whichever server tells them.
    timeline: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry, verbatim, with the columns that it is found by."""

    index: int
    kind: str
    message_id: bytes | None
    entry: bytes


# SQLite binds at most 32,766 values in one statement.
_READ_AT_ONCE = 16_000

_SELECT_NODES = select(ledger_node.c.position, ledger_node.c.hash).where(
    ledger_node.c.position.in_(bindparam("positions", expanding=True))
)
_WITNESSED = cast(func.coalesce(func.sum(witness_head.c.size + 1), 0), BigInteger)
_SELECT_WITNESSED = select(_WITNESSED)
_SELECT_HEAD = {
    dialect: select(
        ledger_head.c.origin,
        ledger_head.c.size,
        ledger_head.c.root,
        ledger_head.c.note,
        _SELECT_WITNESSED.scalar_subquery(),
        sql.timeline(dialect),
    )
    for dialect in (sql.SQLITE, sql.POSTGRESQL)
}
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
        ledger_head.c.id == 1,
        ledger_head.c.size == bindparam("old_size"),
        ledger_head.c.root == bindparam("old_root"),
    )
    .values(size=bindparam("new_size"), root=bindparam("new_root"), note=bindparam("new_note"))
)


class LedgerTable:
    """The ledger as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def head(self) -> HeadRow | None:
        """Return the head, or None before the ledger was opened."""
        statement = _SELECT_HEAD[self._connection.dialect.name]
        row = self._connection.execute(statement).one_or_none()
        return None if row is None else HeadRow(*row)

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
        """Write the head of a ledger that has no entries yet."""
        self._connection.execute(
            insert(ledger_head).values(
                id=1, origin=head.origin, size=head.size, root=head.root, note=head.note
            )
        )

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
                    "entry_index": row.index,
                    "kind": row.kind,
                    "message_id": row.message_id,
                    "entry": row.entry,
                }
                for row in entries
            ],
        )
        self._connection.execute(
            _INSERT_NODE, [{"position": key, "hash": value} for key, value in nodes.items()]
        )

    def nodes(self, positions: Sequence[int]) -> dict[int, bytes]:
        """Read subtree hashes; positions that are not stored are missing from the result."""
        found: dict[int, bytes] = {}
        for start in range(0, len(positions), _READ_AT_ONCE):
            some = positions[start : start + _READ_AT_ONCE]
            rows = self._connection.execute(_SELECT_NODES, {"positions": some})
            found.update((row.position, row.hash) for row in rows)
        return found

    def entries(self, start: int, end: int) -> Iterator[EntryRow]:
        """Yield the entries of [start, end) in order."""
        rows = self._connection.execute(_STREAM_RANGE, {"start": start, "end": end})
        for row in rows:
            yield EntryRow(row.entry_index, row.kind, row.message_id, row.entry)

    def entries_at(self, indexes: Sequence[int]) -> dict[int, EntryRow]:
        """Read entries by index.

        Raises:
            StorageError: One of them is not there.
        """
        found: dict[int, EntryRow] = {}
        for start in range(0, len(indexes), _READ_AT_ONCE):
            some = indexes[start : start + _READ_AT_ONCE]
            for row in self._connection.execute(_SELECT_SOME, {"indexes": some}):
                found[row.entry_index] = EntryRow(
                    row.entry_index, row.kind, row.message_id, row.entry
                )
        missing = set(indexes) - set(found)
        if missing:
            raise StorageError(
                f"ledger entry {min(missing)} is missing: the database is damaged. 'sesn ledger "
                "verify' tells where."
            )
        return found

    def entries_of(self, message_id: bytes) -> list[EntryRow]:
        """Return the entries about one message, in order."""
        rows = self._connection.execute(_SELECT_OF_MESSAGE, {"message_id": message_id})
        return [EntryRow(row.entry_index, row.kind, row.message_id, row.entry) for row in rows]
