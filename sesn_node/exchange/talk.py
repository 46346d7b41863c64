"""Talk: requests for information, answers, notes and sightings, each a message like any other.

What is said in a conversation is handled as strictly as the strictest that was said in it before,
unless its writer says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sesn_node.domain.conversation import Answer
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.markings import Markings, Tlp, as_strict_as
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.domain.times import instant
from sesn_node.errors import PolicyError
from sesn_node.exchange.conversations import conversation
from sesn_node.exchange.open import open_received
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.views import several_senders

if TYPE_CHECKING:
    from sesn_node.domain.conversation import Note, Request, Sighting
    from sesn_node.exchange.office import Office
    from sesn_node.store.inbox import InboxRow


@dataclass(frozen=True, slots=True)
class Said:
    """What was queued, and to whom."""

    message_id: MessageId
    to: tuple[AgencyId, ...]


def say(
    office: Office,
    body: Request | Note | Sighting,
    to: tuple[AgencyId, ...],
    markings: Markings,
    conversation_id: MessageId | None = None,
) -> Said:
    """Send a message of an officer's own.

    Args:
        office: Ours.
        body: What to say.
        to: Recipients.
        markings: How it is to be handled.
        conversation_id: The conversation that it belongs to; a new one if None.

    Raises:
        SesnError: As `share`; nothing was sent.
    """
    draft = Draft(payload=Payload(markings, body), to=to, conversation_id=conversation_id)
    return Said(share(office, draft), to)


def markings_in(
    office: Office, conversation_id: MessageId, founder: AgencyId | None = None
) -> Markings:
    """Return how a message in a conversation is handled: as strictly as all before it together.

    Raises:
        PolicyError: There is no such conversation, or nothing in it can be read.
        ConflictError: Two conversations bear the id, and none is named.
    """
    found = conversation(office, conversation_id, founder)
    said = [one.payload.markings for one in found.messages if one.payload and not one.stranger]
    if not said:
        raise PolicyError(
            f"nothing of conversation {show_message_id(conversation_id)} can be read, so nobody "
            "knows how it is handled; say it with --tlp",
            code="NOTHING_READABLE",
        )
    return as_strict_as(said, instant(office.clock()))


def answer(
    office: Office,
    message_id: MessageId,
    text: str,
    sender: AgencyId | None = None,
    tlp: Tlp | None = None,
) -> Said:
    """Answer a request that we received; it may be answered more than once.

    Args:
        office: Ours.
        message_id: The request.
        text: The answer.
        sender: Who sent the request, to choose when two senders used one id.
        tlp: How far the answer may be passed on; as the request if None. Its other marks follow the
            request (`Markings.for_reply`).

    Raises:
        PolicyError: No such request, or its sender is no longer trusted.
        ConflictError: Two senders used the same id, and none is named.
        MalformedError: The text is empty or too long.
        StorageError: It could not be stored; nothing was sent.
    """
    asked = _request(office, message_id, sender)
    markings = open_received(office, asked).markings.for_reply()
    if tlp is not None:
        markings = replace(markings, tlp=tlp)
    body = Answer(MessageId(asked.message_id), asked.sealed.header_sha256, text)
    draft = Draft(
        payload=Payload(markings, body),
        to=(AgencyId(asked.sender),),
        in_reply_to=MessageId(asked.message_id),
        conversation_id=MessageId(asked.sealed.conversation_id),
    )
    return Said(share(office, draft), draft.to)


def _request(office: Office, message_id: MessageId, sender: AgencyId | None) -> InboxRow:
    with office.store.read() as transaction:
        found = [
            row
            for row in transaction.inbox.find(message_id)
            if row.sealed.kind == MessageKind.REQUEST.value and sender in {None, row.sender}
        ]
    if not found:
        whose = "" if sender is None else f" of {sender}"
        raise PolicyError(
            f"no request {show_message_id(message_id)}{whose} was received; 'sesn request list' "
            "shows them",
            code="UNKNOWN_MESSAGE",
        )
    if len(found) > 1:
        raise several_senders(message_id, [row.sender for row in found])
    return found[0]
