"""Deadlines: the answer that a disclosed alert asks for, and whether it is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_markup import Html, ident, join, moment, span
from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Request, Response
from sesn_node.domain.times import unix_ms

if TYPE_CHECKING:
    from sesn_node.audit.report_case import Told

_MAX_LINES: Final = 40


def deadline_lines(told: Told, messages: Sequence[Told]) -> Iterator[Html]:
    """Say when an answer was asked for, and when each recipient gave one.

    Args:
        told: A message; if its content is not disclosed, nothing is known of a deadline.
        messages: The conversation, in order of time.
    """
    asked_ms = _asked_ms(told)
    if asked_ms is None:
        return
    yield join("An answer was asked for by ", moment(asked_ms), " UTC.")
    for to in told.header.recipients[:_MAX_LINES]:
        answer = next(
            (
                one
                for one in messages
                if one.header.sender == to.agency
                and one.header.in_reply_to == told.header.message_id
            ),
            None,
        )
        if answer is None:
            yield join(ident(to.agency), ": no answer in what is shown here.")
            continue
        late = answer.header.created_ms - asked_ms
        word = f"{span(late)} late" if late > 0 else f"in time, {span(-late)} before"
        yield join(
            ident(to.agency),
            f": answered{_decision(answer)} ",
            moment(answer.header.created_ms),
            f" UTC, {word}.",
        )


def _asked_ms(told: Told) -> int | None:
    payload = None if told.content is None else told.content.payload
    if (
        payload is None
        or not isinstance(payload.body, Alert | Request)
        or payload.body.respond_by is None
    ):
        return None
    return unix_ms(payload.body.respond_by)


def _decision(answer: Told) -> str:
    payload = None if answer.content is None else answer.content.payload
    if payload is None or not isinstance(payload.body, Response):
        return ""
    return f" “{payload.body.decision.value.lower()}”"
