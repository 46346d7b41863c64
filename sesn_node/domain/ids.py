"""Names of agencies, messages and ledgers."""

from __future__ import annotations

import re
import uuid
from typing import Final, NewType

from sesn_node.errors import MalformedError

AgencyId = NewType("AgencyId", str)
"""A country code or `int`, then one to four dotted labels: `nl.customs`."""

MessageId = NewType("MessageId", bytes)
"""UUIDv7 (RFC 9562), 16 bytes."""

Origin = NewType("Origin", str)
"""C2SP checkpoint origin of one ledger epoch: `nl.customs.sesn/ledger/1`."""

MAX_EPOCH: Final = 999_999_999
"""Highest number of a ledger."""

_AGENCY_ID = re.compile(r"(int|[a-z]{2})(\.[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?){1,4}", re.ASCII)
_AGENCY_ID_BYTES = 100
_UUID_BYTES = 16
_UUID_VERSION = 7
_UUID_VARIANT = 0b10
_ORIGIN = re.compile(r"(?P<agency>[^/]+)\.sesn/ledger/(?P<epoch>[1-9][0-9]{0,8})", re.ASCII)


def agency_id(text: str) -> AgencyId:
    """Check an agency id; it goes into notes, host names and paths.

    Raises:
        MalformedError: Not `(int|[a-z]{2})` and 1 to 4 labels, or over 100 bytes.
    """
    if len(text) > _AGENCY_ID_BYTES or _AGENCY_ID.fullmatch(text) is None:
        raise MalformedError(
            f"agency id {text[:_AGENCY_ID_BYTES]!r}: expected a country code or 'int' and one to "
            "four labels of a-z, 0-9 and '-', such as nl.customs"
        )
    return AgencyId(text)


def new_message_id(time_ms: int, entropy: bytes) -> MessageId:
    """Build a UUIDv7 from a time and ten random bytes (RFC 9562 section 5.7)."""
    value = int.from_bytes(time_ms.to_bytes(6, "big") + entropy[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return MessageId(value.to_bytes(_UUID_BYTES, "big"))


def message_id(raw: bytes) -> MessageId:
    """Check 16 bytes as a UUIDv7.

    Raises:
        MalformedError: Another length, version or variant.
    """
    if len(raw) != _UUID_BYTES or raw[6] >> 4 != _UUID_VERSION or raw[8] >> 6 != _UUID_VARIANT:
        raise MalformedError("message id: expected the 16 bytes of a UUIDv7")
    return MessageId(raw)


def parse_message_id(text: str) -> MessageId:
    """Read a message id as people write it, with or without hyphens.

    Raises:
        MalformedError: Not a UUIDv7.
    """
    try:
        raw = uuid.UUID(text).bytes
    except ValueError as error:
        raise MalformedError(f"message id {text!r}: expected a UUID") from error
    return message_id(raw)


def show_message_id(raw: bytes) -> str:
    """Write a message id as people read it: lower-case hex with hyphens."""
    return str(uuid.UUID(bytes=raw))


def ledger_origin(agency: AgencyId, epoch: int) -> Origin:
    """Name the ledger of one epoch of an agency."""
    return Origin(f"{agency}.sesn/ledger/{epoch}")


def parse_origin(text: str) -> tuple[AgencyId, int]:
    """Read the agency and the epoch of a ledger from its origin.

    Raises:
        MalformedError: Not `<agency>.sesn/ledger/<epoch>`, epoch 1 to 999,999,999.
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise MalformedError(
            f"origin {text[:_AGENCY_ID_BYTES]!a}: expected <agency>.sesn/ledger/<epoch>"
        )
    return agency_id(match["agency"]), int(match["epoch"])


def witness_name(agency: AgencyId) -> str:
    """Name the witness key of an agency (C2SP signed-note key name)."""
    return f"{agency}.sesn/witness"
