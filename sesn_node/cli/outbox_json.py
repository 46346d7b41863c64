"""The outbox for programs."""

from __future__ import annotations

from typing import Final

from sesn_node.cli.alert_json import receipt_json
from sesn_node.cli.show import Json, iso
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import MessageId, show_message_id
from sesn_node.exchange.backlog import CopyStanding, RecipientStanding
from sesn_node.exchange.life import Life, Step
from sesn_node.exchange.requeue import Requeued


def standing_json(
    copy: CopyStanding, recipient: RecipientStanding, attempts: int
) -> dict[str, Json]:
    """Show a copy, where it stands, and why.

    `next_attempt` is when it may leave at the earliest, by its own back-off and by the link's.
    """
    view, link = copy.copy, recipient.link
    queued = view.state is DeliveryState.QUEUED
    next_ms = max(view.next_attempt_ms, link.next_attempt_ms)
    return {
        "message_id": show_message_id(view.message_id),
        "agency": view.agency,
        "kind": copy.kind,
        "priority": copy.priority.name,
        "state": view.state.value,
        "why": copy.reason.value,
        "ahead": copy.ahead,
        "attempts": view.attempts,
        "attempts_allowed": attempts,
        "code": view.code,
        "detail": view.detail,
        "link_failures": link.failures,
        "link_error": link.error,
        "link_connected": iso(link.connected_ms),
        "link_ended": iso(link.ended_ms),
        "circuit": recipient.circuit.value,
        "collects": recipient.collects,
        "delivered_from": recipient.delivered_from,
        "next_attempt": iso(next_ms or None) if queued else None,
        "created": iso(copy.created_ms),
        "expires": iso(copy.expires_ms),
        "settled": iso(view.settled_ms),
        "resealed_as": _id(view.resealed_as),
        "receipt": receipt_json(view.receipt) if view.receipt else None,
    }


COPY_COLUMNS: Final = (
    "message_id",
    "agency",
    "kind",
    "priority",
    "state",
    "why",
    "attempts",
    "code",
    "detail",
    "next_attempt",
    "created",
    "expires",
    "settled",
)


def copy_row(
    copy: CopyStanding, recipient: RecipientStanding, attempts: int
) -> list[str | int | None]:
    """Return a copy as a row under `COPY_COLUMNS`."""
    shown = standing_json(copy, recipient, attempts)
    found = (shown[name] for name in COPY_COLUMNS)
    return [one if isinstance(one, int) else None if one is None else str(one) for one in found]


def life_json(found: Life, attempts: int) -> dict[str, Json]:
    """Show all that happened to one message, and where its copies stand."""
    return {
        "message_id": show_message_id(found.message_id),
        "kind": found.kind,
        "priority": found.priority.name,
        "created": iso(found.created_ms),
        "expires": iso(found.expires_ms),
        "sealed_bytes": found.sealed_bytes,
        "conversation_id": show_message_id(found.conversation_id),
        "in_reply_to": _id(found.in_reply_to),
        "resealed_from": _id(found.resealed_from),
        "steps": [_step_json(step) for step in found.steps],
        "copies": [
            standing_json(copy, recipient, attempts)
            for recipient in found.recipients
            for copy in recipient.copies
        ],
    }


def requeued_json(one: Requeued) -> dict[str, Json]:
    """Show what became of a copy that was to be tried again."""
    return {
        "agency": one.agency,
        "changed": one.changed,
        "resealed_as": _id(one.resealed_as),
    }


def _step_json(step: Step) -> dict[str, Json]:
    return {
        "what": step.kind.value,
        "time": iso(step.at_ms),
        "entry": step.entry,
        "agency": step.agency,
        "code": step.code or None,
        "detail": step.detail or None,
        "receipt": receipt_json(step.receipt) if step.receipt else None,
        "cosigned": iso(step.cosigned_ms),
        "message": _id(step.other),
    }


def _id(message_id: MessageId | None) -> str | None:
    return None if message_id is None else show_message_id(message_id)
