"""What both forms of an alert have in common, and the ids that are ours."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import datetime
from typing import Final

from sesn_node.domain.alert import Alert
from sesn_node.domain.markings import Markings
from sesn_node.interop.notes import JsonOut, Note

_OURS: Final = uuid.UUID("89c038ed-7cec-424c-83ad-e06f6406a8dd")

ENDORSEMENTS: Final = Note(
    "endorsements", "signatures of people hold for the sealed message, not for this form of it"
)


def our_uuid(*names: str) -> str:
    """Return the UUIDv5 of something of ours."""
    return str(uuid.uuid5(_OURS, "/".join(names)))


def labels(markings: Markings, alert: Alert) -> tuple[str, ...]:
    """Say what somebody who does not know our extension must see; it is not read back."""
    return (
        f'sesn:urgency="{alert.urgency.value}"',
        f'sesn:requested-action="{alert.requested_action.value}"',
        *(f'sesn:handling="{code.value}"' for code in markings.handling),
    )


def plain(value: object) -> JsonOut:
    """Write a domain object: its fields by their names, those that say nothing left out."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if dataclasses.is_dataclass(value):
        return {
            one.name: plain(part)
            for one in dataclasses.fields(value)
            if (part := getattr(value, one.name)) not in (None, "", ())
        }
    return "" if value is None else str(value)
