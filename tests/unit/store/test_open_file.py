"""A database file that is taken away while it is open: nothing is written where nobody finds it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import StorageError
from sesn_node.store.engine import Store
from sesn_node.store.sqlite import DATABASE_REPLACED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "node.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A database that has taken a write."""
    made = Store(f"sqlite:///{path}")
    with made.write() as transaction:
        transaction.pulse.beat()
    yield made
    made.close()


def _beats(store: Store) -> int:
    with store.read() as transaction:
        return transaction.pulse.beats()


def _beat(store: Store) -> None:
    with store.write() as transaction:
        transaction.pulse.beat()


def test_file_that_was_removed_takes_no_write(store: Store, path: Path) -> None:
    """The error says so; what is open can still be read, and the file may come back."""
    aside = path.rename(path.with_name("aside.db"))
    with pytest.raises(StorageError, match="was removed while this process has it open") as caught:
        _beat(store)
    assert caught.value.code == DATABASE_REPLACED
    assert _beats(store) == 1
    aside.rename(path)
    _beat(store)
    assert _beats(store) == 2


def test_file_that_was_replaced_takes_no_write(store: Store, path: Path) -> None:
    """A backup that somebody puts in its place is not written to, and neither is the old one."""
    saved = path.with_name("saved.db")
    shutil.copy2(path, saved)
    saved.replace(path)
    with pytest.raises(StorageError, match="was replaced by another") as caught:
        _beat(store)
    assert caught.value.code == DATABASE_REPLACED
    other = Store(f"sqlite:///{path}")
    _beat(other)
    other.close()
