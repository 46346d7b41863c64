"""Whereabouts: what all stored messages say of where one container or ship was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sesn_node.codes.places import check_port
from sesn_node.codes.positions import port_positions
from sesn_node.domain.alert import Alert
from sesn_node.domain.case_messages import CaseFile, CaseStep
from sesn_node.domain.conversation import Sighting, Update
from sesn_node.domain.forward import Forward
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.terms import TermField, terms_of
from sesn_node.domain.times import instant
from sesn_node.domain.tracking import Happening, Stop, Track, track
from sesn_node.errors import MalformedError
from sesn_node.exchange.conversations import show_messages
from sesn_node.exchange.movements import following, ships, stops_of
from sesn_node.exchange.search import OF_CASES, apart, blinded
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from sesn_node.domain.alert import Consignment
    from sesn_node.domain.forward import Original
    from sesn_node.domain.payload import Body
    from sesn_node.domain.terms import Sought, Term
    from sesn_node.exchange.conversations import MessageView
    from sesn_node.exchange.movements import Named
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction

MAX_MESSAGES: Final = 1_000
"""The newest messages about one object that are read."""

_TRACKED: Final = {TermField.CONTAINER, TermField.IMO}


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of an object.

    Args:
        track: Where it was, and what does not fit.
        messages: The messages that say so, those that cannot be read included.
        left_out: Whether there are more messages, all of them older.
    """

    track: Track
    messages: tuple[MessageView, ...]
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    """What one agency said, and how it came to us; `about` is the alert that it restates."""

    source: AgencyId
    message_id: MessageId
    conversation_id: MessageId
    about: MessageId
    written_ms: int
    body: Body
    via: tuple[AgencyId, ...] = ()

    @property
    def named(self) -> Named:
        """Sender and id."""
        return self.source, self.message_id


def whereabouts(office: Office, sought: Sought) -> Whereabouts:
    """Tell where a container, or a ship by its IMO number, was.

    Args:
        office: Ours.
        sought: The container, or the ship.
    """
    wanted = frozenset(term for terms in sought.terms() for term in terms if term.field in _TRACKED)
    with office.store.read() as transaction:
        found = transaction.search.find([blinded(office, wanted)], MAX_MESSAGES + 1)
        messages = _messages(office, transaction, found[:MAX_MESSAGES])
        # What goes on with a container need not name it again.
        later = _later(transaction, messages, wanted)
        known = {(one.sender, one.message_id) for one in messages}
        messages += _messages(office, transaction, set(later.values()) - known)
    messages.sort(key=lambda one: (one.entry, one.at_ms, one.message_id))
    told = _once([one for view in messages for one in _told(view)])
    stops = [stop for one in told for stop in _stops(one, wanted, later.keys())]
    outdated = _outdated(told)
    stops = [replace(stop, outdated=(stop.source, stop.message_id) in outdated) for stop in stops]
    # What was sealed anew for a recipient says the same twice.
    stops = list({_said(stop): stop for stop in stops}.values())
    return Whereabouts(track(stops, port_positions()), tuple(messages), len(found) > MAX_MESSAGES)


def _messages(
    office: Office, transaction: Transaction, keys: Iterable[tuple[str, bytes]]
) -> list[MessageView]:
    ours, theirs = apart(office, keys)
    return show_messages(
        office,
        transaction,
        transaction.browse.sent_messages(ours),
        transaction.inbox.some(theirs),
    )


def _later(
    transaction: Transaction, messages: Sequence[MessageView], wanted: AbstractSet[Term]
) -> dict[Named, Named]:
    """Find what was said of a container after a step of a case that shipped it."""
    of_cases = [one for one in messages if one.kind in OF_CASES]
    told = [one for view in of_cases for one in _told(view)]
    shipped = [one for one in told if isinstance(one.body, CaseStep) and ships(one.body, wanted)]
    cases = {one.conversation_id for one in shipped}
    return following(transaction, cases, {one.named for one in shipped})


def _said(stop: Stop) -> Stop:
    return replace(stop, message_id=MessageId(b""), written=instant(0))


def _told(view: MessageView) -> Iterator[_Told]:
    if view.payload is None:
        return
    body = view.payload.body
    if isinstance(body, Forward | CaseFile):
        held = (body.original,) if isinstance(body, Forward) else body.originals
        for original in held:
            yield from _through(view.sender, original)
        return
    about = body.message_id if isinstance(body, Update) else view.message_id
    yield _Told(view.sender, view.message_id, view.conversation_id, about, view.created_ms, body)


def _through(via: AgencyId, original: Original) -> Iterator[_Told]:
    """Read what another agency said, out of the message that holds it."""
    try:
        header = decode_header(original.header)
        body = decode_payload(original.payload).body
    except MalformedError:
        return
    about = body.message_id if isinstance(body, Update) else header.message_id
    yield _Told(
        header.sender,
        header.message_id,
        header.conversation_id,
        about,
        header.created_ms,
        body,
        (via,),
    )


def _once(told: Sequence[_Told]) -> list[_Told]:
    """Leave out what came several times: from its source, or through others."""
    found: dict[Named, _Told] = {}
    for one in told:
        known = found.get(one.named)
        if known is None or not one.via:
            found[one.named] = one
        elif known.via:
            found[one.named] = replace(known, via=tuple(sorted({*known.via, *one.via})))
    return list(found.values())


def _outdated(told: Sequence[_Told]) -> set[Named]:
    """Name what its source has said anew: of an alert and its updates, all but the newest."""
    newest: dict[Named, _Told] = {}
    for one in told:
        key = one.source, one.about
        known = newest.get(key)
        if known is None or (known.written_ms, known.message_id) < (one.written_ms, one.message_id):
            newest[key] = one
    return {one.named for one in told} - {one.named for one in newest.values()}


def _stops(told: _Told, wanted: AbstractSet[Term], later: AbstractSet[Named]) -> Iterator[Stop]:
    body = told.body.alert if isinstance(told.body, Update) else told.body
    if not wanted & terms_of(body) and told.named not in later:
        return
    stop = Stop(
        source=told.source,
        via=told.via,
        message_id=told.message_id,
        written=instant(told.written_ms),
        place="",
        port="",
        at=None,
        what=Happening.SIGHTED,
    )
    if isinstance(body, Sighting):
        yield replace(
            stop,
            place=body.place,
            port=check_port(body.place).normalised,
            at=body.at,
            basis=body.basis,
            confidence=body.confidence,
            text=body.text,
        )
    elif isinstance(body, CaseStep):
        stop = replace(stop, case_id=told.conversation_id)
        yield from _calls(body.details.consignment, stop)
        yield from stops_of(body, stop)
    elif isinstance(body, Alert):
        yield from _calls(body.consignment, stop)


def _calls(consignment: Consignment | None, stop: Stop) -> Iterator[Stop]:
    """Say where a consignment was, or was to be, by its route."""
    for call in () if consignment is None else consignment.route:
        yield replace(
            stop,
            place=call.port,
            port=check_port(call.port).normalised,
            at=call.at,
            what=Happening(call.kind.value),
        )
