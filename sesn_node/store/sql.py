"""What databases spell differently: inserts that may meet a row, and history that stays.

SQLite is the one dialect today. Whoever adds another adds it here, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import sqlite

from sesn_node.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Table

_SQLITE = "sqlite"


def upsert(dialect: str, table: Table) -> sqlite.Insert:
    """Start an insert that can say what happens if its row is there already.

    Args:
        dialect: Name of the dialect, such as `connection.dialect.name`.
        table: Where to.

    Raises:
        ConfigError: The dialect is not supported.
    """
    _require_supported(dialect)
    return sqlite.insert(table)


def append_only(dialect: str, tables: Sequence[str]) -> Iterator[str]:
    """Yield the statements that make tables refuse every UPDATE and DELETE.

    Raises:
        ConfigError: The dialect is not supported.
    """
    _require_supported(dialect)
    for table in tables:
        for verb in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _require_supported(dialect: str) -> None:
    if dialect != _SQLITE:
        raise ConfigError(f"database {dialect}: not supported; use {_SQLITE}")
