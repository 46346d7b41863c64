"""What can be checked of a step of a return-to-origin case: what it moves, and its consignment."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sesn_node.codes.consignment import check_consignment, shipped_on
from sesn_node.codes.goods import check_unit
from sesn_node.codes.places import check_port
from sesn_node.domain.case_messages import Details
from sesn_node.domain.findings import Finding
from sesn_node.domain.identifiers import (
    check_bill_of_lading,
    check_container,
    check_imo,
    check_seal,
)

_NUMBERS: Final = {
    "container": check_container,
    "seal": check_seal,
    "imo": check_imo,
    "bill_of_lading": check_bill_of_lading,
}
_LOCODE: Final = 5
"""Letters and digits of a UN/LOCODE; a place of another length is told in words."""


def check_step(details: Details, now: datetime) -> tuple[Finding, ...]:
    """Check every identifier that a step tells, in the order of its fields.

    Args:
        details: What the step says.
        now: When it was or would be written, aware: the day of the shipment where its route tells
            none.
    """
    found: list[Finding] = []
    consignment = details.consignment
    if consignment is not None:
        found += check_consignment(consignment, shipped_on(consignment) or now.date())
    return (*found, *check_numbers(details))


def check_numbers(details: Details) -> tuple[Finding, ...]:
    """Check what a step tells of a movement: what needs neither a consignment nor a day."""
    found = []
    for name, check in _NUMBERS.items():
        observed: str = getattr(details, name)
        if observed.strip():
            found.append(check(observed, name))
    if len("".join(details.place.split())) == _LOCODE:
        found.append(check_port(details.place, "place"))
    if details.unit:
        found.append(check_unit(details.quantity, details.unit, "unit"))
    return tuple(found)
