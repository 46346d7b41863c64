"""Views: what an officer or an operator wants to see, read in one snapshot and never written.

Content is opened with the storage key where a view shows it. A message that cannot be opened is
shown with the code of the reason: one damaged row must not hide the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Decision, Response, Update
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import MessageKind
from sesn_node.errors import ConflictError, PolicyError, SesnError
from sesn_node.exchange.copyviews import CopyView, copy_view
from sesn_node.exchange.forwardviews import ForwardView, carried, forward_view
from sesn_node.exchange.open import ERASED, open_received, open_sent
from sesn_node.exchange.search import ALERTS, find
from sesn_node.exchange.versions import VersionView, versions
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sesn_node.domain.payload import Payload
    from sesn_node.domain.terms import Sought
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.store.erasures import ErasureRow
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.keeping import HoldRow
    from sesn_node.store.ledger import EntryRow
    from sesn_node.store.sealed import SealedRow, SentRow
    from sesn_node.trust.directory import Directory

_RESPONSE = MessageKind.RESPONSE.value
_OF_CONTENT = frozenset(
    {
        EntryKind.VIEWED,
        EntryKind.DISCLOSED,
        EntryKind.ERASED,
        EntryKind.LEGAL_HOLD,
        EntryKind.CASE,
    }
)


@dataclass(frozen=True, slots=True)
class ResponseView:
    """A decision on an alert, by us or by a recipient.

    Args:
        message_id: The response, a message of its own.
        agency: Who decided.
        at_ms: When it was written (ours) or arrived (theirs).
        decision: None if the content cannot be opened.
        text: Note or reason.
        problem: Code of the reason why it cannot be opened; else empty.
        copy: How our own response stands with the alert's sender; None if it is theirs.
        entry: Our SHARED or RECEIVED entry of it.
    """

    message_id: MessageId
    agency: AgencyId
    at_ms: int
    decision: Decision | None
    text: str = ""
    problem: str = ""
    copy: CopyView | None = None
    entry: int = -1


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry of our ledger about a message; `answers` is the number of the one that it answers.

    That counts only if it is one of ours.
    """

    index: int
    kind: EntryKind
    time_ms: int
    agency: AgencyId | None
    code: str
    answers: int | None = None


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert, sent or received, and what became of it.

    Args:
        message_id: Its id.
        ours: We sent it.
        sender: Who sent it.
        recipients: All agencies that it was sent to, by id.
        at_ms: When it was written (ours) or arrived (theirs).
        created_ms: When its sender wrote it.
        expires_ms: Until when it may be delivered.
        payload: What it says; None if it cannot be opened. Of a forward, what the message says
            that it passes on.
        problem: Code of the reason why it cannot be opened; else empty.
        copies: Of an alert of ours, one a recipient.
        responses: Decisions, oldest first.
        entry: Our SHARED or RECEIVED entry of it.
        erased: When and why its content was erased, if it was.
        forward: Of a forward, whose message it passes on.
        updates: What its sender has said about it since, oldest first.
        retain_ms: When its content has to go; None if it may stay.
        hold: What forbids to erase it, if anything does.
        recalled_ms: When we recalled it, if it is ours and we did.
    """

    message_id: MessageId
    ours: bool
    sender: AgencyId
    recipients: tuple[AgencyId, ...]
    at_ms: int
    created_ms: int
    expires_ms: int
    payload: Payload | None
    problem: str
    copies: tuple[CopyView, ...]
    responses: tuple[ResponseView, ...]
    entry: int = -1
    erased: ErasureRow | None = None
    forward: ForwardView | None = None
    updates: tuple[VersionView, ...] = ()
    retain_ms: int | None = None
    hold: HoldRow | None = None
    recalled_ms: int | None = None

    @property
    def newest(self) -> Payload | None:
        """What stands now: the last update that can be opened, else the alert itself."""
        updates = [one.payload for one in self.updates if one.payload is not None]
        return updates[-1] if updates else self.payload

    @property
    def stands(self) -> Alert | None:
        """The alert as it stands now, if any of it could be opened."""
        newest = self.newest
        if newest is None or newest is self.payload:
            return self.alert
        return newest.body if isinstance(newest.body, Alert) else None

    @property
    def alert(self) -> Alert | None:
        """The alert itself, if its content could be opened."""
        body = None if self.payload is None else self.payload.body
        if isinstance(body, Update):
            body = body.alert
        return body if isinstance(body, Alert) else None

    @property
    def about_alert(self) -> bool:
        """Whether it is, or passes on, an alert, as far as that can be told."""
        return self.payload is None or self.alert is not None


@dataclass(frozen=True, slots=True)
class AlertFile:
    """One alert with all that this node knows about it."""

    alert: AlertView
    entries: tuple[EntryView, ...]


def alerts(office: Office, limit: int, sought: Sought | None = None) -> tuple[AlertView, ...]:
    """List the newest alerts, sent and received, newest first, at most `limit`.

    Args:
        office: Ours.
        limit: How many.
        sought: What each must name; all alerts if None.
    """
    with office.store.read() as transaction:
        if sought is None:
            received = transaction.browse.newest_received(ALERTS, limit)
            sent = transaction.browse.newest_sent(ALERTS, limit)
        else:
            ours, theirs = find(office, transaction, sought, limit)
            received, sent = transaction.inbox.some(theirs), transaction.browse.sent_messages(ours)
        views = [*_received(office, transaction, received), *_sent(office, transaction, sent)]
        recalls = transaction.recalls
        views = [
            replace(view, recalled_ms=recalls.withdrawn(view.message_id)) if view.ours else view
            for view in _completed(office, transaction, views)
        ]
    views.sort(key=lambda view: (view.at_ms, view.message_id), reverse=True)
    return tuple(views[:limit])


def alert_file(office: Office, message_id: MessageId, sender: AgencyId | None = None) -> AlertFile:
    """Show one alert with all that is known about it.

    Args:
        office: Ours.
        message_id: The alert.
        sender: Who sent it, to choose when two senders used one id.

    Raises:
        PolicyError: No such alert.
        ConflictError: Two senders used the same id, and none is named.
    """
    with office.store.read() as transaction:
        received = [row for row in transaction.inbox.find(message_id) if row.sealed.kind in ALERTS]
        sent = transaction.outbox.message(message_id)
        views = _received(office, transaction, received)
        if sent is not None and sent.sealed.kind in ALERTS:
            views += _sent(office, transaction, [sent])
        views = [_with_keeping(transaction, one) for one in _completed(office, transaction, views)]
        numbering = transaction.ledger.numbering()
        entries = [_entry_view(row, numbering) for row in transaction.ledger.entries_of(message_id)]
    views = [view for view in views if sender in {None, view.sender}]
    if not views:
        whose = "" if sender is None else f" of {sender}"
        raise _unknown(f"{show_message_id(message_id)}{whose}")
    if len(views) > 1:
        raise several_senders(message_id, [view.sender for view in views])
    view = views[0]
    return AlertFile(view, tuple(entry for entry in entries if _concerns(entry, view)))


def several_senders(message_id: MessageId, senders: Sequence[str]) -> ConflictError:
    """Say that senders used one message id, and how to name the one that is meant."""
    return ConflictError(
        f"{', '.join(sorted(senders))} used the same message id {show_message_id(message_id)}; "
        "add --from AGENCY to say whose is meant",
        code="AMBIGUOUS",
    )


def _unknown(text: str) -> PolicyError:
    return PolicyError(
        f"there is no alert {text}; 'sesn alert list' shows them", code="UNKNOWN_MESSAGE"
    )


def _received(
    office: Office, transaction: Transaction, rows: Sequence[InboxRow]
) -> list[AlertView]:
    """Show alerts that arrived, with our decisions on them."""
    replies = [
        row
        for row in transaction.browse.sent_replies([row.message_id for row in rows])
        if row.sealed.kind == _RESPONSE
    ]
    # An alert is known by its sender and id: a response counts for whom it is addressed to.
    copies = {
        (reply_id, copy.agency): copy
        for reply_id, found in _copies(transaction, [one.message_id for one in replies]).items()
        for copy in found
    }
    directory, views = office.partners.current(transaction), []
    for row in rows:
        content = _opened(partial(open_received, office, row), directory)
        responses = tuple(
            _our_response(office, reply, copies[reply.message_id, AgencyId(row.sender)])
            for reply in replies
            if reply.sealed.in_reply_to == row.message_id
            and (reply.message_id, row.sender) in copies
        )
        views.append(_view(row.sealed, row.received_ms, content, responses=responses, ours=False))
    return views


def _sent(office: Office, transaction: Transaction, rows: Sequence[SentRow]) -> list[AlertView]:
    """Show alerts of ours, with their copies and the recipients' decisions."""
    ids = [row.message_id for row in rows]
    replies = transaction.inbox.replies(ids, _RESPONSE)
    copies = _copies(transaction, ids)
    directory, views = office.partners.current(transaction), []
    for row in rows:
        content = _opened(partial(open_sent, office, row), directory)
        responses = tuple(
            _their_response(office, reply)
            for reply in replies
            if reply.sealed.in_reply_to == row.message_id
        )
        view = _view(row.sealed, row.sealed.created_ms, content, responses=responses, ours=True)
        views.append(replace(view, copies=copies.get(row.message_id, ())))
    return views


def _view(
    row: SealedRow,
    at_ms: int,
    content: Opened,
    *,
    responses: tuple[ResponseView, ...],
    ours: bool,
) -> AlertView:
    header = decode_header(row.header)
    return AlertView(
        message_id=header.message_id,
        ours=ours,
        sender=header.sender,
        recipients=tuple(one.agency for one in header.recipients),
        at_ms=at_ms,
        created_ms=header.created_ms,
        expires_ms=header.expires_ms,
        payload=content.payload,
        problem=content.problem,
        copies=(),
        responses=responses,
        entry=row.entry_index,
        forward=content.forward,
    )


def _completed(
    office: Office, transaction: Transaction, views: Sequence[AlertView]
) -> list[AlertView]:
    """Leave out what is about no alert; add erasures and updates to the others."""
    shown = [_with_erasure(transaction, view) for view in views if view.about_alert]
    found = versions(
        office, transaction, [(one.sender, one.message_id, one.alert) for one in shown]
    )
    return [replace(one, updates=found[one.sender, one.message_id]) for one in shown]


def _with_keeping(transaction: Transaction, view: AlertView) -> AlertView:
    """Add how long it may be kept."""
    key = view.sender, view.message_id
    recalls = transaction.recalls
    return replace(
        view,
        retain_ms=transaction.keeping.until(*key),
        hold=transaction.keeping.hold(*key),
        recalled_ms=recalls.withdrawn(view.message_id) if view.ours else None,
    )


def _with_erasure(transaction: Transaction, view: AlertView) -> AlertView:
    if view.problem != ERASED:
        return view
    return replace(view, erased=transaction.erasures.find(view.sender, view.message_id))


def _our_response(office: Office, row: SentRow, copy: CopyView) -> ResponseView:
    content = _opened(partial(open_sent, office, row))
    view = _response(row.message_id, office.agency, row.sealed.created_ms, content, copy)
    return replace(view, entry=row.sealed.entry_index)


def _their_response(office: Office, row: InboxRow) -> ResponseView:
    content = _opened(partial(open_received, office, row))
    view = _response(row.message_id, AgencyId(row.sender), row.received_ms, content, None)
    return replace(view, entry=row.sealed.entry_index)


def _response(
    message_id: bytes, agency: AgencyId, at_ms: int, content: Opened, copy: CopyView | None
) -> ResponseView:
    body = None if content.payload is None else content.payload.body
    known = isinstance(body, Response)
    return ResponseView(
        message_id=MessageId(message_id),
        agency=agency,
        at_ms=at_ms,
        decision=body.decision if isinstance(body, Response) else None,
        text=body.text if isinstance(body, Response) else "",
        problem="" if known else content.problem,
        copy=copy,
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """What a stored message says or passes on, or the code of the reason why that is not known."""

    payload: Payload | None
    problem: str = ""
    forward: ForwardView | None = None


def _opened(read: Callable[[], Payload], directory: Directory | None = None) -> Opened:
    """Open a message; with a directory, a forward is opened too."""
    try:
        payload = read()
        if directory is None:
            return Opened(payload)
        return Opened(carried(payload), forward=forward_view(directory, payload))
    except SesnError as error:
        return Opened(None, error.code)


def _copies(
    transaction: Transaction, message_ids: Sequence[bytes]
) -> dict[bytes, tuple[CopyView, ...]]:
    found: dict[bytes, tuple[CopyView, ...]] = {}
    for row in transaction.browse.copies(message_ids):
        found[row.message_id] = (*found.get(row.message_id, ()), copy_view(row))
    return found


def _entry_view(row: EntryRow, numbering: Mapping[str, int]) -> EntryView:
    entry, answers = decode_entry(row.entry), None
    if entry.answers is not None:
        answers = numbering.get(entry.answers.origin, 0) + entry.answers.index
    return EntryView(row.index, entry.kind, entry.time_ms, entry.agency, entry.code, answers)


def _concerns(entry: EntryView, view: AlertView) -> bool:
    """Whether an entry is about this alert, and not another sender's under the same id."""
    if entry.kind in {EntryKind.RECEIVED, EntryKind.REFUSED}:
        return not view.ours and entry.agency == view.sender
    if entry.kind in _OF_CONTENT:
        # They answer an entry of our own ledger.
        return entry.answers == view.entry
    return view.ours
