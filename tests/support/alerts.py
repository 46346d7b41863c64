"""Alerts about consignments, to be searched for."""

from __future__ import annotations

from sesn_node.domain.alert import (
    Alert,
    Consignment,
    Container,
    Party,
    PartyRole,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload

CONTAINER, SEAL, IMO = "QZWU 731940-2", "ZX-778/QW 41", "IMO 9074729"
VESSEL, PARTY = "Vagabond Ångström", "Xylocopa & Töchter Recycling"


def consignment(
    container: str = CONTAINER,
    *,
    seal: str = SEAL,
    imo: str = IMO,
    vessel: str = VESSEL,
    party: str = PARTY,
) -> Payload:
    """Write an alert about one consignment."""
    body = Alert(
        subject="A consignment",
        urgency=Urgency.ROUTINE,
        requested_action=RequestedAction.NONE,
        consignment=Consignment(
            containers=(Container(container, seal),),
            vessel=Vessel(imo, vessel),
            parties=(Party(party, PartyRole.EXPORTER),),
        ),
    )
    return Payload(Markings(Tlp.AMBER), body)
