"""A request for a return as an officer writes it: piece by piece, until it is whole."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from sesn_node.domain.case import rules_of
from sesn_node.domain.case_messages import Details
from sesn_node.domain.case_terms import Action, Ground
from sesn_node.domain.checks import check_agencies, check_agency
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import Markings
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.errors import MalformedError

DETAILS = ("subject", "text", "responsibility", "consignment", "evidence")
"""Parts of the details that a request has; the others belong to later steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseForm:
    """What has been written of a request; None and empty parts are still to be written.

    Args:
        exporter: Authority of the country of export.
        transit: Authorities of the countries of transit, ascending.
        facility: Authorities of the country of the facility, ascending.
        ground: Why it has to go back.
        regime: The rules that the clock follows; None: the usual ones of this agency.
        details: What the request says: the parts that `DETAILS` names, and no other.
        markings: How it is to be handled.

    Raises:
        MalformedError: A part out of its bounds; the message starts with its path.
    """

    exporter: AgencyId | None = None
    transit: tuple[AgencyId, ...] = ()
    facility: tuple[AgencyId, ...] = ()
    ground: Ground | None = None
    regime: str | None = None
    details: Details = field(default_factory=Details)
    markings: Markings | None = None

    def __post_init__(self) -> None:
        if self.exporter is not None:
            check_agency("exporter", self.exporter)
        check_agencies("transit", self.transit, 0, MAX_RECIPIENTS)
        check_agencies("facility", self.facility, 0, MAX_RECIPIENTS)
        for name in sorted(self.details.given() - set(DETAILS)):
            raise MalformedError(f"details.{name}: a later step of the case says this")

    def lacking(self) -> tuple[str, ...]:
        """Return the paths of what the request still needs, in the order of the form."""
        given = self.details.given()
        needs = rules_of(Action.REQUEST)[0].needs
        parts = {"exporter": self.exporter, "ground": self.ground, "markings": self.markings}
        named = [one.name for one in fields(self) if one.name in parts]
        missing = [name for name in named if parts[name] is None]
        return (*missing, *(f"details.{one}" for one in needs if one not in given))
