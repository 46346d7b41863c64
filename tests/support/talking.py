"""Officers who talk: notes, requests and sightings in a network of offices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Urgency
from sesn_node.domain.conversation import (
    Confidence,
    Note,
    Request,
    Sighting,
    SightingBasis,
)
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.exchange.talk import say

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Network

AMBER = Markings(Tlp.AMBER)


def day(number: int, hour: int = 0) -> datetime:
    """A moment in November 2026."""
    return datetime(2026, 11, number, hour, tzinfo=UTC)


def request(subject: str = "Who is the consignee?", *, by: datetime | None = None) -> Request:
    """Write a request."""
    return Request(subject=subject, urgency=Urgency.URGENT, text="Please look.", respond_by=by)


def sighting(
    place: str, at: datetime, *, container: str = "", imo: str = "", seal: str = "", text: str = ""
) -> Sighting:
    """Write a sighting by an officer."""
    return Sighting(
        container=container,
        imo=imo,
        seal=seal,
        place=place,
        at=at,
        basis=SightingBasis.SEEN,
        confidence=Confidence.HIGH,
        text=text,
    )


def tell(
    net: Network,
    sender: AgencyId,
    body: Note | Request | Sighting,
    *to: AgencyId,
    conversation: MessageId | None = None,
    deliver: bool = True,
) -> MessageId:
    """Say something, and let it arrive."""
    said = say(net[sender].office, body, to, AMBER, conversation)
    # Ids of one millisecond have no order; those of the next sort after them.
    net.pass_time(1)
    net.check()
    if deliver:
        for receiver in to:
            net.deliver(sender, receiver)
    return said.message_id
