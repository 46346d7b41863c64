"""What every draft needs, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from sesn_node.domain.alert import (
    MAX_NARRATIVE,
    MAX_SUBJECT,
    Alert,
    Consignment,
    Goods,
    RequestedAction,
    Urgency,
)
from sesn_node.domain.checks import under
from sesn_node.errors import MalformedError
from sesn_node.interop.documents import Node
from sesn_node.interop.notes import Notes

_SUBJECT: Final = "Imported alert"

_GOODS_TEXTS: Final = ("description", "hs_code", "hs_edition", "quantity", "unit")
_GOODS_LISTS: Final = ("basel_codes", "oecd_codes", "eu_waste_codes", "un_numbers")

T = TypeVar("T")


def required(node: Node, name: str) -> str:
    """Return a text that must be there.

    Raises:
        MalformedError: It is missing, empty, or no text.
    """
    text = node.text(name)
    if not text:
        raise MalformedError(f"{node.path}.{name}: missing")
    return text


def built(path: str, kind: Callable[..., T], *args: object, **fields: object) -> T:
    """Build a part of an alert.

    Raises:
        MalformedError: A field out of its bounds; `path` stands before its name.
    """
    try:
        return kind(*args, **fields)
    except MalformedError as error:
        raise under(path, error) from error


def goods_of(told: Node, spelt: Callable[[str], str]) -> Goods:
    """Build goods of an object that has their fields.

    Args:
        told: The object.
        spelt: How its form spells the name of a field.

    Raises:
        MalformedError: A field out of its bounds.
    """
    return built(
        told.path,
        Goods,
        **{name: told.text(spelt(name)) for name in _GOODS_TEXTS},
        **{name: told.texts(spelt(name)) for name in _GOODS_LISTS},
    )


def alert_of(  # noqa: PLR0913 - one argument a field
    notes: Notes,
    *,
    subject: str,
    narrative: str,
    urgency: Urgency | None,
    requested_action: RequestedAction | None,
    respond_by: datetime | None,
    consignment: Consignment | None,
) -> Alert:
    """Build the alert of a draft; what it needs and was not told is set, and said.

    Raises:
        MalformedError: A field out of its bounds.
    """
    line = notes.line("alert.subject", subject, MAX_SUBJECT)
    if not line.strip():
        line = _SUBJECT
        notes.supply("alert.subject", f'"{_SUBJECT}": there is none')
    text = notes.text("alert.narrative", narrative, MAX_NARRATIVE)
    if consignment is None and not text.strip():
        text = line
        notes.supply("alert.narrative", "the subject: nothing else is told")
    if urgency is None:
        urgency = Urgency.ROUTINE
        notes.supply("alert.urgency", "ROUTINE: none is told")
    if requested_action is None:
        requested_action = RequestedAction.NONE
        notes.supply("alert.requested_action", "NONE: none is told")
    return Alert(
        subject=line,
        urgency=urgency,
        requested_action=requested_action,
        respond_by=respond_by,
        narrative=text,
        consignment=consignment,
    )
