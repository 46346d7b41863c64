"""The database: settings that durability and secrecy rest on, and errors that name the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import ConfigError, StorageError
from sesn_node.store.engine import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    opened = Store(f"sqlite:///{tmp_path / 'node.db'}")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        pytest.param("synchronous", 2, id="synchronous-FULL"),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("recursive_triggers", 1),
        ("busy_timeout", 10_000),
    ],
)
def test_settings_are_in_force(store: Store, pragma: str, value: object) -> None:
    """Every connection has the settings, in transactions of both kinds."""
    for opening in (store.read, store.write):
        with opening() as transaction:
            connection = transaction._connection  # noqa: SLF001 - asked of SQLite itself
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


@pytest.mark.parametrize(
    "url",
    [
        "",
        "node.db",
        "sqlite://",
        "sqlite:///",
        "postgres://localhost/sesn",
        "postgresql+psycopg://localhost/sesn",
        "postgresql://localhost/sesn?nonsense=1",
        "mysql://localhost/sesn",
        "not a url",
        "://",
    ],
)
def test_url_of_no_database_we_know(url: str) -> None:
    """Another database, or none, is a mistake in the settings, and is named."""
    with pytest.raises(ConfigError, match=r"database\.url"):
        Store(url)


@pytest.mark.parametrize(
    "name", ["a b", "what?", "50%", "%41", "#1", "überraschung", "a;b", "'quoted'", "x=1&y=2"]
)
def test_any_path(tmp_path: Path, name: str) -> None:
    """A database is made exactly where the settings say, whatever the path looks like."""
    folder = tmp_path / name
    folder.mkdir()
    Store(f"sqlite:///{folder / 'node.db'}").close()
    assert (folder / "node.db").exists()
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_folder_that_is_missing(tmp_path: Path) -> None:
    """A database that cannot be opened says so, with its path."""
    with pytest.raises(StorageError, match=r"missing/node\.db cannot be opened"):
        Store(f"sqlite:///{tmp_path / 'missing' / 'node.db'}")


@pytest.mark.parametrize("content", [b"not a database, but long enough to be one" * 100, b"SQLite"])
def test_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """Any other file in its place is refused and left as it is."""
    path = tmp_path / "node.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="cannot be opened"):
        Store(f"sqlite:///{path}")
    assert path.read_bytes() == content
