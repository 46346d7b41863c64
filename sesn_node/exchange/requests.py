"""Requests for information: which are open, which are overdue, and what was answered.

Read and never written. When an answer is due stands inside the encryption, so only who has the
keys can tell what is overdue; how many are unanswered, the rows tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.domain.conversation import Request
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.payload import MessageKind
from sesn_node.domain.times import unix_ms
from sesn_node.exchange.conversations import show_messages

if TYPE_CHECKING:
    from datetime import datetime

    from sesn_node.exchange.conversations import MessageView
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction

_REQUEST = MessageKind.REQUEST.value
_ANSWER = MessageKind.ANSWER.value


class RequestState(StrEnum):
    """How a request stands."""

    OVERDUE = "overdue"
    """Somebody has not answered, and the time to answer is over."""
    OPEN = "open"
    ANSWERED = "answered"
    UNREADABLE = "unreadable"
    """Its content cannot be opened, or was erased."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request, sent or received, and who has answered.

    Args:
        message: The request.
        answers: Answers to it, in order.
        open: Recipients who have not answered; of a request that arrived, ourselves or nobody.
        state: How it stands.
    """

    message: MessageView
    answers: tuple[MessageView, ...]
    open: tuple[AgencyId, ...]
    state: RequestState

    @property
    def request(self) -> Request | None:
        """The request itself, if its content could be opened."""
        body = None if self.message.payload is None else self.message.payload.body
        return body if isinstance(body, Request) else None


def requests(office: Office, limit: int) -> tuple[RequestView, ...]:
    """List the newest requests, sent and received: overdue ones first, at most `limit`."""
    now_ms = office.clock()
    with office.store.read() as transaction:
        received = transaction.browse.newest_received((_REQUEST,), limit)
        sent = transaction.browse.newest_sent((_REQUEST,), limit)
        found = show_messages(office, transaction, sent, received)
        found.sort(key=lambda one: (one.at_ms, one.message_id), reverse=True)
        views = [_view(office, transaction, one, now_ms) for one in found[:limit]]
    order = list(RequestState)
    return tuple(sorted(views, key=lambda one: order.index(one.state)))


def unanswered(transaction: Transaction) -> int:
    """Count the requests that arrived and that nobody here has answered. Needs no key."""
    return transaction.conversations.unanswered(_REQUEST, _ANSWER)


def is_over(due: datetime | None, now_ms: int) -> bool:
    """Say whether the time to answer is over."""
    return due is not None and unix_ms(due) < now_ms


def _view(office: Office, transaction: Transaction, one: MessageView, now_ms: int) -> RequestView:
    ids = [one.message_id]
    if one.ours:
        theirs = transaction.inbox.replies(ids, _ANSWER)
        answers = show_messages(office, transaction, [], theirs)
        asked: tuple[AgencyId, ...] = one.recipients
    else:
        rows = [row for row in transaction.browse.sent_replies(ids) if row.sealed.kind == _ANSWER]
        answers = show_messages(office, transaction, rows, [])
        # By whom it was sent, too: two senders may have used one id.
        answers = [each for each in answers if one.sender in each.recipients]
        asked = (office.agency,)
    done = {each.sender for each in answers}
    left = tuple(agency for agency in asked if agency not in done)
    return RequestView(one, tuple(answers), left, _state(one, left, now_ms))


def _state(one: MessageView, left: tuple[AgencyId, ...], now_ms: int) -> RequestState:
    body = None if one.payload is None else one.payload.body
    if not isinstance(body, Request):
        return RequestState.UNREADABLE
    if not left:
        return RequestState.ANSWERED
    return RequestState.OVERDUE if is_over(body.respond_by, now_ms) else RequestState.OPEN
