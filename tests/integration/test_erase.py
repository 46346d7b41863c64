"""Erasing: what a message says goes, on both sides and everywhere; what proves it stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.domain.conversation import MAX_REASON, Decision
from sesn_node.domain.entries import EntryKind, ErasedCode
from sesn_node.domain.terms import Sought
from sesn_node.errors import ConflictError, MalformedError, PolicyError
from sesn_node.exchange.backlog import Reason
from sesn_node.exchange.erase import erasable, erase
from sesn_node.exchange.life import StepKind, life
from sesn_node.exchange.requeue import requeue
from sesn_node.exchange.respond import respond
from sesn_node.exchange.rewrap import rewrap
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.verify import verify_ledger
from sesn_node.exchange.views import alert_file, alerts
from sesn_node.store import schema
from sesn_node.store.headfile import HeadFile
from tests.support.alerts import CONTAINER, consignment
from tests.support.held_sequencer import Gate, at_once
from tests.support.homes import BE, GH, NL
from tests.support.puppet import Puppet
from tests.support.rotations import bring_in
from tests.support.snapshot import unchanged
from tests.support.trips import other_key
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Member, Network

_WHY = "Sent to us by mistake"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def _verified(member: Member) -> dict[str, tuple[str, ...]]:
    """The checks of `sesn ledger verify` that fail, with their first failures."""
    found = verify_ledger(member.office.store, HeadFile(member.home / HEAD_FILE))
    assert {check.name for check in found.checks} >= {"erased", "sent", "received"}
    return {check.name: check.first for check in found.checks if check.failed}


def _all_is_well(net: Network) -> None:
    net.check()
    net.rest()
    for member in net:
        assert _verified(member) == {}


def _delivered(net: Network) -> MessageId:
    message_id = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    return message_id


@pytest.mark.parametrize("agency", [NL, GH])
def test_content_goes_and_proof_stays(net: Network, agency: AgencyId) -> None:
    """Sender or recipient erases: nobody there reads or finds it, and all proofs still verify."""
    message_id = _delivered(net)
    member, other = net[agency], net[GH if agency == NL else NL]
    done = erase(member.office, message_id, _WHY)
    (row,) = done.messages
    assert (row.sender, row.message_id, row.reason) == (NL, message_id, _WHY)
    assert done.fresh == {message_id}
    assert not done.ended
    _all_is_well(net)
    seen = view(member.office)
    entry = seen.entries[row.entry_index]
    assert (entry.kind, entry.code, entry.agency) == (EntryKind.ERASED, ErasedCode.OPERATOR, None)
    assert all(_WHY.encode() not in one.entry for one in seen.rows)
    found = alert_file(member.office, message_id)
    assert (found.alert.payload, found.alert.problem) == (None, "ERASED")
    assert found.alert.erased is not None
    assert found.alert.erased.reason == _WHY
    assert EntryKind.ERASED in {one.kind for one in found.entries}
    assert alerts(member.office, 10, Sought(container=CONTAINER)) == ()
    (still,) = alerts(other.office, 10, Sought(container=CONTAINER))
    assert still.payload is not None


def test_twice_is_as_good_as_once(net: Network) -> None:
    """Erased again, it says when it was erased and why, and changes nothing."""
    message_id = _delivered(net)
    first = erase(net[GH].office, message_id, _WHY)
    net.pass_time(5000)
    with unchanged(net[GH].office):
        again = erase(net[GH].office, message_id, "Another reason")
    assert [one.entry_index for one in again.messages] == [
        one.entry_index for one in first.messages
    ]
    assert again.messages[0].reason == _WHY
    assert not again.fresh


def test_queued_copies_end(connect: Callable[..., Network]) -> None:
    """Copies that wait are not sent any more; the others keep their receipts."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE, payload=consignment())
    net.deliver(NL, GH)
    done = erase(net[NL].office, message_id, _WHY)
    assert done.ended == ((message_id, BE),)
    copies = net[NL].copies(message_id)
    assert (copies[GH].state.value, copies[GH].receipt is None) == ("acknowledged", False)
    assert (copies[BE].state.value, copies[BE].code) == ("dead", "ERASED")
    net.deliver(NL, BE)
    assert net[BE].received(message_id) == []
    _all_is_well(net)
    told = life(net[NL].office.store, message_id, net[NL].now_ms())
    assert [step.kind for step in told.steps][-2:] == [StepKind.UNDELIVERED, StepKind.ERASED]
    assert (told.steps[-1].detail, told.sealed_bytes) == (_WHY, None)
    reasons = {one.agency: one.copies[0].reason for one in told.recipients}
    assert reasons == {GH: Reason.ACKNOWLEDGED, BE: Reason.ERASED}
    with unchanged(net[NL].office), pytest.raises(PolicyError, match="erased"):
        requeue(net[NL].office, message_id)


def test_receipt_that_comes_after_the_erasure(net: Network) -> None:
    """A copy that was on its way arrives; its receipt settles what had ended."""
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    assert erase(net[NL].office, message_id, _WHY).ended == ((message_id, GH),)
    wire.settle(outgoing, answer)
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    _all_is_well(net)


def test_refused_again_after_the_erasure(net: Network) -> None:
    """What the recipient's node says of a copy afterwards changes nothing, and is not kept."""
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.tamper_request = other_key
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    erase(net[NL].office, message_id, _WHY)
    wire.settle(outgoing, answer)
    copy = net[NL].copies(message_id)[GH]
    assert (copy.state.value, copy.code, copy.detail) == ("dead", "ERASED", None)
    _all_is_well(net)


def test_words_of_a_partner_about_a_copy_go_too(net: Network) -> None:
    """Who opened a message and refused it could quote it in the refusal."""
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.tamper_request = other_key
    wire.deliver()
    assert net[NL].copies(message_id)[GH].detail
    erase(net[NL].office, message_id, _WHY)
    assert net[NL].copies(message_id)[GH].detail is None
    with pytest.raises(PolicyError, match="erased"):
        requeue(net[NL].office, message_id)
    _all_is_well(net)


@pytest.mark.parametrize("named", [0, 1])
def test_what_was_sealed_anew_goes_with_it(net: Network, named: int) -> None:
    """Two messages that say the same are erased together, whichever of them is named."""
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.tamper_request = other_key
    wire.deliver()
    (requeued,) = requeue(net[NL].office, message_id)
    assert requeued.resealed_as is not None
    ids = (message_id, requeued.resealed_as)
    done = erase(net[NL].office, ids[named], _WHY)
    assert {one.message_id for one in done.messages} == set(ids)
    assert done.messages[0].message_id == ids[named]
    assert done.ended == ((ids[1], GH),)
    _all_is_well(net)


def test_what_else_of_the_conversation_can_be_read(net: Network) -> None:
    """Answers stay, and are named; other conversations are not."""
    message_id = _delivered(net)
    _delivered(net)
    answer = net.respond(GH, message_id, Decision.ACCEPTED, "We hold it at berth nine.")
    net.deliver(GH, NL)
    for agency in (NL, GH):
        others = erasable(net[agency].office, message_id).others
        assert [(one.message_id, one.sender, one.kind) for one in others] == [
            (answer, GH, "response")
        ]
        done = erase(net[agency].office, message_id, _WHY)
        assert [one.message_id for one in done.others] == [answer]
        assert erase(net[agency].office, answer, _WHY).others == ()
        (response,) = alert_file(net[agency].office, message_id).alert.responses
        assert (response.decision, response.problem, response.text) == (None, "ERASED", "")
    _all_is_well(net)


def test_recipient_cannot_decide_on_what_it_erased(net: Network) -> None:
    """Nobody accepts what nobody can read any more."""
    message_id = _delivered(net)
    erase(net[GH].office, message_id, _WHY)
    with unchanged(net[GH].office), pytest.raises(PolicyError, match="erased"):
        respond(net[GH].office, message_id, Decision.ACCEPTED, "Seen.")


def test_resent_message_does_not_come_back(net: Network) -> None:
    """A duplicate of an erased message gets its first receipt, and is not stored again."""
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.connect()
    wire.carry(wire.prepare().batch)
    erase(net[GH].office, message_id, _WHY)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    (row,) = net[GH].received(message_id)
    assert row.sealed.ciphertext is None
    _all_is_well(net)


def test_two_senders_of_one_id(connect: Callable[..., Network]) -> None:
    """Whose message is meant has to be said; the other one stays."""
    net = connect(NL, GH, BE)
    message_id = net.share(BE, GH, payload=consignment())
    net.deliver(BE, GH)
    net.pass_time(1)
    puppet = Puppet(net[NL])
    decoy = puppet.letter(net[GH].card, message_id=message_id, payload=consignment("ABCU1234560"))
    net[GH].receiver.receive(NL, puppet.batch(decoy, old=0))
    office = net[GH].office
    with unchanged(office), pytest.raises(ConflictError, match="--from"):
        erase(office, message_id, _WHY)
    with unchanged(office), pytest.raises(PolicyError, match="no message"):
        erase(office, message_id, _WHY, sender=GH)
    erase(office, message_id, _WHY, sender=NL)
    (found,) = alerts(office, 10, Sought(container=CONTAINER))
    assert found.sender == BE
    assert alert_file(office, message_id, NL).alert.problem == "ERASED"
    assert EntryKind.ERASED not in {one.kind for one in alert_file(office, message_id, BE).entries}
    net.unchecked.add(NL)
    net.check()


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * (MAX_REASON + 1)])
def test_bad_reason(net: Network, reason: str) -> None:
    """A reason is one line of words, and not too long."""
    message_id = net.share(NL, GH)
    with unchanged(net[NL].office), pytest.raises(MalformedError, match="reason"):
        erase(net[NL].office, message_id, reason)


@pytest.mark.parametrize("erased_first", [False, True])
def test_erase_and_requeue_at_once(net: Network, *, erased_first: bool) -> None:
    """Whoever comes first, nothing of an erased message is queued, and no twin of it is left."""
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.tamper_request = other_key
    wire.deliver()
    office = net[NL].office
    calls: list[Callable[[], object]] = [
        lambda: erase(office, message_id, _WHY),
        lambda: requeue(office, message_id),
    ]
    gate = Gate(office.sequencer)
    with ThreadPoolExecutor(2) as pool:
        futures = []
        for call in calls if erased_first else calls[::-1]:
            futures.append(pool.submit(call))
            gate.wait_for(1)
        gate.open()
    if erased_first:
        assert isinstance(futures[1].exception(), PolicyError)
    assert {row.state.value for row in view(office).copies} <= {"refused", "dead"}
    assert all(row.sealed.ciphertext is None for row in view(office).sent.values())
    _all_is_well(net)


def test_erasing_in_many_threads_at_once(net: Network) -> None:
    """One of them erases, the others learn of it."""
    message_id = _delivered(net)
    office = net[GH].office
    futures = at_once(office.sequencer, [lambda: erase(office, message_id, _WHY)] * 4)
    assert sorted(len(one.result().fresh) for one in futures) == [0, 0, 0, 1]
    assert len({one.result().messages[0].entry_index for one in futures}) == 1
    _all_is_well(net)


def test_new_storage_key_leaves_erased_rows_alone(net: Network) -> None:
    """Content keys are wrapped anew; those that are gone stay gone."""
    message_id, kept = _delivered(net), _delivered(net)
    office = net[GH].office
    erase(office, message_id, _WHY)
    bring_in(net[GH], Rotatable.STORAGE)
    assert rewrap(office, lambda: False).unreadable == 0
    assert alert_file(office, kept).alert.payload is not None
    _all_is_well(net)


def test_verify_finds_content_that_should_be_gone(net: Network) -> None:
    """An old row that was put back, and content that was taken away without a word, are found."""
    message_id, other = _delivered(net), _delivered(net)
    member = net[GH]
    (before,) = member.received(message_id)
    erase(member.office, message_id, _WHY)
    net.rest()
    table = schema.inbox
    with member.office.store.write() as transaction:
        connection = transaction._connection  # noqa: SLF001 - no table offers this
        connection.execute(
            update(table)
            .where(table.c.message_id == message_id)
            .values(ciphertext=before.sealed.ciphertext)
        )
    failures = _verified(member)
    assert list(failures) == ["erased"]
    assert "is there" in failures["erased"][0]
    with member.office.store.write() as transaction:
        connection = transaction._connection  # noqa: SLF001 - no table offers this
        connection.execute(update(table).values(ciphertext=None, content_key=None))
    failures = _verified(member)
    assert failures["erased"] == ("messages without content: 2 of them, of which 1 were erased",)
    assert other
    net.checking = False
