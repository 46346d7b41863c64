"""The schema: what the migrations make is what the program reads and writes."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, create_mock_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import QueuePool

from sesn_node.domain.delivery import ENDED
from sesn_node.errors import ConfigError, StorageError
from sesn_node.store import engine, migrate, sql
from sesn_node.store.engine import Store
from sesn_node.store.migrate import HEAD_REVISION
from sesn_node.store.schema import APPEND_ONLY, HAS_ENDED, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine
    from sqlalchemy.schema import ExecutableDDLElement

_MIGRATIONS = Path(migrate.__file__).parent / "migrations"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database as a node makes it."""
    found = tmp_path / "node.db"
    Store(f"sqlite:///{found}").close()
    return found


def _objects(path: Path) -> set[tuple[str, str, str]]:
    """Return type, name and definition of everything in a database, spelled alike."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(kind, name, _spelled(sql)) for kind, name, sql in rows}


def test_migrated_schema_is_the_metadata(path: Path) -> None:
    """Alembic finds no difference in tables, columns, types, defaults and indexes."""
    found = create_engine(f"sqlite:///{path}")
    with found.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    found.dispose()


def test_migrated_schema_has_every_constraint(path: Path, tmp_path: Path) -> None:
    """What Alembic does not compare is compared as text: checks, keys, names, column order."""
    other = tmp_path / "metadata.db"
    empty = create_engine(f"sqlite:///{other}")
    metadata.create_all(empty)
    empty.dispose()
    made = {one for one in _objects(path) if one[0] != "trigger" and one[1] != "alembic_version"}
    assert made == _objects(other)


def test_migrations_say_the_same_of_another_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """For PostgreSQL, too, migrations and metadata give the same tables, with their comments."""
    monkeypatch.setattr(sql, "append_only", lambda *_: ())
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    scripts = ScriptDirectory(str(_MIGRATIONS))
    with Operations.context(context):
        for script in reversed(list(scripts.walk_revisions())):
            upgrade: Callable[[], None] = script.module.upgrade
            upgrade()
    statements = (_spelled(one) for one in written.getvalue().split(";\n"))
    migrated = {one for one in statements if one}
    assert migrated == set(_metadata_for_postgresql())


def _metadata_for_postgresql() -> Iterator[str]:
    statements: list[str] = []

    def keep(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
        # SQLAlchemy gives the dialect class no types.
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        statements.append(str(statement.compile(dialect=dialect)))

    # A mock engine hands over the statements in place of running them.
    metadata.create_all(create_mock_engine("postgresql://", keep), checkfirst=False)
    return (_spelled(one) for one in statements)


def _spelled(statement: str) -> str:
    """Write a definition with one spelling of spaces, and a table's constraints in order."""
    text = re.sub(r"\s+", " ", statement).strip(" ;")
    if not text.startswith("CREATE TABLE"):
        return text
    head, _, body = text.partition(" ( ")
    # No name, type or check in the schema has a comma and a space, save in parentheses.
    parts = re.split(r", (?![^()]*\))", body.removesuffix(" )"))
    # A check may stand beside its column or after all columns.
    parts = [one for part in parts for one in re.split(r" (?=CONSTRAINT )", part)]
    columns = [one for one in parts if not one.startswith("CONSTRAINT ")]
    constraints = sorted(one for one in parts if one.startswith("CONSTRAINT "))
    return "\n".join([head, *columns, *constraints])


def test_every_table_is_explained() -> None:
    """Every table has a comment, so that whoever opens the database knows what it holds."""
    assert [table.name for table in metadata.sorted_tables if not table.comment] == []


def test_what_has_ended_is_spelled_as_in_the_domain() -> None:
    """The words of the indexes, which queries repeat, name every state that ends a copy."""
    assert re.findall("'([a-z]+)'", HAS_ENDED.text) == list(ENDED)


def test_newest_revision_is_known() -> None:
    """The program knows the newest migration by name, and there is one line of them."""
    assert ScriptDirectory(str(_MIGRATIONS)).get_heads() == [HEAD_REVISION]


def test_opening_again_changes_nothing(path: Path) -> None:
    """A database at the newest schema is left as it is."""
    before = _objects(path)
    Store(f"sqlite:///{path}").close()
    assert _objects(path) == before


def test_newer_schema_is_refused(path: Path) -> None:
    """A database of a newer program is refused, with the way out, and left as it is."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StorageError, match=rf"9999.*{HEAD_REVISION}.*install"):
        Store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_install_path_with_a_percent_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the program is installed, it finds its migrations."""
    folder = tmp_path / "100%(here)s"
    shutil.copytree(_MIGRATIONS, folder / "migrations")
    monkeypatch.setattr(migrate, "__file__", str(folder / "migrate.py"))
    Store(f"sqlite:///{tmp_path / 'node.db'}").close()
    assert _objects(tmp_path / "node.db")


def test_store_that_cannot_be_opened_keeps_no_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is refused is let go of: nobody has a store to close."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    made: list[Engine] = []

    def remember(found: Engine, *, create: bool) -> None:
        made.append(found)
        migrate.migrate(found, create=create)

    monkeypatch.setattr(engine, "migrate", remember)
    with pytest.raises(StorageError, match="9999"):
        Store(f"sqlite:///{path}")
    (found,) = made
    assert isinstance(found.pool, QueuePool)
    assert (found.pool.checkedin(), found.pool.checkedout()) == (0, 0)


@pytest.mark.parametrize("dialect", ["mysql", ""])
def test_other_dialects_are_refused(dialect: str) -> None:
    """What is spelled for the databases that we know is not sent to another."""
    with pytest.raises(ConfigError, match=f"{dialect}.*sqlite"):
        sql.upsert(dialect, metadata.tables["peer"])
    with pytest.raises(ConfigError, match=f"{dialect}.*sqlite"):
        list(sql.append_only(dialect, ("card",)))


def test_every_history_table_is_guarded(path: Path) -> None:
    """Each append-only table has its two triggers, and no other table has any."""
    triggers = {name for kind, name, _ in _objects(path) if kind == "trigger"}
    assert triggers == {
        f"{table.name}_no_{verb}" for table in APPEND_ONLY for verb in ("update", "delete")
    }
