"""Naming: find a message by the first digits of its id, as people write them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.ids import MessageId, parse_message_id, show_message_id
from sesn_node.errors import ConflictError, MalformedError, PolicyError
from sesn_node.exchange.approval import CASES, DRAFTS
from sesn_node.exchange.search import ALERTS, OF_CASES
from sesn_node.trust.directory import NOT_TRUSTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.case_history import History
    from sesn_node.domain.ids import AgencyId
    from sesn_node.store.engine import Store, Transaction

MIN_PREFIX_DIGITS = 8
_ID_BYTES = 16
_STEP_DIGITS = 64
_DIGITS = frozenset("0123456789abcdef")
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
        try:
            found = _find(
                text,
                "alert",
                "sesn alert list",
                lambda low, high: transaction.browse.ids_between(ALERTS, low, high, _NAMED + 1),
            )
        except PolicyError:
            _refuse_of_case(transaction, _range(text))
            raise
        if not transaction.browse.ids_between(ALERTS, found, found, 1):
            _refuse_of_case(transaction, (found, found))
        return found


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


def find_case(store: Store, text: str) -> MessageId:
    """Find a case by its id, that of the message that requested the return.

    Raises:
        MalformedError: Neither an id nor at least its first 8 digits.
        PolicyError: No case begins like this.
        ConflictError: Several do; the message names them.
    """
    with store.read() as transaction:
        return _find(
            text,
            "case",
            "sesn case list",
            lambda low, high: _within(transaction.cases.ids(), low, high),
        )


def find_case_draft(store: Store, text: str) -> MessageId:
    """Find a draft of a case by its name. Raises as `find_case` does."""
    return _find_secret(store, CASES, text, "sesn case list")


def find_waiting(store: Store, text: str) -> MessageId:
    """Find what waits for a second person by its name. Raises as `find_case` does."""
    return _find_secret(store, DRAFTS, text, "sesn approve list")


def _find_secret(store: Store, kind: str, text: str, where: str) -> MessageId:
    with store.read() as transaction:
        names = [row.name for row in transaction.secrets.every(kind)]
        return _find(text, "draft", where, partial(_within, names))


def find_case_step(history: History, text: str) -> bytes:
    """Find a step of a case by the first digits of its name, at least 8.

    Raises:
        MalformedError: Not 8 to 64 hexadecimal digits.
        PolicyError: No step begins like this.
        ConflictError: Several do.
    """
    digits = text.strip().lower()
    if not MIN_PREFIX_DIGITS <= len(digits) <= _STEP_DIGITS or set(digits) - _DIGITS:
        raise MalformedError(
            f"--about: expected the name of a step such as 'sesn case show' shows, or at least its "
            f"first {MIN_PREFIX_DIGITS} digits, got {text[:60]!a}"
        )
    found = [one.step_id for one in history.steps if one.step_id.hex().startswith(digits)]
    if not found:
        raise PolicyError(
            f"--about: no step of this case begins with {digits}; 'sesn case show' names them",
            code="UNKNOWN_STEP",
        )
    if len(found) > 1:
        raise ConflictError(
            f"--about: several steps begin with {digits}; write more digits", code="AMBIGUOUS"
        )
    return found[0]


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


def _refuse_of_case(transaction: Transaction, between: tuple[bytes, bytes]) -> None:
    """Tell whoever looks for an alert, and names a message of a case, where that is shown."""
    for one in transaction.browse.ids_between(OF_CASES, *between, 1):
        sent = transaction.outbox.message(one)
        row = transaction.inbox.find(one)[0].sealed if sent is None else sent.sealed
        raise PolicyError(
            f"message {show_message_id(one)} is no alert, but belongs to a return-to-origin case: "
            f"'sesn case show {show_message_id(row.conversation_id)}'",
            code="UNKNOWN_MESSAGE",
        )


def _find(
    text: str, what: str, command: str, between: Callable[[bytes, bytes], list[bytes]]
) -> MessageId:
    digits = text.strip().lower().replace("-", "")
    if len(digits) == 2 * _ID_BYTES:
        return parse_message_id(digits)
    short = len(digits) < MIN_PREFIX_DIGITS
    if short or len(digits) > 2 * _ID_BYTES or set(digits) - _DIGITS:
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


def _within(names: list[bytes], low: bytes, high: bytes) -> list[bytes]:
    return [one for one in names if low <= one <= high][: _NAMED + 1]


def _range(text: str) -> tuple[bytes, bytes]:
    """Return the first and the last id that begin with these digits."""
    digits = text.strip().lower().replace("-", "")
    low, high = (bytes.fromhex(digits.ljust(2 * _ID_BYTES, fill)) for fill in "0f")
    return low, high
