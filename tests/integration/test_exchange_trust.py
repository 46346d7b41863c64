"""Trust that changes while messages are on their way: revocation, later cards, card forks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import (
    ConflictError,
    PeerUnavailable,
    PolicyError,
    SesnError,
    VerificationError,
)
from sesn_node.exchange import share as sharing
from sesn_node.exchange.examine import Examiner
from sesn_node.exchange.peers import add_peer, revoke_peer, take_card
from sesn_node.exchange.settle import settle
from tests.support.homes import BE, GH, NL
from tests.support.network import DAY_MS
from tests.support.serving import captured_logs
from tests.support.snapshot import unchanged
from tests.support.wires import codes, due_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.domain.batches import BadShipment, Shipment
    from sesn_node.exchange.examine import Examined
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.share import Draft, Sealed
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.directory import Directory
    from tests.support.network import Network


def test_pinning_again_changes_nothing(connect: Callable[..., Network]) -> None:
    """The card that is held already is taken without an entry."""
    net = connect(NL, GH)
    with unchanged(net[NL].office):
        net.trust(NL, GH)


def test_wrong_fingerprint(connect: Callable[..., Network]) -> None:
    """A card whose fingerprint is not the one that was compared is not pinned."""
    net = connect(NL, GH, pinned=False)
    card = net[GH].card
    with unchanged(net[NL].office), pytest.raises(VerificationError) as error:
        add_peer(net[NL].office, card.sealed, fingerprint=bytes(32))
    assert error.value.code == "FINGERPRINT_MISMATCH"


def test_strangers_exchange_nothing(connect: Callable[..., Network]) -> None:
    """Without a pinned card nothing is sealed, and whoever calls is not admitted."""
    net = connect(NL, GH, pinned=False)
    with pytest.raises(PolicyError) as error:
        net.share(NL, GH)
    assert error.value.code == "NOT_TRUSTED"
    net.trust(NL, GH)
    message_id = net.share(NL, GH)
    with pytest.raises(PeerUnavailable):
        net.wire(NL, GH).connect()
    net.trust(GH, NL)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_revoked_recipient(connect: Callable[..., Network]) -> None:
    """What is queued for a revoked agency ends as undelivered; others still get theirs."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH, BE)
    assert net.revoke(NL, GH) == 1
    copy = net[NL].copies(message_id)[GH]
    assert (copy.state, copy.code) == ("dead", "PEER_REVOKED")
    with pytest.raises(PolicyError):
        due_batch(net[NL].office, GH)
    with pytest.raises(PolicyError):
        net.share(NL, GH)
    with pytest.raises(ConflictError):
        net.revoke(NL, GH)
    net.deliver(NL, BE)
    assert net[NL].states(message_id) == {GH: "dead", BE: "acknowledged"}


def test_revoked_sender(connect: Callable[..., Network]) -> None:
    """A revoked sender is not admitted; its message waits, and arrives once it is trusted again."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net.revoke(GH, NL)
    wire = net.wire(NL, GH)
    with pytest.raises(PeerUnavailable):
        wire.connect()
    assert net[NL].states(message_id) == {GH: "queued"}
    net.trust(GH, NL)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_revoked_between_batch_and_receipt(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch from an agency that was revoked while it was on its way is refused whole."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    net.revoke(GH, NL)
    logs = captured_logs(monkeypatch)
    with unchanged(net[GH].office):
        answer = wire.carry(outgoing.batch)
    assert codes(answer.outcomes) == [RefusalCode.NOT_TRUSTED]
    (told,) = logs
    assert (told["event"], told["peer"], told["code"]) == ("batch-refused", NL, "NOT_TRUSTED")
    wire.settle(outgoing, answer)
    assert net[NL].states(message_id) == {GH: "queued"}
    net.trust(GH, NL)
    net.pass_time(DAY_MS)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_revoked_between_examination_and_commit(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction compares the directory again: an examined batch is refused after all."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    examine = Examiner.examine

    def examine_then_revoke(
        self: Examiner, transaction: Transaction, shipments: Sequence[Shipment | BadShipment]
    ) -> list[Examined]:
        examined = examine(self, transaction, shipments)
        monkeypatch.undo()
        revoke_peer(net[GH].office, NL)
        return examined

    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    monkeypatch.setattr(Examiner, "examine", examine_then_revoke)
    answer = wire.carry(outgoing.batch)
    assert codes(answer.outcomes) == [RefusalCode.NOT_TRUSTED]
    assert net[GH].received(message_id) == []


def test_card_taken_between_examination_and_commit(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of trust that does not concern the sender only costs a second examination."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH)
    later = net[BE].issue()
    net.check()
    examine = Examiner.examine

    def examine_then_take(
        self: Examiner, transaction: Transaction, shipments: Sequence[Shipment | BadShipment]
    ) -> list[Examined]:
        examined = examine(self, transaction, shipments)
        monkeypatch.undo()
        assert take_card(net[GH].office, BE, later.sealed)
        return examined

    monkeypatch.setattr(Examiner, "examine", examine_then_take)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_revoked_between_receipt_and_settling(connect: Callable[..., Network]) -> None:
    """Nothing of an agency that was just revoked is recorded, its receipts neither."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    net.revoke(NL, GH)
    with unchanged(net[NL].office), pytest.raises(PolicyError) as error:
        settle(net[NL].office, GH, outgoing, answer)
    assert error.value.code == "NOT_TRUSTED"
    assert net[NL].states(message_id) == {GH: "dead"}
    net.trust(NL, GH)
    wire.settle(outgoing, answer)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_revoked_between_sealing_and_recording(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that was sealed to an agency is not recorded once that agency is revoked."""
    net = connect(NL, GH, BE)
    seal_draft = sharing.seal_draft

    def seal_then_revoke(office: Office, draft: Draft, directory: Directory) -> Sealed:
        sealed = seal_draft(office, draft, directory)
        monkeypatch.undo()
        revoke_peer(office, GH)
        return sealed

    monkeypatch.setattr(sharing, "seal_draft", seal_then_revoke)
    with pytest.raises(PolicyError):
        net.share(NL, GH, BE)
    net.check()
    with net[NL].office.store.read() as transaction:
        assert transaction.copies.every() == []


def test_later_card_is_taken_by_itself(connect: Callable[..., Network]) -> None:
    """A greater sequence under the same root is taken when a link opens, and is logged."""
    net = connect(NL, GH)
    later = net[NL].issue(name="Customs of the Netherlands")
    net.deliver(NL, GH)
    peer = net[GH].office.directory().peer(NL)
    assert peer.card.sha256 == later.sha256
    with unchanged(net[GH].office):
        assert not take_card(net[GH].office, NL, later.sealed)


def test_card_that_skips_sequences(connect: Callable[..., Network]) -> None:
    """A node that was away takes the newest card at once."""
    net = connect(NL, GH)
    later = net[NL].later_card(skip=5)
    assert take_card(net[GH].office, NL, later.sealed)
    net.check()


def test_older_card(connect: Callable[..., Network]) -> None:
    """A card before the one held is refused: it could bring a withdrawn key back."""
    net = connect(NL, GH)
    first = net[NL].card
    net[NL].issue()
    net.deliver(NL, GH)
    with unchanged(net[GH].office), pytest.raises(VerificationError) as error:
        take_card(net[GH].office, NL, first.sealed)
    assert error.value.code == "CARD_STALE"


def test_card_fork(connect: Callable[..., Network]) -> None:
    """Two cards of one sequence prove a fork; the one that was taken first stays."""
    net = connect(NL, GH)
    fork = net[NL].later_card(name="Another Customs")
    net[NL].issue()
    net.deliver(NL, GH)
    with unchanged(net[GH].office), pytest.raises(VerificationError) as error:
        take_card(net[GH].office, NL, fork.sealed)
    assert error.value.code == "CARD_FORK"


def test_foreign_card(connect: Callable[..., Network]) -> None:
    """A partner that shows another agency's card is refused."""
    net = connect(NL, GH, BE)
    card = net[BE].issue()
    with unchanged(net[GH].office), pytest.raises(VerificationError) as error:
        take_card(net[GH].office, NL, card.sealed)
    assert error.value.code == "FOREIGN_CARD"


def test_own_card_shown_to_ourselves(connect: Callable[..., Network]) -> None:
    """Our own agency cannot be a partner."""
    net = connect(NL, GH)
    card = net[NL].card
    with unchanged(net[NL].office), pytest.raises(PolicyError) as error:
        add_peer(net[NL].office, card.sealed, fingerprint=card.fingerprint)
    assert error.value.code == "OWN_CARD"


def test_card_of_revoked_agency(connect: Callable[..., Network]) -> None:
    """A revoked agency's later card is not taken by itself."""
    net = connect(NL, GH)
    later = net[NL].issue()
    net.revoke(GH, NL)
    with unchanged(net[GH].office), pytest.raises(PolicyError) as error:
        take_card(net[GH].office, NL, later.sealed)
    assert error.value.code == "NOT_TRUSTED"


def test_expired_card(connect: Callable[..., Network]) -> None:
    """Nobody is sent to, nor accepted from, under a card that has expired."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH, expires_ms=net.clock.now_ms + 300 * DAY_MS)
    wire = net.wire(NL, GH)
    wire.connect()
    outgoing = wire.prepare()
    last_ms = max(net[agency].card.card.expires_ms for agency in (NL, GH))
    net[GH].skew_ms = last_ms - net.clock.now_ms
    answer = wire.carry(outgoing.batch)
    assert codes(answer.outcomes) == [RefusalCode.NOT_TRUSTED]
    net[NL].skew_ms = net[GH].skew_ms
    for attempt in (_prepare, _share):
        with pytest.raises(SesnError) as error:
            attempt(net)
        assert error.value.code == "NOT_TRUSTED"
    assert net[NL].states(message_id) == {GH: "queued"}


def _prepare(net: Network) -> None:
    due_batch(net[NL].office, GH)


def _share(net: Network) -> None:
    net.share(NL, GH)
