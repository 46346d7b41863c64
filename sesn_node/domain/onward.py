"""Passing a message on: whether its originator lets one agency give it to another.

The same question is asked by whoever passes it on and by whoever receives it. Nothing but what the
originator sealed counts: the message's own markings and recipients, and its consents.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sesn_node.domain.conversation import Consent
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import Markings, Passing, covers
from sesn_node.domain.payload import MessageKind

FORWARDABLE: Final = frozenset(
    {
        MessageKind.ALERT,
        MessageKind.UPDATE,
        MessageKind.REQUEST,
        MessageKind.ANSWER,
        MessageKind.NOTE,
        MessageKind.SIGHTING,
    }
)
"""Kinds that may be passed on: what tells something of a consignment.

The rest tells how a message fared between two agencies. A forward is none of them: its original is
passed on again, never the forward around it. Nor is anything of a case: who is to know of it joins
it, and gets it from a member.
"""


class Obstacle(StrEnum):
    """Why a message must not be passed on; the values are words for people, without content."""

    ORIGINATOR = "it is its originator's own: that one sends it, and nobody passes it back"
    NEVER = "its marks (RED, or 4 of 5x5x5) keep it to its recipients"
    RETAINED = "the date until which its content may be kept has passed"
    NOT_HELD = "its originator neither sent it to the agency that passes it on, nor let it have it"
    NOT_GRANTED = "its originator grants that to nobody beforehand, and did not consent"
    OTHERS_GRANTED = "its originator grants that for other agencies, and did not consent"
    OTHERS_CONSENTED = "its originator's consent names other agencies"
    CONSENT_OF_OTHERS = "its originator's consent was given to another agency"
    CONSENT_ENDED = "the time of its originator's consent is over"


@dataclass(frozen=True, slots=True)
class Permission:
    """A consent of the originator for this very message, and whom it was sent to."""

    consent: Consent
    to: frozenset[AgencyId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A message that one agency passes on to another.

    Args:
        markings: The originator's, of the message itself.
        originator: Who sealed it.
        recipients: Whom the originator sent it to.
        forwarder: Who passes it on.
        to: Who gets it.
        at: When, aware, in UTC.
        permission: The originator's consent, if there is one.
    """

    markings: Markings
    originator: AgencyId
    recipients: frozenset[AgencyId]
    forwarder: AgencyId
    to: AgencyId
    at: datetime
    permission: Permission | None = None


def obstacle(transfer: Transfer) -> Obstacle | None:
    """Say why a message must not be passed on; None if its originator lets it."""
    markings = transfer.markings
    if transfer.originator in {transfer.forwarder, transfer.to}:
        return Obstacle.ORIGINATOR
    if markings.passing is Passing.NEVER:
        return Obstacle.NEVER
    if markings.retain_until is not None and markings.retain_until <= transfer.at:
        return Obstacle.RETAINED
    if markings.passing is Passing.FREE:
        return None
    if not _held(transfer):
        return Obstacle.NOT_HELD
    return None if covers(markings.onward, transfer.to) else _missing(transfer)


def _held(transfer: Transfer) -> bool:
    """Whether the agency that passes it on got it as its originator wanted, as far as it shows.

    Its recipients got it. So may have whom the grant names; and whoever it sent a consent to, the
    originator knew to have it.
    """
    forwarder, permission = transfer.forwarder, transfer.permission
    return (
        forwarder in transfer.recipients
        or covers(transfer.markings.onward, forwarder)
        or (permission is not None and forwarder in permission.to)
    )


def _missing(transfer: Transfer) -> Obstacle | None:
    """Say why no consent lets this agency pass the message on to that one; None if one does."""
    permission = transfer.permission
    if permission is None:
        given = bool(transfer.markings.onward)
        return Obstacle.OTHERS_GRANTED if given else Obstacle.NOT_GRANTED
    if transfer.forwarder not in permission.to:
        return Obstacle.CONSENT_OF_OTHERS
    if permission.consent.until is not None and permission.consent.until <= transfer.at:
        return Obstacle.CONSENT_ENDED
    if not covers(permission.consent.onward, transfer.to):
        return Obstacle.OTHERS_CONSENTED
    return None
