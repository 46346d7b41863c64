"""Messages that a partner's dishonest or broken node sends, at the receiver."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import Batch, ProvenEntry, Refused
from sesn_node.domain.cards import BATCH_ROOM_BYTES, Limits
from sesn_node.domain.conversation import Decision, Response
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES
from sesn_node.domain.payload import Payload
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange.limiter import REFUSALS
from sesn_node.exchange.open import open_received
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.batches import answer_from_pb, answer_to_pb, batch_from_pb, batch_to_pb
from tests.support.forged_contents import CONTENTS
from tests.support.forged_envelopes import ENVELOPES, malleated
from tests.support.forgery import Forgery, Target
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import alert
from tests.support.puppet import Puppet
from tests.support.resend import batch_of
from tests.support.snapshot import WITNESSED, counts, unchanged
from tests.support.wires import codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.batches import Answer, Outcome
    from tests.support.homes import Homes
    from tests.support.network import Member, Network
    from tests.support.puppet import Letter

_MINUTE_MS = 60_000

FORGERIES = {**ENVELOPES, **CONTENTS}


@dataclass(frozen=True, slots=True)
class Scene:
    """Ghana's node, and the German port whose node the test plays."""

    net: Network
    ghana: Member
    puppet: Puppet
    target: Target

    def post(self, *letters: Letter, mangle: int = 0, forgery: Forgery | None = None) -> Answer:
        """Send letters in one batch, as bytes; mangle one shipment on the wire."""
        batch = self.puppet.batch(*letters, old=self.puppet.known_to(self.ghana))
        message = batch_to_pb(batch)
        if forgery is not None and forgery.mangle is not None:
            forgery.mangle(message.shipments[mangle])
        return self.send(message)

    def send(self, message: pb.DeliverRequest) -> Answer:
        """Send a batch as bytes, and check every invariant of the receiver."""
        batch = batch_from_pb(pb.DeliverRequest.FromString(message.SerializeToString()))
        answer = self.ghana.receiver.receive(self.puppet.agency, batch)
        self.net.check()
        data = answer_to_pb(answer).SerializeToString()
        return answer_from_pb(pb.DeliverResponse.FromString(data))

    def outcome(self, letter: Letter) -> Outcome:
        """Send one letter, and return what became of it."""
        (outcome,) = self.post(letter).outcomes
        return outcome


@pytest.fixture
def scene(connect: Callable[..., Network], homes: Homes) -> Scene:
    """Ghana trusts the German port, which has been taken over."""
    net = connect(GH, DE)
    puppet = Puppet(net[DE])
    # The ledger holds something, so that proofs have hashes.
    for number in range(3):
        puppet.append(bytes([number]))
    return Scene(net, net[GH], puppet, Target(puppet, net[GH].card, homes.card(BE)))


@pytest.mark.parametrize("name", list(FORGERIES))
def test_forged_message(scene: Scene, name: str) -> None:
    """It is refused with its code, between two honest ones that are taken all the same."""
    forgery = FORGERIES[name]
    before = counts(scene.ghana.office)
    letters = scene.target.letter(), forgery.make(scene.target), scene.target.letter()
    answer = scene.post(*letters, mangle=1, forgery=forgery)
    assert codes(answer.outcomes) == [None, forgery.code, None]
    after = counts(scene.ghana.office)
    logged = int(forgery.logged)
    assert {table: after[table] - before[table] for table in ("inbox", "refusal")} == {
        "inbox": 2,
        "refusal": logged,
    }
    assert after["ledger_entry"] - before["ledger_entry"] == 2 + logged
    for table in ("sent", "outbox", "card", "peer"):
        assert after[table] == before[table]


@pytest.mark.parametrize("name", [name for name, one in FORGERIES.items() if not one.logged])
def test_forged_message_alone(scene: Scene, name: str) -> None:
    """It leaves everything as it was, but for the witnessed checkpoint that came with it."""
    forgery = FORGERIES[name]
    with unchanged(scene.ghana.office, but=WITNESSED):
        answer = scene.post(forgery.make(scene.target), forgery=forgery)
    assert codes(answer.outcomes) == [forgery.code]


@pytest.mark.parametrize("name", [name for name, one in FORGERIES.items() if one.logged])
def test_forged_message_again(scene: Scene, name: str) -> None:
    """A refusal is logged once, however often the message comes."""
    forgery = FORGERIES[name]
    letter = forgery.make(scene.target)
    letter = replace(letter, entry=letter.entry or scene.puppet.entry(letter))
    scene.post(letter, forgery=forgery)
    with unchanged(scene.ghana.office, but=WITNESSED):
        answer = scene.post(letter, forgery=forgery)
        assert codes(answer.outcomes) == [forgery.code]


def test_honest_message_of_the_puppet(scene: Scene) -> None:
    """The forgeries fail for what their names tell: without it, the message is taken."""
    letter = scene.target.letter()
    outcome = scene.outcome(letter)
    assert isinstance(outcome, ProvenEntry)
    (row,) = scene.ghana.received(letter.message_id)
    assert open_received(scene.ghana.office, row) == alert()


def test_conflict(scene: Scene) -> None:
    """Another header under an id that was received is refused, and the first stays."""
    first = scene.target.letter()
    second = scene.target.letter(message_id=first.message_id, conversation_id=first.message_id)
    scene.post(first)
    (row,) = scene.ghana.received(first.message_id)
    size = scene.ghana.size()
    assert codes(scene.post(second).outcomes) == [RefusalCode.CONFLICT]
    assert scene.ghana.received(first.message_id) == [row]
    assert scene.ghana.size() == size + 1


def test_conflict_within_a_batch(scene: Scene) -> None:
    """Of two headers under one id the first counts."""
    first = scene.target.letter()
    fields = replace(first.fields, expires_ms=first.fields.expires_ms + 1)
    answer = scene.post(first, replace(first, fields=fields), first)
    assert codes(answer.outcomes) == [None, RefusalCode.CONFLICT, None]
    assert len(scene.ghana.received(first.message_id)) == 1
    assert answer.outcomes[0] == answer.outcomes[2]


def test_duplicate_within_a_batch(scene: Scene) -> None:
    """The same message twice is stored once, and both get its one receipt."""
    letter = scene.target.letter()
    answer = scene.post(letter, letter)
    first, second = answer.outcomes
    assert isinstance(first, ProvenEntry)
    assert first == second
    assert len(scene.ghana.received(letter.message_id)) == 1


def test_replayed_batch(scene: Scene) -> None:
    """The very bytes of an old batch, sent again, get the first answer, and add nothing."""
    batch = scene.puppet.batch(scene.target.letter(), old=0)
    first = scene.send(batch_to_pb(batch))
    with unchanged(scene.ghana.office):
        answer = scene.send(batch_to_pb(batch))
    assert answer.witness == first.witness
    assert answer.outcomes == first.outcomes


def test_replayed_message(scene: Scene) -> None:
    """The same message under a newer checkpoint gets the receipt of the first time."""
    letter = scene.target.letter()
    first = scene.outcome(letter)
    scene.net.pass_time(_MINUTE_MS)
    scene.ghana.reopen()
    size = scene.ghana.size()
    again = scene.outcome(letter)
    assert isinstance(first, ProvenEntry)
    assert isinstance(again, ProvenEntry)
    assert (again.entry, again.index) == (first.entry, first.index)
    assert scene.ghana.size() == size


def test_replayed_by_another_agency(connect: Callable[..., Network]) -> None:
    """A partner that passes another's message on is refused: the sender must be the caller."""
    net = connect(NL, GH, DE)
    message_id = net.share(NL, GH, DE)
    batch = batch_of(net[NL], net[GH], message_id)
    puppet = Puppet(net[DE])
    stolen = Batch(1, puppet.add_checkpoint(0), batch.shipments)
    with unchanged(net[GH].office, but=WITNESSED):
        answer = net[GH].receiver.receive(DE, stolen)
    assert codes(answer.outcomes) == [RefusalCode.NOT_TRUSTED]
    with unchanged(net[GH].office):
        answer = net[GH].receiver.receive(DE, batch)
    assert codes(answer.outcomes) == [RefusalCode.NOT_IN_LEDGER]


def test_replayed_to_another_recipient(connect: Callable[..., Network]) -> None:
    """The copy of one recipient is worthless to the other."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE)
    for_ghana = batch_of(net[NL], net[GH], message_id)
    answer = net[BE].receiver.receive(NL, for_ghana)
    net.check()
    assert codes(answer.outcomes) == [RefusalCode.UNDECRYPTABLE]
    assert net[BE].received(message_id) == []


@pytest.mark.parametrize("malleated_first", [True, False])
def test_malleated_seal(scene: Scene, *, malleated_first: bool) -> None:
    """(r, n - s) seals the same message: one inbox row, one receipt, whichever came first."""
    letter = scene.target.letter()
    honest = replace(letter, seal=scene.puppet.sealed(letter.header_bytes))
    other = replace(honest, seal=malleated(honest.seal or b""))
    order = (other, honest) if malleated_first else (honest, other)
    first, second = (scene.outcome(one) for one in order)
    assert isinstance(first, ProvenEntry)
    assert isinstance(second, ProvenEntry)
    assert (first.entry, first.index) == (second.entry, second.index)
    assert len(scene.ghana.received(letter.message_id)) == 1


def test_resealed_message(scene: Scene) -> None:
    """A fresh seal over the same header is the same message."""
    letter = scene.target.letter()
    first, second = scene.outcome(letter), scene.outcome(letter)
    assert isinstance(first, ProvenEntry)
    assert isinstance(second, ProvenEntry)
    assert first.index == second.index


def test_shared_twice(scene: Scene) -> None:
    """A message that its sender enters twice is received once, under its first entry."""
    letter = scene.target.letter()
    for _ in range(2):
        scene.post(replace(letter, entry=scene.puppet.entry(letter)))
    (row,) = scene.ghana.received(letter.message_id)
    assert row.shared_index == 3


def test_payload_over_our_limit(scene: Scene) -> None:
    """A message that is larger than our card allows is refused, before it is opened."""
    scene.ghana.limit(Limits(payload_bytes=1024))
    large = scene.target.letter(payload=alert(narrative="x" * 2000))
    answer = scene.post(large, scene.target.letter())
    assert codes(answer.outcomes) == [RefusalCode.TOO_LARGE, None]


def test_largest_payload(scene: Scene) -> None:
    """What is no payload is refused as such, at exactly the largest size."""
    outcome = scene.outcome(scene.target.letter(payload=bytes(MAX_PAYLOAD_BYTES)))
    assert codes([outcome]) == [RefusalCode.MALFORMED]


def test_batch_of_too_many_envelopes(scene: Scene) -> None:
    """A batch over the limit is refused whole for now, and nothing of it is examined."""
    scene.ghana.limit(Limits(batch_envelopes=2))
    with unchanged(scene.ghana.office, but=WITNESSED):
        answer = scene.post(*(scene.target.letter() for _ in range(3)))
    assert codes(answer.outcomes) == [RefusalCode.BUSY] * 3
    for outcome in answer.outcomes:
        assert isinstance(outcome, Refused)
        assert "our card allows 2 messages" in outcome.detail
        assert outcome.retry_after_ms > 0


def test_large_message_in_a_large_batch(scene: Scene) -> None:
    """A message that no batch could hold is refused for good, those around it for now."""
    scene.ghana.limit(Limits(payload_bytes=1024, batch_bytes=1024 + BATCH_ROOM_BYTES))
    small = [scene.target.letter() for _ in range(2)]
    large = scene.target.letter(payload=alert(narrative="x" * 19_000))
    with unchanged(scene.ghana.office, but=WITNESSED):
        answer = scene.post(small[0], *[large] * 7, small[1])
    busy, large_ones = RefusalCode.BUSY, [RefusalCode.TOO_LARGE] * 7
    assert codes(answer.outcomes) == [busy, *large_ones, busy]


def test_response_in_the_name_of_another(connect: Callable[..., Network]) -> None:
    """Only a recipient of an alert may answer it."""
    net = connect(NL, GH, DE)
    message_id = net.share(NL, GH)
    with net[NL].office.store.read() as transaction:
        sent = transaction.outbox.message(message_id)
    assert sent is not None
    puppet = Puppet(net[DE])
    body = Response(message_id, sent.sealed.header_sha256, Decision.DECLINED, "Let it pass.")
    letter = puppet.letter(
        net[NL].card, payload=Payload(Markings(Tlp.AMBER), body), in_reply_to=message_id
    )
    answer = net[NL].receiver.receive(DE, puppet.batch(letter, old=0))
    net.check()
    assert codes(answer.outcomes) == [RefusalCode.POLICY]
    with net[NL].office.store.read() as transaction:
        assert transaction.inbox.replies([message_id]) == []


@pytest.mark.parametrize("wrong", ["header", "in_reply_to"])
def test_response_to_another_alert(connect: Callable[..., Network], wrong: str) -> None:
    """A response must name the header that was sent, in the payload and outside."""
    net = connect(NL, DE)
    message_id, other_id = net.share(NL, DE), net.share(NL, DE)
    with net[NL].office.store.read() as transaction:
        sent = transaction.outbox.message(message_id)
    assert sent is not None
    puppet = Puppet(net[DE])
    header_sha256 = bytes(32) if wrong == "header" else sent.sealed.header_sha256
    body = Response(message_id, header_sha256, Decision.DECLINED, "Let it pass.")
    letter = puppet.letter(
        net[NL].card,
        payload=Payload(Markings(Tlp.AMBER), body),
        in_reply_to=other_id if wrong == "in_reply_to" else message_id,
    )
    answer = net[NL].receiver.receive(DE, puppet.batch(letter, old=0))
    net.check()
    assert codes(answer.outcomes) == [RefusalCode.POLICY]


def test_flood_of_refusals(scene: Scene) -> None:
    """However many messages are refused, the ledger grows by a bounded number of entries."""
    first = scene.target.letter()
    scene.post(first)
    size = scene.ghana.size()
    conflicts = [
        replace(first, fields=replace(first.fields, expires_ms=first.fields.expires_ms - number))
        for number in range(1, REFUSALS.burst + 31)
    ]
    answer = scene.post(*conflicts)
    assert codes(answer.outcomes) == [RefusalCode.CONFLICT] * len(conflicts)
    assert scene.ghana.size() == size + REFUSALS.burst
    scene.net.pass_time(_MINUTE_MS)
    scene.post(*conflicts[REFUSALS.burst :])
    assert scene.ghana.size() == size + REFUSALS.burst + _MINUTE_MS // REFUSALS.token_ms


def test_flood_does_not_silence_others(connect: Callable[..., Network]) -> None:
    """One partner's flood does not use up what another may cause to be logged."""
    net = connect(NL, GH, DE)
    puppet = Puppet(net[DE])
    first = puppet.letter(net[GH].card)
    flood = [
        replace(first, fields=replace(first.fields, expires_ms=first.fields.expires_ms - number))
        for number in range(REFUSALS.burst + 2)
    ]
    net[GH].receiver.receive(DE, puppet.batch(*flood, old=0))
    net.check()
    net[GH].skew_ms = 48 * 60 * _MINUTE_MS
    message_id = net.share(NL, GH, expires_ms=net.clock.now_ms + _MINUTE_MS)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "refused"}
    with net[GH].office.store.read() as transaction:
        assert len(transaction.ledger.entries_of(message_id)) == 1
