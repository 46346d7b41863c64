"""Recall: what a sender withdraws is erased by every recipient's node, which says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.domain.conversation import Decision, Destruction, DestructionOutcome, Recall
from sesn_node.domain.entries import EntryKind, ErasedCode, HoldCode
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.domain.terms import Sought
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.exchange.duties import do_duties
from sesn_node.exchange.erase import erase
from sesn_node.exchange.hold import hold, release
from sesn_node.exchange.open import open_received
from sesn_node.exchange.recall import recall
from sesn_node.exchange.requeue import requeue
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.update import update
from sesn_node.exchange.verify import verify_ledger
from sesn_node.exchange.views import alert_file, alerts
from sesn_node.store.headfile import HeadFile
from tests.support.alerts import CONTAINER, consignment
from tests.support.homes import BE, GH, NL
from tests.support.network import DAY_MS, alert
from tests.support.resend import batch_of, proven_anew
from tests.support.snapshot import unchanged
from tests.support.trips import other_key
from tests.support.view import view
from tests.support.wires import codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Member, Network

_WHY = "Wrong consignment"
_LAW = "Court order 17/2026"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


def _delivered(net: Network, *to: AgencyId) -> MessageId:
    message_id = net.share(NL, *to, payload=consignment())
    for agency in to:
        net.deliver(NL, agency)
    return message_id


def _obeyed(net: Network, *agencies: AgencyId, sender: AgencyId = NL) -> None:
    """Let agencies get what is queued for them, do their duties, and answer."""
    for agency in agencies:
        net.deliver(sender, agency)
        do_duties(net[agency].office)
        net.check()
        net.deliver(agency, sender)


def _answers(member: Member) -> list[tuple[AgencyId, Destruction]]:
    """The destruction receipts that arrived, oldest first."""
    with member.office.store.read() as transaction:
        kind = MessageKind.DESTRUCTION.value
        rows = transaction.browse.newest_received([kind], 100)
    found = []
    for row in sorted(rows, key=lambda row: row.sealed.entry_index):
        body = open_received(member.office, row).body
        assert isinstance(body, Destruction)
        found.append((AgencyId(row.sender), body))
    return found


def _outcomes(member: Member) -> list[tuple[AgencyId, DestructionOutcome]]:
    return [(agency, body.outcome) for agency, body in _answers(member)]


def _verified(net: Network) -> None:
    net.check()
    net.rest()
    for member in net:
        found = verify_ledger(member.office.store, HeadFile(member.home / HEAD_FILE))
        assert {one.name: one.first for one in found.checks if one.failed} == {}


def _problem(member: Member, message_id: MessageId) -> str:
    return alert_file(member.office, message_id).alert.problem


def test_recipients_erase_and_say_so(net: Network) -> None:
    """Each recipient's node erases what was recalled, by itself, and proves it with a receipt."""
    message_id = _delivered(net, GH, BE)
    done = recall(net[NL].office, message_id, _WHY)
    assert (done.messages, done.cancelled, done.untold) == ((message_id,), (), ())
    assert done.told[0].to == (BE, GH)
    _obeyed(net, GH, BE)
    assert _outcomes(net[NL]) == [
        (GH, DestructionOutcome.DESTROYED),
        (BE, DestructionOutcome.DESTROYED),
    ]
    for agency in (GH, BE):
        member = net[agency]
        assert _problem(member, message_id) == "ERASED"
        assert alerts(member.office, 10, Sought(container=CONTAINER)) == ()
        found = [entry.code for _, entry in view(member.office).of_kind(EntryKind.ERASED)]
        assert found == [ErasedCode.RECALLED]
        assert do_duties(member.office).answered == 0
    assert _problem(net[NL], message_id) == ""
    _verified(net)


def test_receipt_says_when_backups_are_gone(net: Network) -> None:
    """The last backup that may hold it goes so many days later, as the settings say."""
    message_id = _delivered(net, GH)
    net[GH].deal(backup_days=9)
    recall(net[NL].office, message_id, _WHY)
    _obeyed(net, GH)
    ((_, answer),) = _answers(net[NL])
    assert answer.backups_expire == answer.at + timedelta(days=9)
    second = _delivered(net, GH)
    net[GH].deal(backup_days=0)
    recall(net[NL].office, second, _WHY)
    _obeyed(net, GH)
    assert _answers(net[NL])[-1][1].backups_expire is None


def test_queued_copies_are_cancelled(net: Network) -> None:
    """What has not left does not leave any more; who may have it is told all the same."""
    message_id = net.share(NL, GH, BE, payload=consignment())
    net.deliver(NL, GH)
    done = recall(net[NL].office, message_id, _WHY)
    assert done.cancelled == ((message_id, BE),)
    copy = net[NL].copies(message_id)[BE]
    assert (copy.state.value, copy.code) == ("dead", "RECALLED")
    with unchanged(net[NL].office), pytest.raises(PolicyError, match="recalled"):
        requeue(net[NL].office, message_id)
    _obeyed(net, GH, BE)
    assert net[BE].received(message_id) == []
    assert _outcomes(net[NL]) == [
        (GH, DestructionOutcome.DESTROYED),
        (BE, DestructionOutcome.NEVER_KEPT),
    ]
    _verified(net)


def test_own_content_is_erased_on_demand(net: Network) -> None:
    """Whoever recalls keeps its own, or erases it in the same transaction."""
    message_id = _delivered(net, GH)
    done = recall(net[NL].office, message_id, _WHY, erase_own=True)
    assert done.erased
    assert _problem(net[NL], message_id) == "ERASED"
    _obeyed(net, GH)
    assert _outcomes(net[NL]) == [(GH, DestructionOutcome.DESTROYED)]
    _verified(net)


@pytest.mark.parametrize("obeyed_first", [False, True])
def test_before_arrival(net: Network, *, obeyed_first: bool) -> None:
    """A recall that overtakes its message leaves a tombstone: nothing is kept when it comes."""
    message_id = net.share(NL, GH, payload=consignment())
    (shipment,) = batch_of(net[NL], net[GH], message_id).shipments
    recall(net[NL].office, message_id, _WHY)
    net.deliver(NL, GH)
    if obeyed_first:
        assert do_duties(net[GH].office).answered == 1
    answer = net[GH].receiver.receive(NL, proven_anew(net[NL], net[GH], shipment))
    assert codes(answer.outcomes) == [None]
    net.check()
    (row,) = net[GH].received(message_id)
    assert (row.sealed.ciphertext, row.sealed.content_key) == (None, None)
    assert _problem(net[GH], message_id) == "ERASED"
    assert alerts(net[GH].office, 10, Sought(container=CONTAINER)) == ()
    do_duties(net[GH].office)
    net.deliver(GH, NL)
    ((_, said),) = _answers(net[NL])
    expected = DestructionOutcome.NEVER_KEPT if obeyed_first else DestructionOutcome.DESTROYED
    assert said.outcome is expected
    _verified(net)


def test_twice(net: Network) -> None:
    """Recalled again, nobody is told twice; a second recall that arrives gets the same receipt."""
    message_id = _delivered(net, GH)
    recall(net[NL].office, message_id, _WHY)
    with unchanged(net[NL].office):
        assert recall(net[NL].office, message_id, _WHY).told == ()
    _obeyed(net, GH)
    net.pass_time(5000)
    _send_recall(net, NL, GH, message_id)
    _obeyed(net, GH)
    (_, first), (_, second) = _answers(net[NL])
    assert first == second
    assert len(list(view(net[GH].office).of_kind(EntryKind.ERASED))) == 1
    _verified(net)


def _send_recall(net: Network, sender: AgencyId, to: AgencyId, message_id: MessageId) -> MessageId:
    """Send a recall of a message, whoever sent it, past the use case."""
    for member in net:
        with member.office.store.read() as transaction:
            found = transaction.outbox.message(message_id)
        if found is not None:
            body = Recall(message_id, found.sealed.header_sha256, _WHY)
            draft = Draft(
                Payload(Markings(Tlp.AMBER), body),
                (to,),
                in_reply_to=message_id,
                conversation_id=MessageId(found.sealed.conversation_id),
            )
            sent = share(net[sender].office, draft)
            net.pass_time(1)
            return sent
    raise AssertionError


@pytest.mark.parametrize("stranger", [BE, GH])
def test_by_a_stranger(net: Network, stranger: AgencyId) -> None:
    """Who did not send a message cannot recall it, not from its sender either; nothing happens."""
    message_id = _delivered(net, GH, BE)
    to = GH if stranger == BE else NL
    forged = _send_recall(net, stranger, to, message_id)
    net.deliver(stranger, to)
    assert net[stranger].states(forged) == {to: "refused"}
    assert net[stranger].copies(forged)[to].code == "POLICY"
    do_duties(net[to].office)
    assert _problem(net[to], message_id) == ""
    assert net[to].received(forged) == []
    with unchanged(net[stranger].office), pytest.raises(PolicyError, match="only its sender"):
        recall(net[stranger].office, message_id, _WHY)
    _verified(net)


def test_by_a_stranger_before_arrival(net: Network) -> None:
    """A stranger's recall of what is not here yet changes nothing: the message comes, and stays."""
    message_id = net.share(NL, GH, payload=consignment())
    _send_recall(net, BE, GH, message_id)
    net.deliver(BE, GH)
    do_duties(net[GH].office)
    net.deliver(NL, GH)
    assert _problem(net[GH], message_id) == ""
    assert do_duties(net[GH].office).obeyed == 0
    _verified(net)


def test_under_hold(net: Network) -> None:
    """A legal hold keeps it, and the sender is told why; released, it is erased, and told again."""
    message_id = _delivered(net, GH)
    assert hold(net[GH].office, message_id, _LAW).changed
    with unchanged(net[GH].office):
        assert not hold(net[GH].office, message_id, "Another reason").changed
    with pytest.raises(PolicyError, match=_LAW):
        erase(net[GH].office, message_id, _WHY)
    recall(net[NL].office, message_id, _WHY)
    _obeyed(net, GH)
    ((_, held),) = _answers(net[NL])
    assert (held.outcome, held.hold) == (DestructionOutcome.HELD, _LAW)
    assert _problem(net[GH], message_id) == ""
    with unchanged(net[GH].office):
        do_duties(net[GH].office)
    release(net[GH].office, message_id)
    _obeyed(net, GH)
    assert _outcomes(net[NL])[1:] == [(GH, DestructionOutcome.DESTROYED)]
    assert _problem(net[GH], message_id) == "ERASED"
    found = [entry.code for _, entry in view(net[GH].office).of_kind(EntryKind.LEGAL_HOLD)]
    assert found == [HoldCode.PLACED, HoldCode.RELEASED]
    with pytest.raises(PolicyError, match="no legal hold"):
        release(net[GH].office, message_id)
    with pytest.raises(PolicyError, match="gone already"):
        hold(net[GH].office, message_id, _LAW)
    _verified(net)


def test_own_hold_keeps_own_content(net: Network) -> None:
    """A hold of the sender's forbids to erase at home; the recall without it goes out."""
    message_id = _delivered(net, GH)
    hold(net[NL].office, message_id, _LAW)
    with unchanged(net[NL].office), pytest.raises(PolicyError, match=_LAW):
        recall(net[NL].office, message_id, _WHY, erase_own=True)
    recall(net[NL].office, message_id, _WHY)
    _obeyed(net, GH)
    assert _outcomes(net[NL]) == [(GH, DestructionOutcome.DESTROYED)]
    _verified(net)


def test_answers_stay(net: Network) -> None:
    """What others said about it is theirs: a decision stays, and can be read."""
    message_id = _delivered(net, GH)
    net.respond(GH, message_id, Decision.ACCEPTED, "We hold it at berth nine.")
    net.deliver(GH, NL)
    recall(net[NL].office, message_id, _WHY)
    _obeyed(net, GH)
    for agency in (NL, GH):
        (response,) = alert_file(net[agency].office, message_id).alert.responses
        assert response.text == "We hold it at berth nine."
    _verified(net)


def test_what_was_sealed_anew_is_recalled_too(net: Network) -> None:
    """A recipient that holds it under another seal is told of that one."""
    message_id = net.share(NL, GH, payload=consignment())
    wire = net.wire(NL, GH)
    wire.tamper_request = other_key
    wire.deliver()
    (requeued,) = requeue(net[NL].office, message_id)
    anew = requeued.resealed_as
    assert anew is not None
    net.deliver(NL, GH)
    done = recall(net[NL].office, message_id, _WHY)
    assert [(one.message_id, one.to) for one in done.told] == [(anew, (GH,))]
    _obeyed(net, GH)
    assert _outcomes(net[NL]) == [(GH, DestructionOutcome.DESTROYED)]
    assert _problem(net[GH], anew) == "ERASED"
    _verified(net)


def test_updates_are_recalled_too(net: Network) -> None:
    """A recall of an alert takes back what was said about it later."""
    message_id = _delivered(net, GH)
    (updated,) = update(net[NL].office, message_id, consignment("MSCU 123456-7")).queued
    net.pass_time(1)
    net.deliver(NL, GH)
    done = recall(net[NL].office, message_id, _WHY)
    assert done.messages == (message_id, updated.message_id)
    _obeyed(net, GH)
    assert _outcomes(net[NL]) == [(GH, DestructionOutcome.DESTROYED)] * 2
    (row,) = net[GH].received(updated.message_id)
    assert row.sealed.ciphertext is None
    with pytest.raises(PolicyError, match="was recalled"):
        update(net[NL].office, message_id, consignment())
    _verified(net)


def test_recipient_that_is_not_trusted_now(net: Network) -> None:
    """It is told by a later call, once it is trusted again."""
    message_id = _delivered(net, GH, BE)
    net.revoke(NL, GH)
    done = recall(net[NL].office, message_id, _WHY)
    assert [agency for agency, _ in done.untold] == [GH]
    assert done.told[0].to == (BE,)
    net.trust(NL, GH)
    again = recall(net[NL].office, message_id, _WHY)
    assert (again.untold, again.told[0].to) == ((), (GH,))
    _obeyed(net, GH, BE)
    assert {agency for agency, _ in _outcomes(net[NL])} == {GH, BE}
    _verified(net)


def test_sender_that_is_revoked_meanwhile(net: Network) -> None:
    """What it recalled when it was trusted is erased; it is told when it is trusted again."""
    message_id = _delivered(net, GH)
    recall(net[NL].office, message_id, _WHY)
    net.deliver(NL, GH)
    net.revoke(GH, NL)
    done = do_duties(net[GH].office)
    assert (done.obeyed, done.answered, done.failed) == (1, 0, 0)
    assert _problem(net[GH], message_id) == "ERASED"
    with unchanged(net[GH].office):
        do_duties(net[GH].office)
    net.trust(GH, NL)
    assert do_duties(net[GH].office).answered == 1
    _verified(net)


def test_already_erased(net: Network) -> None:
    """A recipient that had erased it says when."""
    message_id = _delivered(net, GH)
    erased_ms = erase(net[GH].office, message_id, "Held too long").messages[0].erased_ms
    net.pass_time(DAY_MS)
    recall(net[NL].office, message_id, _WHY)
    _obeyed(net, GH)
    ((_, said),) = _answers(net[NL])
    assert said.outcome is DestructionOutcome.DESTROYED
    assert said.at == datetime.fromtimestamp(erased_ms / 1000, UTC)
    _verified(net)


def test_what_cannot_be_recalled(net: Network) -> None:
    """A recall is no message to take back; a reason is needed, and one line long."""
    message_id = _delivered(net, GH)
    told = recall(net[NL].office, message_id, _WHY).told[0]
    with pytest.raises(PolicyError, match="cannot be recalled"):
        recall(net[NL].office, told.recall_id, _WHY)
    other = _delivered(net, GH)
    for reason in ("", "two\nlines", "x" * 501):
        with unchanged(net[NL].office), pytest.raises(MalformedError, match="reason"):
            recall(net[NL].office, other, reason)


def test_retention_on_both_sides(net: Network) -> None:
    """Past its date, sender and recipient erase what it says, each by itself."""
    until = datetime.fromtimestamp((net.clock.now_ms + 2 * DAY_MS) / 1000, UTC)
    body = alert().body
    message_id = net.share(
        NL, GH, BE, payload=Payload(Markings(Tlp.AMBER, retain_until=until), body)
    )
    for agency in (GH, BE):
        net.deliver(NL, agency)
    hold(net[BE].office, message_id, _LAW)
    net.pass_time(2 * DAY_MS - 1000)
    for member in net:
        assert do_duties(member.office).expired == 0
    net.pass_time(1000)
    for member in net:
        expected = 0 if member.agency == BE else 1
        assert do_duties(member.office).expired == expected
        with unchanged(member.office):
            assert do_duties(member.office).expired == 0
        assert _problem(member, message_id) == ("" if member.agency == BE else "ERASED")
    release(net[BE].office, message_id)
    assert do_duties(net[BE].office).expired == 1
    for member in net:
        found = [entry.code for _, entry in view(member.office).of_kind(EntryKind.ERASED)]
        assert found == [ErasedCode.RETENTION]
    _verified(net)
