"""What one bundle tells of deliveries to and from the agencies of the other bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.domain.ids import AgencyId, Origin

if TYPE_CHECKING:
    from sesn_node.audit.own import Own


@dataclass(frozen=True, slots=True)
class Delivery:
    """A copy that the bundle's agency sent.

    Args:
        place: Place of its message in the member.
        message_id: The message, 16 bytes.
        leaf: Leaf hash of our SHARED entry.
        time_ms: When it was shared; None if the entry is left out.
        state: How the copy stands.
        code: The word with it.
        received: The recipient's RECEIVED entry, which the receipt proves; or None.
    """

    place: int
    message_id: bytes
    leaf: bytes
    time_ms: int | None
    state: DeliveryState
    code: str
    received: EntryRef | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A RECEIVED entry of the bundle's agency.

    Args:
        message_id: The message, 16 bytes.
        shared_leaf: Leaf hash of the sender's SHARED entry, which it answers.
        origin: Our ledger.
        index: Index of our entry.
        leaf: Its leaf hash.
        time_ms: When, by our clock.
    """

    message_id: bytes
    shared_leaf: bytes
    origin: Origin
    index: int
    leaf: bytes
    time_ms: int


class Facts:
    """Deliveries and arrivals, by the other agency; then by the sender's ledger and index.

    Args:
        others: Agencies of the other bundles; of nobody else anything is kept.
    """

    __slots__ = ("_arrivals", "_first", "_lost", "_others", "_receipts", "_refused", "_sent")

    def __init__(self, others: frozenset[AgencyId] = frozenset()) -> None:
        self._others = others
        self._sent: dict[AgencyId, dict[tuple[Origin, int], Delivery]] = {}
        self._arrivals: dict[AgencyId, dict[tuple[Origin, int], Arrival]] = {}
        self._refused: dict[tuple[AgencyId, bytes], set[str]] = {}
        self._lost: set[tuple[Origin, int]] = set()
        self._first: dict[tuple[Origin, int], tuple[Origin, int]] = {}
        self._receipts: dict[AgencyId, list[tuple[Own, EntryRef]]] = {}

    def concern(self, agency: AgencyId) -> bool:
        """Tell whether anything is kept of an agency."""
        return agency in self._others

    def sent(self, agency: AgencyId, origin: Origin, index: int, delivery: Delivery) -> None:
        """Note a copy for an agency, of the message that stands at an index of our ledger."""
        self._sent.setdefault(agency, {})[origin, index] = delivery

    def met(self, own: Own) -> None:
        """Note an entry of ours: that we received, or refused, a message."""
        entry = own.entry
        if entry.agency not in self._others or entry.agency is None:
            return
        message_id = entry.message_id or b""
        if entry.kind is EntryKind.REFUSED:
            self._refused.setdefault((entry.agency, message_id), set()).add(entry.code)
        elif entry.kind is EntryKind.RECEIVED and entry.answers is not None:
            ref = entry.answers
            self._arrivals.setdefault(entry.agency, {})[ref.origin, ref.index] = Arrival(
                message_id, ref.leaf_hash, own.origin, own.index, own.leaf, entry.time_ms
            )

    def restated(self, again: tuple[Origin, int], first: tuple[Origin, int]) -> None:
        """Note that an entry of a later ledger says what an earlier one says."""
        if self._others:
            self._first[again] = first

    def first(self, place: tuple[Origin, int]) -> tuple[Origin, int]:
        """Return where the first entry stands that says what this one says."""
        return self._first.get(place, place)

    def lost(self, own: Own) -> None:
        """Note a SHARED entry of ours whose message we say we have lost."""
        if self._others:
            self._lost.add((own.origin, own.index))

    def acknowledged(self, own: Own) -> None:
        """Note an ACKNOWLEDGED entry of ours whose receipt we say we have lost."""
        agency, ref = own.entry.agency, own.entry.answers
        if agency is not None and ref is not None and agency in self._others:
            self._receipts.setdefault(agency, []).append((own, ref))

    def has_lost(self, origin: Origin, index: int) -> bool:
        """Tell whether the message of our SHARED entry is one that we say we have lost."""
        return (origin, index) in self._lost

    def lost_receipts(self, agency: AgencyId) -> Sequence[tuple[Own, EntryRef]]:
        """ACKNOWLEDGED entries without their receipts of an agency, and what they answer."""
        return self._receipts.get(agency, ())

    def sent_to(self, agency: AgencyId) -> Mapping[tuple[Origin, int], Delivery]:
        """Copies for an agency, by our SHARED entry."""
        return self._sent.get(agency, {})

    def received_from(self, agency: AgencyId) -> Mapping[tuple[Origin, int], Arrival]:
        """Arrivals from an agency, by its SHARED entry."""
        return self._arrivals.get(agency, {})

    def refused(self, agency: AgencyId, message_id: bytes) -> frozenset[str]:
        """Codes by which we refused a message of an agency for good; empty if none is logged."""
        return frozenset(self._refused.get((agency, message_id), ()))
