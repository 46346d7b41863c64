"""What members of a return-to-origin case tell each other.

Mirrors `proto/sesn/v1/case.proto`. Every class raises `MalformedError` with the path of the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sesn_node.domain.alert import MAX_NARRATIVE, MAX_SUBJECT, Consignment
from sesn_node.domain.case import rules_of
from sesn_node.domain.case_terms import Mark, Responsibility
from sesn_node.domain.checks import (
    SHA256_BYTES,
    check_count,
    check_fixed,
    check_instant,
    check_length,
    check_line,
    check_message_id,
    check_pattern,
    check_text,
)
from sesn_node.domain.entries import MAX_ENTRY_BYTES, SALT_BYTES
from sesn_node.domain.forward import MAX_FORWARD_BYTES, Original
from sesn_node.domain.ids import MessageId
from sesn_node.errors import MalformedError

MAX_EVIDENCE: Final = 100
MAX_FILED: Final = 100
MAX_NOTE_BYTES: Final = 64 * 1024

_OPERATION: Final = re.compile(r"(?:D(?:[1-9]|1[0-5])|R(?:[1-9]|1[0-3]))?")
_QUANTITY: Final = re.compile(r"(?:\d{1,15}(?:\.\d{1,6})?)?")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that shows what is claimed: a message of the network, or a document outside it.

    Args:
        description: What it is, 1 to 200 characters.
        sha256: SHA-256 of the message's header, or of the file, 32 bytes.
        message_id: The message; None for a file.
    """

    description: str
    sha256: bytes
    message_id: MessageId | None = None

    def __post_init__(self) -> None:
        check_line("description", self.description, 200, required=True)
        check_fixed("sha256", self.sha256, SHA256_BYTES)
        if self.message_id is not None:
            check_message_id("message_id", self.message_id)


@dataclass(frozen=True, slots=True)
class Informed:
    """Proof of when the authority of export was informed: its node's receipt of the request.

    Args:
        entry: Its RECEIVED entry, verbatim.
        index: Leaf index of the entry.
        proof: RFC 6962 inclusion proof from the leaf up, at most 63 hashes of 32 bytes.
        checkpoint: A checkpoint of that ledger with both of its signatures: the note, verbatim.
    """

    entry: bytes
    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def __post_init__(self) -> None:
        check_length("entry", self.entry, 1, MAX_ENTRY_BYTES)
        if not 0 <= self.index < 1 << 62:
            raise MalformedError("index: expected a leaf index")
        check_count("proof", self.proof, 0, 63)
        for place, one in enumerate(self.proof):
            check_fixed(f"proof[{place}]", one, SHA256_BYTES)
        check_length("checkpoint", self.checkpoint, 1, MAX_NOTE_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a step says beside its mark; the table of cases tells which parts a step needs.

    Args:
        subject: One line for a list, at most 200 characters.
        text: In words: what was found, asked, answered, or why; at most 20,000 characters.
        responsibility: Whose conduct made it illegal.
        consignment: What has to go back.
        evidence: What shows it, at most 100.
        reference: The sender's own file number; of DOCUMENT, the number of the notification.
        taker: Who takes the waste back, by name and address, at most 300 characters.
        payer: Who pays for it, at most 300 characters.
        site: The facility, by name and address, at most 300 characters.
        operation: Disposal or recovery: D1 to D15, R1 to R13 (Basel Annex IV).
        movement_document: Number, at most 100 characters.
        container: Number as observed, at most 40 characters.
        seal: Number as observed, at most 15 characters.
        imo: IMO ship number as observed, at most 40 characters.
        vehicle: Registration of a lorry, train or barge, at most 40 characters.
        bill_of_lading: Number, at most 20 characters.
        place: Where, as observed, at most 40 characters; UN/LOCODE has five.
        at: When it happened, aware, in UTC.
        quantity: Decimal number as text, up to 15 digits before and 6 after the point.
        unit: Unit of `quantity`, at most 20 characters; both are set, or neither.
        certificate: Number of the certificate of treatment, at most 100 characters.
        informed: When the authority of export was informed, proven.
    """

    subject: str = ""
    text: str = ""
    responsibility: Responsibility | None = None
    consignment: Consignment | None = None
    evidence: tuple[Evidence, ...] = ()
    reference: str = ""
    taker: str = ""
    payer: str = ""
    site: str = ""
    operation: str = ""
    movement_document: str = ""
    container: str = ""
    seal: str = ""
    imo: str = ""
    vehicle: str = ""
    bill_of_lading: str = ""
    place: str = ""
    at: datetime | None = None
    quantity: str = ""
    unit: str = ""
    certificate: str = ""
    informed: Informed | None = None

    def __post_init__(self) -> None:
        check_text("text", self.text, MAX_NARRATIVE)
        for name, high in _LINES.items():
            check_line(name, getattr(self, name), high)
        check_count("evidence", self.evidence, 0, MAX_EVIDENCE)
        check_pattern("operation", self.operation, _OPERATION, "D1 to D15, or R1 to R13")
        check_instant("at", self.at)
        check_pattern("quantity", self.quantity, _QUANTITY, "a decimal number such as 24.5")
        if bool(self.quantity) != bool(self.unit.strip()):
            missing = "unit" if self.quantity else "quantity"
            raise MalformedError(f"{missing}: missing; a quantity and its unit go together")

    def given(self) -> frozenset[str]:
        """Return the names of the parts that are there."""
        return frozenset(one.name for one in fields(self) if _is_there(getattr(self, one.name)))


@dataclass(frozen=True, slots=True)
class CaseStep:
    """A step of a case.

    Args:
        mark: What of it the state depends on.
        salt: 32 fresh random bytes: ledgers commit to the mark under it.
        details: What it says beside.
    """

    mark: Mark
    salt: bytes
    details: Details

    def __post_init__(self) -> None:
        check_fixed("salt", self.salt, SALT_BYTES)
        given = self.details.given()
        rule = rules_of(self.mark.action)[0]
        needs = set.intersection(*(set(one.needs) for one in rules_of(self.mark.action)))
        for need in rule.needs:
            if need in needs and not given & set(need.split("|")):
                name, _, other = need.partition("|")
                also = f", or {other}" if other else ""
                raise MalformedError(f"details.{name}: {self.mark.action} needs it{also}")


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Steps of a case, for a member that did not get them: each as its sender sealed it.

    Args:
        originals: 1 to 100, at most 1,008 KiB together.
    """

    originals: tuple[Original, ...]

    def __post_init__(self) -> None:
        check_count("originals", self.originals, 1, MAX_FILED)
        size = sum(one.size for one in self.originals)
        if size > MAX_FORWARD_BYTES:
            raise MalformedError(
                f"originals: at most {MAX_FORWARD_BYTES:,} bytes go into one message, got {size:,}"
            )


_LINES: Final = {
    "subject": MAX_SUBJECT,
    "reference": 100,
    "taker": 300,
    "payer": 300,
    "site": 300,
    "movement_document": 100,
    "container": 40,
    "seal": 15,
    "imo": 40,
    "vehicle": 40,
    "bill_of_lading": 20,
    "place": 40,
    "unit": 20,
    "certificate": 100,
}


def _is_there(value: object) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)
