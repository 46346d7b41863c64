"""Withdrawing: rules for what partners say of messages that they or we sent before.

Update, Recall and Destruction name a message by id and header hash. Of a message that is not here
nobody can tell whose it is; but whoever names a stranger's message that is here is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.payload import RECALLABLE, MessageKind
from sesn_node.errors import PolicyError

if TYPE_CHECKING:
    from sesn_node.domain.conversation import Destruction, Recall, Update
    from sesn_node.exchange.rules import Arrival
    from sesn_node.store.inbox import InboxRow

_RECALL = MessageKind.RECALL.value


def check_update(arrival: Arrival, body: Update) -> None:
    """An update is of an alert of its sender; if that is not here, it is kept for it.

    Raises:
        PolicyError: It names another's message, or another kind of message.
    """
    alert = _named(arrival, body)
    if alert is None:
        return
    header = arrival.header
    if alert.sealed.kind != MessageKind.ALERT.value:
        raise PolicyError("the update is of a message that is no alert")
    if header.conversation_id != alert.sealed.conversation_id:
        raise PolicyError("the update is of an alert in another conversation")


def check_recall(arrival: Arrival, body: Recall) -> None:
    """A recall is of a message of its sender; of one that is not here, it is kept for it.

    Raises:
        PolicyError: It names another's message, or one that cannot be recalled.
    """
    message = _named(arrival, body)
    if message is not None and MessageKind(message.sealed.kind) not in RECALLABLE:
        raise PolicyError("messages of this kind cannot be recalled")


def check_destruction(arrival: Arrival, body: Destruction) -> None:
    """A destruction receipt answers a recall that we sent to its sender.

    Raises:
        PolicyError: It answers none, or names another message.
    """
    header, outbox = arrival.header, arrival.transaction.outbox
    recall = outbox.message(header.in_reply_to or b"")
    recalled = outbox.message(body.message_id)
    if (
        recall is None
        or recalled is None
        or recall.sealed.kind != _RECALL
        or recall.sealed.in_reply_to != body.message_id
        or recalled.sealed.header_sha256 != body.header_sha256
        or not outbox.states(header.sender, [recall.message_id])
    ):
        raise PolicyError("the destruction receipt answers no recall that was sent to its sender")


def check_not_recalled(arrival: Arrival) -> None:
    """A message that cannot be recalled is not taken if its sender has tried to.

    Its recall came first and was answered with the promise that nothing would be kept.

    Raises:
        PolicyError: It is such a message.
    """
    if arrival.payload.kind in RECALLABLE:
        return
    header = arrival.header
    if arrival.transaction.recalls.of_message(header.sender, header.message_id):
        raise PolicyError("its sender has recalled it, and messages of this kind cannot be")


def _named(arrival: Arrival, body: Update | Recall) -> InboxRow | None:
    """Return the message of the sender that is named; None if it is not here.

    Raises:
        PolicyError: Another's message is named, or another one of the sender's.
    """
    header, transaction = arrival.header, arrival.transaction
    if header.in_reply_to != body.message_id:
        raise PolicyError("it is about another message than the one that it answers")
    found = transaction.inbox.find(body.message_id)
    own = [row for row in found if row.sender == header.sender]
    if own:
        if own[0].sealed.header_sha256 != body.header_sha256:
            raise PolicyError("another message of its sender is here under the id that it names")
        return own[0]
    ours = transaction.outbox.message(body.message_id)
    sealed = [row.sealed for row in found]
    if ours is not None:
        sealed.append(ours.sealed)
    # The id alone proves nothing: whoever knows it could use it first, to keep its owner out.
    if any(one.header_sha256 == body.header_sha256 for one in sealed):
        raise PolicyError("it is about a message that its sender did not send")
    return None
