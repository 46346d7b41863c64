"""Respond: an officer accepts or declines an alert, and the sender learns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Decision, Response, Update
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.errors import PolicyError
from sesn_node.exchange.forwardviews import carried
from sesn_node.exchange.open import open_received
from sesn_node.exchange.search import ALERTS
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.views import several_senders

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.store.inbox import InboxRow


@dataclass(frozen=True, slots=True)
class Answered:
    """The response that was queued, and to whom."""

    message_id: MessageId
    to: AgencyId


def respond(
    office: Office,
    message_id: MessageId,
    decision: Decision,
    text: str,
    *,
    sender: AgencyId | None = None,
) -> Answered:
    """Decide on an alert that we received; the decision is a message of its own.

    Of an alert that was passed on, it goes to whoever passed it on.

    Args:
        office: Ours.
        message_id: The alert.
        decision: Accepted or declined.
        text: A note, or the reason of a refusal.
        sender: Who sent the alert, to choose when two senders used one id.

    Raises:
        PolicyError: No such alert, or its sender is no longer trusted.
        ConflictError: It was decided already, or two senders used the same id and none is
            named.
        StorageError: It could not be stored; nothing was decided.
    """
    alert = _find(office, message_id, sender)
    opened = open_received(office, alert)
    if not isinstance(carried(opened).body, Alert | Update):
        raise _no_alert(message_id, sender)
    response = Response(MessageId(alert.message_id), alert.sealed.header_sha256, decision, text)
    draft = Draft(
        payload=Payload(opened.markings.for_reply(), response),
        to=(AgencyId(alert.sender),),
        in_reply_to=MessageId(alert.message_id),
        conversation_id=MessageId(alert.sealed.conversation_id),
        only_reply=True,
    )
    return Answered(share(office, draft), AgencyId(alert.sender))


def _find(office: Office, message_id: MessageId, sender: AgencyId | None) -> InboxRow:
    with office.store.read() as transaction:
        found = [
            row
            for row in transaction.inbox.find(message_id)
            if row.sealed.kind in ALERTS and sender in {None, row.sender}
        ]
        ours = not found and transaction.outbox.message(message_id) is not None
    if ours:
        raise PolicyError(
            f"{show_message_id(message_id)} is our own alert; its recipients decide on it",
            code="OWN_ALERT",
        )
    if not found:
        raise _no_alert(message_id, sender)
    if len(found) > 1:
        raise several_senders(message_id, [row.sender for row in found])
    return found[0]


def _no_alert(message_id: MessageId, sender: AgencyId | None) -> PolicyError:
    whose = "" if sender is None else f" of {sender}"
    return PolicyError(
        f"no alert {show_message_id(message_id)}{whose} in the inbox; 'sesn alert list' shows them",
        code="UNKNOWN_MESSAGE",
    )
