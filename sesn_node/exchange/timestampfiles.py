"""Time-stamps as files that a stranger's `openssl ts -verify` reads.

    1-000000426-1.checkpoint    the signed checkpoint, of which the first three lines are stamped
    1-000000426-1.tsr           the answer with the token, DER: TimeStampResp (RFC 3161)

Epoch of the ledger, size of the checkpoint, and a number for the case that several authorities
stamped it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain.ids import parse_origin
from sesn_node.errors import StorageError
from sesn_node.store.newfile import FILE_EXISTS, new_file
from sesn_node.trust.timestamps import answer_of

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.store.engine import Transaction

_DIGITS: Final = 9


def save_tokens(transaction: Transaction, folder: Path) -> int:
    """Write every token, and the checkpoint that it is over; files that are there stay.

    Args:
        transaction: Where they are read.
        folder: Where they go; made if it is not there.

    Returns:
        How many tokens the folder holds now.

    Raises:
        StorageError: A file cannot be written, or a checkpoint is not there; `FILE_EXISTS`: a file
            is there and holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made ({error.strerror})") from error
    count, number = 0, 0
    before: tuple[str, int] | None = None
    for row in transaction.timestamps.every():
        place = row.origin, row.size
        number = number + 1 if place == before else 1
        before = place
        epoch = parse_origin(row.origin)[1]
        name = f"{epoch}-{row.size:0{_DIGITS}}-{number}"
        note = transaction.witness.checkpoints(row.origin, row.size).get(row.root)
        if note is None:
            raise StorageError(
                f"the checkpoint of {row.origin} at size {row.size:,} is missing, and there is a "
                "token over it: the database is damaged"
            )
        _write(folder / f"{name}.checkpoint", note)
        _write(folder / f"{name}.tsr", answer_of(row.token))
        count += 1
    return count


def _write(path: Path, data: bytes) -> None:
    try:
        if path.exists() and path.read_bytes() == data:
            return
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    if path.exists():
        raise StorageError(
            f"{path} is there and holds something else; name another folder", code=FILE_EXISTS
        )
    with new_file(path, force=False, what="file") as file:
        with file.part.open("wb") as part:
            part.write(data)
            file.sync(part)
        file.put()
