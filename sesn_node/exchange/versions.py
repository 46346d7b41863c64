"""Versions: what the sender of an alert has said about it since, and what stands now.

An update that comes before its alert is kept, and stands here once the alert is there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Alert
from sesn_node.domain.changes import Change, changes
from sesn_node.domain.conversation import Update
from sesn_node.domain.ids import MessageId
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.errors import SesnError
from sesn_node.exchange.open import open_received, open_sent
from sesn_node.store.inbox import InboxRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.store.sealed import SentRow

_UPDATE = MessageKind.UPDATE.value


@dataclass(frozen=True, slots=True)
class VersionView:
    """An update of an alert.

    Args:
        message_id: The update, a message of its own.
        at_ms: When it was written (ours) or arrived (theirs).
        created_ms: When its sender wrote it.
        payload: Markings, and the alert as it stood then; None if it cannot be opened.
        reason: What was new, in the sender's words.
        problem: Code of the reason why it cannot be opened; else empty.
        changes: What differs from the version before it that can be opened.
        entry: Our SHARED or RECEIVED entry of it.
    """

    message_id: MessageId
    at_ms: int
    created_ms: int
    payload: Payload | None
    reason: str
    problem: str
    changes: tuple[Change, ...]
    entry: int


def versions(
    office: Office,
    transaction: Transaction,
    alerts: Sequence[tuple[AgencyId, MessageId, Alert | None]],
) -> dict[tuple[AgencyId, MessageId], tuple[VersionView, ...]]:
    """Return the updates of alerts, as their senders dated them, oldest first.

    Args:
        office: Ours.
        transaction: A snapshot.
        alerts: Sender, id and first content of each; None where that cannot be opened.
    """
    ids = [message_id for _, message_id, _ in alerts]
    rows: list[InboxRow | SentRow] = [
        *transaction.inbox.replies(ids, _UPDATE),
        *(row for row in transaction.browse.sent_replies(ids) if row.sealed.kind == _UPDATE),
    ]
    rows.sort(key=lambda row: (row.sealed.created_ms, row.message_id))
    found: dict[tuple[AgencyId, MessageId], tuple[VersionView, ...]] = {}
    for sender, message_id, first in alerts:
        last, views = first, []
        for row in rows:
            whose = row.sender if isinstance(row, InboxRow) else office.agency
            if row.sealed.in_reply_to != message_id or whose != sender:
                continue
            view = _version(office, row, last)
            if view.payload is not None and isinstance(view.payload.body, Alert):
                last = view.payload.body
            views.append(view)
        found[sender, message_id] = tuple(views)
    return found


def _version(office: Office, row: InboxRow | SentRow, before: Alert | None) -> VersionView:
    at_ms = row.received_ms if isinstance(row, InboxRow) else row.sealed.created_ms
    payload: Payload | None = None
    changed: tuple[Change, ...] = ()
    problem = reason = ""
    try:
        opened = _open(office, row)
    except SesnError as error:
        problem = error.code
    else:
        body = opened.body
        if isinstance(body, Update):
            payload = Payload(opened.markings, body.alert)
            reason = body.reason
            changed = () if before is None else changes(before, body.alert)
    return VersionView(
        message_id=MessageId(row.message_id),
        at_ms=at_ms,
        created_ms=row.sealed.created_ms,
        payload=payload,
        reason=reason,
        problem=problem,
        changes=changed,
        entry=row.sealed.entry_index,
    )


def _open(office: Office, row: InboxRow | SentRow) -> Payload:
    if isinstance(row, InboxRow):
        return open_received(office, row)
    return open_sent(office, row)
