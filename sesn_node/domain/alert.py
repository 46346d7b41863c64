"""What a message says: an alert on a suspect consignment, or an officer's answer to one.

Mirrors `proto/sesn/v1/payload.proto`. Identifiers are kept as observed: a wrong container number
is evidence, so only length and characters are bounded here, and `sesn_node.domain.identifiers`
says what is wrong with it. Every class raises `MalformedError` with the path of the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sesn_node.domain.checks import (
    SHA256_BYTES,
    check_count,
    check_distinct,
    check_fixed,
    check_instant,
    check_line,
    check_message_id,
    check_pattern,
    check_text,
)
from sesn_node.domain.ids import MessageId
from sesn_node.errors import MalformedError

MAX_SUBJECT = 200
MAX_NARRATIVE = 20_000
MAX_RESPONSE_TEXT = 2_000
MAX_CONTAINERS = 100
MAX_ROUTE_CALLS = 50
MAX_PARTIES = 50
MAX_BASEL_CODES = 50

# Room for what a document says instead of a number: "see manifest", "TGHU 123456-?".
_MAX_OBSERVED = 40

_COUNTRY = re.compile(r"(?:[A-Z]{2})?", re.ASCII)
_QUANTITY = re.compile(r"(?:(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?)?", re.ASCII)


class Tlp(StrEnum):
    """FIRST Traffic Light Protocol 2.0, strictest first: how far a message may be passed on."""

    RED = "RED"
    AMBER_STRICT = "AMBER+STRICT"
    AMBER = "AMBER"
    GREEN = "GREEN"
    CLEAR = "CLEAR"


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


class Decision(StrEnum):
    """What an officer decided on an alert."""

    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"


@dataclass(frozen=True, slots=True)
class Markings:
    """Rules of handling, set by the originator."""

    tlp: Tlp


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
    """

    description: str = ""
    hs_code: str = ""
    hs_edition: str = ""
    basel_codes: tuple[str, ...] = ()
    quantity: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        check_text("description", self.description, 2_000)
        check_line("hs_code", self.hs_code, _MAX_OBSERVED)
        check_line("hs_edition", self.hs_edition, 10)
        check_count("basel_codes", self.basel_codes, 0, MAX_BASEL_CODES)
        for index, code in enumerate(self.basel_codes):
            check_line(f"basel_codes[{index}]", code, 20, required=True)
        check_distinct("basel_codes", self.basel_codes)
        check_pattern("quantity", self.quantity, _QUANTITY, "a decimal number such as 24.5")
        check_line("unit", self.unit, 20)
        if bool(self.quantity) != bool(self.unit.strip()):
            missing = "unit" if self.quantity else "quantity"
            raise MalformedError(f"{missing}: missing; a quantity and its unit go together")
        if not (self.description.strip() or self.hs_code or self.basel_codes or self.quantity):
            raise MalformedError("description: goods need at least one known property")


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with a part in the shipment.

    Args:
        name: 1 to 200 characters.
        role: The part.
        address: At most 500 characters, line feeds allowed.
        country: ISO 3166-1 alpha-2 in capitals, or empty.
    """

    name: str
    role: PartyRole
    address: str = ""
    country: str = ""

    def __post_init__(self) -> None:
        check_line("name", self.name, 200, required=True)
        check_text("address", self.address, 500)
        check_pattern("country", self.country, _COUNTRY, "ISO 3166-1 alpha-2 in capitals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consignment:
    """Goods on their way, as documents and people describe them; at least one field is set.

    Args:
        containers: At most 100, no number twice.
        vessel: The ship that carries them.
        bill_of_lading: Number, at most 20 characters.
        route: At most 50 calls, in the order of the voyage.
        declared: What the documents declare.
        suspected: What the goods are suspected, or were found, to be.
        parties: At most 50.
    """

    containers: tuple[Container, ...] = ()
    vessel: Vessel | None = None
    bill_of_lading: str = ""
    route: tuple[PortCall, ...] = ()
    declared: Goods | None = None
    suspected: Goods | None = None
    parties: tuple[Party, ...] = ()

    def __post_init__(self) -> None:
        check_count("containers", self.containers, 0, MAX_CONTAINERS)
        check_distinct("containers", [container.number for container in self.containers])
        check_line("bill_of_lading", self.bill_of_lading, 20)
        check_count("route", self.route, 0, MAX_ROUTE_CALLS)
        check_count("parties", self.parties, 0, MAX_PARTIES)
        parts = (self.containers, self.vessel, self.bill_of_lading.strip(), self.route)
        if not any((*parts, self.declared, self.suspected, self.parties)):
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


@dataclass(frozen=True, slots=True)
class Response:
    """A person's decision on an alert: an officer has read it.

    Args:
        message_id: The alert, UUIDv7.
        header_sha256: SHA-256 of the alert's header, 32 bytes: exactly what was decided on.
        decision: Accepted or declined.
        text: Note, at most 2,000 characters; a refusal needs it, as its reason.
    """

    message_id: MessageId
    header_sha256: bytes
    decision: Decision
    text: str = ""

    def __post_init__(self) -> None:
        check_message_id("message_id", self.message_id)
        check_fixed("header_sha256", self.header_sha256, SHA256_BYTES)
        declined = self.decision is Decision.DECLINED
        check_text("text", self.text, MAX_RESPONSE_TEXT, required=declined)


class MessageKind(StrEnum):
    """What a message is, for the node's own tables; it never leaves the node."""

    ALERT = "alert"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of one message."""

    markings: Markings
    body: Alert | Response

    @property
    def kind(self) -> MessageKind:
        """What the message is."""
        return MessageKind.ALERT if isinstance(self.body, Alert) else MessageKind.RESPONSE
