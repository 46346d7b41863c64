"""Short trips between two offices that together write everything that a node ever writes.

Each is retried where the worker of a node, or the officer at the counter, would try again. What
one comes to does not depend on which of its writes and sends failed on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.conversation import Decision
from sesn_node.domain.ids import MessageId
from sesn_node.errors import ConflictError, PeerUnavailable, StorageError
from sesn_node.exchange.aside import set_aside
from sesn_node.exchange.erase import erase
from sesn_node.exchange.expire import expire
from sesn_node.exchange.requeue import requeue
from sesn_node.exchange.viewing import view_alert
from sesn_node.exchange.witness import add_checkpoint
from sesn_node.ledger.witness import Status
from sesn_node.wire._pb import exchange_pb2 as pb
from tests.support.homes import GH, NL
from tests.support.network import HOUR_MS
from tests.support.view import view
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Network
    from tests.support.view import View

_SKEW_MS = 20 * 60 * 1000
_ATTEMPTS = 4
_POLL_MS = 65_000
"""More than the cap of the back-off: whatever was deferred is due again."""

Result = dict[str, int]
"""How often each kind of thing is there in the end."""


class Trip:
    """Runs use cases of two agencies, and tries again what failed."""

    def __init__(self, net: Network) -> None:
        self.net = net

    def attempt(self, purpose: str, call: Callable[[], object]) -> None:
        """Do something until it succeeds, or until it turns out to have been done."""
        for _ in range(_ATTEMPTS):
            try:
                with self.net.faults.during(purpose):
                    call()
            except StorageError:
                self.net.check()
            except ConflictError:
                # An attempt before this one reached the disk.
                break
            else:
                break
        else:
            raise AssertionError(f"{purpose} never succeeded")
        self.net.check()

    def share(self, agency: AgencyId, to: AgencyId, lifetime_ms: int = 24 * HOUR_MS) -> MessageId:
        """Share an alert."""
        ids: list[MessageId] = []
        expires_ms = self.net[agency].now_ms() + lifetime_ms
        self.attempt("share", lambda: ids.append(self.net.share(agency, to, expires_ms=expires_ms)))
        return ids[0]

    def deliver(
        self,
        agency: AgencyId,
        to: AgencyId,
        message_id: MessageId,
        until: str = "acknowledged",
        tamper: Callable[[bytes], bytes] = bytes,
    ) -> None:
        """Deliver, poll after poll, until the copy has a state, or was refused with a code."""
        for _ in range(_ATTEMPTS):
            with self.net.faults.during("deliver"):
                wire = self.net.wire(agency, to)
                wire.tamper_request = tamper
                wire.deliver()
            copy = self.net[agency].copies(message_id)[to]
            if until in {copy.state.value, copy.code}:
                return
            self.net.pass_time(_POLL_MS)
        raise AssertionError(f"{agency}: the copy to {to} was never {until}")

    def witness(self, witness: AgencyId, owner: AgencyId) -> None:
        """Show an agency the newest checkpoint of another's ledger, as any third party may."""
        office = self.net[owner].office

        def submit() -> None:
            with self.net[witness].office.store.read() as transaction:
                row = transaction.witness.head(office.log_keys.origin)
            with office.store.read() as transaction:
                ledger = office.ledger(transaction)
                body = ledger.add_checkpoint(0 if row is None else row.size)
            office.sequencer.release(ledger.head)
            answer = add_checkpoint(self.net[witness].office, office.agency, body)
            assert answer.status == Status.COSIGNED

        self.attempt("witness", submit)

    def result(self) -> Mapping[AgencyId, Result]:
        """Count what both agencies hold."""
        return {member.agency: _count(view(member.office)) for member in self.net}


def _count(seen: View) -> Result:
    found = {f"entry {entry.kind} {entry.code}".strip(): 0 for entry in seen.entries}
    for entry in seen.entries:
        found[f"entry {entry.kind} {entry.code}".strip()] += 1
    found["inbox"] = len(seen.inbox)
    found["cards"] = sum(len(cards) for cards in seen.cards.values())
    for row in seen.copies:
        found[f"copy {row.state}"] = found.get(f"copy {row.state}", 0) + 1
    return found


def first_contact(trip: Trip) -> None:
    """Two strangers pin each other's cards and exchange a first alert."""
    trip.attempt("pin", lambda: trip.net.trust(NL, GH))
    trip.attempt("pin", lambda: trip.net.trust(GH, NL))
    trip.deliver(NL, GH, trip.share(NL, GH))


def response(trip: Trip) -> None:
    """An officer accepts, and the sender learns it."""
    message_id = trip.share(NL, GH)
    trip.deliver(NL, GH, message_id)
    trip.attempt("respond", lambda: trip.net.respond(GH, message_id, Decision.ACCEPTED))
    with trip.net[GH].office.store.read() as transaction:
        (answer,) = transaction.browse.sent_replies([message_id])
    trip.deliver(GH, NL, MessageId(answer.message_id))


def transient_refusal(trip: Trip) -> None:
    """A message from a clock that is ahead is deferred, and arrives once time has passed."""
    trip.net[NL].skew_ms = _SKEW_MS
    message_id = trip.share(NL, GH)
    trip.deliver(NL, GH, message_id, until="CLOCK_SKEW")
    trip.net.pass_time(_SKEW_MS)
    trip.deliver(NL, GH, message_id)


def permanent_refusal(trip: Trip) -> None:
    """A message that has expired by the receiver's clock is refused, and both log it."""
    trip.net[GH].skew_ms = 48 * HOUR_MS
    message_id = trip.share(NL, GH)
    trip.deliver(NL, GH, message_id, until="refused")


def expiry(trip: Trip) -> None:
    """A message that nobody came for expires."""
    trip.share(NL, GH, lifetime_ms=HOUR_MS)
    trip.net.pass_time(HOUR_MS)
    trip.attempt("expire", lambda: expire(trip.net[NL].office))
    assert expire(trip.net[NL].office) == 0


def later_card(trip: Trip) -> None:
    """A new card is issued, announced in the ledger and taken by the partner."""

    def issue() -> None:
        if trip.net[NL].card.card.sequence == 1:
            trip.net[NL].issue()

    trip.attempt("issue card", issue)
    trip.deliver(NL, GH, trip.share(NL, GH))
    trip.deliver(GH, NL, trip.share(GH, NL))


def third_party(trip: Trip) -> None:
    """Checkpoints reach both witnesses past the deliveries, which then have to prove again."""
    trip.deliver(NL, GH, trip.share(NL, GH))
    there, back = trip.share(NL, GH), trip.share(GH, NL)
    trip.witness(GH, NL)
    trip.witness(NL, GH)
    # The first stands in what was shown, this one does not: they go one after the other.
    trip.deliver(NL, GH, trip.share(NL, GH))
    trip.deliver(NL, GH, there)
    trip.deliver(GH, NL, back)


def broken_link(trip: Trip) -> None:
    """The link is down when an alert is shared, and comes up again."""
    message_id = trip.share(NL, GH)
    wire = trip.net.wire(NL, GH)
    wire.break_off()
    trip.deliver(NL, GH, message_id)


def revocation(trip: Trip) -> None:
    """A partner is revoked while something is queued for it, and trusted again later."""
    trip.share(NL, GH)
    trip.attempt("revoke", lambda: trip.net.revoke(NL, GH))
    trip.attempt("pin", lambda: trip.net.trust(NL, GH))


def dead_letter(trip: Trip) -> None:
    """A message gets no answer and is given up, is queued again by an operator, and arrives."""
    trip.net[NL].deal(attempts=1)
    message_id = trip.share(NL, GH)
    outgoing = due_batch(trip.net[NL].office, GH)
    assert outgoing is not None
    error = PeerUnavailable("no answer within 30 s")
    trip.attempt("set aside", lambda: set_aside(trip.net[NL].office, GH, outgoing, error))
    assert trip.net[NL].states(message_id) == {GH: "dead"}
    trip.net[NL].deal(attempts=100)
    trip.attempt("requeue", lambda: requeue(trip.net[NL].office, message_id))
    trip.deliver(NL, GH, message_id)


def sealed_anew(trip: Trip) -> None:
    """A message cannot be opened, and its content is sealed anew, once."""
    message_id = trip.share(NL, GH)
    trip.deliver(NL, GH, message_id, until="refused", tamper=other_key)
    trip.attempt("requeue", lambda: requeue(trip.net[NL].office, message_id))
    anew = trip.net[NL].copies(message_id)[GH].resealed_as
    assert anew is not None
    assert trip.net[NL].states(anew) == {GH: "queued"}


def erasure(trip: Trip) -> None:
    """A message is erased while a copy waits and another is on its way, then by its recipient."""
    waits, arrives = trip.share(NL, GH), trip.share(NL, GH)
    trip.attempt("erase", lambda: erase(trip.net[NL].office, waits, "Sent by mistake"))
    assert trip.net[NL].states(waits) == {GH: "dead"}
    trip.deliver(NL, GH, arrives)
    trip.attempt("erase", lambda: erase(trip.net[GH].office, arrives, "No longer needed"))

    def look() -> None:
        unrecorded = view_alert(trip.net[NL].office, arrives).unrecorded
        if unrecorded is not None:
            raise unrecorded

    trip.attempt("view", look)


def other_key(request: bytes) -> bytes:
    """Spoil the wrapped key of each message on its way."""
    message = pb.DeliverRequest.FromString(request)
    for shipment in message.shipments:
        shipment.envelope.wrapped_key = bytes(len(shipment.envelope.wrapped_key))
    return message.SerializeToString()


TRIPS: Mapping[str, Callable[[Trip], None]] = {
    one.__name__: one
    for one in (
        first_contact,
        response,
        transient_refusal,
        permanent_refusal,
        expiry,
        later_card,
        third_party,
        broken_link,
        revocation,
        dead_letter,
        sealed_anew,
        erasure,
    )
}


def run(net: Network, name: str) -> Mapping[AgencyId, Result]:
    """Run a trip, and count what both agencies hold in the end."""
    trip = Trip(net)
    TRIPS[name](trip)
    return trip.result()
