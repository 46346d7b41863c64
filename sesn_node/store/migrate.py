"""Bringing a database up to the schema of this program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from sesn_node.errors import StorageError
from sesn_node.store import sql

if TYPE_CHECKING:
    from sqlalchemy import Engine

HEAD_REVISION = "0001"
"""The newest migration; a test holds it against the migrations folder."""


def migrate(engine: Engine, *, create: bool = True) -> None:
    """Apply the migrations that the database lacks, in one transaction.

    Two processes may do so at once: one waits for the other.

    Args:
        engine: The database.
        create: Whether it may be empty: a mistyped address must not leave tables elsewhere.

    Raises:
        ConfigError: A new database cannot hold what is written to it.
        StorageError: The database was written by a newer program, or is empty and must not be.
    """
    current = _current_revision(engine)
    if current == HEAD_REVISION:
        return
    if current is None and not create:
        raise StorageError(
            "the database holds no node: check database.url, or put the newest database back"
        )
    if current is not None and current > HEAD_REVISION:
        raise StorageError(
            f"the database is at schema {current}, this program knows {HEAD_REVISION}: install "
            "the version of sesn-node that wrote it, or a newer one"
        )
    # Imported here because only a fresh or outdated database needs it, and every command pays
    # for what the store imports.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    # Else the parser behind it takes a % in the path for a reference to another option.
    config.set_main_option("script_location", folder.replace("%", "%%"))
    with engine.connect() as connection:
        connection.info["begin"] = sql.begin_migration(engine.dialect.name)
        with connection.begin():
            sql.check_encoding(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _current_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        connection.info["begin"] = sql.begin_read(engine.dialect.name)
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
