"""An alert: a suspect consignment, told by an officer who wants something done.

Mirrors `proto/sesn/v1/alert.proto`. Identifiers are kept as observed: a wrong container number
is evidence, so only length and characters are bounded here, and `sesn_node.codes.consignment`
says what is wrong with it. Every class raises `MalformedError` with the path of the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sesn_node.domain.checks import (
    check_count,
    check_distinct,
    check_instant,
    check_line,
    check_pattern,
    check_text,
)
from sesn_node.errors import MalformedError

MAX_SUBJECT = 200
MAX_NARRATIVE = 20_000
MAX_CONTAINERS = 100
MAX_ROUTE_CALLS = 50
MAX_PARTIES = 50
MAX_CODES = 50

# Room for what a document says instead of a number: "see manifest", "TGHU 123456-?".
_MAX_OBSERVED = 40
_MAX_CODE = 20

_QUANTITY = re.compile(r"(?:(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?)?", re.ASCII)


class Urgency(StrEnum):
    """How soon somebody must act."""

    ROUTINE = "ROUTINE"
    URGENT = "URGENT"
    SHIP_SAILS = "SHIP_SAILS"
    """The vessel leaves, or the goods are released, if nobody acts within hours."""


class RequestedAction(StrEnum):
    """What the sender asks for."""

    NONE = "NONE"
    INFORM = "INFORM"
    HOLD = "HOLD"
    INSPECT = "INSPECT"


class CallKind(StrEnum):
    """What happens to the consignment at a port."""

    LOADING = "LOADING"
    TRANSHIPMENT = "TRANSHIPMENT"
    DISCHARGE = "DISCHARGE"
    SIGHTED = "SIGHTED"


class PartyRole(StrEnum):
    """The part that somebody plays in a shipment."""

    EXPORTER = "EXPORTER"
    IMPORTER = "IMPORTER"
    CARRIER = "CARRIER"
    BROKER = "BROKER"
    NOTIFY_PARTY = "NOTIFY_PARTY"


class Regime(StrEnum):
    """Rules on shipments of waste: they differ in codes, duties and day counts."""

    BASEL = "BASEL"
    """The Basel Convention alone."""
    OECD = "OECD"
    """Between OECD countries, for recovery: Decision C(2001)107/FINAL."""
    EU = "EU"
    """Regulation (EU) 2024/1157, and before it Regulation (EC) 1013/2006."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container.

    Args:
        number: As observed, 1 to 40 characters; ISO 6346 expects eleven.
        seal: Seal number as observed, at most 15 characters.
    """

    number: str
    seal: str = ""

    def __post_init__(self) -> None:
        check_line("number", self.number, _MAX_OBSERVED, required=True)
        check_line("seal", self.seal, 15)


@dataclass(frozen=True, slots=True)
class Vessel:
    """A ship; its IMO number, its name, or both.

    Args:
        imo: As observed, at most 40 characters; the IMO ship number has seven digits.
        name: At most 100 characters.
        voyage: The carrier's voyage number, at most 40 characters.
    """

    imo: str = ""
    name: str = ""
    voyage: str = ""

    def __post_init__(self) -> None:
        check_line("imo", self.imo, _MAX_OBSERVED)
        check_line("name", self.name, 100)
        check_line("voyage", self.voyage, 40)
        if not self.imo.strip() and not self.name.strip():
            raise MalformedError("name: a vessel needs an imo number or a name")


@dataclass(frozen=True, slots=True)
class PortCall:
    """A call of the voyage.

    Args:
        port: As observed, 1 to 40 characters; UN/LOCODE has five.
        kind: What happens there.
        at: Expected or actual time, aware, in UTC, from 1970 on.
    """

    port: str
    kind: CallKind
    at: datetime | None = None

    def __post_init__(self) -> None:
        check_line("port", self.port, _MAX_OBSERVED, required=True)
        check_instant("at", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """What goods are declared, suspected or found to be; at least one field is set.

    Args:
        description: Free text, at most 2,000 characters.
        hs_code: Harmonised System code as observed, at most 40 characters.
        hs_edition: Edition of the Harmonised System, such as "HS2022", at most 10 characters.
        basel_codes: Basel Convention codes (Y, A, B, H), at most 50, without duplicates.
        quantity: Decimal number as text, up to 15 digits before and 6 after the point.
        unit: Unit of `quantity`, at most 20 characters; both are set, or neither.
        oecd_codes: Codes of the OECD that are not Basel codes, at most 50, without duplicates.
        eu_waste_codes: Codes of the European list of waste, with the mark of hazardous waste or
            without, as observed; at most 50, without duplicates.
        un_numbers: UN numbers of dangerous goods, at most 50, without duplicates.
    """

    description: str = ""
    hs_code: str = ""
    hs_edition: str = ""
    basel_codes: tuple[str, ...] = ()
    quantity: str = ""
    unit: str = ""
    oecd_codes: tuple[str, ...] = ()
    eu_waste_codes: tuple[str, ...] = ()
    un_numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_text("description", self.description, 2_000)
        check_line("hs_code", self.hs_code, _MAX_OBSERVED)
        check_line("hs_edition", self.hs_edition, 10)
        _check_codes("basel_codes", self.basel_codes)
        _check_codes("oecd_codes", self.oecd_codes)
        _check_codes("eu_waste_codes", self.eu_waste_codes)
        _check_codes("un_numbers", self.un_numbers)
        check_pattern("quantity", self.quantity, _QUANTITY, "a decimal number such as 24.5")
        check_line("unit", self.unit, 20)
        if bool(self.quantity) != bool(self.unit.strip()):
            missing = "unit" if self.quantity else "quantity"
            raise MalformedError(f"{missing}: missing; a quantity and its unit go together")
        codes = (self.basel_codes, self.oecd_codes, self.eu_waste_codes, self.un_numbers)
        if not (self.description.strip() or self.hs_code or any(codes) or self.quantity):
            raise MalformedError("description: goods need at least one known property")


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with a part in the shipment.

    Args:
        name: 1 to 200 characters.
        role: The part.
        address: At most 500 characters, line feeds allowed.
        country: As observed, at most 40 characters; ISO 3166-1 alpha-2 is expected.
        lei: Legal Entity Identifier as observed, at most 40 characters; ISO 17442 has 20.
        vat: VAT number as observed, at most 40 characters.
    """

    name: str
    role: PartyRole
    address: str = ""
    country: str = ""
    lei: str = ""
    vat: str = ""

    def __post_init__(self) -> None:
        check_line("name", self.name, 200, required=True)
        check_text("address", self.address, 500)
        check_line("country", self.country, _MAX_OBSERVED)
        check_line("lei", self.lei, _MAX_OBSERVED)
        check_line("vat", self.vat, _MAX_OBSERVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consignment:
    """Goods on their way, as documents and people describe them; at least one field is set.

    Args:
        containers: At most 100, no number twice.
        vessel: The ship that carries them.
        bill_of_lading: Number, at most 20 characters.
        route: At most 50 calls, in the order of the voyage.
        declared: What the documents declare.
        suspected: What the goods are suspected to be.
        parties: At most 50.
        found: What an inspection found the goods to be.
        regime: The rules that the shipment is thought to come under, if somebody said so; it
            alone says nothing of a consignment.
    """

    containers: tuple[Container, ...] = ()
    vessel: Vessel | None = None
    bill_of_lading: str = ""
    route: tuple[PortCall, ...] = ()
    declared: Goods | None = None
    suspected: Goods | None = None
    parties: tuple[Party, ...] = ()
    found: Goods | None = None
    regime: Regime | None = None

    def __post_init__(self) -> None:
        check_count("containers", self.containers, 0, MAX_CONTAINERS)
        check_distinct("containers", [container.number for container in self.containers])
        check_line("bill_of_lading", self.bill_of_lading, 20)
        check_count("route", self.route, 0, MAX_ROUTE_CALLS)
        check_count("parties", self.parties, 0, MAX_PARTIES)
        parts = (self.containers, self.vessel, self.bill_of_lading.strip(), self.route)
        if not any((*parts, self.declared, self.suspected, self.found, self.parties)):
            raise MalformedError("containers: a consignment needs at least one known property")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A suspect consignment, told by an officer who wants something done.

    Args:
        subject: One line for an inbox, 1 to 200 characters.
        urgency: How soon somebody must act.
        requested_action: What the sender asks for.
        respond_by: When the sender needs an answer, aware, in UTC. Optional whatever the action:
            an officer who does not know the deadline must still be able to warn.
        narrative: What is known and why it is suspect, at most 20,000 characters.
        consignment: The goods, their way and their parties; this, a narrative, or both.
    """

    subject: str
    urgency: Urgency
    requested_action: RequestedAction
    respond_by: datetime | None = None
    narrative: str = ""
    consignment: Consignment | None = None

    def __post_init__(self) -> None:
        check_line("subject", self.subject, MAX_SUBJECT, required=True)
        check_instant("respond_by", self.respond_by)
        check_text("narrative", self.narrative, MAX_NARRATIVE)
        if self.consignment is None and not self.narrative.strip():
            raise MalformedError("narrative: an alert needs a narrative, a consignment, or both")


def _check_codes(path: str, codes: tuple[str, ...]) -> None:
    check_count(path, codes, 0, MAX_CODES)
    for index, code in enumerate(codes):
        check_line(f"{path}[{index}]", code, _MAX_CODE, required=True)
    check_distinct(path, codes)
