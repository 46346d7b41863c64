r"""Spans: one step in a message's life each, in the terms of OpenTelemetry.

Nothing is added to the wire. The trace id *is* the message id, 16 bytes; and the ids of the two
spans that others hang on follow from it, so that both agencies' nodes, each by itself, write
spans of one tree:

    root                first 8 bytes of SHA-256("sesn/v1/span\0" || message id)
    delivery to agency  first 8 bytes of SHA-256("sesn/v1/span\0" || message id || agency id)

All other span ids are random.
"""

from __future__ import annotations

import time
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple, TypeAlias

Attribute: TypeAlias = str | int | bool
"""What an attribute may hold."""

_DOMAIN = b"sesn/v1/span\0"
_SPAN_ID_BYTES = 8
_TIME_BYTES = 6
_RANDOM_BITS = 56
_MS = 1_000_000


class SpanName(StrEnum):
    """Name of a span."""

    SHARE = "share"
    """The sender seals and records the message. The root."""
    DELIVERY = "delivery"
    """From sharing until a recipient's copy is settled, or given up."""
    ATTEMPT = "attempt"
    """One time that a copy is on the wire, until its answer is settled or does not come."""
    RECEIVE = "receive"
    """The recipient verifies, stores and answers. Part of a delivery."""
    RESPOND = "respond"
    """The recipient shares a message that answers this one. Part of a delivery."""


def root_span(message_id: bytes) -> int:
    """Return the id of a message's root span."""
    return _span_id(message_id)


def delivery_span(message_id: bytes, agency: str) -> int:
    """Return the id of the span of a message's delivery to an agency."""
    return _span_id(message_id, agency.encode("ascii"))


def _span_id(*parts: bytes) -> int:
    digest = sha256(_DOMAIN + b"".join(parts)).digest()
    return int.from_bytes(digest[:_SPAN_ID_BYTES], "big")


def chosen(message_id: bytes, one_in: int) -> bool:
    """Tell whether a message is among those that are traced.

    By the last 56 bits, which W3C Trace Context (Level 2, section 3.2.2.5) calls random. Samplers
    that take the last 64 are wrong here: their first two are the variant of the UUID.
    """
    return int.from_bytes(message_id[-_RANDOM_BITS // 8 :], "big") % one_in == 0


def written_ns(message_id: bytes) -> int:
    """Return the time in a message id (UUIDv7, RFC 9562 section 5.7), Unix nanoseconds."""
    return int.from_bytes(message_id[:_TIME_BYTES], "big") * _MS


class Mark(NamedTuple):
    """A moment within a span."""

    name: str
    time_ns: int


class Timeline:
    """When something began, and the moments on its way; Unix nanoseconds.

    The clock is read once; from there on it is the monotonic one, so no step takes a negative time.
    """

    __slots__ = ("_offset_ns", "marks", "start_ns")

    def __init__(self) -> None:
        self.start_ns = time.time_ns()
        self._offset_ns = self.start_ns - time.perf_counter_ns()
        self.marks: list[Mark] = []

    def now_ns(self) -> int:
        """Return the time."""
        return time.perf_counter_ns() + self._offset_ns

    def mark(self, name: str) -> int:
        """Note a moment, and return it."""
        now_ns = self.now_ns()
        self.marks.append(Mark(name, now_ns))
        return now_ns

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return (self.now_ns() - self.start_ns) / 1e9
