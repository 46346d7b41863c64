"""Restore: a backup becomes a database again, whole and verified, or nothing happens.

A new SQLite file is made beside its place and renamed last. In PostgreSQL everything is one
transaction. Before either, every byte of the backup was authentic and all that the ledger says was
verified in the new database itself.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.address import SQLITE
from sesn_node.errors import ConflictError, StorageError, VerificationError
from sesn_node.exchange.verify import verify_recorded
from sesn_node.store.engine import Store
from sesn_node.store.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.exchange.backup import OpenBackup
    from sesn_node.exchange.contents import Contents
    from sesn_node.exchange.verify import Verification

NOT_EMPTY = "NOT_EMPTY"
"""Code of the conflict with a database that is there already."""

_PRIVATE = 0o600
_BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a database, and what a new one in its place would take for its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is put.

    Args:
        url: Its address.
        path: The SQLite file; None if it is in a PostgreSQL server.
        shown: The address for people.
    """

    url: str
    path: Path | None
    shown: str


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that is a database again."""

    place: Place
    contents: Contents
    verification: Verification


def restore(backup: OpenBackup, place: Place, accept: Callable[[Contents], None]) -> Restored:
    """Put the database of a backup in its place, which must be empty.

    Args:
        backup: Open, and not read yet.
        place: Where to.
        accept: Called with what was read, when all of it is verified and nothing is in place yet;
            raises if the backup does not belong here.

    Raises:
        ConflictError: `NOT_EMPTY`: there is a database already.
        MalformedError: Not a backup of this version.
        VerificationError: The backup was altered, or the ledger in it does not verify.
        StorageError: The backup cannot be read, or the database not be written.
    """
    if place.path is None:
        store = Store(place.url)
        try:
            return _load(store, place, backup, accept)
        finally:
            store.close()
    require_free(place)
    with _made_beside(place.path) as made:
        store = Store(f"{SQLITE}{made}")
        try:
            restored = _load(store, place, backup, accept)
        finally:
            store.close()
        _put(made, place)
    return restored


def require_free(place: Place) -> None:
    """Make sure that no SQLite database is in the way; PostgreSQL is asked when it is written.

    Raises:
        ConflictError: `NOT_EMPTY`.
    """
    path = place.path
    if path is None:
        return
    if path.exists():
        raise ConflictError(
            f"{path} is there already, and nothing was changed. Stop the node, move it away and "
            f"keep it (with {path.name}-wal and {path.name}-shm, if they are there), then restore "
            "again",
            code=NOT_EMPTY,
        )
    for suffix in _BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            raise ConflictError(
                f"{beside} is left from the database that was here, and may hold its newest "
                "commits. Nothing was changed. Move it to where that database is now, under its "
                "name, then restore again",
                code=NOT_EMPTY,
            )


def _load(
    store: Store, place: Place, backup: OpenBackup, accept: Callable[[Contents], None]
) -> Restored:
    with store.write() as transaction:
        rows = transaction.upkeep.rows()
        if rows:
            raise ConflictError(
                f"the database {place.shown} is not empty ({', '.join(rows)}), and nothing was "
                "changed: restore into an empty one",
                code=NOT_EMPTY,
            )
        loader = transaction.upkeep.loader()
        for row in backup.rows():
            loader.add(row)
        loader.flush()
        contents = backup.contents()
        verification = verify_recorded(transaction, None)
        if not verification.passed:
            failed = [check for check in verification.checks if check.failed]
            raise VerificationError(
                "what the backup holds does not verify, so nothing was restored: "
                + "; ".join(f"{check.title}: {check.first[0]}" for check in failed)
            )
        accept(contents)
    return Restored(place, contents, verification)


@contextmanager
def _made_beside(path: Path) -> Iterator[Path]:
    """Hand out an empty file beside a database's place; remove what is left of it at the end."""
    made = path.with_name(f".{path.name}.restored")
    leavings = [made, *(made.with_name(made.name + suffix) for suffix in _BESIDE)]
    _remove(leavings)
    try:
        # SQLite would make it readable to everybody.
        os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}). Check free space and permissions."
        ) from error
    try:
        yield made
    finally:
        _remove(leavings)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _put(made: Path, place: Place) -> None:
    """Give a finished, closed database its name."""
    path = place.path
    if path is None or made.with_name(made.name + _BESIDE[0]).exists():
        raise StorageError(f"{made} was not closed in order; restore again")
    require_free(place)
    try:
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from error
