"""Sealed messages as rows: what those that we sent and those that arrived have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Row


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A sealed message as stored; `content_key` is wrapped by the storage key."""

    kind: str
    header: bytes
    header_sha256: bytes
    seal: bytes
    ciphertext: bytes | None
    content_key: bytes | None
    conversation_id: bytes
    in_reply_to: bytes | None
    priority: int
    created_ms: int
    expires_ms: int
    entry_index: int


@dataclass(frozen=True, slots=True)
class SentRow:
    """A message that we sealed."""

    message_id: bytes
    sealed: SealedRow

    def recorded_at(self, entry_index: int) -> SentRow:
        """The same message with the index of its SHARED entry."""
        return SentRow(self.message_id, replace(self.sealed, entry_index=entry_index))


_COLUMNS = tuple(SealedRow.__dataclass_fields__)


def sealed_values(row: SealedRow) -> dict[str, object]:
    """Spread a sealed row over its columns."""
    return {name: getattr(row, name) for name in _COLUMNS}


def sealed_row(row: Row[tuple[object, ...]]) -> SealedRow:
    """Gather a sealed row from its columns."""
    mapping = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return SealedRow(**{name: mapping[name] for name in _COLUMNS})


def sent_row(row: Row[tuple[object, ...]]) -> SentRow:
    """Gather a message that we sealed from its columns."""
    return SentRow(row._mapping["message_id"], sealed_row(row))  # noqa: SLF001 - as above
