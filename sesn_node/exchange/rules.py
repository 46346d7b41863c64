"""Rules of content: what a received message must keep, by what it says.

A message that breaks one is refused with `POLICY`: its seal is good, and it says what its sender
may not say. What it carries of others can be refused for more: a seal inside it, say. Here and
nowhere else stands which kinds of messages this node takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.payload import MessageKind
from sesn_node.errors import PolicyError
from sesn_node.exchange.caserules import check_case_file, check_case_step
from sesn_node.exchange.endorsing import check_endorsements
from sesn_node.exchange.onward import check_consent, check_forward
from sesn_node.exchange.withdrawing import (
    check_destruction,
    check_not_recalled,
    check_recall,
    check_update,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sesn_node.domain.conversation import Answer, Response
    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Body, Payload
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that was verified and opened, before it is stored.

    Args:
        office: Ours.
        transaction: A snapshot; what it holds may change before the message is stored.
        card: Its sender's.
        header: Its header.
        payload: What it says.
        now_ms: The time, Unix milliseconds.
    """

    office: Office
    transaction: Transaction
    card: TrustedCard
    header: Header
    payload: Payload
    now_ms: int


def check_content(arrival: Arrival) -> None:
    """Refuse what its sender may not say.

    Raises:
        PolicyError: It breaks the rule of its kind, or the kind has none; no word of its content.
        MalformedError: What it carries of another agency breaks its format.
        VerificationError: It was not sealed by that agency, or is not what was.
    """
    rule = _RULES.get(arrival.payload.kind)
    if rule is None:
        raise PolicyError("this node does not take messages of this kind")
    check_endorsements(arrival.card, arrival.header, arrival.payload, arrival.office.people)
    check_not_recalled(arrival)
    _check_retention(arrival)
    rule(arrival, arrival.payload.body)


def _check_retention(arrival: Arrival) -> None:
    """Refuse what would be erased at once: its sender would have a receipt for what nobody read."""
    until_ms = arrival.payload.markings.retain_ms
    if until_ms is not None and until_ms <= arrival.now_ms:
        raise PolicyError("the date until which its content may be kept has passed")


def _anything(_arrival: Arrival, _body: Body) -> None:
    """Whoever is trusted may say it."""


def _response(arrival: Arrival, body: Response) -> None:
    """A response answers a message that we sent to its sender."""
    header = arrival.header
    outbox = arrival.transaction.outbox
    sent = outbox.message(body.message_id)
    asked = outbox.states(header.sender, [body.message_id])
    if (
        sent is None
        or not asked
        or sent.sealed.header_sha256 != body.header_sha256
        or header.in_reply_to != body.message_id
    ):
        raise PolicyError("the response answers no message that was sent to its sender")


def _answer(arrival: Arrival, body: Answer) -> None:
    """An answer answers a request that we sent to its sender, in the conversation of that."""
    header = arrival.header
    outbox = arrival.transaction.outbox
    sent = outbox.message(body.message_id)
    asked = outbox.states(header.sender, [body.message_id])
    if (
        sent is None
        or not asked
        or sent.sealed.kind != MessageKind.REQUEST.value
        or sent.sealed.header_sha256 != body.header_sha256
        or sent.sealed.conversation_id != header.conversation_id
        or header.in_reply_to != body.message_id
    ):
        raise PolicyError("the answer answers no request that was sent to its sender")


def _unasked(arrival: Arrival, _body: Body) -> None:
    """Whoever is trusted may say it, in any conversation; but it answers nothing.

    Whether its sender takes part in the conversation is looked at when it is shown: what makes it
    so may be on its way from somebody else (`sesn_node.exchange.conversations`).
    """
    if arrival.header.in_reply_to is not None:
        raise PolicyError("a message of this kind answers no other")


# A rule takes the body of its kind; no type can say so.
_RULES: Final[Mapping[MessageKind, Callable[..., None]]] = {
    MessageKind.ALERT: _anything,
    MessageKind.RESPONSE: _response,
    MessageKind.REQUEST: _unasked,
    MessageKind.ANSWER: _answer,
    MessageKind.NOTE: _unasked,
    MessageKind.SIGHTING: _unasked,
    MessageKind.FORWARD: check_forward,
    MessageKind.CONSENT: check_consent,
    MessageKind.UPDATE: check_update,
    MessageKind.RECALL: check_recall,
    MessageKind.DESTRUCTION: check_destruction,
    MessageKind.CASE_STEP: check_case_step,
    MessageKind.CASE_FILE: check_case_file,
}
