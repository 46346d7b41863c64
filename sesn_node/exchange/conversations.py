"""Conversations: all messages that bear one id, in order, and who takes part.

Read in one snapshot and never written. The id of a conversation is chosen by whoever sends the
first message, and anybody who knows it can write it into a header: a message of an agency that
does not take part is shown, and marked as a stranger's. It is not refused, since what makes its
sender take part may only be on its way to us.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.alert import Alert
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.conversation import Request
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.participants import taking_part
from sesn_node.errors import ConflictError, PolicyError, SesnError
from sesn_node.exchange.copyviews import copy_view
from sesn_node.exchange.forwardviews import forward_view
from sesn_node.exchange.open import ERASED, open_received, open_sent
from sesn_node.exchange.search import apart
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.copyviews import CopyView
    from sesn_node.exchange.forwardviews import ForwardView
    from sesn_node.exchange.office import Office
    from sesn_node.store.conversations import ConversationRow
    from sesn_node.store.engine import Transaction
    from sesn_node.store.erasures import ErasureRow
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.sealed import SealedRow, SentRow

MAX_MESSAGES: Final = 500
"""Messages of one conversation that are shown: the first ones."""
MAX_STRANGERS: Final = 20
"""Messages of strangers that are shown with them: many of them must not hide the others."""

_MAX_HEADERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message of a conversation.

    Args:
        message_id: Its id.
        kind: What it is, as its row says.
        ours: We sent it.
        sender: Who sent it.
        recipients: All agencies that it was sent to, by id.
        at_ms: When it was written (ours) or arrived (theirs).
        created_ms: When its sender wrote it.
        conversation_id: Whose it is.
        in_reply_to: The message that it answers.
        payload: What it says; None if it cannot be opened.
        problem: Code of the reason why it cannot be opened; else empty.
        erased: When and why its content was erased, if it was.
        copies: Of a message of ours, one a recipient.
        forward: Of a forward, whose message it passes on.
        entry: Our SHARED or RECEIVED entry of it.
        stranger: Its sender does not take part in the conversation.
    """

    message_id: MessageId
    kind: str
    ours: bool
    sender: AgencyId
    recipients: tuple[AgencyId, ...]
    at_ms: int
    created_ms: int
    conversation_id: MessageId
    in_reply_to: MessageId | None
    payload: Payload | None
    problem: str
    erased: ErasureRow | None
    copies: tuple[CopyView, ...]
    entry: int
    forward: ForwardView | None = None
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation.

    Args:
        conversation_id: The id of its first message.
        founder: Who sent the first message; None if that is not here.
        participants: Who takes part, by id; nobody is known without the first message.
        messages: In the order in which they were written or came.
        left_out: Whether there are more.
    """

    conversation_id: MessageId
    founder: AgencyId | None
    participants: tuple[AgencyId, ...]
    messages: tuple[MessageView, ...]
    left_out: bool = False

    @property
    def subject(self) -> str:
        """What it is about, as its first message says; empty if that cannot be read."""
        first = next((one for one in self.messages if self._is_first(one)), None)
        body = None if first is None or first.payload is None else first.payload.body
        if isinstance(body, CaseStep):
            return body.details.subject
        return body.subject if isinstance(body, Alert | Request) else ""

    def _is_first(self, one: MessageView) -> bool:
        return one.message_id == self.conversation_id and one.sender == self.founder


@dataclass(frozen=True, slots=True)
class ConversationLine:
    """A conversation as one of a list: how many messages, and when the last came or went.

    Args:
        conversation: With its first message alone.
        messages: How many there are.
        strangers: How many of them are of agencies that do not take part.
        last_ms: When the last of them was written (ours) or arrived (theirs).
    """

    conversation: ConversationView
    messages: int
    strangers: int
    last_ms: int


def conversations(office: Office, limit: int) -> tuple[ConversationLine, ...]:
    """List the conversations that went on last, newest first, at most `limit`."""
    with office.store.read() as transaction:
        found = transaction.conversations.newest(limit)
        return tuple(_line(office, transaction, row) for row in found)


def conversation(
    office: Office, conversation_id: MessageId, founder: AgencyId | None = None
) -> ConversationView:
    """Show one conversation with what its messages say.

    Args:
        office: Ours.
        conversation_id: The id of its first message.
        founder: Who sent that, to choose when two senders used one id.

    Raises:
        PolicyError: There is no such conversation.
        ConflictError: Two senders used the same id, and none is named.
    """
    with office.store.read() as transaction:
        headers = _headers(transaction, conversation_id)
        firsts = {one.sender: one for one in headers if one.message_id == conversation_id}
        if not headers or (founder is not None and founder not in firsts):
            raise _unknown(conversation_id, founder)
        if founder is None and len(firsts) > 1:
            raise ConflictError(
                f"{', '.join(sorted(firsts))} began conversations under one id; add --from AGENCY "
                "to say whose is meant",
                code="AMBIGUOUS",
            )
        circle = _circle(conversation_id, founder or next(iter(firsts), None), headers)
        wanted = [*circle.own[:MAX_MESSAGES], *circle.strange[:MAX_STRANGERS]]
        view = _view(office, transaction, circle, wanted)
    return replace(view, left_out=len(headers) > len(view.messages))


def participants(
    office: Office, conversation_id: MessageId, founder: AgencyId | None = None
) -> tuple[AgencyId, ...]:
    """Return who else takes part in a conversation: to whom a message in it goes.

    Raises:
        PolicyError: There is no such conversation, its first message is not here, or nobody else
            takes part.
        ConflictError: As `conversation`.
    """
    found = conversation(office, conversation_id, founder)
    others = tuple(one for one in found.participants if one != office.agency)
    if not others:
        raise PolicyError(
            f"the first message of conversation {show_message_id(conversation_id)} is not here, "
            "so nobody knows who takes part; name the recipients with --to",
            code="NOBODY_KNOWN",
        )
    return others


def show_messages(
    office: Office,
    transaction: Transaction,
    sent: Sequence[SentRow],
    received: Sequence[InboxRow],
) -> list[MessageView]:
    """Open messages of any kind, in the order in which they were written or came."""
    copies: dict[bytes, list[CopyView]] = {}
    for row in transaction.browse.copies([one.message_id for one in sent]):
        copies.setdefault(row.message_id, []).append(copy_view(row))
    views = []
    for ours in sent:
        read = partial(open_sent, office, ours)
        view = _message(office, transaction, ours.sealed, ours.sealed.created_ms, read)
        views.append(replace(view, copies=tuple(copies.get(ours.message_id, ()))))
    for theirs in received:
        read = partial(open_received, office, theirs)
        views.append(_message(office, transaction, theirs.sealed, theirs.received_ms, read))
    # By our ledger: both kinds stand in it, in the order in which they were recorded.
    views.sort(key=lambda one: (one.entry, one.at_ms, one.message_id))
    return views


def _message(
    office: Office,
    transaction: Transaction,
    row: SealedRow,
    at_ms: int,
    read: Callable[[], Payload],
) -> MessageView:
    directory = office.partners.current(transaction)
    header = decode_header(row.header)
    payload, problem, forward = None, "", None
    try:
        payload = read()
        forward = forward_view(directory, payload)
    except SesnError as error:
        payload, problem = None, error.code
    erased = None
    if problem == ERASED:
        erased = transaction.erasures.find(header.sender, header.message_id)
    return MessageView(
        message_id=header.message_id,
        kind=row.kind,
        ours=header.sender == office.agency,
        sender=header.sender,
        recipients=tuple(one.agency for one in header.recipients),
        at_ms=at_ms,
        created_ms=header.created_ms,
        conversation_id=header.conversation_id,
        in_reply_to=header.in_reply_to,
        payload=payload,
        problem=problem,
        erased=erased,
        copies=(),
        entry=row.entry_index,
        forward=forward,
    )


@dataclass(frozen=True, slots=True)
class _Circle:
    """Who takes part, and whose messages are whose; both in the order in which they were written.

    Args:
        conversation_id: The conversation.
        founder: Who sent its first message; None if that is not here, and nobody is strange.
        members: Who takes part.
        own: Headers of those who take part.
        strange: Headers of others.
    """

    conversation_id: MessageId
    founder: AgencyId | None
    members: frozenset[AgencyId]
    own: list[Header]
    strange: list[Header]


def _circle(
    conversation_id: MessageId, founder: AgencyId | None, headers: Sequence[Header]
) -> _Circle:
    ordered = sorted(headers, key=lambda one: (one.created_ms, one.message_id))
    first = next(
        (one for one in headers if (one.message_id, one.sender) == (conversation_id, founder)), None
    )
    if first is None:
        return _Circle(conversation_id, None, frozenset(), ordered, [])
    # Another's first message under the same id is no word in this conversation.
    others = [one for one in ordered if one.message_id != conversation_id]
    members = taking_part(first, others)
    own: list[Header] = []
    strange: list[Header] = []
    for one in ordered:
        decoy = one.message_id == conversation_id and one is not first
        (strange if decoy or one.sender not in members else own).append(one)
    return _Circle(conversation_id, first.sender, members, own, strange)


def _headers(transaction: Transaction, conversation_id: MessageId) -> list[Header]:
    found = transaction.conversations.headers(conversation_id, _MAX_HEADERS)
    return [decode_header(one) for one in found]


def _line(office: Office, transaction: Transaction, row: ConversationRow) -> ConversationLine:
    conversation_id = MessageId(row.conversation_id)
    headers = _headers(transaction, conversation_id)
    # Of two, our own cannot be: no node takes a message under an id of its own.
    founder = min(
        (one.sender for one in headers if one.message_id == conversation_id), default=None
    )
    circle = _circle(conversation_id, founder, headers)
    first = [one for one in circle.own if one.message_id == conversation_id]
    view = _view(office, transaction, circle, first)
    return ConversationLine(view, row.messages, len(circle.strange), row.last_ms)


def _view(
    office: Office, transaction: Transaction, circle: _Circle, wanted: Sequence[Header]
) -> ConversationView:
    """Open some messages of a conversation."""
    sent, received = apart(office, [(one.sender, one.message_id) for one in wanted])
    found = show_messages(
        office,
        transaction,
        transaction.browse.sent_messages(sent),
        transaction.inbox.some(received),
    )
    strange = {(one.sender, one.message_id) for one in circle.strange}
    messages = tuple(
        replace(one, stranger=(one.sender, one.message_id) in strange) for one in found
    )
    return ConversationView(
        circle.conversation_id, circle.founder, tuple(sorted(circle.members)), messages
    )


def _unknown(conversation_id: MessageId, founder: AgencyId | None) -> PolicyError:
    whose = "" if founder is None else f" begun by {founder}"
    return PolicyError(
        f"there is no conversation {show_message_id(conversation_id)}{whose}; 'sesn conversation "
        "list' shows them",
        code="UNKNOWN_CONVERSATION",
    )
