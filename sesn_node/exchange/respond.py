"""Respond: an officer accepts or declines an alert, and the sender learns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Decision, MessageKind, Payload, Response
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.open import open_received
from sesn_node.exchange.share import Draft, share

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.store.inbox import InboxRow


@dataclass(frozen=True, slots=True)
class Answered:
    """The response that was queued, and to whom."""

    message_id: MessageId
    to: AgencyId


def respond(office: Office, message_id: MessageId, decision: Decision, text: str) -> Answered:
    """Decide on an alert that we received; the decision is a message of its own.

    Args:
        office: Ours.
        message_id: The alert.
        decision: Accepted or declined.
        text: A note, or the reason of a refusal.

    Raises:
        PolicyError: No such alert, or its sender is no longer trusted.
        ConflictError: It was decided already, or two senders used the same id.
        StorageError: It could not be stored; nothing was decided.
    """
    alert = _find(office, message_id)
    opened = open_received(office, alert)
    response = Response(MessageId(alert.message_id), alert.sealed.header_sha256, decision, text)
    draft = Draft(
        payload=Payload(opened.markings, response),
        to=(AgencyId(alert.sender),),
        in_reply_to=MessageId(alert.message_id),
        conversation_id=MessageId(alert.sealed.conversation_id),
        only_reply=True,
    )
    return Answered(share(office, draft), AgencyId(alert.sender))


def _find(office: Office, message_id: MessageId) -> InboxRow:
    with office.store.read() as transaction:
        found = [
            row
            for row in transaction.inbox.find(message_id)
            if row.sealed.kind == MessageKind.ALERT.value
        ]
    if not found:
        raise PolicyError(
            f"no alert {show_message_id(message_id)} in the inbox; 'sesn alert list' shows them",
            code="UNKNOWN_MESSAGE",
        )
    if len(found) > 1:
        senders = ", ".join(row.sender for row in found)
        raise ConflictError(f"{senders} used the same message id; ask them to send it again")
    return found[0]
