"""Secrets: small things that only this agency keeps, encrypted in the database like messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.crypto.secrets import open_secret, seal_secret
from sesn_node.exchange.storedkeys import SECRET_TABLE, inbox_row_id
from sesn_node.store.people import SecretRow

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office


def hide(office: Office, kind: str, name: bytes, data: bytes, now_ms: int) -> SecretRow:
    """Encrypt something for the database, under a key of its own."""
    row = inbox_row_id(kind, name)
    content_key, ciphertext = seal_secret(office.keys.storage, data, table=SECRET_TABLE, row=row)
    return SecretRow(kind, name, now_ms, ciphertext, content_key)


def reveal(office: Office, row: SecretRow) -> bytes:
    """Decrypt it.

    Raises:
        VerificationError: The row was altered, or belongs to another storage key.
        StorageError: `KEY_MISSING`: there is no storage key in the key file.
        MalformedError: The row was altered.
    """
    keys = office.keys.reading
    if not keys.knows(row.content_key):
        # Wrapped under a key that came into use since this process last looked.
        office.directory()
        keys = office.keys.reading
    return open_secret(
        keys,
        row.content_key,
        row.ciphertext,
        table=SECRET_TABLE,
        row=inbox_row_id(row.kind, row.name),
    )
