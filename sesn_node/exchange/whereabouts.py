"""Whereabouts: what all stored messages say of where one container or ship was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sesn_node.codes.places import check_port
from sesn_node.codes.positions import port_positions
from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Sighting, Update
from sesn_node.domain.forward import Forward
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.terms import TermField, terms_of
from sesn_node.domain.times import instant
from sesn_node.domain.tracking import Happening, Stop, Track, track
from sesn_node.errors import MalformedError
from sesn_node.exchange.conversations import show_messages
from sesn_node.exchange.search import apart, blinded
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sesn_node.domain.payload import Body
    from sesn_node.domain.terms import Sought, Term
    from sesn_node.exchange.conversations import MessageView
    from sesn_node.exchange.office import Office

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
    about: MessageId
    written_ms: int
    body: Body
    via: tuple[AgencyId, ...] = ()


def whereabouts(office: Office, sought: Sought) -> Whereabouts:
    """Tell where a container, or a ship by its IMO number, was.

    Args:
        office: Ours.
        sought: The container, or the ship.
    """
    wanted = frozenset(term for terms in sought.terms() for term in terms if term.field in _TRACKED)
    with office.store.read() as transaction:
        found = transaction.search.find([blinded(office, wanted)], MAX_MESSAGES + 1)
        ours, theirs = apart(office, found[:MAX_MESSAGES])
        messages = show_messages(
            office,
            transaction,
            transaction.browse.sent_messages(ours),
            transaction.inbox.some(theirs),
        )
    told = _once([one for view in messages for one in _told(view)])
    stops = [stop for one in told for stop in _stops(one, wanted)]
    outdated = _outdated(told)
    stops = [replace(stop, outdated=(stop.source, stop.message_id) in outdated) for stop in stops]
    # What was sealed anew for a recipient says the same twice.
    stops = list({_said(stop): stop for stop in stops}.values())
    return Whereabouts(track(stops, port_positions()), tuple(messages), len(found) > MAX_MESSAGES)


def _said(stop: Stop) -> Stop:
    return replace(stop, message_id=MessageId(b""), written=instant(0))


def _told(view: MessageView) -> Iterator[_Told]:
    if view.payload is None:
        return
    body = view.payload.body
    if not isinstance(body, Forward):
        yield _as_told(view.sender, view.message_id, view.created_ms, body)
        return
    try:
        header = decode_header(body.original.header)
        said = decode_payload(body.original.payload).body
    except MalformedError:
        return
    told = _as_told(header.sender, header.message_id, header.created_ms, said)
    yield replace(told, via=(view.sender,))


def _as_told(source: AgencyId, message_id: MessageId, written_ms: int, body: Body) -> _Told:
    about = body.message_id if isinstance(body, Update) else message_id
    return _Told(source, message_id, about, written_ms, body)


def _once(told: Sequence[_Told]) -> list[_Told]:
    """Leave out what came several times: from its source, or through others."""
    found: dict[tuple[AgencyId, MessageId], _Told] = {}
    for one in told:
        key = one.source, one.message_id
        known = found.get(key)
        if known is None or not one.via:
            found[key] = one
        elif known.via:
            found[key] = replace(known, via=tuple(sorted({*known.via, *one.via})))
    return list(found.values())


def _outdated(told: Sequence[_Told]) -> set[tuple[AgencyId, MessageId]]:
    """Name what its source has said anew: of an alert and its updates, all but the newest."""
    newest: dict[tuple[AgencyId, MessageId], _Told] = {}
    for one in told:
        key = one.source, one.about
        known = newest.get(key)
        if known is None or (known.written_ms, known.message_id) < (one.written_ms, one.message_id):
            newest[key] = one
    kept = {(one.source, one.message_id) for one in newest.values()}
    return {(one.source, one.message_id) for one in told} - kept


def _stops(told: _Told, wanted: frozenset[Term]) -> Iterator[Stop]:
    body = told.body.alert if isinstance(told.body, Update) else told.body
    if not wanted & terms_of(body):
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
    elif isinstance(body, Alert) and body.consignment is not None:
        for call in body.consignment.route:
            yield replace(
                stop,
                place=call.port,
                port=check_port(call.port).normalised,
                at=call.at,
                what=Happening(call.kind.value),
            )
