"""Viewing: show somebody what a message says, and record that it was shown.

VIEWED is appended before anything is shown, for each message whose content is, at most once per
message and hour. A node that may not append shows all the same: whoever must read a message from
an old copy of the database is in an emergency. Then a log line records it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import MessageId, show_message_id
from sesn_node.domain.times import HOUR_MS
from sesn_node.errors import StorageError
from sesn_node.exchange.about import about_message
from sesn_node.exchange.views import alert_file
from sesn_node.telemetry.logs import get_logger
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.conversations import MessageView
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.views import AlertFile
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import EntryRow

_log = get_logger(__name__)

T = TypeVar("T")

Shown = tuple[MessageId, int]
"""A message, and our SHARED or RECEIVED entry of it."""


@dataclass(frozen=True, slots=True)
class Viewing:
    """An alert to be shown.

    Args:
        file: The alert with all that is known about it.
        unrecorded: Why the ledger does not tell that it was shown; None if it does.
    """

    file: AlertFile
    unrecorded: StorageError | None = None


def view_alert(office: Office, message_id: MessageId, sender: AgencyId | None = None) -> Viewing:
    """Return an alert for somebody to see, once the ledger tells of it.

    Args:
        office: Ours.
        message_id: The alert.
        sender: Who sent it, to choose when two senders used one id.

    Raises:
        PolicyError: No such alert.
        ConflictError: Two senders used the same id, and none is named.
    """
    found, unrecorded = viewed(office, lambda: alert_file(office, message_id, sender), _content)
    return Viewing(found, unrecorded)


def viewed(
    office: Office, read: Callable[[], T], content: Callable[[T], set[Shown]]
) -> tuple[T, StorageError | None]:
    """Read something for somebody to see, once the ledger tells whose content it shows.

    Args:
        office: Ours.
        read: Reads it; called again until it shows nothing that is not recorded.
        content: Names the messages whose content it shows.

    Returns:
        What was read, and why the ledger does not tell that it was shown; None if it does.
    """
    recorded = set[Shown]()
    while True:
        found = read()
        # Read again afterwards: another message may have come, or the content may be erased.
        shown = content(found) - recorded
        if not shown:
            return found, None
        try:
            _record(office, shown)
        except StorageError as error:
            for message_id, _ in sorted(shown, key=lambda pair: pair[1]):
                _log.error(
                    "view-not-recorded",
                    message_id=show_message_id(message_id),
                    code=error.code,
                    detail=str(error),
                )
            return found, error
        recorded |= shown


def shown_of(messages: Iterable[MessageView]) -> set[Shown]:
    """Name those messages whose content can be read, and so is shown."""
    return {(one.message_id, one.entry) for one in messages if one.payload is not None}


def _content(found: AlertFile) -> set[Shown]:
    """Name the messages whose whole content a view of this shows."""
    view = found.alert
    shown = {(view.message_id, view.entry)} if view.payload is not None else set()
    answers = (one for one in view.responses if one.decision is not None)
    updates = (one for one in view.updates if one.payload is not None)
    shown |= {(one.message_id, one.entry) for one in updates}
    return shown | {(one.message_id, one.entry) for one in answers}


def _record(office: Office, shown: set[Shown]) -> None:
    with office.store.read() as transaction:
        due = _due(transaction, shown, office.clock())
    if due:
        office.sequencer.run(partial(_append, shown=shown))


def _append(work: Work, shown: set[Shown]) -> None:
    outlines = work.transaction.erasures.outlines([message_id for message_id, _ in shown])
    # What was erased since it was read is not shown.
    there = {one.entry_index for one in outlines if one.has_content}
    # The group may have recorded it already, for somebody else.
    for _, entry_index in _due(work.transaction, shown, work.now_ms, work.rows):
        if entry_index in there:
            work.append(about_message(work, EntryKind.VIEWED, entry_index))


def _due(
    transaction: Transaction, shown: set[Shown], now_ms: int, pending: Sequence[EntryRow] = ()
) -> list[Shown]:
    """Return those that were not recorded within the last hour, in the order of the ledger.

    Args:
        transaction: Where the ledger is read.
        shown: What is shown.
        now_ms: The time.
        pending: Entries that are appended, and not written yet.
    """
    due = []
    numbering = transaction.ledger.numbering()
    for message_id, entry_index in sorted(shown, key=lambda pair: pair[1]):
        rows = [*transaction.ledger.entries_of(message_id), *pending]
        if not any(
            0 <= now_ms - at_ms < HOUR_MS for at_ms in _viewed(rows, numbering, entry_index)
        ):
            due.append((message_id, entry_index))
    return due


def _viewed(rows: Sequence[EntryRow], numbering: Mapping[str, int], entry_index: int) -> list[int]:
    """Return when a message was shown, which its SHARED or RECEIVED entry names."""
    entries = [decode_entry(row.entry) for row in rows if row.kind == EntryKind.VIEWED.value]
    return [
        entry.time_ms
        for entry in entries
        if entry.answers is not None
        and numbering.get(entry.answers.origin, 0) + entry.answers.index == entry_index
    ]
