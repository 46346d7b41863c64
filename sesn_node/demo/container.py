"""The container of the first act, and what three agencies say of it. All of it is invented.

What they saw lies in the last three days before the demonstration: the doubt that a track raises
about a plan is another than the one about what was seen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sesn_node.domain.alert import (
    Alert,
    CallKind,
    Consignment,
    Container,
    Goods,
    PortCall,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.conversation import Confidence, Sighting, SightingBasis

NUMBER: Final = "QXZU5138479"
TYPED: Final = "QXZU1538479"
"""The same, with two digits swapped."""
REASON: Final = "The number is not this box's own. Search by its seal, RT5530188."
"""Why the alert is recalled. It tells nothing of what the Ghanaian agency said in confidence."""


def suspicion(now: datetime) -> Alert:
    """What a Dutch officer first writes: with a mistake in the number.

    Args:
        now: When it is written, aware, in UTC.
    """
    return Alert(
        subject="Drained refrigerators hidden behind tyres, Rotterdam to Tema",
        urgency=Urgency.SHIP_SAILS,
        requested_action=RequestedAction.HOLD,
        narrative="An informant at the terminal saw it loaded. Do not tell the carrier yet.",
        consignment=Consignment(
            containers=(Container(TYPED, "RT5530188"),),
            vessel=Vessel(imo="3002176", name="Maas Heron", voyage="MH31S"),
            route=(PortCall("NLRTM", CallKind.LOADING, now - timedelta(days=3)),),
            suspected=Goods(
                description="Waste refrigerators, not drained of their coolants",
                basel_codes=("A1181",),
                quantity="11.5",
                unit="t",
            ),
        ),
    )


def passage(now: datetime) -> Sighting:
    """What the Belgian police tell of it."""
    return Sighting(
        container=NUMBER,
        place="BEANR",
        at=now - timedelta(days=2),
        basis=SightingBasis.RECORDED,
        confidence=Confidence.HIGH,
        text="Read by the camera at the quay, still on board.",
    )


def twin(now: datetime) -> Alert:
    """What the Ghanaian agency found: a box with the same number, where it cannot be."""
    return Alert(
        subject="A box under this number has stood in Tema, empty, since yesterday",
        urgency=Urgency.URGENT,
        requested_action=RequestedAction.INFORM,
        narrative="Plate and paint are old, and its owner vouches for it. Our source is at risk.",
        consignment=Consignment(
            containers=(Container(NUMBER, "GH0091274"),),
            route=(PortCall("GHTEM", CallKind.SIGHTED, now - timedelta(days=1)),),
        ),
    )
