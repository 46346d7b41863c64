"""Partners' ledgers as we witnessed them, and who cosigned which checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update

from sesn_node.errors import ConflictError
from sesn_node.store.schema import checkpoint, cosignature, witness_head
from sesn_node.store.sql import upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection, Insert, Table


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """The last checkpoint of a partner's ledger that we verified."""

    origin: str
    agency: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class CosignatureRow:
    """One agency's cosignature lines (0x04 and 0x06) over a checkpoint."""

    origin: str
    size: int
    agency: str
    time_s: int
    lines: bytes


_SELECT_HEAD = select(witness_head).where(witness_head.c.origin == bindparam("origin"))
_SELECT_HEADS = select(witness_head).order_by(witness_head.c.origin)
_ADVANCE = (
    update(witness_head)
    .where(
        witness_head.c.origin == bindparam("b_origin"),
        witness_head.c.size == bindparam("old_size"),
        witness_head.c.root == bindparam("old_root"),
    )
    .values(size=bindparam("new_size"), root=bindparam("new_root"))
)
_SELECT_CHECKPOINTS = (
    select(checkpoint.c.root, checkpoint.c.note)
    .where(checkpoint.c.origin == bindparam("origin"), checkpoint.c.size == bindparam("size"))
    .order_by(checkpoint.c.root)
)
_SELECT_COSIGNATURES = select(cosignature).where(cosignature.c.origin == bindparam("origin"))
_SELECT_COSIGNATURE = _SELECT_COSIGNATURES.where(
    cosignature.c.size == bindparam("size"), cosignature.c.agency == bindparam("agency")
)
_SELECT_IN_ORDER = _SELECT_COSIGNATURES.order_by(cosignature.c.size, cosignature.c.agency)
_SELECT_COSIGNERS = _SELECT_COSIGNATURES.where(cosignature.c.size == bindparam("size")).order_by(
    cosignature.c.agency
)
_SELECT_LAST = (
    select(cosignature.c.agency, func.max(cosignature.c.size))
    .where(cosignature.c.origin == bindparam("origin"))
    .group_by(cosignature.c.agency)
    .order_by(cosignature.c.agency)
)
# Only the primary key is read, which an index holds: not the signatures.
_SELECT_MOST_COSIGNED = (
    select(cosignature.c.size)
    .where(
        cosignature.c.origin == bindparam("origin"),
        cosignature.c.size.between(bindparam("least"), bindparam("most")),
    )
    .group_by(cosignature.c.size)
    .order_by(func.count().desc(), cosignature.c.size.desc())
    .limit(1)
)


class WitnessTable:
    """Witnessed ledgers as one transaction sees them."""

    __slots__ = ("_connection", "advanced")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.advanced = False
        """Whether `advance` was called; what it wrote may be undone since."""

    def head(self, origin: str) -> WitnessRow | None:
        """Return the last checkpoint of an origin that we verified."""
        row = self._connection.execute(_SELECT_HEAD, {"origin": origin}).one_or_none()
        return None if row is None else WitnessRow(*row)

    def heads(self) -> list[WitnessRow]:
        """Return the last verified checkpoint of every origin."""
        return [WitnessRow(*row) for row in self._connection.execute(_SELECT_HEADS)]

    def advance(self, old: WitnessRow | None, new: WitnessRow) -> None:
        """Move an origin from `old` to `new`.

        Raises:
            ConflictError: The row is not `old`: verify again, from what is recorded now.
        """
        self.advanced = True
        if old is None:
            row = {"origin": new.origin, "agency": new.agency, "size": new.size, "root": new.root}
            moved = self._connection.execute(self._keep(witness_head), row)
        else:
            moved = self._connection.execute(
                _ADVANCE,
                {
                    "b_origin": old.origin,
                    "old_size": old.size,
                    "old_root": old.root,
                    "new_size": new.size,
                    "new_root": new.root,
                },
            )
        if moved.rowcount != 1:
            raise ConflictError(f"the witnessed checkpoint of {new.origin} moved meanwhile")

    def keep_checkpoint(self, *, origin: str, size: int, root: bytes, note: bytes) -> None:
        """Keep a signed checkpoint; one of the same size and root is kept already."""
        self._connection.execute(
            self._keep(checkpoint), {"origin": origin, "size": size, "root": root, "note": note}
        )

    def checkpoints(self, origin: str, size: int) -> dict[bytes, bytes]:
        """Return the signed notes of the kept checkpoints of a size, by root.

        One, unless the ledger forked: then a second one is kept, which nobody here cosigned.
        """
        rows = self._connection.execute(_SELECT_CHECKPOINTS, {"origin": origin, "size": size})
        return {row.root: row.note for row in rows}

    def keep_cosignature(self, row: CosignatureRow) -> bool:
        """Keep an agency's first cosignature over a checkpoint; tell whether this is it."""
        kept = self._connection.execute(
            self._keep(cosignature),
            {
                "origin": row.origin,
                "size": row.size,
                "agency": row.agency,
                "time_s": row.time_s,
                "lines": row.lines,
            },
        )
        return kept.rowcount == 1

    def cosignature(self, origin: str, size: int, agency: str) -> CosignatureRow | None:
        """Return an agency's cosignature over a checkpoint."""
        row = self._connection.execute(
            _SELECT_COSIGNATURE, {"origin": origin, "size": size, "agency": agency}
        ).one_or_none()
        return None if row is None else CosignatureRow(*row)

    def cosignatures(self, origin: str) -> list[CosignatureRow]:
        """Return all cosignatures over an origin's checkpoints, by size."""
        rows = self._connection.execute(_SELECT_IN_ORDER, {"origin": origin})
        return [CosignatureRow(*row) for row in rows]

    def cosigners(self, origin: str, size: int) -> list[CosignatureRow]:
        """Return the cosignatures over one checkpoint, by agency."""
        rows = self._connection.execute(_SELECT_COSIGNERS, {"origin": origin, "size": size})
        return [CosignatureRow(*row) for row in rows]

    def last_cosigned(self, origin: str) -> dict[str, int]:
        """Return the largest size that each agency cosigned, by agency."""
        rows = self._connection.execute(_SELECT_LAST, {"origin": origin})
        return {agency: size for agency, size in rows}  # noqa: C416 - rows are no pairs to mypy

    def most_cosigned(self, origin: str, least: int, most: int) -> int | None:
        """Return the size, from `least` to `most`, that most agencies cosigned, the largest such.

        None if nobody cosigned any.
        """
        between = {"origin": origin, "least": least, "most": most}
        return self._connection.execute(_SELECT_MOST_COSIGNED, between).scalar_one_or_none()

    def _keep(self, table: Table) -> Insert:
        """Insert a row, unless it is there."""
        insert = upsert(self._connection.dialect.name, table).on_conflict_do_nothing()
        # Else SQLAlchemy forgets how many rows an insert made, and `advance` asks.
        return insert.execution_options(preserve_rowcount=True)
