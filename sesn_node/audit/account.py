"""What a bundle says of itself: its manifest, and what was asked for.

Nobody signed it: what it claims, the verifier checks. Every part is checked when it is built:
lengths, ranges and order within it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sesn_node.domain.checks import (
    MAX_INTEGER,
    SHA256_BYTES,
    check_agency,
    check_count,
    check_fixed,
    check_line,
    check_message_id,
    check_range,
    check_time_ms,
)
from sesn_node.domain.ids import AgencyId, MessageId, Origin, parse_origin
from sesn_node.errors import MalformedError

MAX_LISTED: Final = 5_000
"""Messages that a selection may name, in each of its lists: a database binds so many values."""
MAX_LEDGERS: Final = 64
"""Ledgers in one bundle: as many as a card lists."""
MAX_RECOVERED: Final = 1_000
"""Recoveries of one ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was asked for; the bundle holds what fits all of it, and what is disclosed.

    Args:
        from_ms: Messages that were recorded from this instant on, Unix milliseconds.
        to_ms: Messages that were recorded before this instant.
        conversation: Messages of this conversation.
        messages: Messages of these ids, strictly ascending; empty if not asked by id.
        disclosed: Ids of messages whose content is in the bundle, strictly ascending.
        blind: Entries are left out.

    Raises:
        MalformedError: A field out of its bounds.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    conversation: MessageId | None = None
    messages: tuple[MessageId, ...] = ()
    disclosed: tuple[MessageId, ...] = ()
    blind: bool = False

    def __post_init__(self) -> None:
        for name in ("from_ms", "to_ms"):
            value: int | None = getattr(self, name)
            if value is not None:
                check_time_ms(name, value)
        if self.conversation is not None:
            check_message_id("conversation", self.conversation)
        for name in ("messages", "disclosed"):
            ids: tuple[MessageId, ...] = getattr(self, name)
            check_count(name, ids, 0, MAX_LISTED)
            for index, one in enumerate(ids):
                check_message_id(f"{name}[{index}]", one)
            check_ascending(name, ids)

    @property
    def everything(self) -> bool:
        """Whether nothing narrows it; `blind` aside, all entries and messages are in the bundle."""
        return not (
            self.messages or self.conversation or self.from_ms is not None or self.to_ms is not None
        )


@dataclass(frozen=True, slots=True)
class RecoveredRange:
    """Entries from `start` up to `end` came back from an export, without what they refer to."""

    start: int
    end: int

    def __post_init__(self) -> None:
        # The first entry of a ledger is never lost: without it there is no database.
        check_range("start", self.start, 1, MAX_INTEGER)
        check_range("end", self.end, self.start + 1, MAX_INTEGER)


@dataclass(frozen=True, slots=True)
class LedgerExtent:
    """A ledger of the agency, of which all leaves up to `size` are in the bundle.

    Args:
        origin: Its name.
        size: Its entries.
        recovered: Those that came back without what they refer to, by the agency's word; they
            ascend and do not overlap.
    """

    origin: Origin
    size: int
    recovered: tuple[RecoveredRange, ...] = ()

    def __post_init__(self) -> None:
        check_origin("origin", self.origin)
        check_range("size", self.size, 0, MAX_INTEGER)
        check_count("recovered", self.recovered, 0, MAX_RECOVERED)
        for place, (one, after) in enumerate(pairwise(self.recovered), 1):
            if after.start < one.end:
                raise MalformedError(f"recovered[{place}]: overlaps the one before it")
        if self.recovered and self.recovered[-1].end > self.size:
            raise MalformedError(f"recovered: beyond the {self.size:,} entries of the ledger")

    @property
    def epoch(self) -> int:
        """Its number."""
        return parse_origin(self.origin)[1]


@dataclass(frozen=True, slots=True)
class MemberDigest:
    """Length in bytes and SHA-256 of one member."""

    name: str
    length: int
    sha256: bytes

    def __post_init__(self) -> None:
        check_line("name", self.name, 64, required=True)
        check_range("length", self.length, 0, MAX_INTEGER)
        check_fixed("sha256", self.sha256, SHA256_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the bundle says of itself. It is not signed: what it claims, the verifier checks.

    Args:
        agency: Whose bundle it is.
        created_ms: When it was made, Unix milliseconds by the agency's clock.
        selection: What was asked for.
        ledgers: The agency's ledgers that are in it, ascending by epoch, 1 to 64.
        members: Every other member, in the order of the file.

    Raises:
        MalformedError: A field out of its bounds, or a ledger of another agency.
    """

    agency: AgencyId
    created_ms: int
    selection: Selection
    ledgers: tuple[LedgerExtent, ...]
    members: tuple[MemberDigest, ...]

    def __post_init__(self) -> None:
        check_agency("agency", self.agency)
        check_time_ms("created_ms", self.created_ms)
        check_count("ledgers", self.ledgers, 1, MAX_LEDGERS)
        for index, ledger in enumerate(self.ledgers):
            if parse_origin(ledger.origin)[0] != self.agency:
                raise MalformedError(f"ledgers[{index}].origin: not a ledger of {self.agency}")
        check_ascending("ledgers", [ledger.epoch for ledger in self.ledgers])


def check_origin(path: str, value: str) -> None:
    """Make sure that a text is the origin of a ledger; raises `MalformedError`."""
    try:
        parse_origin(value)
    except MalformedError as exc:
        raise MalformedError(f"{path}: {exc.message}") from exc


def check_ascending(path: str, keys: Iterable[str | bytes | int]) -> None:
    """Make sure that keys are strictly ascending; raises `MalformedError`."""
    before: str | bytes | int | None = None
    for index, key in enumerate(keys):
        # One list has keys of one type only.
        if before is not None and not before < key:  # type: ignore[operator]
            raise MalformedError(f"{path}[{index}]: not strictly ascending")
        before = key
