"""Our operators, and small things that only we keep: the drafts that wait for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from sesn_node.store.schema import operator, secret

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator of ours.

    Args:
        sha256: SHA-256 of what we say of the operator, 32 bytes.
        operator: Pseudonym.
        sealed: A serialised `SealedOperator`.
        added_ms: When, Unix milliseconds.
        removed_ms: Since when no longer; None as long as it stands.
        entry_index: Our ledger's entry that added the operator.
    """

    sha256: bytes
    operator: str
    sealed: bytes
    added_ms: int
    removed_ms: int | None
    entry_index: int


@dataclass(frozen=True, slots=True)
class SecretRow:
    """Something encrypted under a key of its own.

    Args:
        kind: What it is.
        name: Its name among those of its kind; not secret.
        stored_ms: When, Unix milliseconds.
        ciphertext: AES-256-GCM.
        content_key: Tag and wrapped key.
    """

    kind: str
    name: bytes
    stored_ms: int
    ciphertext: bytes
    content_key: bytes


class OperatorTable:
    """Operators as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: OperatorRow) -> None:
        """Store an operator."""
        self._connection.execute(
            insert(operator).values(
                sha256=row.sha256,
                operator=row.operator,
                sealed=row.sealed,
                added_ms=row.added_ms,
                removed_ms=row.removed_ms,
                entry_index=row.entry_index,
            )
        )

    def remove(self, sha256: bytes, at_ms: int) -> None:
        """Note since when an operator is none."""
        self._connection.execute(
            update(operator).where(operator.c.sha256 == sha256).values(removed_ms=at_ms)
        )

    def find(self, name: str) -> OperatorRow | None:
        """Return the operator of that name that was not removed."""
        found = [row for row in self.every() if row.operator == name and row.removed_ms is None]
        return found[-1] if found else None

    def every(self) -> list[OperatorRow]:
        """Return all operators, removed ones too, in the order in which they were added."""
        rows = self._connection.execute(
            select(operator).order_by(operator.c.added_ms, operator.c.entry_index)
        )
        return [OperatorRow(**row) for row in rows.mappings()]


class SecretTable:
    """Small encrypted things as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, row: SecretRow) -> None:
        """Store something, in place of what had its name."""
        self.drop(row.kind, row.name)
        self._connection.execute(
            insert(secret).values(
                kind=row.kind,
                name=row.name,
                stored_ms=row.stored_ms,
                ciphertext=row.ciphertext,
                content_key=row.content_key,
            )
        )

    def drop(self, kind: str, name: bytes) -> bool:
        """Take something away; say whether it was there."""
        done = self._connection.execute(
            delete(secret).where(secret.c.kind == kind, secret.c.name == name)
        )
        return done.rowcount > 0

    def get(self, kind: str, name: bytes) -> SecretRow | None:
        """Return something by its name."""
        row = (
            self._connection.execute(
                select(secret).where(secret.c.kind == kind, secret.c.name == name)
            )
            .mappings()
            .one_or_none()
        )
        return None if row is None else SecretRow(**row)

    def every(self, kind: str) -> list[SecretRow]:
        """Return all of a kind, oldest first."""
        rows = self._connection.execute(
            select(secret).where(secret.c.kind == kind).order_by(secret.c.stored_ms, secret.c.name)
        )
        return [SecretRow(**row) for row in rows.mappings()]
