"""Stored keys: how the content key of a stored message is named in its additional data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sesn_node.store.wrapped import WrappedRow

SENT_TABLE: Final = "sent"
INBOX_TABLE: Final = "inbox"


def inbox_row_id(sender: str, message_id: bytes) -> bytes:
    """Name a row of the inbox; a row of `sent` is named by its message id alone."""
    return sender.encode() + b"\0" + message_id


def wrapped_row_id(row: WrappedRow) -> bytes:
    """Name a row of either table: only what was received has a sender."""
    return inbox_row_id(row.sender, row.message_id) if row.sender else row.message_id
