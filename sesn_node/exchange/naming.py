"""Naming: find a message by the first digits of its id, as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.ids import MessageId, parse_message_id, show_message_id
from sesn_node.errors import ConflictError, MalformedError, PolicyError
from sesn_node.exchange.search import ALERTS
from sesn_node.trust.directory import NOT_TRUSTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId
    from sesn_node.store.engine import Store, Transaction

MIN_PREFIX_DIGITS = 8
_ID_BYTES = 16
_NAMED = 3
"""How many of several messages an error names."""


def find_alert(store: Store, text: str) -> MessageId:
    """Find an alert, sent, received or passed on, by its id or the first digits of it.

    Args:
        store: The database.
        text: A message id as people write it, or at least its first 8 hexadecimal digits.

    Raises:
        MalformedError: Neither.
        PolicyError: No alert begins like this.
        ConflictError: Several do; the message names them.
    """
    with store.read() as transaction:
        return _find(
            text,
            "alert",
            "sesn alert list",
            lambda low, high: transaction.browse.ids_between(ALERTS, low, high, _NAMED + 1),
        )


def find_sent(store: Store, text: str) -> MessageId:
    """Find a message of any kind that was sent from here. Raises as `find_alert` does."""
    with store.read() as transaction:
        try:
            found = _find(
                text,
                "message",
                "sesn outbox list --all",
                lambda low, high: transaction.browse.sent_ids_between(low, high, _NAMED + 1),
            )
        except PolicyError:
            _refuse_received(transaction, _range(text))
            raise
        if not transaction.browse.sent_ids_between(found, found, 1):
            _refuse_received(transaction, (found, found))
        return found


def find_message(store: Store, text: str) -> MessageId:
    """Find a message of any kind, sent or received. Raises as `find_alert` does."""
    with store.read() as transaction:
        return _find(
            text,
            "message",
            "sesn alert list",
            lambda low, high: transaction.audit.ids_between(low, high, _NAMED + 1),
        )


def find_conversation(store: Store, text: str) -> MessageId:
    """Find a conversation by its id, that of its first message. Raises as `find_alert` does."""
    with store.read() as transaction:
        return _find(
            text,
            "conversation",
            "sesn conversation list",
            lambda low, high: transaction.conversations.ids_between(low, high, _NAMED + 1),
        )


def not_a_partner(agency: AgencyId) -> PolicyError:
    """Say that nobody has pinned a card of this agency; a slip of the pen, mostly."""
    return PolicyError(f"{agency} is not a partner; 'sesn peer list' shows them", code=NOT_TRUSTED)


def _refuse_received(transaction: Transaction, between: tuple[bytes, bytes]) -> None:
    """Tell whoever looks in the outbox for an alert that was received where it is."""
    for one in transaction.browse.ids_between(ALERTS, *between, 1):
        senders = ", ".join(sorted(row.sender for row in transaction.inbox.find(one)))
        shown = show_message_id(MessageId(one))
        raise PolicyError(
            f"alert {shown} was received from {senders}: 'sesn alert show {shown}'",
            code="UNKNOWN_MESSAGE",
        )


def _find(
    text: str, what: str, command: str, between: Callable[[bytes, bytes], list[bytes]]
) -> MessageId:
    digits = text.strip().lower().replace("-", "")
    if len(digits) == 2 * _ID_BYTES:
        return parse_message_id(digits)
    short = len(digits) < MIN_PREFIX_DIGITS
    if short or len(digits) > 2 * _ID_BYTES or set(digits) - set("0123456789abcdef"):
        raise MalformedError(
            f"message id {text[:60]!a}: expected a UUID such as '{command}' shows, or at least "
            f"its first {MIN_PREFIX_DIGITS} digits"
        )
    found = between(*_range(digits))
    if not found:
        raise PolicyError(
            f"there is no {what} {text}; '{command}' shows them", code="UNKNOWN_MESSAGE"
        )
    if len(found) > 1:
        names = ", ".join(show_message_id(one) for one in found[:_NAMED])
        more = " and more" if len(found) > _NAMED else ""
        raise ConflictError(
            f"several {what}s begin with {text}: {names}{more}; write more digits",
            code="AMBIGUOUS",
        )
    return MessageId(found[0])


def _range(text: str) -> tuple[bytes, bytes]:
    """Return the first and the last id that begin with these digits."""
    digits = text.strip().lower().replace("-", "")
    low, high = (bytes.fromhex(digits.ljust(2 * _ID_BYTES, fill)) for fill in "0f")
    return low, high
