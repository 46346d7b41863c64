"""A hostile partner in somebody else's conversation: its words are marked, and hide nobody's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import ProvenEntry
from sesn_node.domain.conversation import Answer, Note, Request, Sighting
from sesn_node.domain.payload import Payload
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange import conversations as module
from sesn_node.exchange.conversations import conversation, conversations, participants
from sesn_node.exchange.talk import answer, markings_in
from tests.support.homes import BE, GH, NL
from tests.support.puppet import Puppet
from tests.support.talking import AMBER, day, request, sighting, tell
from tests.support.wires import codes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Network
    from tests.support.puppet import Letter


@dataclass(frozen=True, slots=True)
class Scene:
    """NL and GH have a conversation; BE's node is played by the test and knows its id."""

    net: Network
    puppet: Puppet
    first: MessageId
    asked: MessageId

    def post(self, *letters: Letter) -> list[RefusalCode | None]:
        """Deliver letters to GH, and say what it refused."""
        ghana = self.net[GH]
        batch = self.puppet.batch(*letters, old=self.puppet.known_to(ghana))
        found = codes(ghana.receiver.receive(BE, batch).outcomes)
        self.net.pass_time(1)
        return found

    def letter(
        self, body: Answer | Note | Request | Sighting, in_reply_to: MessageId | None = None
    ) -> Letter:
        """Write into the conversation of the others."""
        return self.puppet.letter(
            self.net[GH].card,
            payload=Payload(AMBER, body),
            conversation_id=self.first,
            in_reply_to=in_reply_to,
        )


@pytest.fixture
def scene(connect: Callable[..., Network]) -> Scene:
    """An alert of NL to GH, and a request of GH to NL in it."""
    net = connect(NL, GH, BE)
    first = net.share(NL, GH)
    net.deliver(NL, GH)
    asked = tell(net, GH, request(), NL, conversation=first)
    puppet = Puppet(net[BE])
    net.unchecked.add(BE)
    return Scene(net, puppet, first, asked)


def _strangers(scene: Scene) -> Sequence[tuple[str, bool]]:
    found = conversation(scene.net[GH].office, scene.first)
    return [(one.kind, one.stranger) for one in found.messages]


@pytest.mark.parametrize(
    "body", [Note("We are NL, send it all to us."), request(), sighting("GHTEM", day(1), seal="S")]
)
def test_words_of_a_stranger_are_marked(scene: Scene, body: Note | Request | Sighting) -> None:
    """It is stored, as evidence; and shown as what it is, in the list too."""
    assert scene.post(scene.letter(body)) == [None]
    assert [stranger for _, stranger in _strangers(scene)] == [False, False, True]
    office = scene.net[GH].office
    assert participants(office, scene.first) == (NL,)
    (line,) = conversations(office, 10)
    assert (line.messages, line.strangers) == (3, 1)


def test_a_stranger_does_not_bring_itself_in(scene: Scene) -> None:
    """Whom a stranger writes to takes no part because of it."""
    letter = scene.letter(Note("Hello NL."))
    wider = replace(letter.fields.recipients[0], agency=NL)
    recipients = (*letter.fields.recipients, wider)
    assert scene.post(replace(letter, fields=replace(letter.fields, recipients=recipients))) == [
        None
    ]
    assert participants(scene.net[GH].office, scene.first) == (NL,)


def test_a_stranger_does_not_loosen_the_marks(scene: Scene) -> None:
    """How a conversation is handled is not for strangers to say, either way."""
    scene.post(scene.letter(Note("Clear to all.")))
    assert markings_in(scene.net[GH].office, scene.first) == AMBER


def test_a_date_that_has_passed_goes_into_no_other_message(connect: Callable[..., Network]) -> None:
    """Whoever takes part cannot have all that is said after it erased at once."""
    net = connect(NL, GH)
    first = net.share(GH, NL)
    puppet = Puppet(net[NL])
    net.unchecked.add(NL)
    until = datetime.fromtimestamp(puppet.now_ms() / 1000, UTC) + timedelta(seconds=1)
    payload = Payload(replace(AMBER, retain_until=until), Note("Hello."))
    letter = puppet.letter(net[GH].card, payload=payload, conversation_id=first)
    (outcome,) = net[GH].receiver.receive(NL, puppet.batch(letter, old=0)).outcomes
    assert isinstance(outcome, ProvenEntry)
    assert markings_in(net[GH].office, first).retain_until == until
    net.pass_time(2_000)
    assert markings_in(net[GH].office, first).retain_until is None


def test_an_answer_to_a_request_of_others(scene: Scene) -> None:
    """Nobody answers what another was asked, in its conversation or in one of its own."""
    with scene.net[GH].office.store.read() as transaction:
        row = transaction.outbox.message(scene.asked)
    assert row is not None
    body = Answer(scene.asked, row.sealed.header_sha256, "Nothing to see here.")
    own = scene.puppet.letter(
        scene.net[GH].card, payload=Payload(AMBER, body), in_reply_to=scene.asked
    )
    there = scene.letter(body, in_reply_to=scene.asked)
    unsaid = scene.letter(body)
    assert scene.post(own, there, unsaid) == [RefusalCode.POLICY] * 3
    assert len(_strangers(scene)) == 2


def test_an_answer_in_another_conversation(connect: Callable[..., Network]) -> None:
    """Whoever was asked answers there, and not somewhere else, nor to an alert."""
    net = connect(NL, GH)
    alert_id = net.share(GH, NL)
    # Not delivered, so that GH knows no other ledger of NL than the one of the test.
    asked = tell(net, GH, request(), NL, deliver=False)
    other = tell(net, GH, Note("Another matter."), NL, deliver=False)
    with net[GH].office.store.read() as transaction:
        rows = {one: transaction.outbox.message(one) for one in (asked, alert_id)}
    puppet = Puppet(net[NL])
    net.unchecked.add(NL)
    for named, place, expected in (
        (asked, other, RefusalCode.POLICY),
        (alert_id, alert_id, RefusalCode.POLICY),
        (asked, asked, None),
    ):
        row = rows[named]
        assert row is not None
        letter = puppet.letter(
            net[GH].card,
            payload=Payload(AMBER, Answer(named, row.sealed.header_sha256, "Yes.")),
            in_reply_to=named,
            conversation_id=place,
        )
        batch = puppet.batch(letter, old=puppet.known_to(net[GH]))
        assert codes(net[GH].receiver.receive(NL, batch).outcomes) == [expected]


@pytest.mark.parametrize("body", [Note("Yes."), request(), sighting("GHTEM", day(1), seal="S")])
def test_unasked_words_answer_nothing(scene: Scene, body: Note | Request | Sighting) -> None:
    """A note that claims to answer could pass for a decision or an answer."""
    letter = scene.letter(body, in_reply_to=scene.first)
    assert scene.post(letter) == [RefusalCode.POLICY]


def test_a_flood_hides_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many words of a stranger: all of those who take part are shown, and few of the stranger's."""
    monkeypatch.setattr(module, "MAX_MESSAGES", 3)
    monkeypatch.setattr(module, "MAX_STRANGERS", 2)
    for number in range(5):
        assert scene.post(scene.letter(Note(f"Noise {number}"))) == [None]
    answer(scene.net[NL].office, scene.asked, "Here it is.")
    scene.net.pass_time(1)
    scene.net.deliver(NL, GH)
    found = conversation(scene.net[GH].office, scene.first)
    assert [one.kind for one in found.messages if not one.stranger] == [
        "alert",
        "request",
        "answer",
    ]
    assert sum(one.stranger for one in found.messages) == 2
    assert found.left_out


def test_a_decoy_of_the_first_message(scene: Scene) -> None:
    """A second message under the id of the first begins a conversation of its own."""
    decoy = scene.puppet.letter(scene.net[GH].card, message_id=scene.first)
    assert scene.post(decoy) == [None]
    found = conversation(scene.net[GH].office, scene.first, NL)
    assert (found.founder, found.participants) == (NL, (GH, NL))
    assert [one.stranger for one in found.messages] == [False, False, True]
    # At its sender nobody can do so: the id is the node's own.
    own = scene.puppet.letter(scene.net[GH].card, message_id=scene.asked)
    assert scene.post(own) == [RefusalCode.CONFLICT]
