"""Conversations: what was said in one place, in order, by whom, and who has no part in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.conversation import Answer, Decision, Note, Request
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import new_message_id
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.conversations import conversation, conversations, participants
from sesn_node.exchange.erase import erase
from sesn_node.exchange.requests import RequestState, requests
from sesn_node.exchange.talk import answer, markings_in, say
from sesn_node.exchange.viewing import shown_of, viewed
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS
from tests.support.puppet import Puppet
from tests.support.snapshot import unchanged
from tests.support.talking import AMBER, day, request, sighting, tell
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


def test_everything_in_order(net: Network) -> None:
    """An alert, a decision, a request, its answer, a note and a sighting: both sides see all."""
    first = net.share(NL, GH)
    net.deliver(NL, GH)
    net.respond(GH, first, Decision.ACCEPTED, "We hold it.")
    net.deliver(GH, NL)
    asked = tell(net, NL, request(), GH, conversation=first)
    answer(net[GH].office, asked, "A firm in Tema.")
    net.pass_time(1)
    net.deliver(GH, NL)
    tell(net, NL, Note("Thank you."), GH, conversation=first)
    tell(net, GH, sighting("GHTEM", day(20), container="QZWU7319402"), NL, conversation=first)
    for agency in (NL, GH):
        found = conversation(net[agency].office, first)
        kinds = [one.kind for one in found.messages]
        assert kinds == ["alert", "response", "request", "answer", "note", "sighting"]
        assert (found.founder, found.participants) == (NL, (GH, NL))
        assert found.subject == "Two containers of untested television sets"
        assert not any(one.stranger for one in found.messages)
        assert all(one.payload is not None for one in found.messages)
        assert [one.sender for one in found.messages] == [NL, GH, NL, GH, NL, GH]
        (line,) = conversations(net[agency].office, 10)
        assert (line.messages, line.strangers) == (6, 0)
        assert line.conversation.subject == found.subject
    states = [copy.state.value for copy in conversation(net[NL].office, first).messages[4].copies]
    assert states == ["acknowledged"]


def test_newest_conversation_first(net: Network) -> None:
    """A conversation that goes on comes up again."""
    first = net.share(NL, GH)
    second = tell(net, NL, Note("Another matter."), GH)
    office = net[NL].office

    def listed() -> list[bytes]:
        return [one.conversation.conversation_id for one in conversations(office, 10)]

    assert listed() == [second, first]
    tell(net, NL, Note("More of the first."), GH, conversation=first)
    assert listed() == [first, second]
    assert [one.conversation.conversation_id for one in conversations(office, 1)] == [first]


def test_whom_a_member_writes_to_takes_part(net: Network) -> None:
    """A third agency that is written to is no stranger, whatever arrives first."""
    first = net.share(NL, GH)
    net.deliver(NL, GH)
    # GH brings BE in; BE answers NL before GH's own copy reaches NL.
    tell(net, GH, Note("BE knows this firm."), BE, NL, conversation=first, deliver=False)
    net.deliver(GH, BE)
    tell(net, BE, Note("We do."), NL, GH, conversation=first)
    early = conversation(net[NL].office, first)
    assert [(one.sender, one.stranger) for one in early.messages] == [(NL, False), (BE, True)]
    net.deliver(GH, NL)
    late = conversation(net[NL].office, first)
    assert late.participants == (BE, GH, NL)
    assert not any(one.stranger for one in late.messages)
    # BE has never seen the first message: it knows of no strangers, and says so.
    theirs = conversation(net[BE].office, first)
    assert (theirs.founder, theirs.participants) == (None, ())
    with pytest.raises(PolicyError, match="first message"):
        participants(net[BE].office, first)
    assert participants(net[NL].office, first) == (BE, GH)


def test_erased_content_and_views(net: Network) -> None:
    """What is shown is recorded, once an hour; what was erased is shown as erased, and is not."""
    first = net.share(NL, GH)
    second = tell(net, NL, Note("Secret words."), GH, conversation=first)
    office = net[NL].office
    erase(office, second, "Sent by mistake")

    def show() -> None:
        found, unrecorded = viewed(
            office, lambda: conversation(office, first), lambda one: shown_of(one.messages)
        )
        assert unrecorded is None
        gone = found.messages[1]
        assert (gone.payload, gone.problem) == (None, "ERASED")
        assert gone.erased is not None
        assert gone.erased.reason == "Sent by mistake"

    show()
    with unchanged(office):
        show()
    net.pass_time(HOUR_MS)
    show()
    viewed_ids = [entry.message_id for _, entry in view(office).of_kind(EntryKind.VIEWED)]
    assert viewed_ids == [first, first]
    net.check()


def test_as_strict_as_the_strictest(net: Network) -> None:
    """What is said in a conversation is handled as the strictest before, not of strangers."""
    first = net.share(NL, GH)
    net.deliver(NL, GH)
    assert markings_in(net[GH].office, first) == AMBER
    say(net[NL].office, Note("For you alone."), (GH,), Markings(Tlp.RED), first)
    net.pass_time(1)
    net.deliver(NL, GH)
    assert markings_in(net[GH].office, first).tlp is Tlp.RED


def test_as_strict_as_all_before_together(net: Network) -> None:
    """The strictest label, every handling code, the earliest date; no grade and no grant."""
    soon = datetime(2027, 1, 1, tzinfo=UTC)
    later = datetime(2027, 2, 1, tzinfo=UTC)
    begun = Markings(
        Tlp.AMBER,
        handling=(HandlingCode.H1, HandlingCode.H3),
        handling_text="Not for court.",
        retain_until=later,
        onward=("be.*",),
    )
    first = say(net[NL].office, Note("As it began."), (GH,), begun).message_id
    strict = Markings(Tlp.AMBER_STRICT, purpose="Inspection", retain_until=soon)
    net.pass_time(1)
    say(net[NL].office, Note("Stricter."), (GH,), strict, first)
    assert markings_in(net[NL].office, first) == Markings(
        Tlp.AMBER_STRICT,
        handling=(HandlingCode.H1, HandlingCode.H3),
        handling_text="Not for court.",
        purpose="Inspection",
        retain_until=soon,
    )


def test_answer_bears_the_marks_of_its_request(net: Network) -> None:
    """All of them but the grade and the grant; whoever answers may choose another label."""
    marks = Markings(Tlp.AMBER, handling=(HandlingCode.H1,), purpose="Inspection", onward=("be.*",))
    asked = say(net[NL].office, request(), (GH,), marks).message_id
    net.deliver(NL, GH)
    for tlp in (None, Tlp.RED):
        net.pass_time(1)
        said = answer(net[GH].office, asked, "Yes.", tlp=tlp)
        found = conversation(net[GH].office, asked).messages[-1]
        assert found.message_id == said.message_id
        assert found.payload is not None
        assert found.payload.markings == replace(marks, tlp=tlp or Tlp.AMBER, onward=())


def test_answers_follow_requests(net: Network) -> None:
    """Open, answered, overdue: on both sides, overdue ones first."""
    start = net.clock.now_ms
    soon = datetime.fromtimestamp(start / 1000 + 3600, UTC)
    urgent = tell(net, NL, request("Soon", by=soon), GH, BE)
    late = tell(net, NL, request("Whenever"), GH)
    answer(net[GH].office, urgent, "Yes.")
    answer(net[GH].office, urgent, "And more.")
    net.pass_time(1)
    net.deliver(GH, NL)

    def states(office: object) -> list[tuple[bytes, str, tuple[str, ...], int]]:
        return [
            (one.message.message_id, one.state.value, one.open, len(one.answers))
            for one in requests(office, 10)  # type: ignore[arg-type]  # an office
        ]

    assert states(net[NL].office) == [(late, "open", (GH,), 0), (urgent, "open", (BE,), 2)]
    assert states(net[GH].office) == [(late, "open", (GH,), 0), (urgent, "answered", (), 2)]
    assert states(net[BE].office) == [(urgent, "open", (BE,), 0)]
    net.pass_time(2 * HOUR_MS)
    assert states(net[NL].office) == [(urgent, "overdue", (BE,), 2), (late, "open", (GH,), 0)]
    assert states(net[BE].office) == [(urgent, "overdue", (BE,), 0)]
    with net[GH].office.store.read() as transaction:
        assert transaction.conversations.unanswered("request", "answer") == 1
    erase(net[BE].office, urgent, "Done")
    (gone,) = requests(net[BE].office, 10)
    assert (gone.state, gone.request) == (RequestState.UNREADABLE, None)


def test_only_a_request_that_arrived_is_answered(net: Network) -> None:
    """Not an alert, not a request of ours, not one that nobody sent."""
    first = net.share(NL, GH)
    asked = tell(net, NL, request(), GH)
    net.deliver(NL, GH)
    for office, message_id in (
        (net[GH].office, first),
        (net[NL].office, asked),
        (net[GH].office, new_message_id(net.clock.now_ms, bytes(10))),
    ):
        with pytest.raises(PolicyError, match="no request"):
            answer(office, message_id, "Yes.")


def test_unknown_and_ambiguous(net: Network) -> None:
    """A conversation that nobody began, and two that began under one id."""
    with pytest.raises(PolicyError, match="no conversation"):
        conversation(net[NL].office, new_message_id(net.clock.now_ms, bytes(10)))
    first = net.share(BE, GH)
    net.deliver(BE, GH)
    net.pass_time(1)
    puppet = Puppet(net[NL])
    decoy = puppet.letter(net[GH].card, message_id=first)
    net[GH].receiver.receive(NL, puppet.batch(decoy, old=0))
    office = net[GH].office
    with pytest.raises(ConflictError, match="--from"):
        conversation(office, first)
    for founder, other in ((BE, NL), (NL, BE)):
        found = conversation(office, first, founder)
        assert found.participants == tuple(sorted((founder, GH)))
        assert {one.sender: one.stranger for one in found.messages} == {
            founder: False,
            other: True,
        }
    with pytest.raises(PolicyError, match="begun by"):
        conversation(office, first, GH)
    net.unchecked.add(NL)


def test_respond_by_is_kept_to_the_second(net: Network) -> None:
    """What the asker needs arrives as it was written."""
    by = day(30, 12)
    asked = tell(net, NL, request(by=by), GH)
    (seen,) = requests(net[GH].office, 1)
    assert seen.message.message_id == asked
    assert isinstance(seen.request, Request)
    assert seen.request.respond_by == by


def test_answer_payload_names_the_request(net: Network) -> None:
    """The answer that left is what the rule of the receiver asks for."""
    asked = tell(net, NL, request(), GH)
    said = answer(net[GH].office, asked, "Yes.")
    assert net[NL].received(said.message_id) == []
    net.pass_time(1)
    net.deliver(GH, NL)
    found = conversation(net[NL].office, asked).messages[-1]
    assert found.in_reply_to == asked
    assert isinstance(found.payload, Payload)
    assert isinstance(found.payload.body, Answer)
    assert found.payload.body.message_id == asked
