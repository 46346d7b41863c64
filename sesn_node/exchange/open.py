"""Open: read what a stored message says, with the storage key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.crypto.seal import MessageContext, open_commitment
from sesn_node.errors import PolicyError
from sesn_node.exchange.storedkeys import INBOX_TABLE, SENT_TABLE, inbox_row_id, reading_keys
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.office import Office
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.sealed import SealedRow, SentRow

ERASED: Final = "ERASED"
"""Code of the error that says: there is nothing to open any more."""


def open_received(office: Office, row: InboxRow) -> Payload:
    """Open a message that we received.

    Raises:
        PolicyError: Its content was erased.
        VerificationError: The row was altered, or belongs to another storage key.
        StorageError: `KEY_MISSING`: there is no storage key in the key file.
        MalformedError: The row was altered.
    """
    return _open(office, row.sealed, INBOX_TABLE, inbox_row_id(row.sender, row.message_id))


def open_sent(office: Office, row: SentRow) -> Payload:
    """Open a message that we sent. Raises as `open_received` does."""
    return _open(office, row.sealed, SENT_TABLE, row.message_id)


def reveal_received(office: Office, row: InboxRow) -> tuple[bytes, bytes]:
    """Return salt and payload of a message that we received, for somebody who has its header.

    Raises:
        SesnError: As `open_received`.
    """
    return _reveal(office, row.sealed, INBOX_TABLE, inbox_row_id(row.sender, row.message_id))


def reveal_sent(office: Office, row: SentRow) -> tuple[bytes, bytes]:
    """Return salt and payload of a message that we sent. Raises as `open_received` does."""
    return _reveal(office, row.sealed, SENT_TABLE, row.message_id)


def _open(office: Office, row: SealedRow, table: str, row_id: bytes) -> Payload:
    _, data = _reveal(office, row, table, row_id)
    return decode_payload(data)


def _reveal(office: Office, row: SealedRow, table: str, row_id: bytes) -> tuple[bytes, bytes]:
    if row.ciphertext is None or row.content_key is None:
        raise PolicyError("the content of this message was erased", code=ERASED)
    header = decode_header(row.header)
    key = reading_keys(office, row.content_key).unwrap(row.content_key, table=table, row=row_id)
    return open_commitment(
        row.ciphertext,
        key,
        MessageContext(header.suite, header.message_id, header.sender),
        header.ciphertext_sha256,
        header.commitment,
    )
