"""Preview: who will see a message, and what each may do with it. Nothing is written or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.handling import allowed
from sesn_node.domain.onward import FORWARDABLE, Transfer, obstacle
from sesn_node.domain.times import instant
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.handling import Allowed
    from sesn_node.domain.ids import AgencyId
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.office import Office
    from sesn_node.trust.card import TrustedCard


@dataclass(frozen=True, slots=True)
class Reader:
    """A recipient, and whom it may pass the message on to.

    Args:
        card: Who it is.
        onward: Those of our partners whom it could give it to without asking anybody. It may know
            agencies that we do not.
    """

    card: TrustedCard
    onward: tuple[AgencyId, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What sending a message would mean.

    Args:
        readers: The recipients.
        allowed: What its marks allow all of them.
        ended: Its content must not be kept any more already.
    """

    readers: tuple[Reader, ...]
    allowed: Allowed
    ended: bool


def preview(office: Office, payload: Payload, recipients: Sequence[AgencyId]) -> Preview:
    """Say who would see a message, and what they may do with it.

    Args:
        office: Ours.
        payload: The message.
        recipients: Whom it would be sent to.

    Raises:
        PolicyError: `NOT_TRUSTED`: a recipient is no partner, or not trusted.
    """
    directory, now_ms = office.directory(), office.clock()
    to = tuple(sorted(set(recipients)))
    cards = [directory.trusted(agency, now_ms).card for agency in to]
    others = [
        agency
        for agency, peer in directory.peers.items()
        if peer.state is PeerState.TRUSTED and agency not in to
    ]
    at = instant(now_ms)

    def may(forwarder: AgencyId, other: AgencyId) -> bool:
        transfer = Transfer(
            markings=payload.markings,
            originator=office.agency,
            recipients=frozenset(to),
            forwarder=forwarder,
            to=other,
            at=at,
        )
        return payload.kind in FORWARDABLE and obstacle(transfer) is None

    until = payload.markings.retain_until
    return Preview(
        readers=tuple(
            Reader(card, tuple(sorted(other for other in others if may(card.agency, other))))
            for card in cards
        ),
        allowed=allowed(payload.markings),
        ended=until is not None and until <= at,
    )
