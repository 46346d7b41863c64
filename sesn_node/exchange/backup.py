"""Backup: all that the database holds, at one moment, in one encrypted file that was read back.

A node may serve meanwhile. The file is written beside its place, synced, read back from the disk,
verified, and only then put in its place: what is there under the name of a backup is one.

Not in it: the key files, since a copy of both would need only the passphrase to read everything;
the head file, since it must stay newer than any backup; `run/`, which belongs to a process.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from sesn_node.crypto.backup import (
    MAX_LINE_BYTES,
    Facts,
    begin_backup,
    open_backup,
    read_first_line,
)
from sesn_node.crypto.kdf import DEFAULT_KDF
from sesn_node.domain.checks import printable
from sesn_node.domain.ids import parse_origin
from sesn_node.errors import StorageError
from sesn_node.exchange.contents import Contents, Inspector
from sesn_node.store.dump import DumpReader
from sesn_node.store.migrate import HEAD_REVISION
from sesn_node.store.newfile import new_file
from sesn_node.store.sealedfile import SealedReader, SealedWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.crypto.backup import FirstLine
    from sesn_node.crypto.kdf import KdfParams
    from sesn_node.store.dump import TableRow
    from sesn_node.store.engine import Store


def back_up(  # noqa: PLR0913 - what a backup is made of
    store: Store,
    settings: bytes,
    target: Path,
    passphrase: bytes,
    *,
    now_ms: int,
    force: bool = False,
    kdf: KdfParams = DEFAULT_KDF,
) -> Contents:
    """Write a backup, read it back and verify it.

    Args:
        store: The database; others may write to it meanwhile.
        settings: The bytes of node.toml.
        target: The file.
        passphrase: Whoever knows it can read the backup.
        now_ms: The time.
        force: Replace a file that is there.
        kdf: Cost of trying passphrases.

    Returns:
        What was read back.

    Raises:
        StorageError: The database or the file fails; with code `FILE_EXISTS`, the file is there.
            What was there under its name stands.
        VerificationError: What was read back does not hold; likewise.
    """
    with new_file(target, force=force, what="backup") as backup:
        with backup.part.open("wb") as file:
            _write(store, settings, file, passphrase, now_ms=now_ms, kdf=kdf)
            backup.sync(file)
        contents = verify_backup(backup.part, passphrase)
        backup.put()
    return contents


def verify_backup(path: Path, passphrase: bytes) -> Contents:
    """Read a backup to its end and verify it: every byte, and the ledger in it.

    Raises:
        MalformedError: Not a backup, or not one of this version.
        VerificationError: `WRONG_PASSPHRASE`; `ALTERED`; or the ledger in it does not verify.
        StorageError: It cannot be read.
    """
    with opened(path, passphrase) as backup:
        for _ in backup.rows():
            pass
        return backup.contents()


class OpenBackup:
    """A backup that is being read.

    Args:
        facts: What its first line says; authentic.
        reader: The stream behind the first line.
        file_bytes: Length of the file.
    """

    __slots__ = ("_file_bytes", "_inspector", "_reader", "dump", "facts")

    def __init__(self, facts: Facts, reader: SealedReader, file_bytes: int) -> None:
        self.facts = facts
        self._reader = reader
        self._file_bytes = file_bytes
        self._inspector = Inspector(facts)
        self.dump = DumpReader(reader)

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows, once, inspecting each.

        Raises:
            SesnError: As `verify_backup`.
        """
        for row in self.dump.tables():
            self._inspector.take(row)
            yield row
        self._reader.end()

    def contents(self) -> Contents:
        """Say what it holds, after the last row.

        Raises:
            VerificationError: The ledger in it does not verify.
        """
        return Contents(
            facts=self.facts,
            own=self._inspector.finish(),
            storage_key_id=self._inspector.storage_key_id,
            settings=self.dump.settings,
            rows=self.dump.rows,
            file_bytes=self._file_bytes,
        )


@contextmanager
def opened(path: Path, passphrase: bytes) -> Iterator[OpenBackup]:
    """Open a backup for reading.

    Raises:
        MalformedError: Not a backup, or not one of this version.
        VerificationError: `WRONG_PASSPHRASE`; `ALTERED`.
        StorageError: It cannot be read.
    """
    with _first_line(path) as (line, file):
        opener = open_backup(line, passphrase)
        _check_schema(line.facts.schema)
        reader = SealedReader(file, opener)
        yield OpenBackup(line.facts, reader, os.fstat(file.fileno()).st_size)


def read_facts(path: Path) -> Facts:
    """Read what a backup says of itself, without a passphrase and so without proof.

    Raises:
        MalformedError: Not a backup.
        StorageError: It cannot be read.
    """
    with _first_line(path) as (line, _):
        return line.facts


@contextmanager
def _first_line(path: Path) -> Iterator[tuple[FirstLine, BinaryIO]]:
    with ExitStack() as opened_file:
        try:
            file = opened_file.enter_context(path.open("rb"))
            line = file.readline(MAX_LINE_BYTES)
        except OSError as error:
            raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
        yield read_first_line(line), file


def _check_schema(schema: str) -> None:
    """Refuse a backup of another schema: the tables of this one would not fit its rows."""
    if schema != HEAD_REVISION:
        raise StorageError(
            f"this backup is of a database of schema {printable(schema)[:20]}, this program knows "
            f"{HEAD_REVISION}: restore it with the version of sesn-node that wrote it, then "
            "install this one"
        )


def _write(  # noqa: PLR0913 - as `back_up`
    store: Store,
    settings: bytes,
    file: BinaryIO,
    passphrase: bytes,
    *,
    now_ms: int,
    kdf: KdfParams,
) -> None:
    with store.read() as transaction:
        head = transaction.ledger.require_head()
        facts = Facts(
            agency=parse_origin(head.origin)[0],
            origin=head.origin,
            size=head.size,
            root=head.root,
            witnessed=head.witnessed,
            schema=transaction.upkeep.revision(),
            time_s=now_ms // 1000,
        )
        line, sealer = begin_backup(facts, passphrase, kdf)
        file.write(line)
        sealed = SealedWriter(file, sealer)
        transaction.upkeep.write_dump(sealed, settings)
        sealed.finish()
