"""One sender and one receiver: every delivery as both ledgers tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.subjects import CLOCK_TOLERANCE_MS
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import parse_origin

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.facts import Arrival, Delivery
    from sesn_node.audit.own import Own
    from sesn_node.audit.tally import Tally
    from sesn_node.domain.entries import EntryRef
    from sesn_node.domain.ids import Origin


class Pair:
    """Compares what one agency sent with what another received.

    Args:
        sender: Audit of the sender's bundle.
        receiver: Audit of the receiver's.
        tallies: Of the checks of several bundles, by number.
    """

    def __init__(self, sender: Docket, receiver: Docket, tallies: Mapping[int, Tally]) -> None:
        self._sender = sender
        self._receiver = receiver
        self._deliveries = tallies[subjects.DELIVERIES.number]
        self._outcomes = tallies[subjects.OUTCOMES.number]
        self._dates = tallies[subjects.DATES.number]

    def check(self) -> None:
        """Compare both ways: every copy with its arrival, and every arrival with its copy."""
        arrivals = self._receiver.facts.received_from(self._sender.agency)
        sent = self._sender.facts.sent_to(self._receiver.agency)
        # What was shared may be stated again in a later ledger, and arrive as that.
        first = {self._sender.facts.first(key): one for key, one in arrivals.items()}
        first.update(arrivals)
        for key, delivery in sent.items():
            arrival = first.get(key)
            if delivery.state is DeliveryState.ACKNOWLEDGED:
                self._deliveries.saw()
                self._acknowledged(delivery, arrival)
            else:
                self._outcomes.saw()
                self._ended(delivery, arrival)
            if arrival is not None and delivery.time_ms is not None:
                self._dates.saw()
                if arrival.time_ms < delivery.time_ms - CLOCK_TOLERANCE_MS:
                    self._dates.fail(
                        Code.TIME_IMPLAUSIBLE,
                        f"{self._receiver.agency} received at {arrival.time_ms} what "
                        f"{self._sender.agency} shared at {delivery.time_ms}",
                        *_where(arrival),
                    )
        for own, received in self._sender.facts.lost_receipts(self._receiver.agency):
            self._deliveries.saw()
            self._receipt_lost(own, received)
        for (origin, index), arrival in arrivals.items():
            self._deliveries.saw()
            known = self._sender.facts.first((origin, index)) in sent
            self._arrived(origin, index, arrival, known=known)
        self._say_left_out()

    def _acknowledged(self, delivery: Delivery, arrival: Arrival | None) -> None:
        """A receipt names one entry of the receiver, which must stand there."""
        received = delivery.received
        place = names.MESSAGES, delivery.place, delivery.message_id
        if received is None:
            return  # The receipt does not verify, which its own check says.
        stands = self._stands(received, f"{self._sender.agency} holds a receipt", place)
        if (
            stands
            and arrival is not None
            # A later ledger states again what a closed one says.
            and arrival.origin == received.origin
            and arrival.index != received.index
        ):
            self._deliveries.fail(
                Code.DELIVERY_DIFFERS,
                f"{self._receiver.agency} recorded the arrival twice, and the receipt is for "
                "the other entry",
                *place,
            )

    def _receipt_lost(self, own: Own, received: EntryRef) -> None:
        """The receipt is lost, and the entry that it was for must stand with who gave it."""
        place = names.entries_name(parse_origin(own.origin)[1]), own.index, own.entry.message_id
        said = f"{self._sender.agency} says that it has lost a receipt"
        self._stands(received, said, place)

    def _stands(self, received: EntryRef, said: str, place: tuple[str, int, bytes | None]) -> bool:
        """Tell whether an entry for which a receipt was given stands in the receiver's ledger."""
        leaf = _leaf(self._receiver, received.origin, received.index)
        if leaf is None:
            self._deliveries.remark(Code.NOT_VISIBLE, self._beyond(received), *place)
        elif leaf != received.leaf_hash:
            self._deliveries.fail(
                Code.DELIVERY_MISSING,
                f"{said} of {self._receiver.agency} for an entry that its ledger does not have",
                *place,
            )
        return leaf == received.leaf_hash

    def _ended(self, delivery: Delivery, arrival: Arrival | None) -> None:
        """A copy without a receipt: was it really not received, or refused with that word?"""
        place = names.MESSAGES, delivery.place, delivery.message_id
        sender, receiver = self._sender.agency, self._receiver.agency
        if delivery.state is DeliveryState.REFUSED:
            codes = self._receiver.facts.refused(sender, delivery.message_id)
            if arrival is not None or (codes and delivery.code not in codes):
                said = "received it" if arrival is not None else f"says {', '.join(sorted(codes))}"
                self._outcomes.fail(
                    Code.DELIVERY_DIFFERS,
                    f"{sender} says that {receiver} refused it ({delivery.code}), and {receiver} "
                    f"{said}",
                    *place,
                )
            elif not codes:
                text = f"{receiver} shows no entry of its refusal; such entries are limited"
                self._outcomes.remark(Code.NOT_VISIBLE, text, *place)
        elif arrival is not None:
            text = f"{receiver} received it, and {sender} has no receipt ({delivery.state.value})"
            self._outcomes.remark(Code.COPY_OPEN, text, *place)

    def _arrived(self, origin: Origin, index: int, arrival: Arrival, *, known: bool) -> None:
        """An arrival answers an entry of the sender, which must be there, and to this receiver."""
        leaf = _leaf(self._sender, origin, index)
        sender, receiver = self._sender.agency, self._receiver.agency
        if leaf is None:
            text = f"entry {index} of {origin}, which it answers, is not in the bundle of {sender}"
            self._deliveries.remark(Code.NOT_VISIBLE, text, *_where(arrival))
        elif leaf != arrival.shared_leaf:
            self._deliveries.fail(
                Code.DELIVERY_DIFFERS,
                f"{receiver} received a message as entry {index} of {origin}, where the bundle "
                f"of {sender} has another entry",
                *_where(arrival),
            )
        elif self._sender.facts.has_lost(origin, index):
            text = f"{receiver} shows a message that {sender} says it has lost"
            self._deliveries.remark(Code.CONTENT_LOST, text, *_where(arrival))
        elif not known and self._sender.whole:
            self._deliveries.fail(
                Code.DELIVERY_MISSING,
                f"{receiver} received a message that {sender} does not show as sent to it",
                *_where(arrival),
            )

    def _say_left_out(self) -> None:
        for one in (self._sender, self._receiver):
            if not one.whole:
                self._deliveries.remark(
                    Code.NOT_VISIBLE,
                    f"the bundle of {one.agency} leaves entries or messages out: of them, "
                    "leaves could be compared at most",
                )

    def _beyond(self, received: EntryRef) -> str:
        return (
            f"entry {received.index} of {received.origin} is not in the bundle of "
            f"{self._receiver.agency}: newer, or of a ledger that is left out"
        )


def _leaf(docket: Docket, origin: Origin, index: int) -> bytes | None:
    """Return a leaf of a bundle, or None if it is not in it."""
    for ledger in docket.bundle.manifest.ledgers:
        if ledger.origin == origin and index < ledger.size:
            return docket.bundle.leaf(origin, index)
    return None


def _where(arrival: Arrival) -> tuple[str, int, bytes]:
    member = names.entries_name(parse_origin(arrival.origin)[1])
    return member, arrival.index, arrival.message_id
