"""Stored keys: how the content key of a stored row is named in its additional data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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
