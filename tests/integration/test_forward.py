"""Passing on, between three agencies: with a grant, with a consent, and on from there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.alert import Urgency
from sesn_node.domain.conversation import Decision
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.forward import Forward
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.messages import Priority
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.domain.terms import Sought
from sesn_node.errors import ConflictError, PolicyError, StorageError
from sesn_node.exchange.consent import consent
from sesn_node.exchange.duties import do_duties
from sesn_node.exchange.erase import erase
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.forwardviews import carried
from sesn_node.exchange.hold import hold
from sesn_node.exchange.open import open_received, open_sent
from sesn_node.exchange.originals import Standing
from sesn_node.exchange.preview import preview
from sesn_node.exchange.recall import recall
from sesn_node.exchange.respond import respond
from sesn_node.exchange.update import update
from sesn_node.exchange.views import alert_file, alerts
from sesn_node.store.forwards import ForwardTable
from sesn_node.wire.envelopes import decode_header
from tests.support.alerts import CONTAINER, consignment
from tests.support.bodies import BODIES
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import DAY_MS, HOUR_MS, alert
from tests.support.passing import marked
from tests.support.serving import check_homes, founded, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Network

AMBER = Markings(Tlp.AMBER)
BELGIUM = Markings(Tlp.AMBER, onward=("be.*",))


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """The Netherlands tell Ghana, which tells Belgium, which tells Germany."""
    return connect(NL, GH, BE, DE)


def _told(net: Network, payload: Payload, *to: AgencyId) -> MessageId:
    """Let the Netherlands send an alert, which arrives."""
    message_id = net.share(NL, *(to or (GH,)), payload=payload)
    for agency in to or (GH,):
        net.deliver(NL, agency)
    return message_id


def _carried(net: Network, agency: AgencyId, message_id: MessageId) -> Payload:
    (row,) = net[agency].received(message_id)
    return carried(open_received(net[agency].office, row))


def _refusal(net: Network, message_id: MessageId, *to: AgencyId) -> PolicyError:
    size = net[GH].size()
    with pytest.raises(PolicyError) as refused:
        forward(net[GH].office, message_id, to)
    assert net[GH].size() == size
    net.check()
    return refused.value


def test_forward_with_a_grant(net: Network) -> None:
    """What the originator let go to Belgium arrives there as the originator sealed it."""
    payload = marked(BELGIUM)
    message_id = _told(net, payload)
    done = forward(net[GH].office, message_id, [BE], text="You inspect at Antwerp.")
    assert (done.originator, done.original_id, done.to) == (NL, message_id, (BE,))
    assert done.consent_id is None
    net.deliver(GH, BE)
    assert net[GH].states(done.message_id) == {BE: DeliveryState.ACKNOWLEDGED}
    assert _carried(net, BE, done.message_id) == payload
    shown = alert_file(net[BE].office, done.message_id).alert
    assert shown.forward is not None
    assert (shown.forward.originator, shown.forward.standing) == (NL, Standing.PINNED)
    assert shown.forward.text == "You inspect at Antwerp."
    assert shown.forward.recipients == (GH,)
    assert (shown.sender, shown.payload) == (GH, payload)


def test_forward_is_recorded_for_a_recall(net: Network) -> None:
    """Who passed a message on knows by which of its own; nobody else's counts."""
    payload = marked(Markings(Tlp.AMBER, onward=("*",)))
    message_id = _told(net, payload)
    first = forward(net[GH].office, message_id, [BE])
    net.pass_time(1)
    second = forward(net[GH].office, message_id, [DE])
    with net[GH].office.store.read() as transaction:
        assert transaction.forwards.of(NL, message_id) == [first.message_id, second.message_id]
        assert transaction.forwards.of(BE, message_id) == []
        sent = transaction.outbox.message(first.message_id)
    assert sent is not None
    body = open_sent(net[GH].office, sent).body
    assert isinstance(body, Forward)
    original = decode_header(body.original.header)
    assert (original.sender, original.message_id) == (NL, message_id)
    net.deliver(GH, BE)
    with net[BE].office.store.read() as transaction:
        assert transaction.forwards.of(NL, message_id) == []


def test_message_and_index_are_one(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the index cannot be written, nothing was passed on, and nothing says that it was."""
    message_id = _told(net, marked(BELGIUM))
    write = ForwardTable.add

    def written_and_failed(
        table: ForwardTable, sender: str, original_id: bytes, message_id: bytes
    ) -> None:
        write(table, sender, original_id, message_id)
        raise StorageError("no room")

    size = net[GH].size()
    with monkeypatch.context() as failing:
        failing.setattr(ForwardTable, "add", written_and_failed)
        with pytest.raises(StorageError):
            forward(net[GH].office, message_id, [BE])
    net.check()
    with net[GH].office.store.read() as transaction:
        assert transaction.forwards.of(NL, message_id) == []
    assert net[GH].size() == size
    forward(net[GH].office, message_id, [BE])


def test_refused_without_a_grant(net: Network) -> None:
    """Nothing is sealed, and the error says whom to ask for what."""
    message_id = _told(net, marked(AMBER))
    error = _refusal(net, message_id, BE)
    assert error.code == "NOT_GRANTED"
    assert f"--to {GH} --onward {BE}" in error.message
    assert f"ask {NL}" in error.message


def test_refused_if_one_of_several_is_not_granted(net: Network) -> None:
    """All or nothing; the one who must not get it is named."""
    message_id = _told(net, marked(BELGIUM))
    assert DE in _refusal(net, message_id, BE, DE).message


def test_red_is_never_passed_on(net: Network) -> None:
    """Nobody is told to ask for what cannot be had."""
    message_id = _told(net, marked(Markings(Tlp.RED)))
    error = _refusal(net, message_id, BE)
    assert "sesn alert consent" not in error.message
    assert f"ask {NL} to send it there itself" in error.message
    with pytest.raises(PolicyError, match="for its recipients alone"):
        consent(net[NL].office, message_id, [GH], [BE])


def test_not_back_to_its_originator(net: Network) -> None:
    """Who said it needs no copy."""
    message_id = _told(net, marked(Markings(Tlp.CLEAR)))
    assert "nobody passes it back" in _refusal(net, message_id, NL).message


def test_consent(net: Network) -> None:
    """Asked for and given, it is found by itself and travels along."""
    payload = marked(replace(AMBER, handling=(HandlingCode.H2,)))
    message_id = _told(net, payload)
    _refusal(net, message_id, BE)
    given = consent(net[NL].office, message_id, [GH], ["be.police"])
    net.deliver(NL, GH)
    done = forward(net[GH].office, message_id, [BE])
    assert done.consent_id == given
    net.deliver(GH, BE)
    assert _carried(net, BE, done.message_id) == payload
    shown = alert_file(net[BE].office, done.message_id).alert.forward
    assert shown is not None
    assert shown.consent_id == given
    assert "names other agencies" in _refusal(net, message_id, DE).message


def test_newest_consent_that_fits(net: Network) -> None:
    """Of several, one that names the recipient; one that is named must fit."""
    message_id = _told(net, marked(AMBER))
    first = consent(net[NL].office, message_id, [GH], ["be.*"])
    net.pass_time(1)
    second = consent(net[NL].office, message_id, [GH], ["de.port"])
    net.deliver(NL, GH)
    assert forward(net[GH].office, message_id, [BE]).consent_id == first
    assert forward(net[GH].office, message_id, [DE], consent_id=second).consent_id == second
    with pytest.raises(PolicyError, match="names other agencies"):
        forward(net[GH].office, message_id, [BE], consent_id=second)
    with pytest.raises(PolicyError, match="is no consent of"):
        forward(net[GH].office, message_id, [BE], consent_id=message_id)
    net.check()


def test_consent_that_ends(net: Network) -> None:
    """A forward expires with its consent; later nobody can make one."""
    message_id = _told(net, marked(AMBER))
    until = datetime.fromtimestamp((net.clock.now_ms + HOUR_MS) / 1000, UTC)
    consent(net[NL].office, message_id, [GH], [BE], until=until)
    net.deliver(NL, GH)
    done = forward(net[GH].office, message_id, [BE])
    with net[GH].office.store.read() as transaction:
        sent = transaction.outbox.message(done.message_id)
    assert sent is not None
    assert sent.sealed.expires_ms == int(until.timestamp() * 1000)
    net.pass_time(HOUR_MS)
    assert "is over" in _refusal(net, message_id, BE).message
    with pytest.raises(PolicyError, match="has passed"):
        consent(net[NL].office, message_id, [GH], [BE], until=until)


def test_consent_is_for_what_we_sent(net: Network) -> None:
    """Only the originator consents, to what can be passed on."""
    message_id = _told(net, marked(BELGIUM))
    with pytest.raises(PolicyError) as refused:
        consent(net[GH].office, message_id, [BE], ["de.*"])
    assert refused.value.code == "UNKNOWN_MESSAGE"
    done = forward(net[GH].office, message_id, [BE])
    with pytest.raises(PolicyError, match="only its originator can consent"):
        consent(net[GH].office, done.message_id, [BE], ["de.*"])


def test_on_from_there(net: Network) -> None:
    """A forward is passed on by its original, which then has the first header of all."""
    payload = marked(Markings(Tlp.AMBER, onward=("be.*", "de.*")))
    message_id = _told(net, payload)
    first = forward(net[GH].office, message_id, [BE])
    net.deliver(GH, BE)
    second = forward(net[BE].office, first.message_id, [DE], text="And to you.")
    assert (second.originator, second.original_id) == (NL, message_id)
    net.deliver(BE, DE)
    shown = alert_file(net[DE].office, second.message_id).alert
    assert shown.forward is not None
    assert (shown.sender, shown.forward.originator) == (BE, NL)
    assert shown.payload == payload


def test_consent_of_an_originator_to_whom_it_was_passed_on(net: Network) -> None:
    """Belgium got it through Ghana, and asks the Netherlands itself."""
    message_id = _told(net, marked(BELGIUM))
    first = forward(net[GH].office, message_id, [BE])
    net.deliver(GH, BE)
    with pytest.raises(PolicyError, match="for other agencies"):
        forward(net[BE].office, first.message_id, [DE])
    consent(net[NL].office, message_id, [BE], ["de.port"])
    net.deliver(NL, BE)
    done = forward(net[BE].office, first.message_id, [DE])
    net.deliver(BE, DE)
    assert net[BE].states(done.message_id) == {DE: DeliveryState.ACKNOWLEDGED}


def test_after_the_originator_changed_its_keys(net: Network) -> None:
    """The card that goes along is one that lists the old key."""
    message_id = _told(net, marked(BELGIUM))
    first = net[NL].card
    net.pass_time(HOUR_MS)
    net[NL].issue(name="Customs, renamed")
    net.share(NL, GH)
    net.deliver(NL, GH)
    assert net[GH].office.directory().peers[NL].card.sha256 != first.sha256
    done = forward(net[GH].office, message_id, [BE])
    net.deliver(GH, BE)
    assert net[GH].states(done.message_id) == {BE: DeliveryState.ACKNOWLEDGED}


def test_decision_on_a_forward(net: Network) -> None:
    """It goes to whoever passed it on; nobody else learns of it."""
    message_id = _told(net, marked(BELGIUM))
    done = forward(net[GH].office, message_id, [BE])
    net.deliver(GH, BE)
    respond(net[BE].office, done.message_id, Decision.ACCEPTED, "Tomorrow.")
    net.deliver(BE, GH)
    (answer,) = alert_file(net[GH].office, done.message_id).alert.responses
    assert (answer.agency, answer.decision) == (BE, Decision.ACCEPTED)
    assert alert_file(net[NL].office, message_id).alert.responses == ()
    with pytest.raises(ConflictError):
        respond(net[BE].office, done.message_id, Decision.DECLINED, "No.")


def test_answer_bears_the_marks_without_the_grant(net: Network) -> None:
    """What only the originator gives is not given on by an answer to it."""
    until = datetime.fromtimestamp((net.clock.now_ms + DAY_MS) / 1000, UTC)
    marks = Markings(Tlp.AMBER, purpose="Inspection", retain_until=until, onward=("be.*",))
    message_id = _told(net, marked(marks))
    answered = net.respond(GH, message_id, Decision.ACCEPTED)
    net.deliver(GH, NL)
    (row,) = net[NL].received(answered)
    assert open_received(net[NL].office, row).markings == replace(marks, onward=())


def test_forwarded_alert_is_found(net: Network) -> None:
    """By its container, where it arrived and where it was passed on; the list tells whose it is."""
    payload = Payload(Markings(Tlp.CLEAR), consignment().body)
    message_id = _told(net, payload)
    done = forward(net[GH].office, message_id, [BE])
    net.deliver(GH, BE)
    (found,) = alerts(net[BE].office, 10, Sought(container=CONTAINER))
    assert found.message_id == done.message_id
    assert found.alert == payload.body
    assert [one.message_id for one in alerts(net[BE].office, 10)] == [done.message_id]
    there = {one.message_id for one in alerts(net[GH].office, 10, Sought(container=CONTAINER))}
    assert there == {message_id, done.message_id}


def test_erased_message_cannot_be_passed_on(net: Network) -> None:
    """There is nothing left to pass on."""
    message_id = _told(net, marked(BELGIUM))
    erase(net[GH].office, message_id, "Sent by mistake.")
    with pytest.raises(PolicyError) as refused:
        forward(net[GH].office, message_id, [BE])
    assert refused.value.code == "ERASED"


def test_notes_and_sightings_go_on_too(net: Network) -> None:
    """They arrive as they were said, and are no alerts."""
    for kind in (MessageKind.NOTE, MessageKind.SIGHTING, MessageKind.REQUEST):
        payload = Payload(BELGIUM, BODIES[kind])
        message_id = _told(net, payload)
        done = forward(net[GH].office, message_id, [BE])
        net.deliver(GH, BE)
        assert _carried(net, BE, done.message_id) == payload
        with pytest.raises(PolicyError, match="no alert"):
            respond(net[BE].office, done.message_id, Decision.ACCEPTED, "")
    assert alerts(net[BE].office, 10) == ()


def test_update_goes_on_by_itself(net: Network) -> None:
    """What an alert has become is an alert to whoever gets that alone."""
    message_id = _told(net, marked(BELGIUM))
    fresh = marked(BELGIUM, "Three containers")
    (newer,) = update(net[NL].office, message_id, fresh, "One more.").queued
    net.deliver(NL, GH)
    done = forward(net[GH].office, newer.message_id, [BE])
    net.deliver(GH, BE)
    shown = alert_file(net[BE].office, done.message_id).alert
    assert shown.alert == fresh.body


def test_recalled_message_under_a_hold_is_not_passed_on(net: Network) -> None:
    """The content is still there, by law, and goes nowhere."""
    message_id = _told(net, marked(BELGIUM))
    hold(net[GH].office, message_id, "Court order")
    recall(net[NL].office, message_id, "Wrong consignment")
    net.deliver(NL, GH)
    do_duties(net[GH].office)
    assert net[GH].received(message_id)[0].sealed.ciphertext is not None
    error = _refusal(net, message_id, BE)
    assert error.code == "RECALLED"


def test_forward_that_comes_after_the_recall(net: Network) -> None:
    """Belgium knows that it was recalled before Ghana does."""
    message_id = _told(net, marked(BELGIUM), GH, BE)
    recall(net[NL].office, message_id, "Wrong consignment")
    net.deliver(NL, BE)
    done = forward(net[GH].office, message_id, [BE])
    net.deliver(GH, BE)
    copy = net[GH].copies(done.message_id)[BE]
    assert (copy.state, copy.code) == (DeliveryState.REFUSED, "POLICY")
    assert net[BE].received(done.message_id) == []


def test_what_cannot_be_passed_on(net: Network) -> None:
    """Our own message, a decision, a consent, and what is not there."""
    message_id = _told(net, marked(BELGIUM))
    for agency in (NL, GH):
        wrong = message_id if agency == NL else net.respond(GH, message_id, Decision.ACCEPTED)
        with pytest.raises(PolicyError) as refused:
            forward(net[agency].office, wrong, [BE])
        assert refused.value.code == "NOT_FORWARDABLE"
    given = consent(net[NL].office, message_id, [GH], [DE])
    net.deliver(NL, GH)
    with pytest.raises(PolicyError, match=r"^a consent cannot be passed on"):
        forward(net[GH].office, given, [BE])
    with pytest.raises(PolicyError, match="there is no message"):
        forward(net[DE].office, message_id, [BE])


def test_forward_is_as_urgent_as_what_it_carries(net: Network) -> None:
    """The priority of the outbox is that of the alert inside."""
    urgent = alert(urgency=Urgency.SHIP_SAILS)
    message_id = _told(net, replace(urgent, markings=Markings(Tlp.CLEAR)))
    done = forward(net[GH].office, message_id, [BE])
    with net[GH].office.store.read() as transaction:
        sent = transaction.outbox.message(done.message_id)
    assert sent is not None
    assert sent.sealed.kind == MessageKind.FORWARD.value
    assert decode_header(sent.sealed.header).priority is Priority.IMMEDIATE


def test_preview(net: Network) -> None:
    """Who will see it, and to which of our partners each could pass it on unasked."""
    found = preview(net[NL].office, marked(BELGIUM), [GH, DE])
    assert {one.card.agency: one.onward for one in found.readers} == {GH: (BE,), DE: (BE,)}
    size = net[NL].size()
    for marks, reach in ((AMBER, ()), (Markings(Tlp.CLEAR), (BE, DE))):
        (one,) = preview(net[NL].office, marked(marks), [GH]).readers
        assert one.onward == reach
    assert net[NL].size() == size
    past = datetime.fromtimestamp(net.clock.now_ms / 1000 - 1, UTC)
    assert preview(net[NL].office, marked(replace(BELGIUM, retain_until=past)), [GH]).ended


async def test_over_the_wire(tmp_path: Path) -> None:
    """Three serving nodes: refused, consented to, passed on, accepted."""
    homes = founded(tmp_path, NL, GH, BE)
    async with serve(homes[0]) as nl, serve(homes[1]) as gh, serve(homes[2]) as be:
        message_id = await nl.send(homes[1])
        await nl.acknowledged(message_id)
        with pytest.raises(PolicyError):
            await asyncio.to_thread(forward, gh.office, message_id, [BE])
        given = await asyncio.to_thread(consent, nl.office, message_id, [GH], [BE])
        await nl.acknowledged(given)
        done = await asyncio.to_thread(forward, gh.office, message_id, [BE])
        await gh.acknowledged(done.message_id)
        assert be.received() == [done.message_id]
        shown = alert_file(be.office, done.message_id).alert
        assert shown.forward is not None
        assert (shown.forward.originator, shown.forward.consent_id) == (NL, given)
    check_homes(*homes)
