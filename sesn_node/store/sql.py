"""What databases spell differently.

How transactions begin, inserts that may meet a row, and history that stays.

SQLite and PostgreSQL. Whoever adds another adds it here, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import String, func, literal, literal_column
from sqlalchemy.dialects import postgresql, sqlite

from sesn_node.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Table

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"

NOTIFY_CHANNEL: Final = "sesn"
"""Channel of PostgreSQL's NOTIFY on which processes of one agency wake each other."""

# A snapshot: statements of one read see one state of the database.
_BEGIN_READ: Final = {
    SQLITE: "BEGIN",
    POSTGRESQL: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}
# Writers queue at the head of the ledger, of whatever process they are, so their transactions are
# serial. READ COMMITTED: what comes after the wait sees what the one before committed.
_BEGIN_WRITE: Final = {
    SQLITE: "BEGIN IMMEDIATE",
    POSTGRESQL: (
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT 1 FROM ledger_head FOR UPDATE"
    ),
}
# Two processes may start at once on an empty database; the tables to lock are not there yet.
_BEGIN_MIGRATION: Final = {
    SQLITE: "BEGIN IMMEDIATE",
    POSTGRESQL: (
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
        # "sesn" in ASCII.
        f"SELECT pg_advisory_xact_lock({int.from_bytes(b'sesn', 'big')})"
    ),
}


def begin_read(dialect: str) -> str:
    """Return what begins a snapshot in which nothing may be written."""
    return _BEGIN_READ[_supported(dialect)]


def begin_write(dialect: str) -> str:
    """Return what begins a transaction that excludes every other writer until it ends."""
    return _BEGIN_WRITE[_supported(dialect)]


def begin_migration(dialect: str) -> str:
    """Return what begins the transaction of a migration; it excludes every other migration."""
    return _BEGIN_MIGRATION[_supported(dialect)]


def notify(dialect: str, sender: str) -> str | None:
    """Return what wakes the other processes at commit; None where there is no such thing.

    Args:
        dialect: Name of the dialect.
        sender: Letters and digits that tell this process from others, so that it does not wake
            itself.
    """
    return f"NOTIFY {NOTIFY_CHANNEL}, '{sender}'" if _supported(dialect) == POSTGRESQL else None


def upsert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Start an insert that can say what happens if its row is there already.

    Args:
        dialect: Name of the dialect, such as `connection.dialect.name`.
        table: Where to.

    Raises:
        ConfigError: The dialect is not supported.
    """
    return postgresql.insert(table) if _supported(dialect) == POSTGRESQL else sqlite.insert(table)


def hex_of(dialect: str, column: ColumnElement[bytes]) -> ColumnElement[str]:
    """Return bytes as hex digits: of bytes themselves PostgreSQL before 18 knows no minimum."""
    if _supported(dialect) == POSTGRESQL:
        return func.encode(column, "hex")
    return func.hex(column)


def timeline(dialect: str) -> ColumnElement[str]:
    """Return which history of its own a database server writes; empty where there is only one.

    Of PostgreSQL the timeline, 8 hex digits: each standby that is promoted begins a new one, and
    may lack the last commits of the one before. A server that cannot be written to says nothing.
    """
    if _supported(dialect) == POSTGRESQL:
        return literal_column(
            "CASE WHEN pg_is_in_recovery() THEN '' "
            "ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END",
            String,
        ).label("timeline")
    return literal("").label("timeline")


def append_only(dialect: str, tables: Sequence[str]) -> Iterator[str]:
    """Yield the statements that make tables refuse every UPDATE, DELETE and TRUNCATE.

    Raises:
        ConfigError: The dialect is not supported.
    """
    if _supported(dialect) == POSTGRESQL:
        yield (
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table in tables:
        yield from _refusals(dialect, table)


def check_encoding(connection: Connection) -> None:
    """Make sure that a database takes every character.

    Raises:
        ConfigError: It was made for some of them only.
    """
    if connection.dialect.name == POSTGRESQL:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise ConfigError(
                f"the database is encoded in {encoding}: make one with CREATE DATABASE ... "
                "ENCODING 'UTF8' TEMPLATE template0"
            )


def _refusals(dialect: str, table: str) -> Iterator[str]:
    if dialect == POSTGRESQL:
        # One per statement, so that one that meets no row is refused as well.
        for verb in ("UPDATE", "DELETE", "TRUNCATE"):
            yield (
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
        return
    # SQLite knows no TRUNCATE: it is a DELETE there.
    for verb in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _supported(dialect: str) -> str:
    if dialect not in _BEGIN_READ:
        raise ConfigError(f"database {dialect}: not supported; use {' or '.join(_BEGIN_READ)}")
    return dialect
