"""About: entries of our ledger about a message that we sent or received, as a whole.

They name our own SHARED or RECEIVED entry of it, and repeat what that says of the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.exchange.office import new_entry
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from sesn_node.domain.entries import Entry, EntryKind
    from sesn_node.exchange.work import Work


def about_message(work: Work, kind: EntryKind, number: int, code: str = "") -> Entry:
    """Write an entry about a message.

    Args:
        work: The transaction.
        kind: VIEWED, DISCLOSED or ERASED.
        number: Our SHARED or RECEIVED entry of the message, as tables call it.
        code: Why, where the kind has that.
    """
    own = decode_entry(work.entry_at(number))
    return new_entry(
        kind,
        work.now_ms,
        own.object_sha256,
        message_id=own.message_id,
        commitment=own.commitment,
        answers=work.ref(number),
        code=code,
    )
