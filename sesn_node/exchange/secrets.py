"""Secrets: small things that only this agency keeps, encrypted in the database like messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sesn_node.crypto.secrets import open_secret, seal_secret
from sesn_node.errors import ConflictError
from sesn_node.exchange.office import MOVED
from sesn_node.exchange.storedkeys import (
    SECRET_TABLE,
    inbox_row_id,
    reading_keys,
    require_in_use,
)
from sesn_node.store.people import SecretRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work


def hide(  # noqa: PLR0913 - what is kept, and where
    office: Office,
    kind: str,
    name: bytes,
    data: bytes,
    now_ms: int,
    *,
    beside: Callable[[Work], None] | None = None,
) -> SecretRow:
    """Encrypt something under a key of its own, and store it in place of what had its name.

    Args:
        office: Ours.
        kind: What it is.
        name: Its name among those of its kind; not secret.
        data: What to keep.
        now_ms: The time.
        beside: What else is done in the transaction, before; it may raise.

    Raises:
        StorageError: It could not be stored.
    """
    place = inbox_row_id(kind, name)
    while True:
        # Wrapped under the storage key in use; if that changes before, once more.
        keys = office.vault.keys(office.directory()).storage
        content_key, ciphertext = seal_secret(keys, data, table=SECRET_TABLE, row=place)
        row = SecretRow(kind, name, now_ms, ciphertext, content_key)
        try:
            office.sequencer.run(partial(_put, row=row, tag=keys.tag, beside=beside), writes=True)
        except ConflictError as error:
            if error.code != MOVED:
                raise
        else:
            return row


def reveal(office: Office, row: SecretRow) -> bytes:
    """Decrypt it.

    Raises:
        VerificationError: The row was altered, or belongs to another storage key.
        StorageError: `KEY_MISSING`: there is no storage key in the key file.
        MalformedError: The row was altered.
    """
    return open_secret(
        reading_keys(office, row.content_key),
        row.content_key,
        row.ciphertext,
        table=SECRET_TABLE,
        row=inbox_row_id(row.kind, row.name),
    )


def _put(work: Work, row: SecretRow, tag: bytes, beside: Callable[[Work], None] | None) -> None:
    require_in_use(work, tag)
    if beside is not None:
        beside(work)
    work.transaction.secrets.put(row)
