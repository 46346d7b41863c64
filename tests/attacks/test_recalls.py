"""Recalls, dates and replies of a hostile partner: what they must not take away, or hold up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto.primitives import random_bytes, sha256
from sesn_node.domain.conversation import Consent, Recall
from sesn_node.domain.ids import MessageId, new_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange import duties
from sesn_node.exchange.duties import do_duties
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.hold import hold, release
from sesn_node.exchange.open import open_received
from sesn_node.exchange.reach import reach
from sesn_node.exchange.recall import recall
from sesn_node.exchange.views import alert_file
from sesn_node.store.erasures import ErasureTable
from tests.support.homes import BE, GH, NL
from tests.support.passing import marked
from tests.support.puppet import Puppet
from tests.support.wires import codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network
    from tests.support.puppet import Letter

_MARKS = Markings(Tlp.AMBER)


def _post(net: Network, puppet: Puppet, *letters: Letter) -> list[RefusalCode | None]:
    """Let the hostile node send letters to Ghana in one batch; say what Ghana refused."""
    ghana = net[GH]
    batch = puppet.batch(*letters, old=puppet.known_to(ghana))
    return codes(ghana.receiver.receive(puppet.agency, batch).outcomes)


def _consent(net: Network, puppet: Puppet, about: Letter) -> Letter:
    body = Consent(
        message_id=about.message_id, header_sha256=sha256(about.header_bytes), onward=(BE,)
    )
    return puppet.letter(net[GH].card, payload=Payload(_MARKS, body), in_reply_to=about.message_id)


def _recall(net: Network, puppet: Puppet, about: Letter) -> Letter:
    return _recall_of(net, puppet, about.message_id, sha256(about.header_bytes))


def _recall_of(net: Network, puppet: Puppet, message_id: MessageId, header_sha256: bytes) -> Letter:
    body = Recall(message_id, header_sha256, "Sent by mistake")
    return puppet.letter(net[GH].card, payload=Payload(_MARKS, body), in_reply_to=message_id)


def test_alerts_that_answer_ours(connect: Callable[..., Network]) -> None:
    """Whoever lists our alerts with the decisions on them does not have to load those."""
    net = connect(NL, GH)
    message_id = net.share(GH, NL)
    puppet = Puppet(net[NL])
    net.unchecked.add(NL)
    letter = puppet.letter(net[GH].card, in_reply_to=message_id)
    assert _post(net, puppet, letter) == [None]
    with net[GH].office.store.read() as transaction:
        replies = transaction.inbox.replies
        assert [row.message_id for row in replies([message_id])] == [letter.message_id]
        assert replies([message_id], MessageKind.RESPONSE.value) == []
    assert reach(net[GH].office, message_id).recipients[0].decision is None


@pytest.mark.parametrize("recall_first", [True, False])
def test_consent_and_its_recall_in_one_batch(
    connect: Callable[..., Network], *, recall_first: bool
) -> None:
    """A consent proves that we were let pass something on; its author cannot take it away.

    Neither is here when the other is examined.
    """
    net = connect(NL, GH)
    puppet = Puppet(net[NL])
    net.unchecked.add(NL)
    alert = puppet.letter(net[GH].card)
    assert _post(net, puppet, alert) == [None]
    consent = _consent(net, puppet, alert)
    both = [consent, _recall(net, puppet, consent)]
    if recall_first:
        both.reverse()
    assert _post(net, puppet, *both) == [None, RefusalCode.POLICY]
    do_duties(net[GH].office)
    with net[GH].office.store.read() as transaction:
        rows = transaction.inbox.some([(one.fields.sender, one.message_id) for one in both])
    (row,) = rows
    expected = MessageKind.RECALL if recall_first else MessageKind.CONSENT
    assert open_received(net[GH].office, row).kind is expected
    # Sent again, they are decided as before.
    assert _post(net, puppet, *both) == [None, RefusalCode.POLICY]
    net.check()


def test_recalls_that_cannot_be_answered(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no reason to keep what others have recalled."""
    monkeypatch.setattr(duties, "_AT_ONCE", 4)
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    puppet = Puppet(net[BE])
    net.unchecked.add(BE)
    never = (new_message_id(puppet.now_ms(), random_bytes(10)) for _ in range(12))
    letters = [_recall_of(net, puppet, one, random_bytes(32)) for one in never]
    assert _post(net, puppet, *letters) == [None] * len(letters)
    net.revoke(GH, BE)
    recall(net[NL].office, message_id, "Wrong consignment")
    net.deliver(NL, GH)
    assert do_duties(net[GH].office).answered == 1
    assert alert_file(net[GH].office, message_id).alert.problem == "ERASED"
    for _ in range(4):
        do_duties(net[GH].office)
    with net[GH].office.store.read() as transaction:
        assert all(row.outcome for row in transaction.recalls.every())
    net.check()


def test_obeying_looks_through_no_conversation(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recalls of many messages in one conversation cost as much as those of single messages."""
    net = connect(NL, GH)
    puppet = Puppet(net[NL])
    net.unchecked.add(NL)
    first = puppet.letter(net[GH].card)
    of_first = {"conversation_id": first.message_id, "in_reply_to": first.message_id}
    letters = [first, *(puppet.letter(net[GH].card, **of_first) for _ in range(3))]
    assert _post(net, puppet, *letters) == [None] * 4
    assert _post(net, puppet, *(_recall(net, puppet, one) for one in letters)) == [None] * 4
    monkeypatch.delattr(ErasureTable, "related")
    assert do_duties(net[GH].office).answered == 4
    net.check()


@pytest.mark.parametrize(("seconds", "refused"), [(0, RefusalCode.POLICY), (1, None)])
def test_date_that_has_passed(
    connect: Callable[..., Network], seconds: int, refused: RefusalCode | None
) -> None:
    """Who sends what must be gone already, would get a receipt for what nobody can have read."""
    net = connect(NL, GH)
    puppet = Puppet(net[NL])
    net.unchecked.add(NL)
    until = datetime.fromtimestamp(puppet.now_ms() / 1000, UTC) + timedelta(seconds=seconds)
    payload = marked(Markings(Tlp.AMBER, retain_until=until))
    letter = puppet.letter(net[GH].card, payload=payload)
    assert _post(net, puppet, letter) == [refused]
    net.check()


@pytest.mark.parametrize("obeyed_first", [True, False])
def test_forwarder_that_ignores_the_recall(
    connect: Callable[..., Network], *, obeyed_first: bool
) -> None:
    """What came through it goes as well, and comes through nobody any more: so says our receipt."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE, payload=marked(Markings(Tlp.AMBER, onward=("*",))))
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    first = forward(net[BE].office, message_id, [GH]).message_id
    net.pass_time(1)
    if not obeyed_first:
        net.deliver(BE, GH)
    recall(net[NL].office, message_id, "Wrong consignment")
    net.deliver(NL, GH)
    assert do_duties(net[GH].office).answered == 1
    if obeyed_first:
        net.deliver(BE, GH)
    else:
        assert alert_file(net[GH].office, first).alert.problem == "ERASED"
    with net[GH].office.store.read() as transaction:
        rows = transaction.inbox.find(first)
    assert [row.sealed.ciphertext for row in rows] == ([] if obeyed_first else [None])
    net.check()


def test_hold_on_a_forward_of_what_was_recalled(connect: Callable[..., Network]) -> None:
    """Nothing is said to be gone that is held."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE, payload=marked(Markings(Tlp.AMBER, onward=("*",))))
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    through = forward(net[BE].office, message_id, [GH]).message_id
    net.pass_time(1)
    net.deliver(BE, GH)
    hold(net[GH].office, through, "Court order 17/2026")
    recall(net[NL].office, message_id, "Wrong consignment")
    net.deliver(NL, GH)
    assert do_duties(net[GH].office).answered == 1
    assert alert_file(net[GH].office, message_id).alert.problem == ""
    release(net[GH].office, through)
    assert do_duties(net[GH].office).answered == 1
    assert alert_file(net[GH].office, through).alert.problem == "ERASED"
    net.check()
