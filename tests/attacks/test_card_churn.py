"""A partner that shows ever later cards, each of them valid: what it may cost others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import ROOT_KEY
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.batches import ProvenEntry
from sesn_node.errors import PolicyError, VerificationError
from sesn_node.exchange import settle as settling
from sesn_node.exchange import share as sharing
from sesn_node.exchange.answers import verify_answer
from sesn_node.exchange.examine import Examiner
from sesn_node.exchange.limiter import CARDS, Limiter
from sesn_node.exchange.peers import TOO_MANY_CARDS, take_card, take_shown_card
from sesn_node.trust.card import issue_card, open_card
from tests.support.homes import BE, GH, NL, PASSPHRASE
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sesn_node.domain.batches import BadShipment, Shipment
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.examine import Examined
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.share import Draft, Sealed
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Directory
    from tests.support.network import Member, Network


def _cards(member: Member) -> Iterator[TrustedCard]:
    """Have an agency's root seal card after card; its own node records none of them."""
    ring = decrypt_keyring((member.home / ROOT_KEY).read_bytes(), PASSPHRASE)
    root = signer_for(ring.newest(KeyKind.ROOT, member.now_ms()))
    card = member.card
    while True:
        body = replace(card.card, sequence=card.card.sequence + 1, previous_sha256=card.sha256)
        card = open_card(issue_card(body, root), member.now_ms())
        yield card


def _unlimited(member: Member) -> None:
    """Let a node take every card, to see what a single one costs."""
    limiter = Limiter(replace(CARDS, burst=10**6))
    member.office = replace(member.office, card_limiter=limiter)
    member.receiver = type(member.receiver)(member.office)


def test_card_churn_floods_the_ledger(connect: Callable[..., Network]) -> None:
    """However many cards a partner shows, a bounded number is taken; time earns it new ones."""
    net = connect(NL, GH)
    office = net[NL].office
    cards = _cards(net[GH])
    size = net[NL].size()
    for _ in range(CARDS.burst):
        assert take_card(office, GH, next(cards).sealed)
    held = office.directory().peer(GH).card
    for _ in range(CARDS.burst):
        with unchanged(office), pytest.raises(PolicyError) as error:
            take_card(office, GH, next(cards).sealed)
        assert error.value.code == TOO_MANY_CARDS
    assert not take_card(office, GH, held.sealed)
    assert net[NL].size() == size + CARDS.burst
    net.pass_time(CARDS.token_ms)
    assert take_card(office, GH, next(cards).sealed)
    net.check()


def test_card_churn_does_not_use_up_the_cards_of_others(connect: Callable[..., Network]) -> None:
    """While one partner's cards are refused, another's is taken."""
    net = connect(NL, GH, BE)
    cards = _cards(net[GH])
    for _ in range(CARDS.burst + 1):
        take_shown_card(net[NL].office, GH, next(cards).sealed)
    assert take_card(net[NL].office, BE, net[BE].issue().sealed)
    net.check()


def test_link_goes_on_with_the_known_card(connect: Callable[..., Network]) -> None:
    """A card that is not taken for now does not keep messages back."""
    net = connect(NL, GH)
    cards = _cards(net[GH])
    for _ in range(CARDS.burst):
        take_shown_card(net[NL].office, GH, next(cards).sealed)
    last = net[NL].office.directory().peer(GH).card
    with unchanged(net[NL].office):
        take_shown_card(net[NL].office, GH, next(cards).sealed)
    assert net[NL].office.directory().trusted(GH, net[NL].now_ms()).card.sha256 == last.sha256


def test_bad_cards_use_up_nothing(connect: Callable[..., Network]) -> None:
    """A card that is refused anyway writes nothing, and keeps no good card out."""
    net = connect(NL, GH)
    cards = _cards(net[GH])
    first = net[GH].card
    assert take_card(net[NL].office, GH, next(cards).sealed)
    for _ in range(2 * CARDS.burst):
        with pytest.raises(VerificationError):
            take_card(net[NL].office, GH, first.sealed)
    assert take_card(net[NL].office, GH, next(cards).sealed)
    net.check()


def test_card_churn_starves_a_receipt(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partner's card at the worst moment of every batch does not make others' batches busy."""
    net = connect(NL, GH, BE)
    _unlimited(net[NL])
    message_id = net.share(BE, NL)
    cards = _cards(net[GH])
    examine = Examiner.examine
    examinations = []

    def examine_then_take(
        self: Examiner, transaction: Transaction, shipments: Sequence[Shipment | BadShipment]
    ) -> list[Examined]:
        examined = examine(self, transaction, shipments)
        examinations.append(len(examined))
        assert take_card(net[NL].office, GH, next(cards).sealed)
        return examined

    wire = net.wire(BE, NL)
    wire.connect()
    outgoing = wire.prepare()
    monkeypatch.setattr(Examiner, "examine", examine_then_take)
    answer = wire.carry(outgoing.batch)
    assert [type(one) for one in answer.outcomes] == [ProvenEntry]
    assert examinations == [1]
    wire.settle(outgoing, answer)
    assert net[BE].states(message_id) == {NL: "acknowledged"}


def test_card_churn_starves_a_settlement(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it make a node verify others' answers again and again."""
    net = connect(NL, GH, BE)
    _unlimited(net[NL])
    message_id = net.share(NL, BE)
    cards = _cards(net[GH])
    verify = verify_answer
    verified = []

    def verify_then_take(*args: object, **more: object) -> object:
        proven = verify(*args, **more)  # type: ignore[arg-type]  # passed on as they came
        verified.append(proven)
        assert take_card(net[NL].office, GH, next(cards).sealed)
        return proven

    # The moment between reading and recording.
    monkeypatch.setattr(settling, "verify_answer", verify_then_take)
    net.deliver(NL, BE)
    assert net[NL].states(message_id) == {BE: "acknowledged"}
    assert len(verified) == 1


@pytest.mark.parametrize(("to", "sealings"), [(BE, 1), (GH, 2)], ids=["others", "itself"])
def test_card_churn_starves_a_sharing(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch, to: AgencyId, sealings: int
) -> None:
    """Only what is sealed to the agency whose card changed is sealed anew."""
    net = connect(NL, GH, BE)
    cards = _cards(net[GH])
    seal_draft = sharing.seal_draft
    sealed = []

    def seal_then_take(office: Office, draft: Draft, directory: Directory) -> Sealed:
        done = seal_draft(office, draft, directory)
        sealed.append(done)
        if len(sealed) == 1:
            assert take_card(office, GH, next(cards).sealed)
        return done

    monkeypatch.setattr(sharing, "seal_draft", seal_then_take)
    net.share(NL, to)
    assert len(sealed) == sealings


def test_card_churn_fills_the_memory(connect: Callable[..., Network]) -> None:
    """A node keeps the opened cards that are in use, and no others."""
    net = connect(NL, GH)
    _unlimited(net[NL])
    office = net[NL].office
    cards = _cards(net[GH])
    for _ in range(8):
        assert take_card(office, GH, next(cards).sealed)
        office.directory()
    kept = office.partners._cards  # noqa: SLF001 - what is to stay small
    assert set(kept) == {net[NL].card.sealed, office.directory().peer(GH).card.sealed}
