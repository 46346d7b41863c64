"""Stored keys: content keys of rows, how each is named, and under which storage key it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.errors import ConflictError
from sesn_node.exchange.office import MOVED

if TYPE_CHECKING:
    from sesn_node.crypto.storage import StorageKeys
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.wrapped import WrappedRow

SENT_TABLE: Final = "sent"
INBOX_TABLE: Final = "inbox"
SECRET_TABLE: Final = "secret"  # noqa: S105 - the name of a table
WATCH_TABLE: Final = "watch"


def inbox_row_id(sender: str, message_id: bytes) -> bytes:
    """Name a row of the inbox, or by its kind a secret; what we sent is named by its id alone."""
    return sender.encode() + b"\0" + message_id


def wrapped_row_id(row: WrappedRow) -> bytes:
    """Name a row of any table by its primary key."""
    return b"\0".join(one.encode() if isinstance(one, str) else one for one in row.key)


def reading_keys(office: Office, wrapped: bytes) -> StorageKeys:
    """Return the storage keys that this process reads with, for a content key that it found."""
    if not office.keys.reading.knows(wrapped):
        # Wrapped under a key that came into use since this process last looked.
        office.directory()
    return office.keys.reading


def require_in_use(work: Work, tag: bytes) -> None:
    """Refuse to store what is wrapped under a storage key that is not the one in use.

    Whoever wraps rows anew may have passed already: the row would be lost with the old key.

    Args:
        work: The transaction that stores it.
        tag: The first bytes of the storage key's id, as content keys bear it.

    Raises:
        ConflictError: `MOVED`: wrap it again, under the key that is in use now.
    """
    if not work.transaction.peers.directory().storage_key_id.startswith(tag):
        raise ConflictError("the storage key was rotated meanwhile", code=MOVED)
